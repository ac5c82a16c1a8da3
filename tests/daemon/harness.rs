//! Starts, watches and kills the binary; writes its log as a kube-apiserver would.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_tokentrail");
/// Far more than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bundled log.
pub fn sample() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample/audit.log.zst");
    zstd::decode_all(File::open(path).unwrap()).unwrap()
}

pub struct Home {
    dir: tempfile::TempDir,
    state: PathBuf,
}

impl Home {
    pub fn new() -> Home {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        Home { dir, state }
    }

    pub fn with_state(state: PathBuf) -> Home {
        Home {
            state,
            ..Home::new()
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn log(&self) -> PathBuf {
        self.path("audit.log")
    }

    pub fn state(&self) -> PathBuf {
        self.state.clone()
    }

    pub fn incidents(&self) -> PathBuf {
        self.path("incidents.jsonl")
    }

    /// The answer to a statement, as JSON lines.
    pub fn query(&self, statement: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokentrail"));
        let output = command
            .args(["query", "-o", "json", statement, "--state"])
            .arg(self.state())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `verify` says.
    pub fn verify(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokentrail"));
        String::from_utf8(
            command
                .args(["verify", "--state"])
                .arg(self.state())
                .output()
                .unwrap()
                .stdout,
        )
        .unwrap()
    }

    pub fn write_log(&self, bytes: &[u8]) {
        fs::write(self.log(), bytes).unwrap();
    }

    pub fn append(&self, bytes: &[u8]) {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }

    /// Renames as kube-apiserver does, and compresses where asked.
    pub fn rotate(&self, round: usize, compress: bool) {
        let name = self.path(&format!("audit-2026-03-{:02}T10-00-00.000.log", round + 1));
        fs::rename(self.log(), &name).unwrap();
        if compress {
            let packed = self.path(&format!(
                "audit-2026-03-{:02}T10-00-00.000.log.gz",
                round + 1
            ));
            let mut out = flate2::write::GzEncoder::new(
                File::create(packed).unwrap(),
                flate2::Compression::fast(),
            );
            out.write_all(&fs::read(&name).unwrap()).unwrap();
            out.finish().unwrap();
            fs::remove_file(name).unwrap();
        }
    }
}

/// A file system so small that a test can fill it.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this is not permitted.
    pub fn mount(bytes: u64) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .output();
        mount
            .is_ok_and(|out| out.status.success())
            .then_some(SmallDisk(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room there is.
    pub fn fill(&self) {
        let mut ballast = File::create(self.path().join("ballast")).unwrap();
        while ballast.write_all(&[0; 512]).is_ok() {}
    }

    pub fn free(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

pub struct Replayed {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub fn replay(logs: &[PathBuf], more: &[&str]) -> Replayed {
    let out = Command::new(BINARY)
        .arg("replay")
        .args(logs)
        .args(["-o", "json"])
        .args(more)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Replayed {
        code: out.status.code().unwrap_or(-1),
        stdout: text(out.stdout),
        stderr: text(out.stderr),
    }
}

pub fn incidents_of(lines: &str) -> Vec<serde_json::Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The last line of each id.
pub fn last_revisions(path: &Path) -> Vec<serde_json::Value> {
    let mut last = std::collections::BTreeMap::new();
    for incident in incidents_of(&fs::read_to_string(path).unwrap()) {
        last.insert(incident["id"].to_string(), incident);
    }
    last.into_values().collect()
}

pub struct Daemon {
    child: Child,
    pub address: String,
}

impl Daemon {
    pub fn start(home: &Home) -> Daemon {
        Daemon::start_with(home, &[])
    }

    pub fn start_with(home: &Home, more: &[&str]) -> Daemon {
        let log = home.log();
        let log = ["--audit-log", log.to_str().unwrap()];
        Daemon::spawn(home, &[&log[..], more].concat())
    }

    /// Starts without a log to follow: settings among the arguments name what it reads.
    pub fn spawn(home: &Home, more: &[&str]) -> Daemon {
        let mut child = Command::new(BINARY)
            .arg("run")
            .arg("--state")
            .arg(home.state())
            .arg("--incidents")
            .arg(home.incidents())
            .args(["--listen", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the daemon ended at once").unwrap();
            if let Some((_, address)) = line.split_once("on http://") {
                break address.trim().to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Daemon { child, address }
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (code, answer)
    }

    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").1;
        let value = |line: &str| line.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok());
        let lines = text.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        lines.filter_map(value).sum()
    }

    pub fn wait(&mut self, what: &str, mut done: impl FnMut(&Daemon) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "waited too long: {what}");
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "the daemon ended: {what}"
            );
            std::thread::yield_now();
        }
    }

    pub fn wait_for_bytes(&mut self, bytes: u64) {
        self.wait("all bytes read", |d| {
            d.metric("tokentrail_bytes_read_total") >= bytes as f64
        });
    }

    /// Passes the time with so many requests: some are answered while a commit is made.
    pub fn ask(&mut self, times: usize) {
        (0..times).for_each(|_| drop(self.get("/livez")));
    }

    pub fn wait_for_any_commit(&mut self) {
        self.wait("a commit", |d| {
            d.metric("tokentrail_commit_duration_seconds_count") >= 1.0
        });
    }

    pub fn wait_until_caught_up(&mut self) {
        self.wait("ready", |d| d.get("/readyz").0 == 200);
    }

    pub fn wait_for_metric(&mut self, name: &str, value: f64) {
        self.wait(name, |d| d.metric(name) == value);
    }

    pub fn wait_until_not_ready(&mut self) {
        self.wait("not ready", |d| d.get("/readyz").0 == 500);
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn hang_up(&self) {
        assert!(
            Command::new("kill")
                .args(["-HUP", &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    /// SIGTERM; true if it ended within five seconds and well.
    pub fn terminate(&mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            std::thread::yield_now();
        }
        self.kill();
        panic!("did not end within five seconds of SIGTERM");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
