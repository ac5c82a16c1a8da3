//! SQL over history: what is pushed into the scan changes nothing, what could harm is refused, and
//! other engines read the same rows in the same files.

#[path = "common/skipped.rs"]
mod skipped;

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

struct World {
    _dir: tempfile::TempDir,
    state: PathBuf,
}

/// The bundled sample, replayed into a state directory.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let replay = Command::new(env!("CARGO_BIN_EXE_tokentrail"))
        .args([
            "replay",
            "tests/fixtures/sample/audit.log.zst",
            "-o",
            "json",
            "--state",
        ])
        .arg(&state)
        .output()
        .unwrap();
    assert!(
        replay.status.success(),
        "{}",
        String::from_utf8_lossy(&replay.stderr)
    );
    World { _dir: dir, state }
});

fn query(state: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tokentrail"))
        .arg("query")
        .arg("--state")
        .arg(state)
        .args(more)
        .output()
        .unwrap()
}

fn rows(statement: &str) -> Vec<serde_json::Value> {
    let output = query(&WORLD.state, &["-o", "json", statement]);
    assert!(
        output.status.success(),
        "{statement}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn number(statement: &str) -> i64 {
    rows(statement)[0]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()
        .as_i64()
        .unwrap()
}

#[test]
fn tables_can_be_joined_with_each_other() {
    assert_eq!(number("SELECT count(*) FROM events"), 4130);
    let evidence = "SELECT count(DISTINCT j.value) FROM incidents i, json_each(i.audit_ids) j WHERE j.value <> ''";
    let joined = "SELECT count(DISTINCT e.audit_id) FROM incidents i, json_each(i.audit_ids) j
        JOIN events e ON e.audit_id = j.value";
    assert!(number(evidence) > 100);
    assert_eq!(
        number(evidence),
        number(joined),
        "each piece of evidence is in history"
    );
    let ended = "SELECT count(*) FROM events WHERE stage <> 'RequestReceived'
        AND (stage <> 'ResponseStarted' OR code = 401)";
    assert_eq!(
        number("SELECT sum(count) FROM operations_daily"),
        number(ended)
    );
    assert_eq!(
        number("SELECT count(DISTINCT incident) FROM findings"),
        number("SELECT count(*) FROM incidents")
    );
}

#[test]
fn baselines_and_credentials_are_tables_too() {
    let accounts = "SELECT count(DISTINCT principal) FROM baselines";
    let seen = "SELECT count(DISTINCT principal) FROM events WHERE principal IS NOT NULL";
    assert_eq!(
        number(accounts),
        number(seen),
        "every account that was seen has a baseline"
    );
    let busiest = rows(
        "SELECT principal, account_events AS n, count(*) AS known FROM baselines GROUP BY 1, 2 ORDER BY 2 DESC LIMIT 1",
    );
    let principal = busiest[0]["principal"].as_str().unwrap();
    let alone = rows(&format!(
        "SELECT count(*) AS known FROM baselines WHERE principal = '{principal}'"
    ));
    assert_eq!(
        alone[0]["known"], busiest[0]["known"],
        "by name, and among all"
    );
    assert_eq!(
        number("SELECT count(*) FROM baselines WHERE principal = 'nobody'"),
        0
    );
    let joined =
        "SELECT count(*) FROM credentials c JOIN events e ON e.credential_id = c.credential_id
        AND e.principal = c.principal WHERE c.state = 'used'";
    assert!(number(joined) > 100);
    let places = "SELECT count(*) FROM credentials c, json_each(c.places) p WHERE json_extract(p.value, '$.count') < 1";
    assert_eq!(number(places), 0);
}

#[test]
fn an_answer_can_be_a_parquet_file() {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let statement = "SELECT principal, count(*) AS n, avg(code) AS mean, NULL AS unknown FROM events GROUP BY 1";
    let output = query(&WORLD.state, &["-o", "parquet", statement]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), output.stdout).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.reopen().unwrap()).unwrap();
    let kinds: Vec<String> = reader
        .schema()
        .fields()
        .iter()
        .map(|f| format!("{} {}", f.name(), f.data_type()))
        .collect();
    assert_eq!(
        kinds,
        ["principal Utf8", "n Int64", "mean Float64", "unknown Utf8"]
    );
    let counted = |batch: arrow_array::RecordBatch| {
        batch["n"]
            .as_primitive::<Int64Type>()
            .iter()
            .flatten()
            .sum::<i64>()
    };
    assert_eq!(
        reader
            .build()
            .unwrap()
            .map(|batch| counted(batch.unwrap()))
            .sum::<i64>(),
        4130
    );
    let many = query(&WORLD.state, &["-o", "parquet", "SELECT seq FROM events"]);
    assert!(many.status.success() && many.stdout.ends_with(b"PAR1"));
    let mixed = query(
        &WORLD.state,
        &[
            "-o",
            "parquet",
            "SELECT CASE WHEN seq < 4000 THEN 1 ELSE 'x' END AS a FROM events",
        ],
    );
    assert!(
        !mixed.status.success()
            && String::from_utf8(mixed.stderr)
                .unwrap()
                .contains("several types")
    );
}

#[test]
fn what_cannot_match_is_passed_over() {
    let output = query(
        &WORLD.state,
        &[
            "--explain",
            "SELECT * FROM events WHERE audit_id = 'nobody has this one'",
        ],
    );
    let said = String::from_utf8(output.stderr).unwrap();
    let groups = said.split(" and ").nth(1).unwrap();
    let mut words = groups.split(' ');
    let (skipped, all) = (words.next().unwrap(), words.nth(1).unwrap());
    let (skipped, all): (u32, u32) = (skipped.parse().unwrap(), all.parse().unwrap());
    assert!(
        skipped * 10 >= all * 8 && all > 0,
        "the bloom filters pass over nearly all: {said}"
    );
}

/// SQLite chooses which table of a join it reads first: here it has to be the short one.
#[test]
fn a_trail_looks_ids_up() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokentrail"));
    let output = command
        .args(["trail", &issued_credential(), "--sql"])
        .output()
        .unwrap();
    let statement = String::from_utf8(output.stdout).unwrap();
    let said =
        String::from_utf8(query(&WORLD.state, &["--explain", statement.trim()]).stderr).unwrap();
    let read: u64 = said
        .rsplit("; ")
        .next()
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..1000).contains(&read), "{said}");
}

#[test]
fn statements_that_could_harm_are_refused_with_one_line() {
    let refused = [
        "DELETE FROM incidents",
        "INSERT INTO findings VALUES (1)",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t AS SELECT 1",
        "ATTACH '/etc/passwd' AS x",
        "PRAGMA hard_heap_limit = 0",
        "VACUUM INTO '/tmp/x'",
        "BEGIN",
        "SELECT load_extension('x')",
        "SELECT readfile('/etc/passwd')",
        "SELECT randomblob(1000000000)",
        "SELECT zeroblob(1000000000)",
        "SELECT * FROM sqlite_master",
        "SELECT 1; SELECT 2",
        "SELEC",
        "SELECT nothing FROM events",
    ];
    for statement in refused {
        let output = query(&WORLD.state, &[statement]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.lines().count()),
            (Some(1), 1),
            "{statement}: {said}"
        );
        assert!(said.starts_with("tokentrail: "), "{statement}: {said}");
    }
}

#[test]
fn time_and_memory_end_a_statement() {
    let endless =
        "WITH RECURSIVE t(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM t) SELECT count(*) FROM t";
    let said = String::from_utf8(query(&WORLD.state, &["--timeout", "1", endless]).stderr).unwrap();
    assert!(said.contains("stopped after 1 s"), "{said}");
    let large =
        "WITH RECURSIVE t(a) AS (SELECT 'xxxxxxxxxxxxxxxx' UNION ALL SELECT a || a FROM t WHERE length(a) < 9000000)
        SELECT group_concat(x.a || y.a) FROM t x, t y";
    let output = query(&WORLD.state, &["--timeout", "20", large]);
    assert_eq!(output.status.code(), Some(1), "SQLite's limits hold");
}

/// SQLite has no limit of its own here (a heap of 0 is none), and runs no instruction while a scan
/// reads.
#[test]
fn time_and_memory_end_a_scan() {
    let asked: [&[&str]; 3] = [
        &["query", "SELECT * FROM events ORDER BY time"],
        &["denied", "--limit", "100000"],
        &["who", "--touched", "pods//"],
    ];
    for arguments in asked {
        let ended = |option: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tokentrail"));
            let output = command
                .args(arguments)
                .args([option, "0", "--state"])
                .arg(&WORLD.state)
                .output()
                .unwrap();
            (
                output.status.code(),
                String::from_utf8(output.stderr).unwrap(),
            )
        };
        let (code, said) = ended("--memory");
        assert_eq!(
            (code, said.lines().count()),
            (Some(1), 1),
            "{arguments:?}: {said}"
        );
        assert!(
            said.contains("needs more than 0 MB of memory"),
            "{arguments:?}: {said}"
        );
        let (code, said) = ended("--timeout");
        assert_eq!(
            (code, said.lines().count()),
            (Some(1), 1),
            "{arguments:?}: {said}"
        );
        assert!(said.contains("stopped after 0 s"), "{arguments:?}: {said}");
    }
}

#[test]
fn the_order_of_time_and_a_limit_leave_files_closed() {
    for order in ["time", "time DESC"] {
        let statement =
            format!("SELECT time, verb FROM events WHERE verb = 'get' ORDER BY {order} LIMIT 3");
        let output = query(&WORLD.state, &["--explain", &statement]);
        let said = String::from_utf8(output.stderr).unwrap();
        let words: Vec<&str> = said.split(' ').collect();
        let (skipped, all): (u32, u32) = (words[2].parse().unwrap(), words[4].parse().unwrap());
        assert!(all > 10 && skipped >= all - 2, "{order}: {said}");
        let sorted = statement.replace("BY time", "BY +time");
        assert_eq!(rows(&statement), rows(&sorted), "{order}");
    }
}

/// Questions that the files alone answer, in one order: those at the beginning of [`questions`].
const ON_FILES: usize = 12;

fn questions() -> [Vec<String>; 16] {
    let (account, issued) = (suspect(), issued_credential());
    let questions: [&[&str]; 16] = [
        &["timeline", &account],
        &["timeline", &account, "--since", "2d", "--limit", "5"],
        &["who", "--from", "203.0.113.66"],
        &["who", "--used", &issued],
        &["who", "--touched", "secrets//"],
        &["first-seen", &account],
        &["diff", &account, "--since", "2026-03-05T00:00:00Z"],
        &["trail", &issued],
        &["exec"],
        &["denied", "--since", "7d"],
        &["rbac-changes", "--until", "2026-03-10T00:00:00Z"],
        &["tokens-issued", "--limit", "20"],
        &["timeline", "nobody/at-all"],
        &[
            "who",
            "--touched",
            "pods//",
            "--limit",
            "3",
            "--since",
            "2026-03-05T00:00:00Z",
        ],
        &["secrets", "--limit", "7"],
        &["coverage"],
    ];
    questions.map(|words| words.iter().map(|word| (*word).to_owned()).collect())
}

/// What a question's command writes, with more arguments.
fn asked(question: &[String], more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokentrail"));
    let output = command
        .args(question)
        .arg("--state")
        .arg(&WORLD.state)
        .args(more)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{question:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// An account of which there is a critical incident.
fn suspect() -> String {
    let found = rows(
        "SELECT principal FROM incidents WHERE severity = 'critical' AND principal <> '' LIMIT 1",
    );
    found[0]["principal"].as_str().unwrap().to_owned()
}

fn issued_credential() -> String {
    let found = rows(
        "SELECT issued_credential_id AS id FROM events WHERE issued_credential_id IS NOT NULL LIMIT 1",
    );
    found[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_command_has_the_rows_of_its_statement() {
    let mut answered = 0;
    for question in questions() {
        let run = |more: &[&str]| asked(&question, more);
        let command = run(&["-o", "json"]);
        let statement = query(&WORLD.state, &["-o", "json", run(&["--sql"]).trim()]);
        assert_eq!(
            command,
            String::from_utf8(statement.stdout).unwrap(),
            "{question:?}"
        );
        answered += usize::from(!command.is_empty());
    }
    assert!(
        answered >= 12,
        "only {answered} questions have an answer in the sample"
    );
}

/// A state that is copied while a daemon has it open is as after a kill.
#[test]
fn history_of_a_killed_daemon_can_be_asked_and_its_state_says_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &Path| {
        assert!(
            Command::new("cp")
                .arg("-r")
                .arg(from)
                .arg(to)
                .status()
                .unwrap()
                .success()
        );
    };
    let (open, killed) = (dir.path().join("open"), dir.path().join("killed"));
    copy(&WORLD.state, &open);
    let mut store = tokentrail::store::Store::open(&open).unwrap();
    let seq = store.load().unwrap().seq;
    let _ = store
        .commit(&tokentrail::store::Commit {
            seq,
            ..Default::default()
        })
        .unwrap();
    copy(&open, &killed);
    let ask = |statement| {
        let output = query(&killed, &["-o", "csv", statement]);
        (
            output.status.code(),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    assert_eq!(
        ask("SELECT count(*) AS credentials FROM events"),
        (Some(0), "credentials\r\n4130\r\n".to_owned())
    );
    let (code, said) = ask("SELECT count(*) FROM incidents");
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(
        said.contains(
            "start the daemon on it once; until then events and operations_daily can be asked"
        ),
        "{said}"
    );
    drop(store);
}

#[test]
fn a_state_that_cannot_be_read_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        Command::new("cp")
            .arg("-r")
            .arg(WORLD.state.join("history"))
            .arg(dir.path())
            .status()
            .unwrap()
            .success()
    );
    fs::create_dir(dir.path().join("state.redb")).unwrap();
    let said =
        String::from_utf8(query(dir.path(), &["SELECT count(*) FROM incidents"]).stderr).unwrap();
    assert_eq!(said.matches("Is a directory").count(), 1, "{said}");
}

/// A file that was written before there was a column of this name.
#[test]
fn an_older_file_without_a_column_is_read_with_it_null() {
    use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
    let dir = tempfile::tempdir().unwrap();
    assert!(
        Command::new("cp")
            .arg("-r")
            .arg(&WORLD.state)
            .arg(dir.path())
            .status()
            .unwrap()
            .success()
    );
    let state = dir.path().join("state");
    let before = {
        let output = query(
            &state,
            &[
                "-o",
                "json",
                "SELECT count(*) AS n, count(user_agent) AS agents FROM events",
            ],
        );
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let day = fs::read_dir(state.join("history"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.is_dir())
        .unwrap();
    let path = fs::read_dir(day).unwrap().next().unwrap().unwrap().path();
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path).unwrap())
        .unwrap()
        .build()
        .unwrap();
    let kept = |batch: arrow_array::RecordBatch| {
        let kept: Vec<usize> = (0..batch.num_columns())
            .filter(|at| batch.schema().field(*at).name() != "user_agent")
            .collect();
        batch.project(&kept).unwrap()
    };
    let batches: Vec<_> = reader.map(|batch| kept(batch.unwrap())).collect();
    let mut writer =
        ArrowWriter::try_new(fs::File::create(&path).unwrap(), batches[0].schema(), None).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
    let rows: usize = batches.iter().map(arrow_array::RecordBatch::num_rows).sum();
    let ask = |statement: &str| {
        let output = query(&state, &["-o", "json", statement]);
        assert!(
            output.status.success(),
            "{statement}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let after = ask("SELECT count(*) AS n, count(user_agent) AS agents FROM events");
    assert_eq!(after["n"], before["n"]);
    assert!(rows > 0 && after["agents"].as_i64() < before["agents"].as_i64());
    ask("SELECT count(*) FROM events WHERE user_agent = 'nobody'");
    ask("SELECT user_agent FROM events ORDER BY time LIMIT 1");
}

#[test]
fn a_directory_without_history_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let output = query(dir.path(), &["SELECT 1"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (
            output.status.code(),
            said.contains("there is no history in")
        ),
        (Some(1), true),
        "{said}"
    );
}

#[test]
fn a_damaged_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(&WORLD.state)
        .arg(dir.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let state = dir.path().join("state");
    let day = fs::read_dir(state.join("history"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.is_dir())
        .unwrap();
    let file = fs::read_dir(day).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, "PAR1 nothing PAR1").unwrap();
    let output = query(&state, &["SELECT count(verb) FROM events"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains(file.file_name().unwrap().to_str().unwrap()),
        "{said}"
    );
}

#[test]
fn an_export_is_checked_with_sha256sum_and_asked_like_history() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("case-1");
    let export = |out: &Path, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokentrail"));
        command
            .args(["export", "--state"])
            .arg(&WORLD.state)
            .arg("--out")
            .arg(out)
            .args(more)
            .output()
            .unwrap()
    };
    let done = export(
        &out,
        &[
            "--since",
            "2026-03-09T00:00:00Z",
            "--until",
            "2026-03-10T23:59:59Z",
        ],
    );
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let check = Command::new("sha256sum")
        .args(["-c", "--quiet", "SHA256SUMS"])
        .current_dir(&out)
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
    let count = query(&out, &["-o", "json", "SELECT count(*) AS n FROM events"]);
    let whole =
        number("SELECT count(*) FROM events WHERE time >= '2026-03-09' AND time < '2026-03-11'");
    assert_eq!(
        String::from_utf8(count.stdout).unwrap(),
        format!("{{\"n\":{whole}}}\n")
    );
    let lines = dir.path().join("case-2");
    let window = [
        "--since",
        "2026-03-09T00:00:00Z",
        "--until",
        "2026-03-10T23:59:59.999999Z",
        "--format",
        "ndjson",
    ];
    assert!(export(&lines, &window).status.success());
    let check = Command::new("sha256sum")
        .args(["-c", "--quiet", "SHA256SUMS"])
        .current_dir(&lines)
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
    let text = fs::read_to_string(lines.join("events.ndjson")).unwrap();
    assert_eq!(text.lines().count() as i64, whole);
    let event: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let same = format!(
        "SELECT uri, seq FROM events WHERE audit_id = {}",
        event["audit_id"].to_string().replace('"', "'")
    );
    assert_eq!(
        (&rows(&same)[0]["uri"], &rows(&same)[0]["seq"]),
        (&event["uri"], &event["seq"])
    );
    let again = export(&out, &[]);
    assert!(
        String::from_utf8(again.stderr)
            .unwrap()
            .contains("is not empty")
    );
}

/// A value that is in history, or one that is not.
fn condition() -> impl Strategy<Value = String> {
    let column = prop::sample::select(vec![
        "principal",
        "verb",
        "resource",
        "namespace",
        "name",
        "origin",
        "credential_id",
        "audit_id",
        "api_group",
        "stage",
    ]);
    let text = (column, 0_u32..4000, any::<bool>()).prop_map(|(column, nth, there)| match there {
        true => format!("{column} = (SELECT {column} FROM events LIMIT 1 OFFSET {nth})"),
        false => format!("{column} = 'not there'"),
    });
    let code = prop::sample::select(vec![200, 201, 401, 403, 404])
        .prop_map(|code| format!("code = {code}"));
    let time = (
        prop::sample::select(vec!["<", "<=", ">", ">="]),
        1_u32..17,
        0_u32..24,
        0_usize..4,
    )
        .prop_map(|(sign, day, hour, cut)| {
            let whole = format!("2026-03-{day:02}T{hour:02}:30:00.123456Z");
            format!("time {sign} '{}'", &whole[..[10, 16, 19, 27][cut]])
        });
    prop_oneof![text, code, time]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    /// A unary plus keeps SQLite from offering a condition to the table.
    #[test]
    fn pushing_down_changes_no_answer(conditions in prop::collection::vec(condition(), 1..3)) {
        let digest = "SELECT count(*), sum(seq), min(time), max(position) FROM events WHERE ";
        let pushed = format!("{digest}{}", conditions.join(" AND "));
        let kept: Vec<String> = conditions.iter().map(|condition| format!("+{condition}")).collect();
        prop_assert_eq!(rows(&pushed), rows(&format!("{digest}{}", kept.join(" AND "))));
        let ordered = format!("SELECT time FROM events WHERE {} ORDER BY time DESC LIMIT 40", conditions.join(" AND "));
        prop_assert_eq!(rows(&ordered), rows(&ordered.replace("BY time", "BY +time")));
    }
}

/// A statement that the scan groups, and one that SQLite has to: a unary plus keeps it from being
/// known.
fn grouped() -> impl Strategy<Value = (String, String)> {
    let events = [
        "time",
        "stage",
        "code",
        "principal",
        "verb",
        "resource",
        "namespace",
        "origin",
        "audit_id",
        "issued_credential_id",
        "stale",
        "facts",
    ];
    let daily = [
        "principal",
        "verb",
        "subresource",
        "namespace",
        "origin",
        "agent",
        "code",
        "count",
        "first",
        "last",
    ];
    let table = prop::sample::select(vec![
        ("events", events.to_vec(), vec!["seq", "code", "source"]),
        ("operations_daily", daily.to_vec(), vec!["count", "code"]),
    ]);
    let places = prop::collection::vec(0_usize..100, 1..4);
    let told = prop::collection::vec((0_usize..4, 0_usize..100), 1..4);
    let limits = prop::sample::select(vec![
        "",
        " WHERE verb IN ('get', 'create')",
        " WHERE code = 403 AND verb = 'list'",
    ]);
    (table, places, told, limits).prop_map(|((table, columns, numbers), places, told, limits)| {
        let by: Vec<&str> = places
            .iter()
            .map(|place| columns[place % columns.len()])
            .collect();
        let told: Vec<String> = told
            .iter()
            .map(|(function, place)| match function {
                0 => "count(*)".to_owned(),
                1 => format!("sum({})", numbers[place % numbers.len()]),
                2 => format!("min({})", columns[place % columns.len()]),
                _ => format!("max({})", columns[place % columns.len()]),
            })
            .enumerate()
            .map(|(n, told)| format!("{told} AS n{n}"))
            .collect();
        let names: Vec<String> = by
            .iter()
            .enumerate()
            .map(|(n, column)| format!("{column} AS c{n}"))
            .collect();
        let select = format!(
            "SELECT {}, {} FROM {table}{limits} GROUP BY ",
            names.join(", "),
            told.join(", ")
        );
        let kept: Vec<String> = by.iter().map(|column| format!("+{column}")).collect();
        (
            format!("{select}{}", by.join(", ")),
            format!("{select}{}", kept.join(", ")),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn grouping_on_the_scan_changes_no_answer((on_scan, by_sqlite) in grouped(), limit in 0..9) {
        prop_assert_eq!(rows(&on_scan), rows(&by_sqlite), "{}", on_scan);
        let around = |select: &str| format!("SELECT count(*) AS n, sum(n0) AS s FROM ({select}) AS t WHERE c0 <> 'x'");
        prop_assert_eq!(rows(&around(&on_scan)), rows(&around(&by_sqlite)), "{}", on_scan);
        let keys: String = (0..on_scan.matches(" AS c").count()).map(|n| format!(", c{n}")).collect();
        for order in ["n0", "n0 DESC", "c0"] {
            let tail = format!(" ORDER BY {order}{keys} LIMIT {limit} OFFSET 1");
            prop_assert_eq!(rows(&(on_scan.clone() + &tail)), rows(&(by_sqlite.clone() + &tail)), "{}{}", on_scan, tail);
        }
    }
}

#[test]
fn groups_have_a_budget_too() {
    let statement = "SELECT audit_id, count(*) FROM events GROUP BY audit_id";
    let said =
        String::from_utf8(query(&WORLD.state, &["--memory", "0", statement]).stderr).unwrap();
    assert!(
        said.contains("needs more than 0 MB of memory") && said.lines().count() == 1,
        "{said}"
    );
}

/// A Python with these packages of PyPI, installed once below the target directory: exact versions,
/// for what others release must not turn a test red.
fn python_with(modules: &[&str], packages: &[&str]) -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("readers")
        .join(modules.join("-"));
    let python = home.join("bin/python");
    let imports = |python: &Path| {
        let run = Command::new(python)
            .args(["-c", &format!("import {}", modules.join(", "))])
            .output();
        run.is_ok_and(|output| output.status.success())
    };
    if imports(&python) {
        return Some(python);
    }
    Command::new("python3")
        .args(["-m", "venv"])
        .arg(&home)
        .output()
        .ok()?;
    Command::new(&python)
        .args(["-m", "pip", "install", "-q"])
        .args(packages)
        .output()
        .ok()?;
    imports(&python).then_some(python)
}

/// Two tests use it: neither may see what the other has installed by half.
static DUCKDB_AND_PYARROW: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    python_with(
        &["duckdb", "pyarrow"],
        &["duckdb==2.0.1", "pyarrow==26.0.1"],
    )
});

fn python() -> Option<&'static Path> {
    if DUCKDB_AND_PYARROW.is_none() {
        skipped::because(
            "DuckDB and PyArrow cannot be installed from PyPI here (python3 with venv and pip)",
        );
    }
    DUCKDB_AND_PYARROW.as_deref()
}

#[test]
fn duckdb_and_pyarrow_read_the_same_rows_in_place() {
    let Some(python) = python() else { return };
    let script = r#"
import duckdb, json, pyarrow.dataset as dataset, sys
state, duck = sys.argv[1], duckdb.connect()
events = f"read_parquet('{state}/history/date=*/*.parquet', hive_partitioning = true)"
n, ids, days = duck.execute(f"select count(*), count(distinct audit_id), count(distinct date) from {events}").fetchone()
top = duck.execute(f"select principal, count(*) n from {events} group by 1 order by 2 desc, 1 limit 5").fetchall()
table = dataset.dataset(f"{state}/history", partitioning="hive", exclude_invalid_files=True).to_table()
daily = duck.execute(f"select sum(count)::bigint from read_parquet('{state}/rollup/date=*/*.parquet')").fetchone()[0]
print(json.dumps([n, ids, days, top, table.num_rows, str(table.schema.field("time").type), daily]))
"#;
    let output = Command::new(python)
        .args(["-c", script])
        .arg(&WORLD.state)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let theirs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let top =
        rows("SELECT principal, count(*) n FROM events GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5");
    let top: Vec<_> = top
        .iter()
        .map(|row| serde_json::json!([row["principal"], row["n"]]))
        .collect();
    let ours = serde_json::json!([
        4130,
        number("SELECT count(DISTINCT audit_id) FROM events"),
        number("SELECT count(DISTINCT substr(time, 1, 10)) FROM events"),
        top,
        4130,
        "timestamp[us, tz=UTC]",
        number("SELECT sum(count) FROM operations_daily"),
    ]);
    assert_eq!(theirs, ours);
}

/// The statement of the manual, in ClickHouse as a library.
#[test]
fn clickhouse_reads_the_same_rows_in_place() {
    let Some(python) = python_with(&["chdb"], &["chdb==4.4.0", "chdb-core==26.9.0"]) else {
        skipped::because(
            "ClickHouse (chdb) cannot be installed from PyPI here (python3 with venv and pip)",
        );
        return;
    };
    let manual = include_str!("../docs/history.md");
    let (_, after) = manual
        .split_once("ClickHouse:\n\n```sql\n")
        .expect("a statement for ClickHouse");
    let (statement, _) = after.split_once(";\n```").expect("its end");
    let statement = statement.replace("'tokentrail/", &format!("'{}/", WORLD.state.display()));
    let script = "import chdb, sys; print(chdb.query(sys.argv[1], 'JSONEachRow'))";
    let output = Command::new(python)
        .args(["-c", script, &statement])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let counts = |rows: Vec<serde_json::Value>| -> BTreeMap<String, Option<i64>> {
        rows.iter()
            .map(|row| (row["principal"].to_string(), row["count()"].as_i64()))
            .collect()
    };
    let theirs = String::from_utf8(output.stdout).unwrap();
    let theirs = theirs
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap());
    let ours = rows("SELECT principal, count(*) AS \"count()\" FROM events GROUP BY principal");
    assert_eq!(counts(theirs.collect()), counts(ours));
}

/// Each question's statement gives the same rows in DuckDB as its command gives.
#[test]
fn questions_have_the_same_answer_in_duckdb() {
    let Some(python) = python() else { return };
    let mut answered = 0;
    for question in questions().into_iter().take(ON_FILES) {
        let run = |more: &[&str]| asked(&question, more);
        let ours: Vec<serde_json::Value> = run(&["-o", "json"])
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let theirs = Command::new(python)
            .args(["-c", DUCKDB])
            .arg(&WORLD.state)
            .arg(run(&["--sql"]))
            .output()
            .unwrap();
        assert!(
            theirs.status.success(),
            "{question:?}: {}",
            String::from_utf8_lossy(&theirs.stderr)
        );
        let theirs: Vec<serde_json::Value> = serde_json::from_slice(&theirs.stdout).unwrap();
        assert_eq!(ours, theirs, "{question:?}");
        answered += usize::from(!ours.is_empty());
    }
    assert!(
        answered >= 9,
        "only {answered} questions have an answer in the sample"
    );
}

const DUCKDB: &str = r#"
import datetime, decimal, duckdb, json, sys
state, duck = sys.argv[1], duckdb.connect()
duck.execute("SET TimeZone = 'UTC'")
for view, folder in [("events", "history"), ("operations_daily", "rollup")]:
    duck.execute(f"create view {view} as select * from read_parquet('{state}/{folder}/date=*/*.parquet', hive_partitioning = false)")
def plain(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return int(value) if isinstance(value, decimal.Decimal) else value
result = duck.sql(sys.argv[2])
table = result.to_arrow_table() if hasattr(result, "to_arrow_table") else result.arrow()
print(json.dumps([{k: plain(v) for k, v in row.items()} for row in table.to_pylist()]))
"#;
