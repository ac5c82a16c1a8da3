//! The rules of a commit, against a real file.

use super::positions::check;
use super::*;
use crate::base::{Digest, Time};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

fn file(n: u64) -> Digest {
    Digest::of(&n.to_le_bytes())
}

fn fresh() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state")).unwrap();
    (dir, store)
}

fn first(file: Digest, from: u64, to: u64) -> Advance {
    Advance {
        file,
        from,
        to,
        first: true,
    }
}

fn next(file: Digest, from: u64, to: u64) -> Advance {
    Advance {
        file,
        from,
        to,
        first: false,
    }
}

fn gap(file: Digest, from: u64, to: u64) -> Gap<'static> {
    Gap {
        seq: 1,
        file,
        from,
        to,
        kind: "rotated",
        detail: "",
        time: Time::ZERO,
    }
}

fn advance(
    store: &mut Store,
    seq: u64,
    advances: &[Advance],
    gaps: &[Gap<'_>],
) -> Result<CommitReceipt, StoreError> {
    store.commit(&Commit {
        seq,
        advances,
        gaps,
        ..Commit::default()
    })
}

#[test]
fn a_commit_is_read_back_after_closing() {
    let (dir, mut store) = fresh();
    let id = Digest::of(b"incident");
    let records = [
        Record {
            room: 1,
            key: b"a",
            value: Some(b"one"),
        },
        Record {
            room: 1,
            key: b"b",
            value: Some(b"two"),
        },
        Record {
            room: 2,
            key: b"",
            value: Some(b"core"),
        },
        Record {
            room: 255,
            key: b"z",
            value: Some(b"last"),
        },
    ];
    let aside = Aside {
        seq: 6,
        file: file(1),
        from: 5,
        to: 9,
        reason: "no JSON",
        digest: Digest::of(b"{"),
        time: Time(5),
    };
    let commit = Commit {
        seq: 7,
        advances: &[first(file(1), 0, 90)],
        records: &records,
        incidents: &[(id, b"{}")],
        notices: &[b"{1}", b"{2}"],
        delivered: None,
        no_file: false,
        sinks: &[],
        asides: &[aside, aside],
        gaps: &[gap(file(2), 3, 4)],
        inputs: &[(5, b"{}".to_vec()), (7, b"[]".to_vec())],
        history: None,
    };
    let receipt = store.commit(&commit).unwrap();
    assert_eq!((receipt.first_outbox_row, receipt.next_outbox_row), (0, 2));
    let gone = [Record {
        room: 1,
        key: b"a",
        value: None,
    }];
    let _ = store
        .commit(&Commit {
            seq: 7,
            records: &gone,
            ..Commit::default()
        })
        .unwrap();
    drop(store);

    let store = Store::open(&dir.path().join("state")).unwrap();
    let state = store.load().unwrap();
    assert_eq!(
        (state.seq, state.next_outbox_row, state.delivered),
        (7, 2, None)
    );
    assert_eq!(
        state.positions,
        [Position {
            file: file(1),
            offset: 90,
            seq: 7
        }]
    );
    assert_eq!(state.inputs(5).unwrap(), [(7, b"[]".to_vec())]);
    let room = |n| -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = state.records(n).unwrap().map(Result::unwrap);
        rows.map(|row| (row.key().to_vec(), row.value().to_vec()))
            .collect()
    };
    assert_eq!(room(0), []);
    assert_eq!(room(1), [(b"b".to_vec(), b"two".to_vec())]);
    assert_eq!(room(2), [(vec![], b"core".to_vec())]);
    assert_eq!(room(255), [(b"z".to_vec(), b"last".to_vec())]);
    let incidents: Vec<_> = state
        .incidents()
        .unwrap()
        .map(|row| row.unwrap().id())
        .collect();
    assert_eq!(incidents, [id]);
    assert_eq!(state.outbox(1, 9).unwrap(), [(1, b"{2}".to_vec())]);
    assert_eq!(
        state.asides().unwrap().len(),
        2,
        "two rows of one seq must not overwrite each other"
    );
    assert_eq!(state.asides().unwrap()[1].reason, "no JSON");
    assert_eq!(state.gaps().unwrap()[0].kind, "rotated");
}

#[test]
fn a_refused_commit_changes_nothing_and_does_not_poison() {
    let (_dir, mut store) = fresh();
    let _ = advance(&mut store, 5, &[first(file(1), 0, 10)], &[]).unwrap();
    let refused = |store: &mut Store, seq, advances: &[Advance]| {
        advance(store, seq, advances, &[]).unwrap_err()
    };
    assert!(matches!(
        refused(&mut store, 4, &[]),
        StoreError::SeqBack {
            stored: 5,
            given: 4
        }
    ));
    let hole = [first(file(2), 0, 7), next(file(1), 11, 12)];
    assert!(matches!(
        refused(&mut store, 6, &hole),
        StoreError::Hole {
            stored: 10,
            from: 11,
            ..
        }
    ));
    assert!(matches!(
        refused(&mut store, 6, &[next(file(1), 9, 12)]),
        StoreError::Overlap { .. }
    ));
    assert!(matches!(
        refused(&mut store, 6, &[next(file(1), 10, 9)]),
        StoreError::Backwards { .. }
    ));
    assert!(matches!(
        refused(&mut store, 6, &[next(file(3), 0, 1)]),
        StoreError::UnknownFile { .. }
    ));
    let state = store.load().unwrap();
    assert_eq!((state.seq, state.positions.len()), (5, 1));
    assert!(!store.is_poisoned());

    let _ = advance(
        &mut store,
        6,
        &[next(file(1), 11, 12)],
        &[gap(file(1), 10, 11)],
    )
    .unwrap();
    assert_eq!(store.load().unwrap().positions[0].offset, 12);
}

#[test]
fn the_outbox_numbers_go_on_after_delivery() {
    let (_dir, mut store) = fresh();
    let notices: [&[u8]; 3] = [b"a", b"b", b"c"];
    let _ = store
        .commit(&Commit {
            seq: 1,
            notices: &notices,
            ..Commit::default()
        })
        .unwrap();
    let to = |next_row| {
        Some(Delivered {
            next_row,
            file_bytes: 77,
        })
    };
    let _ = store
        .commit(&Commit {
            seq: 1,
            delivered: to(3),
            ..Commit::default()
        })
        .unwrap();
    let receipt = store
        .commit(&Commit {
            seq: 2,
            notices: &notices[..1],
            ..Commit::default()
        })
        .unwrap();
    assert_eq!(receipt.first_outbox_row, 3);
    let state = store.load().unwrap();
    assert_eq!(state.delivered, to(3));
    assert_eq!(state.outbox(0, 9).unwrap(), [(3, b"a".to_vec())]);
    for wrong in [2, 5] {
        let error = store
            .commit(&Commit {
                seq: 2,
                delivered: to(wrong),
                ..Commit::default()
            })
            .unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Cursor {
                    low: 3,
                    high: 4,
                    ..
                }
            ),
            "{error}"
        );
    }
    let error = store
        .commit(&Commit {
            seq: 2,
            notices: &[b"a\nb"],
            ..Commit::default()
        })
        .unwrap_err();
    assert!(matches!(error, StoreError::NoticeNotALine));
    let many = vec![b"x".as_slice(); OUTBOX_ROWS_MAX as usize];
    let error = store
        .commit(&Commit {
            seq: 2,
            notices: &many,
            ..Commit::default()
        })
        .unwrap_err();
    assert!(matches!(error, StoreError::OutboxFull { .. }));
}

#[test]
fn the_files_touched_longest_ago_are_forgotten_first() {
    let (_dir, mut store) = fresh();
    let all: Vec<Advance> = (0..FILES_MAX).map(|n| first(file(n), 0, 1)).collect();
    let _ = advance(&mut store, 1, &all[1..], &[]).unwrap();
    let _ = advance(&mut store, 2, &all[..1], &[]).unwrap();
    let receipt = advance(&mut store, 3, &[first(file(FILES_MAX), 0, 1)], &[]).unwrap();
    let oldest = all[1..].iter().map(|a| a.file).min().unwrap();
    assert_eq!(receipt.forgotten, [oldest]);
    assert_eq!(store.load().unwrap().positions.len() as u64, FILES_MAX);
}

#[test]
fn old_asides_and_gaps_make_room() {
    let (_dir, mut store) = fresh();
    let long = "é".repeat(REASON_BYTES_MAX);
    let aside = |seq| Aside {
        seq,
        file: file(1),
        from: 0,
        to: 1,
        reason: &long,
        digest: file(2),
        time: Time(5),
    };
    let asides: Vec<Aside<'_>> = (0..=ASIDE_ROWS_MAX).map(aside).collect();
    let gaps: Vec<Gap<'_>> = (0..=GAP_ROWS_MAX)
        .map(|seq| Gap {
            seq,
            ..gap(file(1), 0, 1)
        })
        .collect();
    let commit = Commit {
        seq: 20_000,
        asides: &asides,
        gaps: &gaps,
        ..Commit::default()
    };
    let _ = store.commit(&commit).unwrap();
    let state = store.load().unwrap();
    let (asides, gaps) = (state.asides().unwrap(), state.gaps().unwrap());
    assert_eq!((asides.len() as u64, asides[0].seq), (ASIDE_ROWS_MAX, 1));
    assert_eq!((gaps.len() as u64, gaps[0].seq), (GAP_ROWS_MAX, 1));
    assert_eq!(asides[0].reason.len(), REASON_BYTES_MAX);
}

#[test]
fn only_one_store_a_directory() {
    let (dir, store) = fresh();
    let path = dir.path().join("state");
    let error = Store::open(&path).unwrap_err();
    assert!(
        matches!(error, StoreError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("another tokentrail runs on this state directory")
    );
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (
            mode(&path),
            mode(&path.join("state.redb")),
            mode(&path.join("lock"))
        ),
        (0o700, 0o600, 0o600)
    );
    drop(store);
    Store::open(&path).unwrap();
}

#[test]
fn a_path_that_cannot_be_the_state_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    assert!(matches!(
        Store::open(&path).unwrap_err(),
        StoreError::NotADirectory { .. }
    ));
    for content in [
        "",
        "something else, long enough to be taken for a header of a database",
    ] {
        fs::write(dir.path().join("state.redb"), content).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert_eq!(
            fs::read_to_string(dir.path().join("state.redb")).unwrap(),
            content
        );
    }
}

#[test]
fn a_database_that_was_never_finished_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state.redb.new"), "half a header").unwrap();
    assert_eq!(Store::open(dir.path()).unwrap().load().unwrap().seq, 0);
    assert!(!dir.path().join("state.redb.new").exists());
}

#[test]
fn a_newer_format_is_refused_and_left_byte_for_byte() {
    let (dir, store) = fresh();
    drop(store);
    let path = dir.path().join("state/state.redb");
    let db = redb::Database::open(&path).unwrap();
    let write = db.begin_write().unwrap();
    write
        .open_table(tables::META)
        .unwrap()
        .insert(tables::META_FORMAT, 2_u32.to_le_bytes().as_slice())
        .unwrap();
    write.commit().unwrap();
    drop(db);
    let before = fs::read(&path).unwrap();
    let error = Store::open(path.parent().unwrap()).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::NewerFormat {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(fs::read(&path).unwrap() == before);
}

/// What the rule allows, said in another way: the bytes of a file are covered one after the other,
/// unless a gap says that the file was cut and begins again.
#[derive(Default)]
struct Model(Option<u64>);

impl Model {
    fn allows(&self, advance: &Advance, gaps: &[Gap<'_>]) -> bool {
        let bridged = |at: u64| {
            gaps.iter()
                .any(|g| g.file == advance.file && (g.from, g.to) == (at, advance.from))
        };
        advance.from <= advance.to
            && match self.0 {
                None => advance.first,
                Some(at) if advance.from < at => gaps
                    .iter()
                    .any(|g| (g.file, g.to) == (advance.file, advance.from)),
                Some(at) => advance.from == at || bridged(at),
            }
    }
}

proptest! {
    #[test]
    fn accepted_intervals_cover_each_byte_once(
        steps in prop::collection::vec((0_u64..6, 0_u64..6, any::<bool>(), 0_u64..6, 0_u64..6, any::<bool>()), 1..40)
    ) {
        let (mut model, mut covered) = (Model::default(), Vec::new());
        for (from, to, is_first, gap_from, gap_to, same_file) in steps {
            // Near where the file stands, so that all verdicts are frequent.
            let base = model.0.map_or(0, |at| at.saturating_sub(2));
            let advance = Advance { file: file(1), from: base + from, to: base + to, first: is_first };
            let gaps = [gap(file(if same_file { 1 } else { 2 }), base + gap_from, base + gap_to)];
            let verdict = check(model.0, &advance, &gaps);
            prop_assert_eq!(verdict.is_ok(), model.allows(&advance, &gaps));
            if verdict.is_ok() {
                if model.0.is_some_and(|at| advance.from < at) {
                    covered.clear();
                    model.0 = None;
                }
                covered.extend(model.0.unwrap_or(advance.from)..advance.to);
                model.0 = Some(advance.to);
            }
        }
        prop_assert!(covered.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
}

#[test]
fn a_row_stays_until_the_file_and_every_sink_have_passed_it() {
    let (_dir, mut store) = fresh();
    let notices: [&[u8]; 3] = [b"a", b"b", b"c"];
    let _ = store
        .commit(&Commit {
            seq: 1,
            notices: &notices,
            ..Commit::default()
        })
        .unwrap();
    let id = Digest::of(b"incident");
    let memories = [(id, Some(b"a".as_slice()))];
    let to = |name, next_row| SinkMove {
        name,
        next_row,
        memories: &[],
    };
    let told = SinkMove {
        memories: &memories,
        ..to("one", Some(3))
    };
    let first = [told, to("two", Some(1))];
    let file = Some(Delivered {
        next_row: 3,
        file_bytes: 9,
    });
    let _ = store
        .commit(&Commit {
            seq: 1,
            delivered: file,
            sinks: &first,
            ..Commit::default()
        })
        .unwrap();
    let state = store.load().unwrap();
    assert_eq!(
        state.outbox(0, 9).unwrap(),
        [(1, b"b".to_vec()), (2, b"c".to_vec())]
    );
    let one = SinkRow {
        name: "one".to_owned(),
        next_row: 3,
        memories: vec![(id, b"a".to_vec())],
    };
    assert_eq!(
        state.sinks,
        [
            one,
            SinkRow {
                name: "two".to_owned(),
                next_row: 1,
                memories: vec![]
            }
        ]
    );
    for wrong in [0, 4] {
        let back = [to("two", Some(wrong))];
        let error = store
            .commit(&Commit {
                seq: 1,
                sinks: &back,
                ..Commit::default()
            })
            .unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::SinkCursor {
                    low: 1,
                    high: 3,
                    ..
                }
            ),
            "{error}"
        );
    }
    let gone = [to("one", None), to("two", None)];
    let _ = store
        .commit(&Commit {
            seq: 1,
            no_file: true,
            sinks: &gone,
            ..Commit::default()
        })
        .unwrap();
    let state = store.load().unwrap();
    assert_eq!(
        (
            state.outbox(0, 9).unwrap().len(),
            state.sinks.len(),
            state.delivered
        ),
        (0, 0, None)
    );
    assert_eq!(state.next_outbox_row, 3);
}
