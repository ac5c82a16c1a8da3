//! Files as people have them: copies, banners, odd names, odd packings, odd encodings. Each event
//! is read once, and what is not read is named.

#[path = "common/skipped.rs"]
mod skipped;

use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_tokentrail");
const BANNER: &str = "# audit log of cluster one\n";

/// So many lines of one server, from the `from`th on; a line of another server never equals one of
/// this.
fn lines(server: &str, from: u32, to: u32) -> String {
    (from..to).map(|n| event(server, n) + "\n").collect()
}

fn event(server: &str, n: u32) -> String {
    let time = format!(
        "2026-03-02T{:02}:{:02}:{:02}.000000Z",
        8 + n / 3600,
        n / 60 % 60,
        n % 60
    );
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{server}-{n:06}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/pods","verb":"list","user":{{"username":"system:serviceaccount:a:b","groups":["system:serviceaccounts"]}},"sourceIPs":["10.0.0.9"],"userAgent":"b/1.0","objectRef":{{"resource":"pods","namespace":"a","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}","annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}}}}"#
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn put(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
    fs::write(dir.join(name), bytes).unwrap();
    dir.join(name)
}

/// What a replay says on stderr, and whether it succeeded.
fn replay(files: &[&Path], state: Option<&Path>) -> (String, bool) {
    let mut command = Command::new(BINARY);
    command.arg("replay").args(files);
    if let Some(state) = state {
        command.arg("--state").arg(state);
    }
    let out = command.stdin(Stdio::null()).output().unwrap();
    (
        String::from_utf8_lossy(&out.stderr).into_owned(),
        out.status.success(),
    )
}

/// How many events a replay read.
#[track_caller]
fn events(files: &[&Path], state: Option<&Path>) -> (u64, String) {
    let (said, ok) = replay(files, state);
    assert!(ok, "{said}");
    (said.split(' ').next().unwrap().parse().unwrap(), said)
}

/// Reads with a state and without one: both must read this many events, and again none.
#[track_caller]
fn reads(files: &[&Path], count: u64) -> String {
    let state = tempfile::tempdir().unwrap();
    let (plain, said) = events(files, None);
    assert_eq!(plain, count, "{said}");
    let (kept, said) = events(files, Some(state.path()));
    assert_eq!(kept, count, "{said}");
    assert!(!said.contains("gaps:"), "{said}");
    let (again, told) = events(files, Some(state.path()));
    assert_eq!(again, 0, "{told}");
    said
}

#[test]
fn a_log_under_two_names_is_read_once_and_both_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let all = lines("a", 0, 20);
    let log = put(dir.path(), "audit.log", &all);
    let copies = [
        put(dir.path(), "backup/audit.log", &all),
        put(dir.path(), "backup/part.log", lines("a", 0, 12)),
        put(dir.path(), "backup/packed.log.gz", gzip(all.as_bytes())),
        dir.path().join("link.log"),
        dir.path().join("hard.log"),
    ];
    std::os::unix::fs::symlink(&log, &copies[3]).unwrap();
    fs::hard_link(&log, &copies[4]).unwrap();
    for copy in &copies {
        for files in [[&*log, &**copy], [&**copy, &*log]] {
            let said = reads(&files, 20);
            assert!(said.contains("read once: "), "{said}");
            assert!(
                said.contains(copy.to_str().unwrap()) && said.contains(log.to_str().unwrap()),
                "{said}"
            );
        }
    }
    // Monday's lines are again in Tuesday's copy.
    let (monday, tuesday) = (
        put(dir.path(), "mon/a.log", lines("a", 0, 9)),
        put(dir.path(), "tue/a.log", &all),
    );
    reads(&[&monday, &tuesday, &log], 20);
    // One after the other, by way of the state.
    let state = tempfile::tempdir().unwrap();
    assert_eq!(events(&[&monday], Some(state.path())).0, 9);
    assert_eq!(events(&[&tuesday], Some(state.path())).0, 11);
    assert_eq!(events(&[&copies[2]], Some(state.path())).0, 0);
    assert_eq!(events(&[&monday], Some(state.path())).0, 0);
}

#[test]
fn logs_that_begin_alike_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let probe = event("probe", 0) + "\n";
    for (kind, beginning) in [
        ("banner", BANNER),
        ("probe", &probe),
        ("both", &format!("{BANNER}{probe}")),
    ] {
        let own = u64::from(kind != "banner");
        for pack in [false, true] {
            let name = |server: &str| {
                format!(
                    "{kind}-{pack}/{server}.log{}",
                    if pack { ".gz" } else { "" }
                )
            };
            let files = ["x", "y", "z"].map(|server| {
                let text = format!("{beginning}{}", lines(server, 1, 11));
                let bytes = if pack {
                    gzip(text.as_bytes())
                } else {
                    text.into_bytes()
                };
                put(dir.path(), &name(server), bytes)
            });
            let paths: Vec<&Path> = files.iter().map(|path| &**path).collect();
            assert_eq!(events(&paths, None).0, 30 + own * 3, "{kind} {pack}");
            // One after the other, and all again.
            let state = tempfile::tempdir().unwrap();
            if !pack {
                for path in &paths {
                    assert_eq!(events(&[path], Some(state.path())).0, 10 + own, "{kind}");
                }
                assert_eq!(events(&paths, Some(state.path())).0, 0, "{kind}");
            }
            let together = tempfile::tempdir().unwrap();
            assert_eq!(
                events(&paths, Some(together.path())).0,
                30 + own * 3,
                "{kind} {pack}"
            );
            assert_eq!(events(&paths, Some(together.path())).0, 0, "{kind} {pack}");
        }
    }
}

#[test]
fn a_packed_file_beside_a_plain_one_of_its_name_is_another_unless_it_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let plain = put(dir.path(), "x.log", lines("a", 10, 20));
    let packed = put(dir.path(), "x.log.gz", gzip(lines("a", 0, 10).as_bytes()));
    reads(&[&plain, &packed], 20);
    reads(&[dir.path()], 20);
    let whole = gzip(lines("a", 10, 20).as_bytes());
    fs::write(&packed, &whole).unwrap();
    assert!(reads(&[dir.path()], 10).contains("read once"));
    // While it is made.
    fs::write(&packed, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(events(&[dir.path()], None).0, 10);
}

#[test]
fn what_a_directory_holds_is_read_by_its_content_or_named() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "audit.log", lines("a", 50, 60));
    put(dir.path(), "audit.log.old", lines("a", 40, 50));
    put(dir.path(), "audit.txt", lines("b", 0, 10));
    put(dir.path(), "audit", lines("c", 0, 10));
    put(dir.path(), "kube-apiserver.log", "I0302 starting\n");
    put(dir.path(), "notes.txt", "nothing\n");
    put(dir.path(), "sub/audit.log", lines("d", 0, 1));
    put(dir.path(), "set.zip", b"PK\x03\x04rest");
    let said = reads(&[dir.path()], 40);
    for name in ["kube-apiserver.log", "notes.txt", "sub", "set.zip"] {
        assert!(
            said.contains(&format!("not read: {}", dir.path().join(name).display())),
            "{name}: {said}"
        );
    }
    assert!(said.contains("set.zip: it is a zip archive"), "{said}");
    fs::create_dir(dir.path().join("empty")).unwrap();
    let said = reads(&[&dir.path().join("sub"), &dir.path().join("empty")], 1);
    assert!(
        said.contains("empty: this directory holds no audit log"),
        "{said}"
    );
}

/// What a packer of this machine makes of a text; `None` where it is not installed.
fn packed_elsewhere(program: &str, text: &str) -> Option<Vec<u8>> {
    let mut child = Command::new(program)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .ok()?;
    let out = child.wait_with_output().ok()?;
    (out.status.success() && !out.stdout.is_empty()).then_some(out.stdout)
}

#[test]
fn every_packing_is_read_and_the_content_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let text = lines("a", 0, 500);
    for (program, end) in [
        ("xz", "xz"),
        ("bzip2", "bz2"),
        ("lz4", "lz4"),
        ("zstd", "zst"),
    ] {
        let Some(packed) = packed_elsewhere(program, &text) else {
            skipped::because(&format!("{program} is not installed"));
            continue;
        };
        // Two streams in one file, as `cat a.xz b.xz` makes them.
        let more = packed_elsewhere(program, &lines("a", 500, 510)).unwrap();
        let both = [&packed[..], &more].concat();
        for name in [
            format!("{program}/audit.log.{end}"),
            format!("{program}-unnamed/audit.log"),
        ] {
            let file = put(dir.path(), &name, &both);
            reads(&[&file], 510);
            let cut = put(
                dir.path(),
                &format!("cut-{name}"),
                &packed[..packed.len() - 20],
            );
            let (_, said) = events(&[&cut], None);
            assert!(said.contains("unreadable: "), "{program}: {said}");
        }
    }
    let twice = put(dir.path(), "twice.log.gz", gzip(&gzip(text.as_bytes())));
    reads(&[&twice], 500);
}

#[test]
fn what_is_no_log_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = vec![0; 1024];
    tar[..9].copy_from_slice(b"audit.log");
    tar[257..262].copy_from_slice(b"ustar");
    tar.extend_from_slice(lines("a", 0, 9).as_bytes());
    for (name, bytes, words) in [
        ("a.tar", tar.clone(), "a tar archive; unpack it"),
        ("a.tar.gz", gzip(&tar), "a tar archive; unpack it"),
        (
            "a.log",
            b"PK\x03\x04....".to_vec(),
            "a zip archive; unpack it",
        ),
        (
            "b.log",
            b"7z\xbc\xaf\x27\x1c..".to_vec(),
            "a 7z archive; unpack it",
        ),
        ("c.log", b"\xff\xfe\0\0{\0\0\0".to_vec(), "UTF-32"),
        ("d.parquet", b"PAR1....".to_vec(), "a Parquet file"),
    ] {
        let file = put(dir.path(), name, bytes);
        let (said, ok) = replay(&[&file], None);
        assert!(
            !ok && said.contains(words) && said.contains(name),
            "{name}: {said}"
        );
    }
}

fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let mark = if mark { "\u{feff}" } else { "" };
    let units = mark
        .encode_utf16()
        .chain(text.encode_utf16())
        .collect::<Vec<_>>();
    units
        .into_iter()
        .flat_map(|unit| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

#[test]
fn utf_16_is_read_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let text = lines("a", 0, 300).replace('\n', "\r\n");
    for (big, mark) in [(false, true), (false, false), (true, true), (true, false)] {
        let bytes = utf16(&text, big, mark);
        for (end, bytes) in [("", bytes.clone()), (".gz", gzip(&bytes))] {
            let file = put(dir.path(), &format!("{big}-{mark}/audit.log{end}"), bytes);
            let (read, said) = events(&[&file], None);
            assert_eq!(read, 300, "{said}");
            assert!(
                said.contains("UTF-16, read as UTF-8: ") && !said.contains("gaps:"),
                "{said}"
            );
        }
    }
}

#[test]
fn garbage_with_nul_bytes_is_one_gap() {
    let dir = tempfile::tempdir().unwrap();
    // Lines that PowerShell appended to a log of UTF-8.
    let appended = [
        lines("a", 0, 5).into_bytes(),
        utf16(&lines("b", 0, 50), false, false),
    ]
    .concat();
    let file = put(dir.path(), "audit.log.1", appended);
    let (read, said) = events(&[&file], None);
    assert_eq!(read, 5, "{said}");
    let gaps: u64 = said
        .split("gaps: ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .unwrap()
        .parse()
        .unwrap();
    assert!(gaps <= 51, "{said}");
}

#[test]
fn an_event_on_the_line_of_a_torn_one_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (torn, next) = (event("a", 5), event("a", 6));
    let text = format!(
        "{}{}{next}\n{}",
        lines("a", 0, 5),
        &torn[..200],
        lines("a", 7, 10)
    );
    let (read, said) = events(&[&put(dir.path(), "audit.log", &text)], None);
    assert_eq!(read, 9, "{said}");
    assert!(said.contains("malformed lines: 1 (not_json 1)"), "{said}");
    // Also where it is the end of the file.
    let text = format!("{}{}{next}", lines("a", 0, 5), &torn[..200]);
    assert_eq!(events(&[&put(dir.path(), "audit.log.1", &text)], None).0, 6);
}

#[test]
fn carriers_are_opened_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let quoted = event("a", 0).replace('"', "\\\"");
    let text = [
        format!("{{\"log\":\"{quoted}\\n\",\"stream\":\"stdout\"}}"),
        format!("2026-03-02T08:00:00.1Z stdout F {}", event("a", 1)),
        format!("[{},{}]", event("a", 2), event("a", 3)),
        format!("{{\"somebodys_own\":\"{quoted}\"}}"),
    ];
    let file = put(dir.path(), "docker.log", text.join("\n") + "\n");
    let (said, _) = replay(&[&file], None);
    assert!(said.starts_with("4 events in 4 lines"), "{said}");
    for expected in [
        "a field of other JSON 1, JSON array 1, text before the JSON 1",
        "(wrapped 1)",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

/// Documents over several lines are one line each, with the places of the file: what was read is
/// passed over, and what was added is read.
#[test]
fn pretty_printed_documents_are_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let pretty = |from: u32, to: u32| -> String {
        let events = (from..to).map(|n| {
            let event: serde_json::Value = serde_json::from_str(&event("p", n)).unwrap();
            serde_json::to_string_pretty(&event).unwrap() + "\n"
        });
        events.collect()
    };
    let file = put(dir.path(), "export.json", pretty(0, 20));
    let (read, said) = events(&[&file], Some(&state));
    assert_eq!(read, 20, "{said}");
    put(dir.path(), "export.json", pretty(0, 25));
    let (read, said) = events(&[&file], Some(&state));
    assert_eq!(read, 5, "{said}");
    let array: Vec<String> = (0..6).map(|n| event("q", n)).collect();
    let array = format!("[\n{}\n]\n", array.join(",\n"));
    assert_eq!(events(&[&put(dir.path(), "array.json", array)], None).0, 6);
}

#[test]
fn names_of_any_rotation_are_one_log_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let sets: [(&str, &[&str]); 7] = [
        (
            "lumberjack",
            &[
                "audit-2026-03-02T07-00-00.000.log",
                "audit-2026-03-02T08-00-00.000.log.gz",
            ],
        ),
        (
            "again",
            &[
                "audit-2026-03-02T07-00-00.000.log.2.gz",
                "audit-2026-03-02T08-00-00.000.log.1",
            ],
        ),
        ("dated", &["audit-20260301.log", "audit-20260302.log.gz"]),
        (
            "hours",
            &["audit.log-2026030207", "audit.log-2026030208.gz"],
        ),
        (
            "dashes",
            &["audit.log-2026-03-01.gz", "audit.log-2026-03-02"],
        ),
        ("inside", &["audit.2.log.gz", "audit.1.log"]),
        ("mixed", &["audit.log.1", "audit-20260302.log.gz"]),
    ];
    for (set, names) in sets {
        for (n, name) in names.iter().chain(&["audit.log"]).enumerate() {
            let text = lines("a", n as u32 * 10, n as u32 * 10 + 10);
            let bytes = if name.ends_with(".gz") {
                gzip(text.as_bytes())
            } else {
                text.into_bytes()
            };
            put(dir.path(), &format!("{set}/{name}"), bytes);
        }
        let mut archive = tokentrail::source::Archive::open(
            &[dir.path().join(set)],
            tokentrail::source::Positions::default(),
            tokentrail::source::Limits::default(),
        )
        .unwrap();
        let mut ids = Vec::new();
        let none = |_: &[u8]| None;
        while !archive
            .read(1 << 20, &none, &mut |item| {
                if let tokentrail::source::Item::Line { bytes, .. } = item {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    ids.push(
                        text.split("\"a-").nth(1).unwrap()[..6]
                            .parse::<u32>()
                            .unwrap(),
                    );
                }
            })
            .all
        {}
        assert_eq!(ids, (0..30).collect::<Vec<_>>(), "{set}");
    }
}
