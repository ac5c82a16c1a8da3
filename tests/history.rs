//! History: every event in it once, the same event again, whatever is cut, deleted or joined.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use tokentrail::ask::{self, Answer, SqlLimits};
use tokentrail::base::{Digest, Span, Time};
use tokentrail::config::Config;
use tokentrail::daemon::replay::{Audience, replay};
use tokentrail::detect::Policy;
use tokentrail::engine::{Engine, Input, Output};
use tokentrail::event::decode::{self, Limits};
use tokentrail::history::read::scan::{Bounds, Filter, Scan};
use tokentrail::history::{
    COLUMNS, Place, ROW_GROUP_ROWS, Rows, SegmentKind, events, read_manifest,
};
use tokentrail::history::{History, Retention};
use tokentrail::incident::Incident;

const FOR_EVER: Retention = Retention {
    age: Span::seconds(i64::MAX / 2_000_000),
    bytes: u64::MAX,
};

struct Nobody;

impl Audience for Nobody {
    fn incident(&mut self, _: &Incident) -> anyhow::Result<()> {
        Ok(())
    }
    fn progress(&mut self, _: u64, _: u64, _: u64) {}
}

fn sample() -> String {
    let packed = fs::File::open("tests/fixtures/sample/audit.log.zst").unwrap();
    let mut text = String::new();
    zstd::Decoder::new(packed)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// A state directory that the sample was replayed into.
fn replayed() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("audit.log"), sample()).unwrap();
    let state = dir.path().join("state");
    replay(
        &[dir.path().join("audit.log")],
        Some(&state),
        &Config::default(),
        &mut Nobody,
    )
    .unwrap();
    (dir, state)
}

fn all(state: &Path) -> Scan {
    let columns: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
    Scan::open(state, false, Filter::default(), &columns, Bounds::default()).unwrap()
}

/// Rows of the given lines, numbered from `first`.
fn rows_of(lines: &[&str], first: u64) -> Rows {
    let mut rows = Rows::default();
    push(&mut rows, lines, first);
    rows
}

fn push(rows: &mut Rows, lines: &[&str], first: u64) {
    let mut seq = first;
    for line in lines {
        decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
            let place = Place {
                seq,
                source: 0,
                file: Digest::of(b"a log"),
                offset: seq,
                is_copy: false,
            };
            rows.push(event.unwrap(), None, place);
            seq += 1;
        });
    }
}

fn seqs(state: &Path) -> Vec<u64> {
    let mut seqs = Vec::new();
    for batch in all(state) {
        events(&batch.unwrap(), &mut |place, _| seqs.push(place.seq)).unwrap();
    }
    seqs.sort_unstable();
    seqs
}

/// As a file of an older version, which had no such column, gives it.
#[test]
fn a_missing_column_is_null_and_a_missing_time_is_refused() {
    let (_dir, state) = replayed();
    let batch = all(&state).next().unwrap().unwrap();
    let without = |name: &str| {
        let kept: Vec<usize> = (0..batch.num_columns())
            .filter(|at| batch.schema().field(*at).name() != name)
            .collect();
        batch.project(&kept).unwrap()
    };
    let mut agents = Vec::new();
    events(&without("user_agent"), &mut |_, event| {
        agents.push(event.user_agent.to_owned());
    })
    .unwrap();
    assert_eq!(agents, vec![String::new(); batch.num_rows()]);
    for needed in ["time", "seq", "position", "stage"] {
        assert!(
            events(&without(needed), &mut |_, _| {}).is_err(),
            "{needed}"
        );
    }
}

/// Each line with something hostile in each text that a client chooses.
fn hostile() -> String {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    let pem = "-----BEGIN PRIVATE KEY-----MIIE";
    let mut lines = String::new();
    for (n, line) in sample()
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("{\"kind\":\"Event\""))
    {
        let poison = [
            jwt,
            pem,
            "\\u001b[31m",
            "\u{202e}",
            "token=abcdef",
            "command=curl+http%3A%2F%2Fx%2F%3Ftoken%3Dy",
        ][n % 6];
        let field = [
            "\"auditID\":\"",
            "\"userAgent\":\"",
            "\"requestURI\":\"",
            "\"name\":\"",
            "\"namespace\":\"",
            "\"resource\":\"",
            "\"username\":\"",
            "\"groups\":[\"",
            "\"apiGroup\":\"",
        ][n / 6 % 9];
        lines.push_str(&line.replacen(field, &format!("{field}{poison}"), 1));
        lines.push('\n');
    }
    lines
}

#[test]
fn an_event_is_judged_the_same_from_its_row() {
    let mut texts = vec![sample(), hostile()];
    for fixture in fs::read_dir("tests/fixtures/detectors").unwrap() {
        texts.push(fs::read_to_string(fixture.unwrap().path()).unwrap());
    }
    for text in texts {
        let dir = tempfile::tempdir().unwrap();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("{\"kind\":\"Event\""))
            .collect();
        let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
        let change = history.append(&mut rows_of(&lines, 1)).unwrap();
        history.committed(change).unwrap();
        let mut stored = BTreeMap::new();
        let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
        for batch in all(dir.path()) {
            events(&batch.unwrap(), &mut |place, event| {
                stored.insert(place.seq, format!("{event:?}"));
                engine.step(Input::Event { source: 0, event }, &mut out);
            })
            .unwrap();
        }
        assert_eq!(stored.len(), lines.len());
        let direct = common::run(&Policy::default(), lines.iter().copied());
        assert_eq!(common::json(&out), common::json(&direct));
    }
}

#[test]
fn after_a_replay_each_event_is_in_one_parquet_file() {
    let (_dir, state) = replayed();
    let found = seqs(&state);
    assert_eq!(found.len(), 4130);
    assert!(
        found.windows(2).all(|pair| pair[0] < pair[1]),
        "a number was given twice"
    );
    let manifest = read_manifest(&state).unwrap();
    assert!(
        manifest
            .segments
            .iter()
            .all(|segment| segment.kind != SegmentKind::Head)
    );
    let named: BTreeSet<PathBuf> = manifest
        .segments
        .iter()
        .map(|s| state.join(&s.path))
        .collect();
    assert_eq!(named, files(&state), "the manifest names what lies there");
    for segment in &manifest.segments {
        use sha2::Digest as _;
        let bytes = fs::read(state.join(&segment.path)).unwrap();
        let sum: String = sha2::Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            (sum, bytes.len() as u64),
            (segment.sha256.clone(), segment.bytes)
        );
        let date = segment.time_min.to_string()[..10].to_owned();
        assert!(
            segment.kind == SegmentKind::Snapshot
                || segment.path.contains(&format!("/date={date}/")),
            "{}",
            segment.path
        );
    }
}

/// What a replay goes on with may be a day that the one before it left unfinished.
#[test]
fn after_a_replay_each_day_that_is_over_has_one_file_of_the_rollup() {
    let dir = tempfile::tempdir().unwrap();
    let (log, state, text) = (
        dir.path().join("audit.log"),
        dir.path().join("state"),
        sample(),
    );
    let half = text
        .lines()
        .take(2_000)
        .map(|line| line.len() + 1)
        .sum::<usize>();
    for part in [&text[..half], &text[..]] {
        fs::write(&log, part).unwrap();
        replay(
            std::slice::from_ref(&log),
            Some(&state),
            &Config::default(),
            &mut Nobody,
        )
        .unwrap();
    }
    let segments = read_manifest(&state).unwrap().segments;
    for kind in [SegmentKind::Events, SegmentKind::Rollup] {
        let of_kind: Vec<_> = segments.iter().filter(|s| s.kind == kind).collect();
        let days: BTreeSet<u32> = of_kind.iter().map(|s| s.time_min.day()).collect();
        assert!(days.len() > 10);
        assert_eq!(days.len(), of_kind.len(), "{kind:?}");
    }
}

fn files(state: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for kind in ["history", "rollup"] {
        for day in fs::read_dir(state.join(kind))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|p| p.is_dir())
        {
            found.extend(
                fs::read_dir(day)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    found.extend(
        fs::read_dir(state.join("snapshots"))
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    found
}

#[test]
fn what_no_commit_names_is_cut_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let text = sample();
    let lines: Vec<&str> = text.lines().collect();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let change = history.append(&mut rows_of(&lines[..50], 1)).unwrap();
    let committed = change.put.clone();
    history.committed(change).unwrap();
    // Appended and synced, but the commit never came.
    drop(history.append(&mut rows_of(&lines[50..80], 51)).unwrap());
    drop(history);
    let orphan = dir.path().join("history/date=2026-01-01");
    fs::create_dir_all(&orphan).unwrap();
    fs::write(orphan.join("000000000099.parquet"), "PAR1").unwrap();
    let mut history = History::open(dir.path(), committed, FOR_EVER).unwrap();
    assert_eq!(seqs(dir.path()), (1..=50).collect::<Vec<_>>());
    assert!(!orphan.join("000000000099.parquet").exists());
    // The log still holds the lines: they are read again, into a head of this process.
    let change = history.append(&mut rows_of(&lines[50..80], 51)).unwrap();
    history.committed(change).unwrap();
    let change = history
        .due(Time::ZERO, false, &mut Rows::default())
        .unwrap();
    assert!(
        !change.forget.is_empty(),
        "the head of the earlier process is rolled"
    );
    history.committed(change).unwrap();
    assert_eq!(seqs(dir.path()), (1..=80).collect::<Vec<_>>());
}

/// A file is the same whether its rows were in memory or read from a head, in one commit or in
/// many.
#[test]
fn a_file_has_the_same_bytes_wherever_its_rows_came_from() {
    let text = [sample(), hostile()].concat();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("{\"kind\":\"Event\""))
        .collect();
    let lines: Vec<&str> = lines
        .iter()
        .copied()
        .cycle()
        .take(ROW_GROUP_ROWS + 500)
        .collect();
    let rolled = |batch: usize, forgets: bool| {
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
        let mut rows = Rows::default();
        for (index, part) in lines.chunks(batch).enumerate() {
            push(&mut rows, part, 1 + (index * batch) as u64);
            let change = history.append(&mut rows).unwrap();
            history.committed(change).unwrap();
            if forgets {
                rows = Rows::default();
            }
        }
        let change = history.due(Time::ZERO, true, &mut rows).unwrap();
        history.committed(change).unwrap();
        let kinds: BTreeSet<_> = history.segments().map(|s| s.kind as u8).collect();
        assert!(!kinds.contains(&(SegmentKind::Head as u8)));
        history
            .segments()
            .map(|s| s.sha256.clone())
            .collect::<Vec<_>>()
    };
    let at_once = rolled(lines.len(), false);
    assert_eq!(
        rolled(lines.len() / 2 + 1, false),
        at_once,
        "the second batch fills the file"
    );
    assert_eq!(
        rolled(lines.len() / 2 + 1, true),
        at_once,
        "read from the head"
    );
}

/// The rows of an answer, each in one text.
#[derive(Default)]
struct Told(Vec<String>);

impl Answer for Told {
    fn columns(&mut self, _: &[&str]) -> std::io::Result<()> {
        Ok(())
    }
    fn row(&mut self, values: &[tokentrail::ask::Value<'_>]) -> std::io::Result<()> {
        self.0.push(format!("{values:?}"));
        Ok(())
    }
}

/// A head has NULL among the texts of its dictionaries, a file beside them.
#[test]
fn a_head_is_asked_like_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let text = sample();
    let lines: Vec<&str> = text.lines().take(300).collect();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let change = history.append(&mut rows_of(&lines, 1)).unwrap();
    history.committed(change).unwrap();
    let asked = || {
        let of = |statement: &str| {
            let limits = SqlLimits {
                time: std::time::Duration::from_secs(60),
                memory_bytes: 1 << 30,
            };
            let mut told = Told::default();
            ask::query(dir.path(), statement, limits, &mut told).unwrap();
            told.0
        };
        let groups = "SELECT api_group, subresource, stale, count(*), max(code), min(name) FROM events GROUP BY 1, 2, 3";
        [
            of(groups),
            of("SELECT * FROM events ORDER BY seq"),
            of("SELECT count(*) FROM events WHERE namespace IS NULL"),
        ]
    };
    let before = asked();
    let change = history.due(Time::ZERO, true, &mut Rows::default()).unwrap();
    assert!(change.forget.len() == 1, "the head");
    history.committed(change).unwrap();
    assert_eq!(asked(), before);
}

#[test]
fn a_roll_that_was_not_committed_is_as_if_it_never_was() {
    let dir = tempfile::tempdir().unwrap();
    let text = sample();
    let lines: Vec<&str> = text.lines().take(60).collect();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let change = history.append(&mut rows_of(&lines, 1)).unwrap();
    let committed = change.put.clone();
    history.committed(change).unwrap();
    assert!(
        !history
            .due(Time::ZERO, true, &mut Rows::default())
            .unwrap()
            .put
            .is_empty()
    );
    drop(history);
    History::open(dir.path(), committed, FOR_EVER).unwrap();
    assert_eq!(files(dir.path()), BTreeSet::new());
    assert_eq!(seqs(dir.path()), (1..=60).collect::<Vec<_>>());
}

/// Requests of any length may come; what waits for a roll is bounded by their bytes too.
#[test]
fn heavy_rows_are_rolled_early() {
    let dir = tempfile::tempdir().unwrap();
    let text = sample();
    let line = text
        .lines()
        .find(|line| line.contains("\"requestURI\":\"/"))
        .unwrap();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let (mut rows, mut rolled) = (Rows::default(), Vec::new());
    for n in 0..2_000 {
        let long = format!("\"requestURI\":\"/{n}{}", "x".repeat(60_000));
        push(
            &mut rows,
            &[&line.replacen("\"requestURI\":\"/", &long, 1)],
            n,
        );
        if n % 100 == 99 {
            let change = history.append(&mut rows).unwrap();
            history.committed(change).unwrap();
            let change = history.due(Time::ZERO, false, &mut rows).unwrap();
            rolled.extend(
                change
                    .put
                    .iter()
                    .filter(|s| s.kind == SegmentKind::Events)
                    .map(|s| s.rows),
            );
            history.committed(change).unwrap();
        }
    }
    assert_eq!(rolled, [1_200], "64 MiB of them");
}

#[test]
fn a_rollup_that_somebody_deleted_is_forgotten() {
    let (_dir, state) = replayed();
    let segments = read_manifest(&state).unwrap().segments;
    let victim = segments
        .iter()
        .find(|s| s.kind == SegmentKind::Rollup)
        .unwrap()
        .clone();
    fs::remove_file(state.join(&victim.path)).unwrap();
    let mut history = History::open(&state, segments, FOR_EVER).unwrap();
    let change = history
        .due(Time::ZERO, false, &mut Rows::default())
        .unwrap();
    assert_eq!(change.forget, [victim.id]);
    history.committed(change).unwrap();
    assert!(
        history
            .due(Time::ZERO, false, &mut Rows::default())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_file_that_is_gone_or_too_short_is_named() {
    let (_dir, state) = replayed();
    let segments = read_manifest(&state).unwrap().segments;
    let victim = state.join(&segments[0].path);
    let bytes = fs::read(&victim).unwrap();
    fs::write(&victim, &bytes[..bytes.len() / 2]).unwrap();
    let said = |segments| {
        History::open(&state, segments, FOR_EVER)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(
        said(segments.clone()).contains(&segments[0].path),
        "{}",
        said(segments.clone())
    );
    fs::remove_file(&victim).unwrap();
    assert!(
        said(segments.clone()).contains("is missing"),
        "{}",
        said(segments)
    );
}

#[test]
fn small_files_of_an_old_day_are_joined_and_old_days_go() {
    let dir = tempfile::tempdir().unwrap();
    let text = sample();
    let lines: Vec<&str> = text.lines().take(90).collect();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let mut now = Time::ZERO;
    for (index, part) in lines.chunks(30).enumerate() {
        let change = history
            .append(&mut rows_of(part, 1 + 30 * index as u64))
            .unwrap();
        now = now.max(change.put[0].time_max);
        history.committed(change).unwrap();
        let change = history.due(now, true, &mut Rows::default()).unwrap();
        history.committed(change).unwrap();
    }
    let event_files = |h: &History| {
        h.segments()
            .filter(|s| s.kind == SegmentKind::Events)
            .count()
    };
    assert_eq!(event_files(&history), 3, "the day is not over");
    let change = history
        .due(now + Span::seconds(2 * 86_400), false, &mut Rows::default())
        .unwrap();
    history.committed(change).unwrap();
    assert_eq!(
        (event_files(&history), seqs(dir.path())),
        (1, (1..=90).collect())
    );
    let segments: Vec<_> = history.segments().cloned().collect();
    let short = Retention {
        age: Span::seconds(86_400),
        bytes: u64::MAX,
    };
    let mut history = History::open(dir.path(), segments, short).unwrap();
    let much_later = now + Span::seconds(400 * 86_400);
    let change = history
        .due(much_later, false, &mut Rows::default())
        .unwrap();
    assert!(change.is_empty(), "no event vouches for that time");
    let day = &now.to_string()[..10];
    let later = (now + Span::seconds(3 * 86_400)).to_string();
    let moved = text.replace(day, &later[..10]);
    let change = history
        .append(&mut rows_of(
            &moved.lines().take(120).collect::<Vec<_>>(),
            91,
        ))
        .unwrap();
    history.committed(change).unwrap();
    for _ in 0..2 {
        let change = history
            .due(now + Span::seconds(4 * 86_400), true, &mut Rows::default())
            .unwrap();
        history.committed(change).unwrap();
    }
    assert_eq!(
        seqs(dir.path()),
        (91..=210).collect::<Vec<_>>(),
        "now the bulk does"
    );
    assert!(
        history.segments().any(|s| s.kind == SegmentKind::Rollup),
        "the rollup outlives the events"
    );
}

#[test]
fn no_secret_reaches_a_file() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    let text = sample();
    let line = text
        .lines()
        .find(|line| line.contains("\"verb\":\"list\""))
        .unwrap();
    let line = line.replacen(
        "\"requestURI\":\"",
        &format!("\"requestURI\":\"/x?token={jwt}&y="),
        1,
    );
    let line = line.replacen("\"userAgent\":\"", &format!("\"userAgent\":\"{jwt} "), 1);
    let dir = tempfile::tempdir().unwrap();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let change = history.append(&mut rows_of(&[&line], 1)).unwrap();
    let head = fs::read(dir.path().join(&change.put[0].path)).unwrap();
    assert!(!String::from_utf8_lossy(&head).contains("eyJ"));
    assert!(String::from_utf8_lossy(&head).contains("[redacted]"));
}

#[test]
fn a_head_cut_anywhere_before_its_committed_end_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let text = sample();
    let lines: Vec<&str> = text.lines().take(20).collect();
    let mut history = History::open(dir.path(), Vec::new(), FOR_EVER).unwrap();
    let change = history.append(&mut rows_of(&lines, 1)).unwrap();
    let head = change.put[0].clone();
    history.committed(change).unwrap();
    drop(history);
    let path = dir.path().join(&head.path);
    // What came after the commit does not matter, be it whole or torn.
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(&[0xff; 999])
        .unwrap();
    History::open(dir.path(), vec![head.clone()], FOR_EVER).unwrap();
    assert_eq!(
        (fs::metadata(&path).unwrap().len(), seqs(dir.path()).len()),
        (head.bytes, 20)
    );
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(head.bytes - 1)
        .unwrap();
    assert!(History::open(dir.path(), vec![head], FOR_EVER).is_err());
}
