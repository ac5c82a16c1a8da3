//! SIGKILL at any moment: a child commits numbered batches and delivers their notices to the
//! incidents file; the parent kills it again and again, and each time reads what is left. Every
//! table must be as of one batch, and the file must hold every row of the past exactly once, with
//! at most one torn at its end.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokentrail::base::{Digest, Time};
use tokentrail::sink::{Cursor, Delivery, IncidentsFile, Row};
use tokentrail::store::{Advance, Aside, Commit, Delivered, Gap, Record, Recovered, Store};

const DIR: &str = "TOKENTRAIL_TEST_CRASH_DIR";
const KILLS: u64 = 60;
const KEYS: u64 = 20;
/// Most rows are small; some are large, so that a kill can tear one.
const LARGE_ROW_BYTES: usize = 900_000;

fn log() -> Digest {
    Digest::of(b"audit.log")
}

/// A small generator, so that a failure can be repeated: not random, only irregular.
fn mix(n: u64) -> u64 {
    let mut x = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// What batch `n` reads of the log: bytes that are lines, after bytes that are a gap (mostly none).
fn batch_bytes(n: u64) -> (u64, u64) {
    let gap = if mix(n).is_multiple_of(5) {
        mix(n) % 97
    } else {
        0
    };
    (gap, 1 + mix(n + 1_000_000) % 5_000)
}

fn end_of(n: u64) -> u64 {
    (1..=n).map(|i| batch_bytes(i).0 + batch_bytes(i).1).sum()
}

fn rows_of(n: u64) -> u64 {
    mix(n + 2_000_000) % 4
}

fn rows_through(n: u64) -> u64 {
    (1..=n).map(rows_of).sum()
}

fn row(number: u64) -> Vec<u8> {
    let pad = if mix(number).is_multiple_of(3) {
        LARGE_ROW_BYTES
    } else {
        mix(number) as usize % 300
    };
    format!("{{\"row\":{number},\"pad\":\"{}\"}}", "x".repeat(pad)).into_bytes()
}

fn value(n: u64) -> Vec<u8> {
    format!("{n:01400}").into_bytes()
}

fn commit_batch(store: &mut Store, n: u64, delivered: Option<Delivered>) -> Vec<Row> {
    let ((gap, lines), start) = (batch_bytes(n), end_of(n - 1));
    let gaps = [Gap {
        seq: n,
        file: log(),
        from: start,
        to: start + gap,
        kind: "cut",
        detail: "",
        time: Time(n as i64),
    }];
    let advance = Advance {
        file: log(),
        from: start + gap,
        to: start + gap + lines,
        first: n == 1,
    };
    let aside = Aside {
        seq: n,
        file: log(),
        from: start,
        to: start + 1,
        reason: "test",
        digest: log(),
        time: Time(5),
    };
    let (value, key) = (value(n), (n % KEYS).to_be_bytes());
    let rows: Vec<Row> = (rows_through(n - 1)..rows_through(n))
        .map(|number| (number, row(number)))
        .collect();
    let notices: Vec<&[u8]> = rows.iter().map(|(_, row)| row.as_slice()).collect();
    let receipt = store
        .commit(&Commit {
            seq: n,
            advances: &[advance],
            records: &[Record {
                room: 3,
                key: &key,
                value: Some(&value),
            }],
            incidents: &[(Digest::of(&key), &value)],
            notices: &notices,
            delivered,
            no_file: false,
            sinks: &[],
            asides: &[aside],
            gaps: if gap > 0 && n > 1 { &gaps } else { &[] },
            inputs: &[(n, value.clone())],
            history: None,
        })
        .unwrap();
    assert_eq!(receipt.first_outbox_row, rows_through(n - 1));
    rows
}

fn to_store(cursor: Cursor) -> Option<Delivered> {
    Some(Delivered {
        next_row: cursor.next_row,
        file_bytes: cursor.file_bytes,
    })
}

fn to_sink(delivered: Delivered) -> Cursor {
    Cursor {
        next_row: delivered.next_row,
        file_bytes: delivered.file_bytes,
    }
}

fn pending(state: &Recovered<'_>) -> Vec<Row> {
    state.outbox(0, usize::MAX).unwrap()
}

/// Opens both as the daemon does, and commits the cursor before the first append.
fn open(dir: &Path) -> (Store, IncidentsFile, Cursor, Vec<Row>, u64) {
    let mut store = Store::open(dir).unwrap();
    let state = store.load().unwrap();
    let (seq, rows) = (state.seq, pending(&state));
    let (file, cursor) = IncidentsFile::open(
        &dir.join("incidents.jsonl"),
        state.delivered.map(to_sink),
        &rows,
    )
    .unwrap();
    let _ = store
        .commit(&Commit {
            seq,
            delivered: to_store(cursor),
            ..Commit::default()
        })
        .unwrap();
    let rest = rows
        .into_iter()
        .filter(|(number, _)| *number >= cursor.next_row)
        .collect();
    (store, file, cursor, rest, seq)
}

/// Not a test of its own: the process that gets killed. Without the variable it does nothing.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let (mut store, mut file, mut cursor, mut rest, seq) = open(Path::new(&dir));
    let tell = || {
        std::io::stdout()
            .write_all(b"#")
            .and_then(|()| std::io::stdout().flush())
            .unwrap();
    };
    for n in seq + 1.. {
        tell();
        rest.extend(commit_batch(&mut store, n, to_store(cursor)));
        tell();
        // Now and then rows wait for the next batch, so that several commits lie between append and
        // cursor.
        if !mix(n + 3_000_000).is_multiple_of(3) {
            tell();
            match file.deliver(&rest).unwrap() {
                Delivery::Done(to) => cursor = to,
                Delivery::Moved(_) => panic!("nobody else writes to the file"),
            }
            rest.clear();
        }
    }
}

fn spawn(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets the child take some steps and a part of another, then kills it.
fn kill_in_the_middle(dir: &Path, round: u64) {
    let mut child = spawn(dir);
    let mut steps = mix(round) % 12;
    let mut byte = [0];
    let mut out = child.stdout.take().unwrap();
    while steps > 0 && out.read(&mut byte).unwrap() == 1 {
        steps -= u64::from(byte == *b"#");
    }
    for _ in 0..mix(round + 77) % 400_000 {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    assert!(
        !child.wait().unwrap().success(),
        "the child must die by our hand"
    );
}

fn check_tables(state: &Recovered<'_>) {
    let n = state.seq;
    assert_eq!(
        state
            .positions
            .iter()
            .map(|p| (p.offset, p.seq))
            .max()
            .unwrap_or_default(),
        (end_of(n), n)
    );
    let records: Vec<Vec<u8>> = state
        .records(3)
        .unwrap()
        .map(|row| row.unwrap().value().to_vec())
        .collect();
    let mut newest: Vec<(u64, u64)> = (1..=n)
        .rev()
        .take(KEYS as usize)
        .map(|i| (i % KEYS, i))
        .collect();
    newest.sort_unstable();
    assert_eq!(
        records,
        newest.iter().map(|(_, i)| value(*i)).collect::<Vec<_>>()
    );
    for incident in state.incidents().unwrap().map(Result::unwrap) {
        let (_, i) = newest
            .iter()
            .find(|(key, _)| Digest::of(&key.to_be_bytes()) == incident.id())
            .unwrap();
        assert_eq!(incident.value(), value(*i));
    }
    assert_eq!(state.incidents().unwrap().count(), newest.len());
    assert_eq!(state.asides().unwrap().len() as u64, n);
    let gaps: u64 = state
        .gaps()
        .unwrap()
        .iter()
        .map(|gap| gap.to - gap.from)
        .sum();
    assert_eq!(gaps, (2..=n).map(|i| batch_bytes(i).0).sum::<u64>());
    let delivered = state.delivered.map_or(0, |d| d.next_row);
    assert_eq!(state.next_outbox_row, rows_through(n));
    assert!(
        pending(state)
            == (delivered..rows_through(n))
                .map(|number| (number, row(number)))
                .collect::<Vec<_>>()
    );
}

/// The whole rows in the file, after checking that they are the first ones and that only the next
/// one may be torn.
fn check_file(bytes: &[u8], state: &Recovered<'_>) -> u64 {
    let (mut rest, mut number) = (bytes, 0);
    while let Some(after) = rest
        .strip_prefix(row(number).as_slice())
        .and_then(|r| r.strip_prefix(b"\n"))
    {
        (rest, number) = (after, number + 1);
    }
    assert!(
        row(number).starts_with(rest),
        "row {number} is neither whole nor torn"
    );
    assert!(
        number >= state.delivered.map_or(0, |d| d.next_row),
        "the cursor is ahead of the file"
    );
    assert!(
        number + u64::from(!rest.is_empty()) <= state.next_outbox_row,
        "a row was shown before its commit"
    );
    number
}

#[test]
fn nothing_is_lost_doubled_or_torn_by_kills() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents.jsonl");
    let (mut torn, mut ahead) = (0, 0);
    for round in 0..KILLS {
        kill_in_the_middle(dir.path(), round);
        let store = Store::open(dir.path()).unwrap();
        let state = store.load().unwrap();
        check_tables(&state);
        let bytes = std::fs::read(&path).unwrap_or_default();
        let number = check_file(&bytes, &state);
        torn += u64::from(!bytes.is_empty() && !bytes.ends_with(b"\n"));
        ahead += u64::from(number > state.delivered.map_or(0, |d| d.next_row));
    }
    let (store, mut file, _, rest, seq) = open(dir.path());
    assert!(matches!(file.deliver(&rest).unwrap(), Delivery::Done(_)));
    drop(store);
    let whole: Vec<u8> = (0..rows_through(seq))
        .flat_map(|number| [row(number), b"\n".to_vec()].concat())
        .collect();
    assert!(std::fs::read(&path).unwrap() == whole);
    println!(
        "{KILLS} kills, {seq} batches, {torn} torn rows, {ahead} times the file was ahead of the cursor"
    );
    assert!(
        seq > KILLS && ahead > 0,
        "the kills came too early to prove anything"
    );
}
