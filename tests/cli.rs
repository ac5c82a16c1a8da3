//! What people type, and what they are told: usage, exit codes, answers that are empty or cut.
//!
//! Refuses to know how it is done: every test runs the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

const BINARY: &str = env!("CARGO_BIN_EXE_tokentrail");
const SAMPLE: &str = "tests/fixtures/sample/audit.log.zst";

struct World {
    dir: tempfile::TempDir,
    state: PathBuf,
}

/// The bundled sample, replayed into a state directory, and an export of it.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let replayed = Command::new(BINARY)
        .args(["replay", SAMPLE, "--state"])
        .arg(&state)
        .output()
        .unwrap();
    assert!(replayed.status.success(), "{}", said(&replayed));
    let exported = Command::new(BINARY)
        .args(["export", "--out", "export", "--state"])
        .arg(&state)
        .current_dir(&dir)
        .output();
    assert!(
        exported.as_ref().unwrap().status.success(),
        "{}",
        said(&exported.unwrap())
    );
    World { dir, state }
});

fn run(args: &[&str]) -> Output {
    Command::new(BINARY).args(args).output().unwrap()
}

fn asked(args: &[&str]) -> Output {
    Command::new(BINARY)
        .args(args)
        .arg("--state")
        .arg(&WORLD.state)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn wrong_usage_is_an_error_and_not_a_finding() {
    assert_eq!(code(&run(&["replay", "--no-such-option"])), Some(1));
    assert_eq!(
        code(&run(&["replay", SAMPLE, "--fail-on", "terrible"])),
        Some(1)
    );
    let level = run(&["replay", SAMPLE, "--log-level", "foo"]);
    assert_eq!(code(&level), Some(1));
    assert!(
        said(&level).contains("error, warn, info, debug, trace"),
        "{}",
        said(&level)
    );
    assert_eq!(code(&run(&["--help"])), Some(0));
}

#[test]
fn a_closed_pipe_keeps_the_verdict() {
    let mut child = Command::new(BINARY)
        .args(["replay", SAMPLE, "-o", "json", "--fail-on", "high"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn an_answer_that_was_cut_says_so() {
    let cut = asked(&["timeline", "shop/cart", "--limit", "3", "-o", "csv"]);
    assert_eq!(
        (
            code(&cut),
            cut.stdout.iter().filter(|b| **b == b'\n').count()
        ),
        (Some(0), 4)
    );
    let whole = asked(&["timeline", "shop/cart", "-o", "csv"]);
    let rows = whole.stdout.iter().filter(|b| **b == b'\n').count() - 1;
    assert!(
        said(&cut).starts_with("the first 3 rows; there are more: "),
        "{}",
        said(&cut)
    );
    assert_eq!(said(&whole), "");
    let exact = asked(&[
        "timeline",
        "shop/cart",
        "--limit",
        &rows.to_string(),
        "-o",
        "csv",
    ]);
    assert_eq!(
        (said(&exact), exact.stdout),
        (String::new(), whole.stdout),
        "none is left"
    );
}

#[test]
fn an_empty_answer_tells_a_typo_from_silence() {
    for (args, words) in [
        (
            &["timeline", "shop/nope"][..],
            "account \"system:serviceaccount:shop:nope\" or \"shop/nope\"",
        ),
        (
            &["first-seen", "shop/nope"],
            "there are none in this history",
        ),
        (
            &["who", "--from", "192.0.2.200"],
            "there are none in this history",
        ),
        (
            &["who", "--used", "JTI=nope"],
            "there are none in this history",
        ),
        (&["trail", "JTI=nope"], "there are none in this history"),
        (
            &["timeline", "shop/cart", "--until", "2020-01-01T00:00:00Z"],
            "but not in this window",
        ),
    ] {
        let answer = asked(args);
        assert_eq!(code(&answer), Some(0), "{args:?}: {}", said(&answer));
        assert!(said(&answer).contains(words), "{args:?}: {}", said(&answer));
    }
    for args in [
        &["who", "--from", "nonsense"][..],
        &["denied", "--since", "2d", "--until", "3d"],
    ] {
        assert_eq!(code(&asked(args)), Some(1), "{args:?}");
    }
    assert!(said(&asked(&["query", " ; "])).contains("no statement"));
}

#[test]
fn a_file_gets_the_whole_command_of_an_exec_and_a_path_is_named() {
    let commands = asked(&["exec"]);
    let longest = asked(&[
        "query",
        "SELECT max(length(uri)) FROM events WHERE subresource = 'exec'",
        "-o",
        "csv",
    ]);
    let longest: usize = String::from_utf8(longest.stdout)
        .unwrap()
        .lines()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    assert!(longest > 64);
    let text = String::from_utf8(commands.stdout).unwrap();
    assert!(
        text.split_whitespace().any(|word| word.len() == longest),
        "{text}"
    );
    let denied = asked(&[
        "query",
        "SELECT principal FROM events WHERE resource IS NULL LIMIT 1",
        "-o",
        "csv",
    ]);
    let account = String::from_utf8(denied.stdout)
        .unwrap()
        .lines()
        .nth(1)
        .unwrap()
        .to_owned();
    let timeline = asked(&["timeline", &account, "-o", "json"]);
    let text = String::from_utf8(timeline.stdout).unwrap();
    assert!(text.contains("\"uri\":\"/"), "{text}");
}

#[test]
fn an_export_says_that_it_has_events_only() {
    let export = WORLD.dir.path().join("export");
    let export = export.to_str().unwrap();
    let sums = Command::new("sha256sum")
        .args(["-c", "--quiet", "SHA256SUMS"])
        .current_dir(export)
        .status()
        .unwrap();
    assert!(sums.success());
    for args in [
        &["first-seen", "shop/cart"][..],
        &["diff", "shop/cart", "--since", "1d"],
        &["coverage"],
        &["verify"],
        &["explain", "00000000"],
        &["backtest", "--policy", "config/tokentrail.yaml"],
    ] {
        let refused = run(&[args, &["--state", export]].concat());
        assert_eq!(code(&refused), Some(1), "{args:?}");
        assert!(
            said(&refused).contains("events only"),
            "{args:?}: {}",
            said(&refused)
        );
    }
    assert_eq!(
        code(&run(&["timeline", "shop/cart", "--state", export])),
        Some(0)
    );
}

#[test]
fn lines_are_exported_into_a_bare_relative_path() {
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new(BINARY)
        .args(["export", "--format", "ndjson", "--out", "here", "--state"])
        .arg(&WORLD.state)
        .current_dir(&dir)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(dir.path().join("here/SHA256SUMS").is_file());
}

#[test]
fn logs_that_nobody_writes_to_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let named = |logs: &[&Path]| {
        let mut command = Command::new(BINARY);
        command
            .args(["run", "--listen", "127.0.0.1:0", "--state"])
            .arg(dir.path().join("state"));
        for log in logs {
            command.arg("--audit-log").arg(log);
        }
        command.output().unwrap()
    };
    let (log, link, fifo) = (
        dir.path().join("audit.log"),
        dir.path().join("link.log"),
        dir.path().join("fifo"),
    );
    std::fs::write(&log, "").unwrap();
    std::fs::hard_link(&log, &link).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    for (logs, words) in [
        (&[dir.path()][..], "is a directory"),
        (&[Path::new("audit.log.gz")], "compressed file"),
        (&[&log, &log], "named twice"),
        (&[&log, &link], "named twice"),
        (&[Path::new("-")], "standard input"),
        (&[Path::new("/dev/null")], "a device"),
        (&[&fifo], "a named pipe"),
        (&[&dir.path().join("audit*.log")], "expands no patterns"),
    ] {
        let refused = named(logs);
        assert_eq!(code(&refused), Some(1), "{logs:?}");
        assert!(said(&refused).contains(words), "{}", said(&refused));
    }
}

#[test]
fn the_demo_wants_its_port_before_it_says_anything() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = run(&["demo", "--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!((code(&refused), refused.stdout.len()), (Some(1), 0));
    assert!(
        said(&refused).starts_with("tokentrail: cannot listen on"),
        "{}",
        said(&refused)
    );
}

#[test]
fn nothing_to_read_is_told_apart_from_nothing_found() {
    let dir = tempfile::tempdir().unwrap();
    let (log, state) = (dir.path().join("audit.log"), dir.path().join("state"));
    std::fs::write(&log, "{\"Records\":[]}\n").unwrap();
    let nothing = Command::new(BINARY)
        .arg("replay")
        .arg(&log)
        .output()
        .unwrap();
    assert_eq!(code(&nothing), Some(0));
    assert!(
        said(&nothing).contains("no audit event is in this input"),
        "{}",
        said(&nothing)
    );
    assert!(!said(&nothing).contains("1970"), "{}", said(&nothing));
    let again = || {
        Command::new(BINARY)
            .args(["replay", SAMPLE, "--state"])
            .arg(&state)
            .output()
            .unwrap()
    };
    assert!(!said(&again()).contains("nothing new"));
    assert!(said(&again()).contains("nothing new"));
}

#[test]
fn a_cause_is_said_once() {
    let missing = run(&["explain", "00000000", "--state", "no-such-state"]);
    assert_eq!(
        said(&missing).matches("os error 2").count(),
        1,
        "{}",
        said(&missing)
    );
}

#[test]
fn an_acknowledged_incident_says_who_did_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let with = |args: &[&str]| {
        Command::new(BINARY)
            .args(args)
            .arg("--state")
            .arg(&state)
            .output()
            .unwrap()
    };
    with(&["replay", SAMPLE]);
    let query = "SELECT id FROM incidents WHERE severity = 'critical' AND principal LIKE '%:shop:%' LIMIT 1";
    let found = String::from_utf8(with(&["query", "-o", "csv", query]).stdout).unwrap();
    let id = found.lines().nth(1).unwrap();
    let ack = || with(&["ack", id, "--owner", "ann", "--reason", "an exercise"]);
    assert_eq!(code(&ack()), Some(0));
    with(&["replay", SAMPLE]);
    let again = ack();
    assert_eq!(code(&again), Some(1));
    assert!(
        said(&again).contains("acknowledged before, by ann"),
        "{}",
        said(&again)
    );
    let explained = String::from_utf8(with(&["explain", id]).stdout).unwrap();
    assert!(
        explained.contains("acknowledged by ann at ") && !explained.contains("(Ended)"),
        "{explained}"
    );
}

#[test]
fn an_account_is_told_with_what_would_be_told_next() {
    let page = asked(&["account", "shop/cart"]);
    let text = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(
        text.starts_with("system:serviceaccount:shop:cart\nmature: known since "),
        "{text}"
    );
    for part in [
        "programs: 2 known",
        "list pods @own",
        "lists all Secrets of the cluster with kubectl (another program)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let object = asked(&["account", "system:serviceaccount:shop:cart", "-o", "json"]);
    let object: serde_json::Value = serde_json::from_slice(&object.stdout).unwrap();
    let scores = |own: bool| -> Vec<i64> {
        let next = object["next"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|next| next["own_program"] == own);
        next.map(|next| next["score"].as_i64().unwrap()).collect()
    };
    let (own, foreign) = (scores(true), scores(false));
    assert!(
        own.iter()
            .zip(&foreign)
            .all(|(own, foreign)| own <= foreign),
        "{own:?} {foreign:?}"
    );
    let admin = object["next"]
        .as_array()
        .unwrap()
        .iter()
        .find(|next| next["what"] == "binds cluster-admin")
        .unwrap();
    assert_eq!(admin["told"], true);
    let nobody = asked(&["account", "shop/kart"]);
    assert_eq!(code(&nobody), Some(1));
    let nobody = asked(&["account", "cart"]);
    assert!(
        said(&nobody).contains("near: system:serviceaccount:shop:cart"),
        "{}",
        said(&nobody)
    );
}
