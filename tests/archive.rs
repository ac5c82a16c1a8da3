//! Given files, read once: in rotated order, merged by time, and past what is broken.

#[path = "common/skipped.rs"]
mod skipped;

use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokentrail::base::Time;
use tokentrail::source::{Archive, Follower, Item, Limits, Positions, Start};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn time_of(line: &[u8]) -> Option<Time> {
    Some(Time(
        std::str::from_utf8(line)
            .ok()?
            .split(' ')
            .next()?
            .parse()
            .ok()?,
    ))
}

/// Lines as text and gaps as their kind, in order.
fn replay(paths: &[PathBuf], positions: &mut Positions) -> (Vec<String>, Archive) {
    let mut archive = Archive::open(paths, positions.clone(), Limits::default()).unwrap();
    let mut seen = Vec::new();
    loop {
        let done = archive.read(16, &time_of, &mut |item| {
            positions.commit(&item);
            match item {
                Item::Line { bytes, .. } => seen.push(String::from_utf8_lossy(bytes).into_owned()),
                Item::Gap { kind, .. } => seen.push(format!("<{kind}>")),
                other => panic!("{other:?}"),
            }
        });
        if done.all {
            assert_eq!(done.bytes, done.of_bytes);
            return (seen, archive);
        }
    }
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    fs::write(dir.join(name), bytes).unwrap();
    dir.join(name)
}

#[test]
fn several_logs_merge_by_time_and_each_keeps_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let a = [
        put(dir.path(), "a.log", b"5 a\n9 a\n"),
        put(dir.path(), "a.log.1.gz", &gzip(b"1 a\nno time\n3 a\n")),
    ];
    let b = put(dir.path(), "b.log", b"2 b\n4 b\n5 b\n1 b late\n");
    let mut positions = Positions::default();
    let (seen, _) = replay(&[a[0].clone(), b, a[1].clone()], &mut positions);
    assert_eq!(
        seen,
        [
            "1 a", "no time", "2 b", "3 a", "4 b", "5 a", "5 b", "1 b late", "9 a"
        ]
    );
    let (again, _) = replay(
        &[dir.path().join("b.log"), a[1].clone(), a[0].clone()],
        &mut positions,
    );
    assert!(again.is_empty(), "{again:?}");
}

#[test]
fn a_file_given_under_two_names_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let paths = [
        put(dir.path(), "a.log", b"1 a\n2 a\n"),
        put(dir.path(), "copy.log.gz", &gzip(b"1 a\n2 a\n3 a\n")),
    ];
    let mut positions = Positions::default();
    let first = replay(&paths[..1], &mut positions).0;
    assert_eq!(first, ["1 a", "2 a"]);
    assert_eq!(replay(&paths[1..], &mut positions).0, ["3 a"]);
}

#[test]
fn zstd_is_read_and_a_consumed_part_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let packed = zstd::encode_all(&b"1 a\n2 a\n"[..], 1).unwrap();
    let plain = put(dir.path(), "x.log", b"1 a\n");
    let mut positions = Positions::default();
    assert_eq!(replay(&[plain], &mut positions).0, ["1 a"]);
    let path = [put(dir.path(), "x.log.3.zst", &packed)];
    assert_eq!(replay(&path, &mut positions).0, ["2 a"]);
    assert!(replay(&path, &mut positions).0.is_empty());
}

#[test]
fn a_gzip_that_breaks_off_is_a_gap_and_the_next_file_follows() {
    let dir = tempfile::tempdir().unwrap();
    let whole: String = (0..9999_u64)
        .map(|n| format!("{n} {:x}\n", n.wrapping_mul(n * n * 7919)))
        .collect();
    let packed = gzip(whole.as_bytes());
    let paths = [
        put(dir.path(), "a.log.1.gz", &packed[..packed.len() / 2]),
        put(dir.path(), "a.log", b"9999 a\n"),
    ];
    let (seen, _) = replay(&paths, &mut Positions::default());
    let (gap, last) = (&seen[seen.len() - 2], &seen[seen.len() - 1]);
    assert_eq!((gap.as_str(), last.as_str()), ("<unreadable>", "9999 a"));
    assert!(seen.len() > 1000 && seen[0].starts_with("0 "));
}

#[test]
fn the_end_of_a_log_is_read_if_whole_and_left_if_it_may_be_completed() {
    let dir = tempfile::tempdir().unwrap();
    let whole = [put(dir.path(), "a.log", b"{}\n{\"a\": 1}")];
    assert_eq!(
        replay(&whole, &mut Positions::default()).0,
        ["{}", "{\"a\": 1}"]
    );
    let half = [put(dir.path(), "b.log", b"{}\n{\"a\"")];
    let (seen, archive) = replay(&half, &mut Positions::default());
    assert_eq!(seen, ["{}"]);
    assert_eq!(archive.notes().unfinished, [(half[0].clone(), 4)]);
    let torn = [put(dir.path(), "b.log.1", b"{}\n{\"a\"")];
    assert_eq!(replay(&torn, &mut Positions::default()).0, ["{}", "<torn>"]);
}

#[test]
fn what_is_missing_is_named_before_anything_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let here = put(dir.path(), "a.log", b"1 a\n");
    let open = |path: PathBuf| {
        Archive::open(
            &[here.clone(), path],
            Positions::default(),
            Limits::default(),
        )
    };
    let error = open(dir.path().join("gone.log")).err().unwrap().to_string();
    assert!(error.contains("gone.log: no such file"), "{error}");
    fs::create_dir(dir.path().join("empty")).unwrap();
    let empty = dir.path().join("empty");
    let alone = Archive::open(
        std::slice::from_ref(&empty),
        Positions::default(),
        Limits::default(),
    );
    let error = alone.err().unwrap().to_string();
    assert!(error.contains("holds no audit log"), "{error}");
    // Beside others it is passed over, and named: a pattern over directories must not fail for one
    // of them.
    let passed_over = open(empty.clone()).unwrap().notes().passed_over.clone();
    assert_eq!(
        passed_over,
        [(empty, "this directory holds no audit log".to_owned())]
    );
}

/// The rotated set that a real API server wrote, unpacked under its own names; `None` where it is
/// absent.
fn recorded() -> Option<tempfile::TempDir> {
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/cluster/rotated");
    let Ok(entries) = fs::read_dir(&set) else {
        skipped::because(&format!("no recorded rotation at {}", set.display()));
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    for path in entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().unwrap() == "gz")
    {
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(fs::File::open(&path).unwrap())
            .read_to_end(&mut plain)
            .unwrap();
        put(
            dir.path(),
            path.file_stem().unwrap().to_str().unwrap(),
            &plain,
        );
    }
    Some(dir)
}

#[test]
fn a_recorded_rotation_reads_alike_replayed_and_followed() {
    let Some(dir) = recorded() else { return };
    let active = dir.path().join("audit.log");
    let mut archive = Archive::open(
        &[dir.path().to_owned()],
        Positions::default(),
        Limits::default(),
    )
    .unwrap();
    let mut positions = Positions::default();
    let mut replayed = Vec::new();
    while !archive
        .read(1 << 20, &|_| panic!("one log is not merged"), &mut |item| {
            positions.commit(&item);
            let Item::Line { bytes, .. } = item else {
                panic!("{item:?}")
            };
            replayed.push(bytes.to_vec());
        })
        .all
    {}
    assert_eq!(replayed.len(), 1478 + 1469 + 1470 + 400);
    let follow = |positions: Positions| {
        let mut lines = Vec::new();
        let mut follower = Follower::open(&active, Start::Oldest, positions, Limits::default());
        while !follower
            .poll(Instant::now(), 1 << 20, &mut |item| {
                let Item::Line { bytes, .. } = item else {
                    panic!("{item:?}")
                };
                lines.push(bytes.to_vec());
            })
            .caught_up
        {}
        lines
    };
    assert_eq!(follow(Positions::default()), replayed);
    assert!(follow(positions).is_empty());
}
