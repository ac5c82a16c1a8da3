//! Disks that fail: the n-th write, sync or growth of the file returns EIO or ENOSPC, for every n
//! that a run of commits needs. Afterwards the disk keeps what was written (the process died), only
//! what was synced (the power was cut), or a part of what was not synced yet; and each time the
//! state must be that of one commit, whole.

use super::disk::ModelDisk;
use super::*;
use crate::base::{Digest, Time};
use crate::history::{Change, Segment, SegmentKind};
use redb::StorageBackend;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

const COMMITS: u64 = 6;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[derive(Default, Debug)]
struct Platter {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Writes since the last sync, in order.
    unsynced: Vec<(usize, Vec<u8>)>,
    operations: u64,
    fail_at: Option<(u64, i32)>,
    /// Whether all later operations fail too, as on a disk that stays full.
    keeps_failing: bool,
}

#[derive(Clone, Default, Debug)]
struct FaultyDisk(Arc<Mutex<Platter>>);

impl FaultyDisk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    /// Counts an operation that can fail.
    fn operate(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let mut platter = self.platter();
        platter.operations += 1;
        match platter.fail_at {
            Some((n, code))
                if n == platter.operations || (platter.keeps_failing && n < platter.operations) =>
            {
                Err(io::Error::from_raw_os_error(code))
            }
            _ => Ok(platter),
        }
    }

    fn crash(&self, after: After) {
        let mut platter = self.platter();
        platter.fail_at = None;
        let len = platter.live.len();
        let unsynced = std::mem::take(&mut platter.unsynced);
        match after {
            After::Kill => {}
            After::PowerCut => platter.live = platter.durable.clone(),
            After::Torn(seed) => {
                platter.live = platter.durable.clone();
                platter.live.resize(len, 0);
                // Any subset in any order is allowed before a sync; this one is the same in every
                // run.
                for (i, (at, bytes)) in unsynced.iter().enumerate() {
                    if seed.wrapping_mul(0x9E37_79B9).rotate_left(i as u32) & 1 == 1
                        && at + bytes.len() <= len
                    {
                        platter.live[*at..at + bytes.len()].copy_from_slice(bytes);
                    }
                }
            }
        }
        platter.durable = platter.live.clone();
    }
}

#[derive(Clone, Copy, Debug)]
enum After {
    Kill,
    PowerCut,
    Torn(u64),
}

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        let at = offset as usize;
        out.copy_from_slice(
            platter
                .live
                .get(at..at + out.len())
                .ok_or(io::ErrorKind::UnexpectedEof)?,
        );
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.operate()?;
        platter.live.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.operate()?;
        platter.durable = platter.live.clone();
        platter.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.operate()?;
        let at = offset as usize;
        platter.live[at..at + data.len()].copy_from_slice(data);
        platter.unsynced.push((at, data.to_vec()));
        Ok(())
    }
}

fn open(disk: &FaultyDisk) -> Result<Store, StoreError> {
    Store::on(
        Box::new(ModelDisk(disk.clone())),
        PathBuf::from("faulty"),
        None,
    )
}

fn segment(n: u64) -> Segment {
    let (path, time) = (
        format!("history/date=2026-01-01/{n}.parquet"),
        Time::from_seconds(1),
    );
    let (kind, sha256) = (SegmentKind::Events, String::new());
    Segment {
        id: n,
        kind,
        path,
        bytes: n,
        rows: n,
        time_min: time,
        time_max: time,
        seq_min: n,
        seq_max: n,
        sha256,
        engine: 0,
    }
}

/// Commit `n` touches every table; its value tells its number.
fn commit(store: &mut Store, n: u64) -> Result<(), StoreError> {
    let text = format!("{n:>5000}");
    let value = text.as_bytes();
    let key = (n % 3).to_le_bytes();
    let file = Digest::of(b"log");
    store
        .commit(&Commit {
            seq: n,
            advances: &[Advance {
                file,
                from: (n - 1) * 10,
                to: n * 10,
                first: n == 1,
            }],
            records: &[
                Record {
                    room: 1,
                    key: &key,
                    value: Some(value),
                },
                Record {
                    room: 2,
                    key: b"last",
                    value: Some(value),
                },
            ],
            incidents: &[(Digest::of(&key), value)],
            notices: &[value],
            delivered: (n > 2).then(|| Delivered {
                next_row: n - 2,
                file_bytes: n,
            }),
            no_file: false,
            sinks: &[],
            asides: &[Aside {
                seq: n,
                file,
                from: 0,
                to: 1,
                reason: &text,
                digest: file,
                time: Time(5),
            }],
            gaps: &[],
            inputs: &[(n, value.to_vec())],
            history: Some(&Change {
                put: vec![segment(n)],
                forget: (n > 1).then(|| n - 1).into_iter().collect(),
                forget_inputs: n.checked_sub(2),
            }),
        })
        .map(|_| ())
}

/// The number of the last commit in the store, after checking that all tables agree on it.
fn settled(store: &Store) -> u64 {
    let state = store.load().unwrap();
    let n = state.seq;
    let number = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .unwrap()
            .trim()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(state.next_outbox_row, n);
    assert_eq!(
        state.positions.iter().map(|p| p.offset).sum::<u64>(),
        n * 10
    );
    let in_room = |room| {
        state
            .records(room)
            .unwrap()
            .map(|row| number(row.unwrap().value()))
            .collect::<Vec<_>>()
    };
    assert_eq!(in_room(2).last().copied().unwrap_or(0), n);
    let mut recent: Vec<u64> = (1..=n).rev().take(3).collect();
    let mut records = in_room(1);
    let mut incidents: Vec<u64> = state
        .incidents()
        .unwrap()
        .map(|row| number(row.unwrap().value()))
        .collect();
    for list in [&mut recent, &mut records, &mut incidents] {
        list.sort_unstable();
    }
    assert_eq!((&records, &incidents), (&recent, &recent));
    let waiting: Vec<u64> = state
        .outbox(0, 99)
        .unwrap()
        .into_iter()
        .map(|(_, line)| number(&line))
        .collect();
    assert_eq!(waiting, (n.saturating_sub(2) + 1..=n).collect::<Vec<_>>());
    assert_eq!(state.asides().unwrap().len() as u64, n);
    let inputs: Vec<u64> = state
        .inputs(0)
        .unwrap()
        .into_iter()
        .map(|(seq, json)| seq.min(number(&json)))
        .collect();
    assert_eq!(inputs, (n.saturating_sub(1).max(1)..=n).collect::<Vec<_>>());
    assert_eq!(
        state.segments.iter().map(|s| s.rows).collect::<Vec<_>>(),
        (n.max(1)..=n).collect::<Vec<_>>()
    );
    n
}

/// Commits until the fault strikes; returns the last commit that succeeded.
fn run_into_fault(store: &mut Store, code: i32) -> Option<u64> {
    for n in 1..=COMMITS {
        let Err(error) = commit(store, n) else {
            continue;
        };
        assert_eq!(
            matches!(error, StoreError::DiskFull { .. }),
            code == ENOSPC,
            "{error}"
        );
        assert!(store.is_poisoned());
        assert!(matches!(
            commit(store, n).unwrap_err(),
            StoreError::Poisoned { .. }
        ));
        assert!(matches!(
            store.load().map(|_| ()).unwrap_err(),
            StoreError::Poisoned { .. }
        ));
        return Some(n - 1);
    }
    None
}

/// Returns whether the n-th operation was still part of the run.
fn survives_fault(nth: u64, code: i32, keeps_failing: bool, after: After) -> bool {
    let disk = FaultyDisk::default();
    let mut store = open(&disk).unwrap();
    let operations = disk.platter().operations;
    disk.platter().keeps_failing = keeps_failing;
    disk.platter().fail_at = Some((operations + nth, code));
    let Some(done) = run_into_fault(&mut store, code) else {
        return false;
    };
    disk.crash(after);
    store.reopen().unwrap();
    let found = settled(&store);
    assert!(
        found == done || found == done + 1,
        "fault {nth} {after:?}: {done} were done, {found} are there"
    );
    for n in found + 1..=COMMITS {
        commit(&mut store, n).unwrap();
    }
    assert_eq!(settled(&store), COMMITS);
    true
}

#[test]
fn after_any_failed_operation_the_state_is_that_of_one_commit() {
    for (code, keeps_failing) in [(EIO, false), (ENOSPC, false), (ENOSPC, true)] {
        for after in [
            After::Kill,
            After::PowerCut,
            After::Torn(0xA5A5_1234),
            After::Torn(0x0F3C_77E1),
        ] {
            let faults = (1..)
                .take_while(|nth| survives_fault(*nth, code, keeps_failing, after))
                .count();
            assert!(faults > 40, "only {faults} operations were tried");
        }
    }
}

#[test]
fn a_reopen_that_fails_leaves_the_store_poisoned_and_may_be_tried_again() {
    let disk = FaultyDisk::default();
    let mut store = open(&disk).unwrap();
    commit(&mut store, 1).unwrap();
    let operations = disk.platter().operations;
    disk.platter().fail_at = Some((operations + 1, ENOSPC));
    assert!(matches!(
        commit(&mut store, 2).unwrap_err(),
        StoreError::DiskFull { .. }
    ));
    let operations = disk.platter().operations;
    disk.platter().fail_at = Some((operations + 1, ENOSPC));
    assert!(matches!(
        store.reopen().unwrap_err(),
        StoreError::DiskFull { .. }
    ));
    assert!(store.is_poisoned());
    store.reopen().unwrap();
    assert_eq!(settled(&store), 1);
    commit(&mut store, 2).unwrap();
    assert_eq!(settled(&store), 2);
}

#[test]
fn what_was_committed_outlives_a_power_cut_at_once() {
    let disk = FaultyDisk::default();
    let mut store = open(&disk).unwrap();
    for n in 1..=COMMITS {
        commit(&mut store, n).unwrap();
        let image = FaultyDisk::default();
        image.platter().live = disk.platter().durable.clone();
        assert_eq!(settled(&open(&image).unwrap()), n);
    }
}
