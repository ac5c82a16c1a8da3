//! Files that an attacker or an accident makes, replayed by the program under a bound on its memory
//! and time.
//!
//! The bound is on address space, which `ulimit -v` holds for the whole process: code, threads and
//! the state included.

use std::fs::{self, File};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_tokentrail");
/// KiB of address space; an empty replay into a state takes a quarter of it.
const MEMORY: u32 = 700 << 10;
/// The slowest takes a tenth of it on two idle cores.
const TIME: Duration = Duration::from_secs(120);
const EVENT: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"@","stage":"ResponseComplete","requestURI":"/version","verb":"get","user":{"username":"erika"},"sourceIPs":["10.0.0.9"],"userAgent":"b/1.0","responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-03-02T08:53:50.021149Z","stageTimestamp":"2026-03-02T08:53:50.021149Z"}"#;

fn event(n: u64) -> String {
    EVENT.replace('@', &n.to_string())
}

/// Replays into a state, bounded; what it says.
#[track_caller]
fn bounded(what: &str, path: &Path) -> String {
    let state = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let script = format!("ulimit -v {MEMORY}; exec \"$0\" replay \"$1\" --state \"$2\"");
    let out: Output = Command::new("sh")
        .args(["-c", &script, BINARY])
        .arg(path)
        .arg(state.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{what}: {said}");
    let took = begun.elapsed();
    let kept: u64 = fs::read_dir(state.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    println!("{what}: {took:.1?}, state {} MB", kept >> 20);
    assert!(took < TIME, "{what} took {took:?}");
    assert!(kept < 64 << 20, "{what} left {kept} bytes of state");
    said
}

fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<File>)) -> PathBuf {
    let mut out = BufWriter::new(File::create(path).unwrap());
    fill(&mut out);
    out.flush().unwrap();
    path.to_owned()
}

fn gaps(said: &str) -> u64 {
    said.split("gaps: ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .map_or(0, |count| count.parse().unwrap())
}

#[test]
fn a_file_of_pieces_costs_no_memory_and_little_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let said = bounded(
        "a million gaps",
        &write(&path("gaps.log"), |out| {
            writeln!(out, "{}", event(0)).unwrap();
            (0..1_000_000).for_each(|_| out.write_all(b"\0a\n").unwrap());
            writeln!(out, "{}", event(1)).unwrap();
        }),
    );
    assert!(
        said.starts_with("2 events") && gaps(&said) >= 1_000_000,
        "{said}"
    );
    let said = bounded(
        "three million lines that are none",
        &write(&path("junk.log"), |out| {
            writeln!(out, "{}", event(0)).unwrap();
            (0..3_000_000).for_each(|_| out.write_all(b"}\n").unwrap());
            writeln!(out, "{}", event(1)).unwrap();
        }),
    );
    assert!(
        said.starts_with("2 events") && said.contains("not_json 3000000"),
        "{said}"
    );
    let said = bounded(
        "garbage between NUL bytes",
        &write(&path("nuls.log"), |out| {
            writeln!(out, "{}", event(0)).unwrap();
            (0..4_000_000).for_each(|_| out.write_all(b"a\0").unwrap());
            writeln!(out, "\n{}", event(1)).unwrap();
        }),
    );
    assert!(said.starts_with("2 events") && gaps(&said) < 1000, "{said}");
    let said = bounded(
        "UTF-16",
        &write(&path("utf16.log"), |out| {
            for n in 0..20_000 {
                let line = event(n) + "\r\n";
                line.encode_utf16()
                    .for_each(|unit| out.write_all(&unit.to_le_bytes()).unwrap());
            }
        }),
    );
    assert!(
        said.starts_with("20000 events") && said.contains("UTF-16") && gaps(&said) == 0,
        "{said}"
    );
}

#[test]
fn a_line_or_a_hole_of_a_gigabyte_is_passed_over() {
    const LONG: u64 = 1 << 30;
    let dir = tempfile::tempdir().unwrap();
    let said = bounded(
        "a hole of 1 GiB",
        &write(&dir.path().join("hole.log"), |out| {
            writeln!(out, "{}", event(0)).unwrap();
            out.seek(SeekFrom::Start(LONG)).unwrap();
            writeln!(out, "{}", event(1)).unwrap();
        }),
    );
    assert!(said.starts_with("2 events") && gaps(&said) == 1, "{said}");
    // Packed, for it need not lie on the disk.
    let said = bounded(
        "a line of 1 GiB",
        &write(&dir.path().join("line.log.gz"), |out| {
            let mut packed = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
            writeln!(packed, "{}", event(0)).unwrap();
            let block = vec![b'x'; 1 << 20];
            (0..LONG >> 20).for_each(|_| packed.write_all(&block).unwrap());
            writeln!(packed, "\n{}", event(1)).unwrap();
            packed.finish().unwrap();
        }),
    );
    assert!(
        said.starts_with("2 events") && said.contains("too_long 1"),
        "{said}"
    );
}

#[test]
fn many_small_files_are_read_whether_they_are_alike_or_not() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..20_000 {
        fs::write(
            dir.path().join(format!("audit-of-{n}.log")),
            event(n) + "\n",
        )
        .unwrap();
    }
    let said = bounded("20,000 files of an event", dir.path());
    assert!(
        said.starts_with("20000 events") && gaps(&said) == 0,
        "{said}"
    );
    let alike = tempfile::tempdir().unwrap();
    for n in 0..2_000 {
        fs::write(
            alike.path().join(format!("audit-of-{n}.log")),
            event(0) + "\n" + &event(n + 1) + "\n",
        )
        .unwrap();
    }
    let said = bounded("2,000 files that begin alike", alike.path());
    assert!(said.starts_with("4000 events"), "{said}");
}

#[test]
fn a_file_that_unpacks_to_itself_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = (event(0) + "\n").into_bytes();
    for _ in 0..9 {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&bytes).unwrap();
        bytes = packed.finish().unwrap();
    }
    let path = dir.path().join("audit.log.gz");
    fs::write(&path, bytes).unwrap();
    let out = Command::new(BINARY)
        .arg("replay")
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("packed too many times over"), "{said}");
}
