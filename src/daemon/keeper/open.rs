//! A state directory taken up: the engine has its memory back, and the incidents file goes on where
//! it was.
//!
//! Refuses to tell again what was told before the stop.

use super::{Keeper, LOGS, TRAILS, log_key, log_of};
use crate::base::{Digest, Time};
use crate::daemon::{Pump, rewind};
use crate::engine::{Input, Output, SourceIndex, StoredInput};
use crate::history::{History, Retention};
use crate::sink::{Cursor, IncidentsFile};
use crate::source::{Positions, Trail};
use crate::store::{Recovered, Store};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

impl Keeper {
    /// Opens the state, gives the engine its memory back, and finds the place in the incidents
    /// file. Of each log its number and where it stands; of none, one that stands wherever files
    /// are known.
    ///
    /// # Errors
    /// The state is in use, of a newer version, damaged, or not writable; the file cannot be
    /// opened.
    pub fn open(
        dir: &Path,
        incidents: Option<&Path>,
        logs: &[PathBuf],
        pump: &mut Pump,
        retention: Retention,
    ) -> Result<(Keeper, Vec<(SourceIndex, Positions)>)> {
        Keeper::on(Store::open(dir)?, dir, incidents, logs, pump, retention)
    }

    /// As [`Keeper::open`], on a store that is open: that of `dir`.
    ///
    /// # Errors
    /// As [`Keeper::open`].
    pub fn on(
        store: Store,
        dir: &Path,
        incidents: Option<&Path>,
        logs: &[PathBuf],
        pump: &mut Pump,
        retention: Retention,
    ) -> Result<(Keeper, Vec<(SourceIndex, Positions)>)> {
        let history = History::open(dir, store.load()?.segments, retention)?;
        let mut keeper = Keeper {
            store,
            history,
            file: None,
            delivered: None,
            sinks: None,
            logs: BTreeMap::new(),
            forgotten: Vec::new(),
            waiting: Vec::new(),
            checkpoint: (0, Time::ZERO),
            divides: true,
        };
        let positions = keeper.recover(dir, logs, pump)?;
        if let Some(path) = incidents {
            keeper.open_file(path)?;
        }
        Ok((keeper, positions))
    }

    fn recover(
        &mut self,
        dir: &Path,
        logs: &[PathBuf],
        pump: &mut Pump,
    ) -> Result<Vec<(SourceIndex, Positions)>> {
        let wanted = pump.engine.policy().clone();
        pump.engine = rewind::checkpointed(&self.store.load()?)?;
        self.checkpoint = (pump.engine.seq(), pump.engine.now());
        self.divides = pump.engine.is_sure_of_now();
        self.snapshot()?;
        let recovered = self.store.load()?;
        self.play_on(dir, &recovered, pump)?;
        if recovered.seq == 0 || *pump.engine.policy() != wanted {
            pump.tell(StoredInput::Policy(Box::new(wanted)));
        }
        let offsets: HashMap<_, _> = recovered
            .positions
            .iter()
            .map(|p| (p.file, p.offset))
            .collect();
        let trails = trails_of(&recovered, &offsets)?;
        let mut known = HashMap::new();
        for row in recovered.records(LOGS)? {
            let row = row?;
            known.extend(log_of(row.value()).map(|log| (row.key().to_vec(), log)));
        }
        self.delivered = recovered.delivered.map(|d| Cursor {
            next_row: d.next_row,
            file_bytes: d.file_bytes,
        });
        let positions = |last| Positions {
            offsets: offsets.clone(),
            trails: trails.clone(),
            last,
        };
        if logs.is_empty() {
            return Ok(vec![(0, positions(None))]);
        }
        let taken: BTreeSet<SourceIndex> = known.values().map(|(_, source)| *source).collect();
        let mut free = (0..=SourceIndex::MAX).filter(|source| !taken.contains(source));
        let mut numbered = Vec::with_capacity(logs.len());
        for path in logs {
            let (last, source) = match known.get(&log_key(path)) {
                Some((last, source)) => (Some(*last), *source),
                None => {
                    let number = free.next();
                    let full = "more logs were followed than there are numbers";
                    (None, number.context(full)?)
                }
            };
            self.logs.insert(source, path.clone());
            numbered.push((source, positions(last)));
        }
        let followed: Vec<SourceIndex> = self.logs.keys().copied().collect();
        if pump.engine.misses_others_than(&followed) {
            pump.tell(StoredInput::Logs(followed));
        }
        Ok(numbered)
    }

    /// Has the engine judge again what came after the last checkpoint.
    fn play_on(&self, dir: &Path, recovered: &Recovered<'_>, pump: &mut Pump) -> Result<()> {
        let mut out = Output::default();
        let mut again = |_, input: Input<'_>| {
            pump.engine.step(input, &mut out);
            // It was told then.
            out = Output::default();
            Ok(())
        };
        rewind::tape(dir, recovered, self.checkpoint.0)?
            .play(recovered.seq, &mut again)
            .context("the inputs since the last checkpoint cannot be read again")
    }

    fn open_file(&mut self, path: &Path) -> Result<()> {
        let (rows, begin, seq) = {
            let recovered = self.store.load()?;
            let rows = recovered.outbox(self.delivered.map_or(0, |c| c.next_row), usize::MAX)?;
            let first = rows
                .first()
                .map_or(recovered.next_outbox_row, |(row, _)| *row);
            // While no file was kept, rows went by: it goes on at its end, wherever that is.
            let end = (first > 0).then_some(Cursor {
                next_row: first,
                file_bytes: u64::MAX,
            });
            (rows, self.delivered.or(end), recovered.seq)
        };
        let (file, cursor) = IncidentsFile::open(path, begin, &rows)?;
        self.waiting = rows
            .into_iter()
            .filter(|(n, _)| *n >= cursor.next_row)
            .collect();
        self.file = Some(file);
        self.commit_cursor(cursor, seq)
    }
}

/// What the files are known by that the store knows.
fn trails_of(
    recovered: &Recovered<'_>,
    offsets: &HashMap<Digest, u64>,
) -> Result<HashMap<Digest, Trail>> {
    let mut trails = HashMap::new();
    for row in recovered.records(TRAILS)? {
        let row = row?;
        let file = row.key().try_into().map(Digest).ok();
        // Rows of files that the store has forgotten since wait for the next commit.
        let file = file.filter(|file| offsets.contains_key(file));
        trails.extend(file.map(|file| (file, Trail::from_bytes(row.value()))));
    }
    Ok(trails)
}
