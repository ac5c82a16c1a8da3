//! Rotation over many lines, torn lines, and files of others.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn sink(path: &Path, rotate_bytes: u64, keep_files: u32) -> Rotated {
    Rotated {
        path: path.to_owned(),
        format: Format::Tokentrail,
        rotate_bytes,
        keep_files,
        every_revision: false,
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "{text:?}");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn no_line_is_lost_or_split_and_the_oldest_file_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.jsonl");
    let sink = sink(&path, 300, 3);
    let line = |n: usize| format!("{{\"n\":{n},\"x\":\"{}\"}}", "y".repeat(n % 90));
    for n in 0..40 {
        sink.write(line(n).as_bytes()).unwrap();
    }
    let mut kept = Vec::new();
    for number in (0..=3).rev() {
        let file = sink.numbered(number);
        let meta = std::fs::metadata(&file).unwrap();
        assert!(meta.len() <= 300 && meta.permissions().mode() & 0o777 == 0o600);
        kept.extend(lines(&file));
    }
    let expected: Vec<String> = (40 - kept.len()..40).map(line).collect();
    assert_eq!(kept, expected);
    assert!(
        !sink.numbered(4).exists() && kept.len() > 12,
        "{}",
        kept.len()
    );
    sink.write("z".repeat(1000).as_bytes()).unwrap();
    assert_eq!(
        lines(&path).len(),
        1,
        "one that is longer than a file has a file for itself"
    );
}

#[test]
fn half_a_line_of_ours_is_taken_back_and_half_a_line_of_others_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.jsonl");
    let sink = sink(&path, 1 << 20, 3);
    sink.write(b"{\"n\":1}").unwrap();
    let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
    torn.write_all(b"{\"n\":2,\"x").unwrap();
    sink.write(b"{\"n\":2}").unwrap();
    assert_eq!(lines(&path), ["{\"n\":1}", "{\"n\":2}"]);
    std::fs::write(&path, "notes of a person").unwrap();
    assert!(
        sink.write(b"{\"n\":3}")
            .unwrap_err()
            .to_string()
            .contains("not ours")
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "notes of a person");
}

#[test]
fn a_file_that_somebody_moved_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.jsonl");
    let sink = sink(&path, 1 << 20, 3);
    sink.write(b"{\"n\":1}").unwrap();
    std::fs::rename(&path, dir.path().join("moved")).unwrap();
    sink.write(b"{\"n\":2}").unwrap();
    assert_eq!(lines(&path), ["{\"n\":2}"]);
}
