//! What is accepted is there, once; what is not is told.

use super::*;
use crate::base::Digest;
use crate::source::{Follower, Item, Limits as Reading, Positions, Start};
use std::time::Instant;

fn event(n: u32) -> String {
    format!(
        r#"{{"level":"Metadata","auditID":"{n}","stage":"ResponseComplete","requestURI":"/api","verb":"get","user":{{"username":"u"}},"stageTimestamp":"2026-03-02T08:53:{:02}.000000Z"}}"#,
        n % 60
    )
}

fn batch(numbers: std::ops::Range<u32>) -> Batch {
    let lines: Vec<String> = numbers.map(event).collect();
    Batch::of(lines.iter().map(String::as_bytes))
}

fn small() -> Limits {
    Limits {
        file: 2000,
        total: 1 << 20,
    }
}

/// Lines and gaps that a follower reads now, after what it has read.
struct Reader {
    follower: Follower,
    positions: Positions,
}

impl Reader {
    fn of(spool: &Spool, positions: Positions) -> Reader {
        let follower = Follower::open(
            spool.path(),
            Start::Oldest,
            positions.clone(),
            Reading::default(),
        );
        Reader {
            follower,
            positions,
        }
    }

    fn read(&mut self) -> (Vec<String>, Vec<String>) {
        let (mut lines, mut gaps) = (Vec::new(), Vec::new());
        let positions = &mut self.positions;
        let mut each = |item: Item<'_>| {
            positions.commit(&item);
            match read(item) {
                Item::Line { bytes, .. } => lines.push(String::from_utf8(bytes.to_vec()).unwrap()),
                Item::Gap { kind, detail, .. } => gaps.push(format!("{kind} {detail}")),
                Item::TooLong { .. } | Item::Begin { .. } => {}
            }
        };
        while !self
            .follower
            .poll(Instant::now(), 1 << 20, &mut each)
            .caught_up
        {}
        (lines, gaps)
    }
}

fn events(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(event).collect()
}

#[test]
fn a_batch_that_comes_twice_is_stored_once_even_after_a_restart_and_rotations() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), small()).unwrap();
    let mut reader = Reader::of(&spool, Positions::default());
    for n in 0..20 {
        let batch = batch(n * 10..n * 10 + 10);
        assert_eq!(
            spool.append(&[&batch, &batch]).unwrap(),
            [Kept::Stored, Kept::Repeated]
        );
    }
    assert!(
        std::fs::read_dir(dir.path()).unwrap().count() > 10,
        "it has rotated"
    );
    assert_eq!(reader.read(), (events(0..200), Vec::new()));
    let positions = reader.positions;
    drop((spool, reader.follower));
    let spool = Spool::open(dir.path(), small()).unwrap();
    for n in 0..20 {
        assert_eq!(
            spool.append(&[&batch(n * 10..n * 10 + 10)]).unwrap(),
            [Kept::Repeated]
        );
    }
    assert_eq!(spool.append(&[&batch(200..203)]).unwrap(), [Kept::Stored]);
    assert_eq!(
        Reader::of(&spool, positions).read(),
        (events(200..203), Vec::new())
    );
}

#[test]
fn what_is_read_and_committed_goes_and_nobody_misses_it() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), small()).unwrap();
    let mut reader = Reader::of(&spool, Positions::default());
    for n in 0..50 {
        spool.append(&[&batch(n * 10..n * 10 + 10)]).unwrap();
        assert_eq!(reader.read(), (events(n * 10..n * 10 + 10), Vec::new()));
        spool.is_read_before(reader.follower.held().unwrap());
        assert!(spool.size().0 < 8000, "{:?}", spool.size());
    }
    let mut again = Reader::of(&spool, reader.positions);
    assert_eq!(
        again.read(),
        (Vec::new(), Vec::new()),
        "a restart misses nothing"
    );
    drop(spool);
    let spool = Spool::open(dir.path(), small()).unwrap();
    assert_eq!(
        spool.append(&[&batch(0..10)]).unwrap(),
        [Kept::Repeated],
        "its digest outlives it"
    );
}

#[test]
fn nothing_goes_that_is_not_read_and_a_full_spool_tells_exactly_what_it_lost() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        file: 2000,
        total: 10_000,
    };
    let spool = Spool::open(dir.path(), limits).unwrap();
    let mut reader = Reader::of(&spool, Positions::default());
    let mut stored = 0;
    while spool
        .append(&[&batch(stored * 10..stored * 10 + 10)])
        .unwrap()
        == [Kept::Stored]
    {
        stored += 1;
    }
    assert_eq!(
        spool.append(&[&batch(9000..9010)]).unwrap(),
        [Kept::Dropped]
    );
    assert_eq!(spool.size().1, 20);
    // It is not forgotten by a restart.
    drop(spool);
    let spool = Spool::open(dir.path(), limits).unwrap();
    let (lines, mut gaps) = reader.read();
    assert_eq!(lines, events(0..stored * 10));
    spool.is_read_before(reader.follower.held().unwrap());
    spool.settle().unwrap();
    gaps.extend(reader.read().1);
    // A gap is told as soon as there is room for its line.
    let lost = |gap: &String| -> u64 {
        assert!(gap.contains("came and could not be kept"), "{gap}");
        assert!(gap.contains("; stage times 2026-03-02T"), "{gap}");
        gap.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(gaps.iter().map(lost).sum::<u64>(), 20, "{gaps:?}");
    spool.settle().unwrap();
    assert_eq!(reader.read().1.len(), 0, "it is told once");
    drop(spool);
    let spool = Spool::open(dir.path(), limits).unwrap();
    spool.settle().unwrap();
    assert_eq!(reader.read().1.len(), 0, "also over a restart");
}

#[test]
fn what_a_crash_cut_short_goes_on_where_it_was_cut() {
    let whole = batch(0..10);
    let mark = Mark {
        digest: whole.digest(),
        from: 0,
        to: 10,
    }
    .line();
    let bytes = [&mark[..], whole.lines()].concat();
    for cut in (0..=bytes.len()).step_by(7) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(NAME), &bytes[..cut]).unwrap();
        let spool = Spool::open(dir.path(), small()).unwrap();
        let mut reader = Reader::of(&spool, Positions::default());
        let (mut lines, _) = reader.read();
        // Another one comes first.
        spool.append(&[&batch(20..22)]).unwrap();
        let kept = spool.append(&[&whole]).unwrap();
        assert_eq!(
            kept,
            [if cut == bytes.len() {
                Kept::Repeated
            } else {
                Kept::Stored
            }],
            "{cut}"
        );
        drop(spool);
        let spool = Spool::open(dir.path(), small()).unwrap();
        assert_eq!(spool.append(&[&whole]).unwrap(), [Kept::Repeated], "{cut}");
        lines.extend(reader.read().0);
        lines.sort();
        let mut wanted = [events(0..10), events(20..22)].concat();
        wanted.sort();
        assert_eq!(lines, wanted, "{cut}");
    }
}

#[test]
fn a_sender_cannot_write_marks() {
    let digest = Digest::of(b"x");
    let forged: [&[u8]; 3] = [
        b"#gap 7 all is well .",
        b"#batch 00 0 9 .",
        b"{\"a\":\n#gap 8 nothing to see .\n1}",
    ];
    let batch = Batch::of(forged);
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), small()).unwrap();
    spool.append(&[&batch]).unwrap();
    let (lines, gaps) = Reader::of(&spool, Positions::default()).read();
    assert_eq!((lines.len(), gaps.len()), (3, 0), "{lines:?}");
    assert_ne!(batch.digest(), digest);
}

#[test]
fn only_one_process_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let _spool = Spool::open(dir.path(), small()).unwrap();
    assert!(matches!(
        Spool::open(dir.path(), small()),
        Err(SpoolError::InUse { .. })
    ));
}

#[test]
fn a_write_that_fails_for_good_is_never_answered_as_stored() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), small()).unwrap();
    spool.lock().failed = Some("the disk is broken".to_owned());
    assert!(spool.append(&[&batch(0..1)]).is_err());
    assert_eq!(spool.failure().as_deref(), Some("the disk is broken"));
}
