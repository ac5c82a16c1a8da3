//! Every row once, whatever happened to the file between the append and the commit of the cursor.

use super::*;
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

fn rows(from: u64, to: u64) -> Vec<Row> {
    (from..to)
        .map(|n| {
            (
                n,
                format!(
                    "{{\"row\":{n},\"pad\":\"{}\"}}",
                    "x".repeat(n as usize * 7 % 23)
                )
                .into_bytes(),
            )
        })
        .collect()
}

fn text(rows: &[Row]) -> String {
    rows.iter()
        .map(|(_, row)| String::from_utf8(row.clone()).unwrap() + "\n")
        .collect()
}

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents.jsonl");
    (dir, path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn add(path: &Path, bytes: &str) {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap()
        .write_all(bytes.as_bytes())
        .unwrap();
}

/// As the daemon does it: open, commit the cursor, deliver until done.
fn run(path: &Path, committed: Option<Cursor>, pending: &[Row]) -> Cursor {
    let (mut file, mut cursor) = IncidentsFile::open(path, committed, pending).unwrap();
    loop {
        let rest: Vec<Row> = pending
            .iter()
            .filter(|(n, _)| *n >= cursor.next_row)
            .cloned()
            .collect();
        match file.deliver(&rest).unwrap() {
            Delivery::Done(cursor) => return cursor,
            Delivery::Moved(to) => cursor = to,
        }
    }
}

#[test]
fn appends_and_goes_on() {
    let (_dir, path) = place();
    let cursor = run(&path, None, &rows(0, 3));
    assert_eq!(
        cursor,
        Cursor {
            next_row: 3,
            file_bytes: text(&rows(0, 3)).len() as u64
        }
    );
    run(&path, Some(cursor), &rows(3, 5));
    assert_eq!(read(&path), text(&rows(0, 5)));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_file_of_someone_else_is_kept_and_begun_after() {
    let (_dir, path) = place();
    add(&path, "theirs, unfinished");
    run(&path, None, &rows(0, 2));
    assert_eq!(
        read(&path),
        format!("theirs, unfinished\n{}", text(&rows(0, 2)))
    );
}

#[test]
fn rotation_while_running_moves_to_the_new_file() {
    let (dir, path) = place();
    let (mut file, _) = IncidentsFile::open(&path, None, &[]).unwrap();
    assert!(matches!(
        file.deliver(&rows(0, 2)).unwrap(),
        Delivery::Done(_)
    ));
    let old = dir.path().join("incidents.jsonl.1");
    fs::rename(&path, &old).unwrap();
    assert_eq!(
        file.deliver(&rows(2, 4)).unwrap(),
        Delivery::Moved(Cursor {
            next_row: 2,
            file_bytes: 0
        })
    );
    assert!(matches!(
        file.deliver(&rows(2, 4)).unwrap(),
        Delivery::Done(_)
    ));
    assert_eq!(
        (read(&old), read(&path)),
        (text(&rows(0, 2)), text(&rows(2, 4)))
    );
}

#[test]
fn cutting_and_writing_by_others_move_to_the_end() {
    let (_dir, path) = place();
    let (mut file, _) = IncidentsFile::open(&path, None, &[]).unwrap();
    let _ = file.deliver(&rows(0, 2)).unwrap();
    fs::write(&path, "").unwrap();
    assert!(matches!(
        file.deliver(&rows(2, 3)).unwrap(),
        Delivery::Moved(Cursor {
            next_row: 2,
            file_bytes: 0
        })
    ));
    let _ = file.deliver(&rows(2, 3)).unwrap();
    add(&path, "note");
    assert!(matches!(
        file.deliver(&rows(3, 4)).unwrap(),
        Delivery::Moved(_)
    ));
    let _ = file.deliver(&rows(3, 4)).unwrap();
    assert_eq!(
        read(&path),
        format!("{}note\n{}", text(&rows(2, 3)), text(&rows(3, 4)))
    );
}

#[test]
fn a_shorter_file_is_begun_at_its_end() {
    let (_dir, path) = place();
    add(&path, "new\n");
    run(
        &path,
        Some(Cursor {
            next_row: 4,
            file_bytes: 1_000,
        }),
        &rows(4, 6),
    );
    assert_eq!(read(&path), format!("new\n{}", text(&rows(4, 6))));
}

#[test]
fn lines_of_others_between_ours_do_not_double_ours() {
    let (_dir, path) = place();
    let pending = rows(0, 4);
    let long = "#".repeat(300_000);
    add(
        &path,
        &format!(
            "{}theirs\n{long}\n{}",
            text(&pending[..1]),
            text(&pending[1..2])
        ),
    );
    run(
        &path,
        Some(Cursor {
            next_row: 0,
            file_bytes: 0,
        }),
        &pending,
    );
    assert_eq!(
        read(&path),
        format!(
            "{}theirs\n{long}\n{}",
            text(&pending[..1]),
            text(&pending[1..])
        )
    );
}

#[test]
fn refuses_missing_rows_pipes_and_use_after_a_failure() {
    let (dir, path) = place();
    assert!(matches!(
        IncidentsFile::open(&path, None, &rows(4, 5)).unwrap_err(),
        SinkError::OutOfOrder { .. }
    ));
    assert!(matches!(
        IncidentsFile::open(dir.path(), None, &[]).unwrap_err(),
        SinkError::Io { .. }
    ));
    assert!(matches!(
        IncidentsFile::open(Path::new("/dev/null"), None, &[]).unwrap_err(),
        SinkError::Io { .. }
    ));
    let (mut file, _) = IncidentsFile::open(&path, None, &[]).unwrap();
    assert!(matches!(
        file.deliver(&rows(1, 2)).unwrap_err(),
        SinkError::OutOfOrder { expected: 0, .. }
    ));
    assert!(matches!(
        file.deliver(&rows(0, 1)).unwrap_err(),
        SinkError::Broken { .. }
    ));
}

proptest! {
    /// Killed after any byte of an append, twice, with or without an unfinished foreign line before
    /// it.
    #[test]
    fn kills_at_any_byte_leave_each_row_once(
        before in 0_u64..4, pending in 1_u64..6, cuts in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        foreign in prop::sample::select(vec!["", "theirs\n", "theirs"]),
    ) {
        let (_dir, path) = place();
        add(&path, foreign);
        let committed = run(&path, None, &rows(0, before));
        let start = read(&path);
        let pending = rows(before, before + pending);
        for cut in [cuts.0, cuts.1] {
            let already = read(&path).len();
            let _not_committed = run(&path, Some(committed), &pending);
            let whole = read(&path).len();
            let kept = already + cut.index(whole - already + 1);
            OpenOptions::new().write(true).open(&path).unwrap().set_len(kept as u64).unwrap();
        }
        let cursor = run(&path, Some(committed), &pending);
        let separator = if before == 0 && foreign == "theirs" { "\n" } else { "" };
        prop_assert_eq!(read(&path), format!("{start}{separator}{}", text(&pending)));
        prop_assert_eq!(cursor, Cursor { next_row: before + pending.len() as u64, file_bytes: read(&path).len() as u64 });
    }
}
