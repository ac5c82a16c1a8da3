//! The programs of upstream Kubernetes, and how one of them runs.
//!
//! Refuses to download anything but through `go`, and to leave a process behind.

use crate::skipped;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Far more than anything here takes; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of a program that are kept for a failure.
const LAST_WORDS: usize = 40;

/// The directory of the programs, built where they are not yet; a printed reason and `None` where
/// they cannot be had.
pub fn programs() -> Option<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/upstream/build.sh");
        let out = Command::new(script)
            .stderr(Stdio::piped())
            .output()
            .map_err(|e| e.to_string())?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if out.status.success() {
            Ok(said(&out.stdout).into())
        } else {
            Err(said(&out.stderr))
        }
    });
    match built {
        Ok(directory) => Some(directory),
        Err(why) => {
            skipped::because(&format!(
                "kube-apiserver cannot be built here: {}",
                why.lines().last().unwrap_or("")
            ));
            None
        }
    }
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A running program, which ends with this value.
pub struct Program {
    name: String,
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Program {
    pub fn start(name: &str, arguments: &[String]) -> Program {
        let path = programs().expect("the programs are there").join(name);
        let mut child = Command::new(path)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (lines, kept) = (
            BufReader::new(child.stderr.take().unwrap()).lines(),
            said.clone(),
        );
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                if kept.len() >= LAST_WORDS {
                    kept.remove(0);
                }
                kept.push(line);
            }
        });
        Program {
            name: name.to_owned(),
            child,
            said,
        }
    }

    /// Waits until something holds of it.
    pub fn wait(&mut self, what: &str, mut done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !done() {
            let ended = self.child.try_wait().unwrap();
            let failed = ended.is_some() || begun.elapsed() > PATIENCE;
            assert!(
                !failed,
                "{}: {what} ({ended:?})\n{}",
                self.name,
                self.said.lock().unwrap().join("\n")
            );
            std::thread::yield_now();
        }
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits for that: a kube-apiserver sends what it has buffered before.
    pub fn terminate(&mut self) {
        assert!(
            Command::new("kill")
                .args(["-TERM", &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "{} did not end", self.name);
            std::thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
