//! What happens to a live log besides lumberjack: names that nobody told us, other directories,
//! restores, removal, copies under a second name, and files that are no log.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokentrail::source::{
    Absence, Follower, GapKind, Item, Limits, Positions, Progress, Shared, Start,
};

/// A follower with what it read; a restart keeps what it committed.
struct Reader {
    path: PathBuf,
    follower: Follower,
    now: Instant,
    ids: Vec<u32>,
    gaps: Vec<(GapKind, String)>,
    positions: Positions,
    last: Progress,
}

impl Reader {
    fn new(path: &Path) -> Reader {
        let follower = Follower::open(path, Start::Oldest, Positions::default(), Limits::default());
        Reader {
            path: path.to_owned(),
            follower,
            now: Instant::now(),
            ids: Vec::new(),
            gaps: Vec::new(),
            positions: Positions::default(),
            last: Progress::default(),
        }
    }

    fn drain(&mut self) {
        for _ in 0..1000 {
            self.now += Duration::from_secs(11);
            let Reader {
                follower,
                ids,
                gaps,
                positions,
                ..
            } = self;
            self.last = follower.poll(self.now, 1 << 20, &mut |item| {
                positions.commit(&item);
                match item {
                    Item::Line { bytes, .. } => ids.extend(id(bytes)),
                    Item::Gap { kind, detail, .. } => gaps.push((kind, detail.to_owned())),
                    Item::TooLong { .. } | Item::Begin { .. } => {}
                }
            });
            if self.last.caught_up {
                return;
            }
        }
        panic!("never caught up");
    }

    fn restart(&mut self) {
        self.follower = Follower::open(
            &self.path,
            Start::Oldest,
            self.positions.clone(),
            Limits::default(),
        );
    }

    fn kinds(&self) -> Vec<GapKind> {
        self.gaps.iter().map(|gap| gap.0).collect()
    }
}

fn id(line: &[u8]) -> Option<u32> {
    std::str::from_utf8(line)
        .ok()?
        .split("\"auditID\":\"")
        .nth(1)?
        .split('"')
        .next()?
        .parse()
        .ok()
}

fn lines(from: u32, to: u32) -> String {
    (from..to)
        .map(|n| {
            format!(
                "{{\"auditID\":\"{n:05}\",\"pad\":\"{}\"}}\n",
                "x".repeat(n as usize % 40)
            )
        })
        .collect()
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn world() -> (tempfile::TempDir, PathBuf, Reader) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("logs")).unwrap();
    let active = dir.path().join("logs/audit.log");
    let reader = Reader::new(&active);
    (dir, active, reader)
}

fn gzip(path: &Path) {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&fs::read(path).unwrap()).unwrap();
    fs::write(format!("{}.gz", path.display()), packed.finish().unwrap()).unwrap();
    fs::remove_file(path).unwrap();
}

/// Where the `n`th rotation puts the log.
type Scheme = (&'static str, fn(u32) -> String);

fn schemes() -> Vec<Scheme> {
    vec![
        ("lumberjack, then logrotate", |n| {
            format!("audit-2026-03-02T{n:02}-00-00.000.log.1")
        }),
        ("dated", |n| format!("audit-202603{n:02}.log")),
        ("hours", |n| format!("audit.log-20260302{n:02}")),
        ("dashes", |n| format!("audit.log-2026-03-{n:02}")),
        ("inside", |n| format!("audit.{}.log", 90 - n)),
        ("olddir", |n| format!("old/audit.log-202603{n:02}")),
        ("olddir beside", |n| {
            format!("../rotated/audit.log.{}", 90 - n)
        }),
        ("words", |n| format!("audit.saved-{n}.txt")),
    ]
}

#[test]
fn rotation_under_any_name_loses_nothing_live() {
    for (scheme, name) in schemes() {
        for packs in [false, true] {
            let (_dir, active, mut reader) = world();
            for n in 1..5 {
                append(&active, &lines(n * 100, n * 100 + 10));
                reader.drain();
                append(&active, &lines(n * 100 + 10, n * 100 + 20));
                let rotated = active.with_file_name(name(n));
                fs::create_dir_all(rotated.parent().unwrap()).unwrap();
                fs::rename(&active, &rotated).unwrap();
                append(&active, "");
                if packs {
                    gzip(&rotated);
                }
            }
            append(&active, &lines(500, 510));
            reader.drain();
            let wanted: Vec<u32> = (1..5)
                .flat_map(|n| n * 100..n * 100 + 20)
                .chain(500..510)
                .collect();
            assert_eq!(
                (reader.ids.clone(), reader.gaps.clone()),
                (wanted, vec![]),
                "{scheme}, packed: {packs}"
            );
        }
    }
}

#[test]
fn rotation_under_any_name_loses_nothing_over_a_restart() {
    for (scheme, name) in schemes() {
        for packs in [false, true] {
            let (_dir, active, mut reader) = world();
            append(&active, &lines(0, 10));
            reader.drain();
            // The daemon is away for three rotations.
            for n in 1..4 {
                append(&active, &lines(n * 100, n * 100 + 10));
                let rotated = active.with_file_name(name(n));
                fs::create_dir_all(rotated.parent().unwrap()).unwrap();
                fs::rename(&active, &rotated).unwrap();
                if packs {
                    gzip(&rotated);
                }
            }
            append(&active, &lines(500, 510));
            reader.restart();
            reader.drain();
            let wanted: Vec<u32> = (0..10)
                .chain((1..4).flat_map(|n| n * 100..n * 100 + 10))
                .chain(500..510)
                .collect();
            assert_eq!(
                (reader.ids.clone(), reader.gaps.clone()),
                (wanted, vec![]),
                "{scheme}, packed: {packs}"
            );
        }
    }
}

#[test]
fn what_is_lost_says_where_it_was_sought() {
    let (_dir, active, mut reader) = world();
    append(&active, &lines(0, 10));
    reader.drain();
    fs::remove_file(&active).unwrap();
    append(&active, &lines(20, 30));
    reader.restart();
    reader.drain();
    assert_eq!(reader.kinds(), [GapKind::Lost]);
    assert!(
        reader.gaps[0].1.contains("directories beside"),
        "{}",
        reader.gaps[0].1
    );
    assert_eq!(reader.ids, (0..10).chain(20..30).collect::<Vec<_>>());
}

#[test]
fn a_log_restored_shorter_and_grown_past_is_read_on_where_it_differs() {
    for lives in [true, false] {
        for kept in [0, 1, 5, 19] {
            let (_dir, active, mut reader) = world();
            append(&active, &lines(0, 20));
            reader.drain();
            // A backup of earlier; then the server writes on, past where we stood.
            fs::write(&active, lines(0, kept) + &lines(100, 160)).unwrap();
            if !lives {
                reader.restart();
            }
            reader.drain();
            let wanted: Vec<u32> = (0..20).chain(100..160).collect();
            assert_eq!(reader.ids, wanted, "lives: {lives}, kept: {kept}");
            let blind = reader
                .kinds()
                .iter()
                .all(|kind| matches!(kind, GapKind::Truncated | GapKind::Lost));
            assert!(blind && !reader.gaps.is_empty(), "{:?}", reader.gaps);
            append(&active, &lines(200, 210));
            reader.restart();
            reader.drain();
            assert_eq!(
                reader.ids.len(),
                wanted.len() + 10,
                "lives: {lives}, kept: {kept}"
            );
        }
    }
}

#[test]
fn a_log_replaced_by_another_that_begins_alike_is_read() {
    let probe = lines(7, 8);
    for lives in [true, false] {
        let (_dir, active, mut reader) = world();
        append(&active, &(probe.clone() + &lines(10, 20)));
        reader.drain();
        fs::remove_file(&active).unwrap();
        append(&active, &(probe.clone() + &lines(30, 90)));
        if !lives {
            reader.restart();
        }
        reader.drain();
        let seen: Vec<u32> = reader.ids.iter().copied().filter(|id| *id != 7).collect();
        assert_eq!(
            seen,
            (10..20).chain(30..90).collect::<Vec<_>>(),
            "lives: {lives}"
        );
        assert!(!reader.gaps.is_empty());
    }
}

#[test]
fn a_log_removed_while_it_is_written_to_is_told_once() {
    let (_dir, active, mut reader) = world();
    let mut server = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&active)
        .unwrap();
    let mut write = |from, to| server.write_all(lines(from, to).as_bytes()).unwrap();
    write(0, 10);
    reader.drain();
    fs::remove_file(&active).unwrap();
    reader.drain();
    for n in 1..5 {
        write(n * 10, n * 10 + 10);
        reader.drain();
    }
    assert_eq!(reader.ids, (0..50).collect::<Vec<_>>());
    assert_eq!(reader.kinds(), [GapKind::Removed]);
    assert!(
        reader.gaps[0].1.contains("no restart finds them"),
        "{}",
        reader.gaps[0].1
    );
}

#[test]
fn a_live_log_without_a_first_line_is_told() {
    let (_dir, active, mut reader) = world();
    append(&active, &"x".repeat(100_000));
    reader.drain();
    assert_eq!(reader.last.bytes_behind, 100_000);
    assert_eq!(reader.last.absence, Some(Absence::NoLine { stuck: false }));
    for _ in 0..10 {
        reader.drain();
    }
    assert_eq!(reader.last.absence, Some(Absence::NoLine { stuck: true }));
    assert_eq!(reader.kinds(), [GapKind::Unreadable]);
    append(&active, &format!("\n{}", lines(0, 10)));
    reader.drain();
    assert_eq!(
        (
            reader.ids.len(),
            reader.last.bytes_behind,
            reader.last.absence.clone()
        ),
        (10, 0, None)
    );
    // More than any line may have is told at once.
    let (_dir, active, mut reader) = world();
    append(&active, &"x".repeat(17 << 20));
    reader.drain();
    assert_eq!(reader.last.absence, Some(Absence::NoLine { stuck: true }));
    assert_eq!(
        (reader.kinds(), reader.last.bytes_behind),
        (vec![GapKind::Unreadable], 17 << 20)
    );
}

#[test]
fn a_live_log_in_utf_16_is_refused_by_name() {
    let (_dir, active, mut reader) = world();
    let bytes: Vec<u8> = lines(0, 100)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(&active, &bytes).unwrap();
    for _ in 0..5 {
        reader.drain();
    }
    assert!(
        matches!(&reader.last.absence, Some(Absence::Unreadable(why)) if why.contains("UTF-16"))
    );
    assert_eq!(reader.kinds(), [GapKind::Unreadable]);
}

#[test]
fn what_is_no_file_is_said_to_be_none() {
    let (_dir, active, mut reader) = world();
    let _socket = std::os::unix::net::UnixListener::bind(&active).unwrap();
    reader.drain();
    assert!(
        matches!(&reader.last.absence, Some(Absence::Unreadable(why)) if why.contains("a socket"))
    );
}

/// Two followers of one process, and all that they read together.
fn both(a: &mut Reader, b: &mut Reader) -> Vec<u32> {
    for _ in 0..3 {
        a.drain();
        b.drain();
    }
    let mut all = [&a.ids[..], &b.ids].concat();
    all.sort_unstable();
    all
}

#[test]
fn a_log_followed_under_two_names_is_read_once_whichever_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (live, copy) = (
        dir.path().join("audit.log"),
        dir.path().join("copy/audit.log"),
    );
    fs::create_dir(dir.path().join("copy")).unwrap();
    append(&live, &lines(0, 10));
    fs::copy(&live, &copy).unwrap();
    for swapped in [false, true] {
        let shared = Shared::default();
        let open = |path: &Path| Reader {
            follower: Follower::beside(
                &shared,
                path,
                Start::Oldest,
                Positions::default(),
                Limits::default(),
            ),
            ..Reader::new(path)
        };
        let (mut a, mut b) = if swapped {
            (open(&live), open(&copy))
        } else {
            (open(&copy), open(&live))
        };
        let begun = both(&mut a, &mut b);
        let mut count = begun.len() as u32;
        assert_eq!(begun, (0..count).collect::<Vec<_>>());
        assert!(
            matches!(&b.last.absence, Some(Absence::ReadAs(_))),
            "{:?}",
            b.last
        );
        for _ in 0..3 {
            append(&live, &lines(count, count + 10));
            count += 10;
            assert_eq!(both(&mut a, &mut b), (0..count).collect::<Vec<_>>());
        }
        fs::copy(&live, &copy).unwrap();
        assert_eq!(both(&mut a, &mut b), (0..count).collect::<Vec<_>>());
        assert_eq!((a.kinds(), b.kinds()), (vec![], vec![]));
    }
}

#[test]
fn two_live_logs_that_begin_alike_are_both_read() {
    let dir = tempfile::tempdir().unwrap();
    let banner = "# audit\n".to_owned() + &lines(7, 8);
    let paths = ["a.log", "b.log"].map(|name| dir.path().join(name));
    append(&paths[0], &(banner.clone() + &lines(10, 20)));
    append(&paths[1], &(banner + &lines(30, 40)));
    let shared = Shared::default();
    let [mut a, mut b] = [&paths[0], &paths[1]].map(|path| Reader {
        follower: Follower::beside(
            &shared,
            path,
            Start::Oldest,
            Positions::default(),
            Limits::default(),
        ),
        ..Reader::new(path)
    });
    assert_eq!(
        both(&mut a, &mut b),
        [7, 7]
            .into_iter()
            .chain(10..20)
            .chain(30..40)
            .collect::<Vec<_>>()
    );
    assert_eq!(b.last.absence, None);
}
