//! What we are compared with: DuckDB on the same files, and `zgrep` with `jq` on a packed log.

use super::{Question, timed};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python with DuckDB from PyPI, and the state that it reads.
pub struct Duck {
    python: PathBuf,
    state: PathBuf,
}

/// `n` times, printing the milliseconds of each; 0: once, printing the rows. Rows leave as CSV by
/// DuckDB itself: as objects of Python they would cost more than the question.
const SCRIPT: &str = r#"
import duckdb, sys, time
state, statement, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
duck = duckdb.connect()
duck.execute("SET TimeZone = 'UTC'")
for view, folder in [("events", "history"), ("operations_daily", "rollup")]:
    duck.execute(f"create view {view} as select * from read_parquet('{state}/{folder}/date=*/*.parquet', hive_partitioning = false)")
if n == 0:
    duck.execute(f"copy ({statement}) to '/dev/stdout' (format csv, header false)")
for _ in range(n):
    begin = time.perf_counter()
    duck.execute(f"copy ({statement}) to '/dev/null' (format csv)")
    print((time.perf_counter() - begin) * 1e3)
"#;

impl Duck {
    /// The Python of the tests in `tests/query.rs`, or one that is installed now.
    pub fn find(state: &Path) -> Option<Duck> {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readers/duckdb-pyarrow");
        let python = home.join("bin/python");
        let imports = || {
            Command::new(&python)
                .args(["-c", "import duckdb"])
                .output()
                .is_ok_and(|o| o.status.success())
        };
        if !imports() {
            let _ = Command::new("python3")
                .args(["-m", "venv"])
                .arg(&home)
                .output();
            let _ = Command::new(&python)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "-q",
                    "duckdb==2.0.1",
                    "pyarrow==26.0.1",
                ])
                .output();
        }
        if imports() {
            return Some(Duck {
                python,
                state: state.to_owned(),
            });
        }
        println!(
            "DuckDB is skipped: it cannot be installed from PyPI here (python3 with venv and pip)"
        );
        None
    }

    pub fn process(&self, statement: &str) -> Command {
        self.run(statement, 0)
    }

    /// The median in a process and a connection that have asked the same before.
    pub fn warm(&self, statement: &str, rounds: usize) -> f64 {
        let output = self.run(statement, rounds + 1).output().expect("Python");
        assert!(
            output.status.success(),
            "{statement}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        super::median(
            text.lines()
                .skip(1)
                .filter_map(|line| line.parse().ok())
                .collect(),
        )
    }

    fn run(&self, statement: &str, n: usize) -> Command {
        let mut command = Command::new(&self.python);
        command
            .args(["-c", SCRIPT])
            .arg(&self.state)
            .args([statement, &n.to_string()]);
        command
    }
}

/// The log as kube-apiserver's rotation leaves it.
pub fn pack(dir: &Path, log: &Path) -> PathBuf {
    let packed = dir.join("log.gz");
    if !packed.exists() {
        let out = std::fs::File::create(&packed).expect("room");
        let done = Command::new("gzip")
            .arg("-c")
            .arg(log)
            .stdout(out)
            .status()
            .expect("gzip");
        assert!(done.success());
    }
    packed
}

/// Milliseconds of `zgrep` and `jq` over the packed log.
pub fn by_hand(packed: &Path, question: &Question) -> f64 {
    let find = match question.grep.as_str() {
        "" => "zcat \"$1\"".to_owned(),
        _ => "zgrep -E -- \"$2\" \"$1\"".to_owned(),
    };
    let line = format!("{find} | jq -rc \"$3\" | sort | uniq -c");
    let mut command = Command::new("sh");
    command
        .args(["-c", &line, "sh"])
        .arg(packed)
        .args([&question.grep, &question.jq]);
    timed(&mut command).0
}
