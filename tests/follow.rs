//! An API server's log in a temporary directory, and a follower that must miss none of it.
//!
//! The programs of [`Op`]s are random: rotation, compression, removal, cuts in place, crashes of
//! the reader.

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokentrail::base::Digest;
use tokentrail::source::{Archive, Follower, GapKind, Item, Limits, Positions, Progress, Start};

const LIMITS: Limits = Limits {
    max_line: 4 << 10,
    chunk: 64,
};

/// kube-apiserver with lumberjack; `rename` then `create`.
struct Writer {
    dir: PathBuf,
    out: Option<File>,
    written: Vec<String>,
    half: Option<String>,
    count: u32,
    stamp: u32,
}

impl Writer {
    fn new(dir: &Path) -> Writer {
        let mut writer = Writer {
            dir: dir.join("logs"),
            out: None,
            written: Vec::new(),
            half: None,
            count: 0,
            stamp: 0,
        };
        writer.create();
        writer
    }

    fn active(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    fn create(&mut self) {
        fs::create_dir_all(&self.dir).unwrap();
        self.out = Some(
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.active())
                .unwrap(),
        );
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn line(&mut self) -> String {
        self.count += 1;
        format!(
            "{{\"auditID\":\"{:08}\",\"pad\":\"{}\"}}",
            self.count,
            "x".repeat(self.count as usize % 50)
        )
    }

    fn append(&mut self, lines: usize) {
        for _ in 0..lines {
            self.complete();
            let line = self.line();
            self.put(format!("{line}\n").as_bytes());
            self.written.push(line);
        }
    }

    /// Writes the first half of a line; the next write completes it.
    fn append_half(&mut self) {
        self.complete();
        let line = self.line();
        self.put(&line.as_bytes()[..9]);
        self.half = Some(line);
    }

    fn complete(&mut self) {
        if let Some(line) = self.half.take() {
            self.put(format!("{}\n", &line[9..]).as_bytes());
            self.written.push(line);
        }
    }

    fn rotate(&mut self) {
        self.half = None;
        self.stamp += 1;
        let name = format!(
            "audit-2026-08-22T10-{:02}-{:02}.345.log",
            self.stamp / 60,
            self.stamp % 60
        );
        if self.active().exists() {
            fs::rename(self.active(), self.dir.join(name)).unwrap();
        }
        self.create();
    }

    fn rotated(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        let mut all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        all.retain(|path| path.to_str().unwrap().contains("audit-"));
        all.sort();
        all
    }

    /// Packs the first plain rotated file; `keep`: the plain one is still there, the packed one
    /// half-written.
    fn compress(&mut self, keep: bool) {
        let Some(plain) = self
            .rotated()
            .into_iter()
            .find(|path| path.extension().unwrap() == "log")
        else {
            return;
        };
        let packed = gzip(&fs::read(&plain).unwrap());
        let len = if keep { packed.len() / 2 } else { packed.len() };
        fs::write(format!("{}.gz", plain.display()), &packed[..len]).unwrap();
        if !keep {
            fs::remove_file(plain).unwrap();
        }
    }

    fn remove_oldest(&mut self) {
        let Some(oldest) = self.rotated().into_iter().next() else {
            return;
        };
        let plain = oldest.to_str().unwrap().trim_end_matches(".gz").to_owned();
        let _ = fs::remove_file(&plain);
        let _ = fs::remove_file(plain + ".gz");
    }

    fn truncate(&mut self) {
        self.half = None;
        self.out.as_mut().unwrap().set_len(0).unwrap();
    }

    fn recreate_directory(&mut self) {
        self.half = None;
        fs::remove_dir_all(&self.dir).unwrap();
        self.create();
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A daemon that commits what it read now and then.
struct Reader {
    path: PathBuf,
    start: Start,
    follower: Follower,
    now: Instant,
    lines: Vec<String>,
    gaps: Vec<(GapKind, u64, u64, String)>,
    intervals: HashMap<Digest, u64>,
    positions: Positions,
    committed: (usize, usize, Positions, HashMap<Digest, u64>),
}

impl Reader {
    fn new(path: PathBuf, start: Start) -> Reader {
        let follower = Follower::open(&path, start, Positions::default(), LIMITS);
        Reader {
            path,
            start,
            follower,
            now: Instant::now(),
            lines: Vec::new(),
            gaps: Vec::new(),
            intervals: HashMap::new(),
            positions: Positions::default(),
            committed: Default::default(),
        }
    }

    fn poll(&mut self, budget: u64) -> Progress {
        self.now += Duration::from_secs(1);
        let Reader {
            follower,
            lines,
            gaps,
            intervals,
            positions,
            ..
        } = self;
        follower.poll(self.now, budget, &mut |item| {
            take(&item, lines, gaps, intervals);
            positions.commit(&item);
        })
    }

    /// A poll that lists the directory.
    fn look(&mut self) {
        self.now += Duration::from_secs(60);
        self.poll(64);
    }

    fn drain(&mut self) {
        for _ in 0..10_000 {
            if self.poll(1 << 20).caught_up {
                return;
            }
        }
        panic!("never caught up");
    }

    fn commit(&mut self) {
        self.committed = (
            self.lines.len(),
            self.gaps.len(),
            self.positions.clone(),
            self.intervals.clone(),
        );
    }

    /// What was not committed did not happen.
    fn crash(&mut self) {
        let (lines, gaps, positions, intervals) = self.committed.clone();
        self.lines.truncate(lines);
        self.gaps.truncate(gaps);
        self.intervals = intervals;
        self.positions = positions.clone();
        self.follower = Follower::open(&self.path, self.start, positions, LIMITS);
    }

    fn kinds(&self) -> Vec<GapKind> {
        self.gaps.iter().map(|gap| gap.0).collect()
    }
}

/// Every byte belongs to one item: intervals of a file follow each other.
fn take(
    item: &Item<'_>,
    lines: &mut Vec<String>,
    gaps: &mut Vec<(GapKind, u64, u64, String)>,
    intervals: &mut HashMap<Digest, u64>,
) {
    let (from, kind) = match *item {
        Item::Line { from, bytes, .. } => {
            lines.push(String::from_utf8_lossy(bytes).into_owned());
            (from, None)
        }
        Item::TooLong { from, .. } | Item::Begin { from, .. } => (from, None),
        Item::Gap {
            from,
            to,
            kind,
            detail,
            ..
        } => {
            gaps.push((kind, from, to, detail.to_owned()));
            (from, Some(kind))
        }
    };
    if let Some((file, to)) = item.position() {
        let before = intervals.insert(file, to).unwrap_or(0);
        assert!(
            from == before || kind == Some(GapKind::Truncated),
            "{item:?} follows {before}"
        );
    }
}

fn world() -> (tempfile::TempDir, Writer, Reader) {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::new(dir.path());
    let reader = Reader::new(writer.active(), Start::Oldest);
    (dir, writer, reader)
}

#[test]
fn a_log_and_a_directory_that_appear_later() {
    let dir = tempfile::tempdir().unwrap();
    let mut reader = Reader::new(dir.path().join("logs/audit.log"), Start::Oldest);
    assert!(reader.poll(1000).caught_up);
    let mut writer = Writer::new(dir.path());
    reader.drain();
    writer.append_half();
    reader.drain();
    assert!(reader.lines.is_empty());
    writer.append(2);
    reader.drain();
    assert_eq!(reader.lines, writer.written);
    assert_eq!(reader.kinds(), []);
}

#[test]
fn what_was_appended_just_before_the_rename_is_read_first() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(3);
    reader.drain();
    writer.append(2);
    writer.rotate();
    writer.append(2);
    writer.rotate();
    writer.compress(false);
    writer.append(1);
    reader.drain();
    assert_eq!(reader.lines, writer.written);
    assert_eq!(reader.kinds(), []);
}

#[test]
fn a_restart_reads_on_in_a_file_that_was_renamed_and_packed() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(50);
    reader.poll(1);
    reader.poll(600);
    reader.commit();
    assert!(!reader.lines.is_empty() && reader.lines.len() < 50);
    writer.rotate();
    writer.append(3);
    writer.compress(false);
    reader.crash();
    reader.drain();
    assert_eq!(reader.lines, writer.written);
    let before = reader.lines.len();
    reader.commit();
    reader.crash();
    reader.drain();
    assert_eq!((reader.lines.len(), reader.kinds()), (before, vec![]));
}

#[test]
fn a_cut_in_place_is_a_gap_and_the_copy_fills_it() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(5);
    reader.drain();
    writer.append(5);
    fs::copy(writer.active(), writer.dir.join("audit.log.1")).unwrap();
    writer.truncate();
    writer.append(30);
    reader.drain();
    assert_eq!(reader.lines, writer.written);
    assert_eq!(reader.kinds(), [GapKind::Truncated]);
    writer.truncate();
    reader.drain();
    writer.append(1);
    reader.drain();
    assert_eq!(reader.lines, writer.written);
    assert_eq!(reader.kinds(), [GapKind::Truncated, GapKind::Truncated]);
}

#[test]
fn a_log_shortened_under_its_first_line_is_read_on_at_its_end() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(5);
    reader.drain();
    let len = fs::metadata(writer.active()).unwrap().len();
    writer.out.as_mut().unwrap().set_len(len - 3).unwrap();
    reader.drain();
    assert!(
        reader
            .kinds()
            .iter()
            .all(|kind| *kind == GapKind::Truncated)
            && !reader.kinds().is_empty()
    );
    writer.put(b"!\n");
    writer.append(1);
    reader.drain();
    assert_eq!(reader.lines.len(), 7);
    assert_eq!(reader.lines.last(), writer.written.last());
}

#[test]
fn a_torn_last_line_of_a_rotated_file_is_a_gap() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(2);
    writer.append_half();
    reader.drain();
    writer.rotate();
    writer.append(1);
    reader.drain();
    assert_eq!(reader.lines, writer.written);
    assert_eq!(reader.kinds(), [GapKind::Torn]);
    reader.commit();
    reader.crash();
    reader.drain();
    assert_eq!((reader.lines.len(), reader.kinds().len()), (3, 1));
}

#[test]
fn the_blocks_of_nul_after_a_crash_are_a_gap_with_their_range() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(1);
    let from = fs::metadata(writer.active()).unwrap().len();
    writer.put(&[0; 4096]);
    reader.drain();
    assert_eq!(reader.kinds(), []);
    writer.append(2);
    reader.drain();
    assert_eq!(reader.lines, writer.written);
    assert_eq!(
        reader.gaps,
        [(GapKind::Nul, from, from + 4096, "4096 NUL bytes".to_owned())]
    );
}

#[test]
fn a_reused_inode_is_another_file() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(4);
    reader.drain();
    reader.commit();
    fs::remove_file(writer.active()).unwrap();
    writer.create();
    writer.append(9);
    reader.crash();
    reader.drain();
    assert_eq!(reader.lines, writer.written);
    assert_eq!(reader.kinds(), [GapKind::Lost]);
}

#[test]
fn a_log_replaced_by_its_own_copy_is_read_on_in_the_copy() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(4);
    reader.drain();
    fs::copy(writer.active(), writer.dir.join("copy")).unwrap();
    fs::rename(writer.dir.join("copy"), writer.active()).unwrap();
    reader.drain();
    writer.create();
    writer.append(4);
    reader.drain();
    assert_eq!(reader.lines, writer.written);
    assert_eq!(reader.kinds(), []);
}

#[test]
fn a_broken_gzip_is_told_once_and_read_when_it_is_mended() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(200);
    writer.rotate();
    writer.append(1);
    writer.compress(false);
    let packed = writer.rotated().remove(0);
    let whole = fs::read(&packed).unwrap();
    fs::write(&packed, &whole[..whole.len() * 2 / 3]).unwrap();
    for _ in 0..100 {
        reader.drain();
    }
    assert_eq!(reader.kinds(), [GapKind::Unreadable]);
    assert!(
        reader.gaps[0].3.contains("audit-2026"),
        "{}",
        reader.gaps[0].3
    );
    assert_eq!(reader.lines.last(), writer.written.last());
    fs::write(&packed, &whole).unwrap();
    for _ in 0..12 {
        reader.drain();
    }
    writer.append(1);
    reader.drain();
    let mut sorted = reader.lines.clone();
    sorted.sort();
    assert_eq!(sorted, writer.written);
    assert_eq!(reader.kinds(), [GapKind::Unreadable]);
}

#[test]
fn an_unread_file_that_vanishes_is_a_loss_with_its_size() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(20);
    writer.rotate();
    writer.append(20);
    writer.rotate();
    writer.append(1);
    reader.poll(100);
    let second = writer.rotated().remove(1);
    let len = fs::metadata(&second).unwrap().len();
    fs::remove_file(second).unwrap();
    reader.drain();
    assert_eq!(reader.lines.len(), 21);
    assert_eq!(reader.gaps.len(), 1);
    assert_eq!((reader.gaps[0].0, reader.gaps[0].2), (GapKind::Lost, len));
}

#[test]
fn a_chain_that_broke_unseen_is_a_loss() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(5);
    reader.drain();
    for _ in 0..2 {
        writer.rotate();
        writer.append(5);
    }
    writer.remove_oldest();
    writer.remove_oldest();
    reader.drain();
    assert_eq!(
        reader.lines,
        [&writer.written[..5], &writer.written[10..]].concat()
    );
    assert_eq!(reader.kinds(), [GapKind::Lost]);
}

#[test]
fn the_file_read_last_is_missed_after_a_restart_though_older_ones_are_there() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(5);
    writer.rotate();
    writer.append(5);
    reader.drain();
    reader.commit();
    writer.append(5);
    fs::remove_file(writer.active()).unwrap();
    writer.create();
    writer.append(5);
    reader.crash();
    reader.drain();
    assert_eq!(
        reader.lines,
        [&writer.written[..10], &writer.written[15..]].concat()
    );
    assert_eq!(reader.kinds(), [GapKind::Lost]);
}

#[test]
fn the_end_is_registered_and_rotated_files_stay_unread() {
    let (_dir, mut writer, _) = world();
    writer.append(5);
    writer.rotate();
    writer.append(5);
    let mut reader = Reader::new(writer.active(), Start::End);
    reader.drain();
    assert!(reader.lines.is_empty());
    reader.commit();
    assert_eq!(reader.positions.offsets.len(), 1);
    writer.append(2);
    reader.crash();
    reader.drain();
    writer.rotate();
    writer.append(1);
    reader.drain();
    assert_eq!(reader.lines, writer.written[10..]);
    assert_eq!(reader.kinds(), []);
}

#[test]
fn what_was_there_before_the_chosen_end_is_not_missed_when_it_goes() {
    let (_dir, mut writer, _) = world();
    writer.append(5);
    writer.rotate();
    fs::write(
        writer.dir.join("audit-2020-01-01T00-00-00.000.log.gz"),
        [0x1f, 0x8b, 0, 0, 0, 0],
    )
    .unwrap();
    writer.append(5);
    let mut reader = Reader::new(writer.active(), Start::End);
    reader.drain();
    assert_eq!(reader.kinds(), [GapKind::Unreadable]);
    fs::write(
        writer.dir.join("audit-2020-01-01T00-00-00.000.log.gz"),
        gzip(b"{\"old\":1}\n"),
    )
    .unwrap();
    reader.look();
    reader.drain();
    while !writer.rotated().is_empty() {
        writer.remove_oldest();
        reader.look();
    }
    writer.append(1);
    reader.drain();
    assert_eq!(reader.lines, writer.written[10..]);
    assert_eq!(reader.kinds(), [GapKind::Unreadable]);
}

#[test]
fn a_file_of_the_log_that_is_no_file_does_not_stop_it() {
    let (_dir, mut writer, mut reader) = world();
    fs::create_dir(writer.dir.join("audit.log.1")).unwrap();
    fs::write(writer.dir.join("audit.log.2"), "").unwrap();
    fs::write(writer.dir.join("audit.log.3"), "{\"tor").unwrap();
    writer.append(2);
    reader.drain();
    reader.look();
    assert_eq!(reader.lines, writer.written);
    assert_eq!(reader.kinds(), [GapKind::Torn]);
}

#[test]
fn a_follower_can_be_moved_to_a_thread_of_its_own() {
    fn is_send<T: Send>() {}
    is_send::<Follower>();
    is_send::<Archive>();
    is_send::<tokentrail::source::Waker>();
}

#[test]
fn a_replay_goes_before_a_run_and_repeats_nothing() {
    let (_dir, mut writer, mut reader) = world();
    writer.append(5);
    writer.rotate();
    writer.append(5);
    writer.append_half();
    let files = [vec![writer.active()], writer.rotated()].concat();
    let (lines, positions) = replay(&files, Positions::default());
    assert_eq!(lines, writer.written);
    assert_eq!(replay(&files, positions.clone()).0, Vec::<String>::new());
    reader.positions = positions;
    reader.commit();
    reader.intervals = reader.positions.offsets.clone();
    reader.commit();
    reader.crash();
    writer.append(2);
    reader.drain();
    assert_eq!(reader.lines, writer.written[10..]);
    assert_eq!(reader.kinds(), []);
}

fn replay(files: &[PathBuf], mut positions: Positions) -> (Vec<String>, Positions) {
    let mut archive = Archive::open(files, positions.clone(), LIMITS).unwrap();
    let (mut lines, mut gaps) = (Vec::new(), Vec::new());
    let mut intervals = positions.offsets.clone();
    while !archive
        .read(1000, &|_| None, &mut |item| {
            take(&item, &mut lines, &mut gaps, &mut intervals);
            positions.commit(&item);
        })
        .all
    {}
    (lines, positions)
}

#[test]
fn a_writer_that_never_waits_is_followed() {
    let (_dir, mut writer, mut reader) = world();
    let written = std::thread::spawn(move || {
        for round in 0..300 {
            writer.append(20);
            writer.rotate();
            if round % 7 == 0 {
                writer.compress(false);
            }
        }
        writer.append(1);
        writer.written
    });
    while !written.is_finished() {
        reader.poll(1 << 20);
    }
    let written = written.join().unwrap();
    reader.drain();
    assert_eq!(reader.lines, written);
    assert_eq!(reader.kinds(), []);
}

#[derive(Debug, Clone)]
enum Op {
    Append(usize),
    Half,
    Nul,
    Rotate,
    Compress { keep: bool },
    RemoveOldest,
    Truncate,
    RecreateDirectory,
    Poll(u64),
    Commit,
    Crash,
}

fn gentle() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1usize..8).prop_map(Op::Append),
        1 => Just(Op::Half),
        1 => Just(Op::Nul),
        3 => Just(Op::Rotate),
        2 => any::<bool>().prop_map(|keep| Op::Compress { keep }),
        6 => (1u64..2000).prop_map(Op::Poll),
        3 => Just(Op::Commit),
        2 => Just(Op::Crash),
    ]
}

fn rough() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => gentle(),
        1 => Just(Op::RemoveOldest),
        1 => Just(Op::Truncate),
        1 => Just(Op::RecreateDirectory),
    ]
}

fn run(ops: &[Op], known: bool) -> (Vec<String>, Reader) {
    let (_dir, mut writer, mut reader) = world();
    if known {
        writer.append(1);
        reader.drain();
        reader.commit();
    }
    for op in ops {
        // Only what the reader knew to be there can be missed, and only what it committed was told.
        let destroys = matches!(op, Op::RemoveOldest | Op::Truncate | Op::RecreateDirectory);
        if destroys {
            reader.look();
        }
        match *op {
            Op::Append(lines) => writer.append(lines),
            Op::Half => writer.append_half(),
            Op::Nul => {
                writer.half = None;
                writer.put(&[0; 100]);
            }
            Op::Rotate => writer.rotate(),
            Op::Compress { keep } => writer.compress(keep),
            Op::RemoveOldest => writer.remove_oldest(),
            Op::Truncate => writer.truncate(),
            Op::RecreateDirectory => writer.recreate_directory(),
            Op::Poll(budget) => drop(reader.poll(budget)),
            Op::Commit => reader.commit(),
            Op::Crash => reader.crash(),
        }
        if destroys {
            reader.look();
            reader.commit();
        }
    }
    // A last line proves that what is left behind is left for good.
    writer.append(1);
    for _ in 0..30 {
        reader.drain();
    }
    (writer.written, reader)
}

#[test]
fn a_file_of_nul_bytes_that_is_packed_and_gone_hides_no_later_one() {
    let ops = [
        Op::Nul,
        Op::Poll(1),
        Op::Rotate,
        Op::Compress { keep: false },
        Op::Rotate,
    ];
    let (written, reader) = run(&ops, false);
    assert_eq!(reader.lines, written);
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(400),
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_is_lost_or_doubled(ops in proptest::collection::vec(gentle(), 1..60)) {
        let (written, reader) = run(&ops, false);
        prop_assert_eq!(&reader.lines, &written);
        let blind = [GapKind::Lost, GapKind::Truncated, GapKind::Unreadable];
        prop_assert!(!reader.kinds().iter().any(|kind| blind.contains(kind)), "{:?}", reader.gaps);
    }

    #[test]
    fn what_is_destroyed_unread_is_told(ops in proptest::collection::vec(rough(), 1..60)) {
        let (written, reader) = run(&ops, true);
        let mut rest = written.iter();
        for line in &reader.lines {
            prop_assert!(rest.any(|other| other == line), "doubled, out of order or never written: {line}");
        }
        if reader.lines.len() < written.len() {
            let told = [GapKind::Lost, GapKind::Truncated];
            prop_assert!(reader.kinds().iter().any(|kind| told.contains(kind)), "{:?}", reader.gaps);
        }
    }
}
