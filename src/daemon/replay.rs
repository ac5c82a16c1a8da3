//! The engine over logs that are already written, as fast as the machine reads them.
//!
//! Refuses clocks: only what stands in the lines decides, and that they end.

use super::{Batch, Keeper, Lookups, Pump, commands};
use crate::base::{Digest, Time};
use crate::config::Config;
use crate::detect::Severity;
use crate::detect::rule::Trouble;
use crate::engine::{Engine, StoredInput};
use crate::event::decode::{self, Malformed};
use crate::event::envelopes::Carrier;
use crate::history::ROW_GROUP_ROWS;
use crate::incident::{Incident, Revision, Status};
use crate::source::{Archive, Limits, Notes, Positions};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes read between two looks at the batch.
const STRIDE: u64 = 1 << 20;
/// Bytes between two commits, if no day ends among them, and the events do not fill a file of
/// history. A commit costs about as much as a thousand events per changed account, so it is worth
/// some seconds of log.
const COMMIT_BYTES: u64 = 256 << 20;

/// Kinds of gaps that the summary tells.
const GAPS_TOLD: usize = 5;

/// What a replay saw, for the summary.
#[derive(Default)]
pub struct Summary {
    pub lines: u64,
    pub bytes: u64,
    pub events: u64,
    pub judged: u64,
    pub malformed: [u64; Malformed::ALL.len()],
    /// Lines by the carriers that they were, in the order of [`Carrier::ALL`].
    pub carriers: [u64; Carrier::ALL.len()],
    /// Records of carriers that by their own words are no audit events.
    pub foreign: u64,
    /// Events that a carrier cut off.
    pub cut: u64,
    pub gaps: u64,
    /// The first kinds of them, in words, with how often.
    pub first_gaps: Vec<(String, u64)>,
    /// The state had read logs before.
    pub resumed: bool,
    /// Incidents by severity, as they were last.
    pub incidents: [u64; Severity::ALL.len()],
    pub accounts: usize,
    pub mature: usize,
    pub newest: Time,
    /// Findings that an exemption or an acknowledgement covered.
    pub exempted: u64,
    /// Rules without an answer, by id and fault, with how often.
    pub troubles: Vec<(Trouble, u64)>,
    /// What is to be said of the files themselves.
    pub notes: Notes,
}

impl Summary {
    /// The gravest severity of any incident.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        Severity::ALL
            .into_iter()
            .rev()
            .find(|s| self.incidents[*s as usize] > 0)
    }
}

/// Who watches a replay.
pub trait Audience {
    /// An incident's last revision, in the order in which they ended; those that go on come last.
    ///
    /// # Errors
    /// Whatever writing it out brings.
    fn incident(&mut self, incident: &Incident) -> Result<()>;
    /// How far it has come, in bytes of the files.
    fn progress(&mut self, bytes: u64, of_bytes: u64, events: u64);
}

impl Summary {
    /// Takes note of what the engine knows in the end.
    fn know(&mut self, engine: &Engine) {
        let learning = &engine.policy().learning;
        let accounts = engine.population();
        self.accounts = accounts.len();
        self.newest = engine.now();
        self.mature = accounts
            .iter()
            .filter(|(_, account)| account.maturity(account.last_seen, learning).mature)
            .count();
    }
}

/// Reads all of `paths`, on from where the state stands if there is one.
///
/// # Errors
/// A path that cannot be opened (before anything is read), or a state that cannot be used.
pub fn replay(
    paths: &[PathBuf],
    state: Option<&Path>,
    config: &Config,
    audience: &mut dyn Audience,
) -> Result<Summary> {
    let max_line = config.daemon.max_line_bytes;
    let limits = decode::Limits {
        max_line_bytes: max_line,
    };
    let mut pump = Pump::new(Engine::new(config.policy.clone()), limits);
    pump.geoip = Lookups::in_files(&config.databases);
    let (mut keeper, positions) = match state {
        Some(dir) => {
            let (keeper, mut positions) =
                Keeper::open(dir, None, &[], &mut pump, config.daemon.retention())?;
            pump.keeps_history = true;
            (Some(keeper), positions.pop().unwrap_or_default().1)
        }
        None => (None, Positions::default()),
    };
    let limits = Limits {
        max_line,
        ..Limits::default()
    };
    if let Some(dir) = state {
        commands::take(dir, &mut pump);
    }
    let resumed = !positions.offsets.is_empty();
    let mut archive = Archive::open(paths, positions, limits)?;
    (pump.holds, pump.merged) = (archive.has_several(), true);
    let (mut committed, mut day) = (0, pump.engine.now().day());
    let mut summary = Summary {
        resumed,
        ..Summary::default()
    };
    let mut stories = Stories::default();
    loop {
        let done = archive.read(STRIDE, &stage_time, &mut |item| pump.take(0, &item));
        if done.all {
            end(&mut pump);
        }
        match &mut keeper {
            Some(_)
                if !done.all && done.bytes - committed < COMMIT_BYTES && can_wait(&pump, day) => {}
            Some(keeper) => {
                pump.batch.trails = archive.take_trails();
                let batch = keeper.commit(&mut pump)?;
                stories.follow(&batch, &mut summary, audience)?;
                (committed, day) = (done.bytes, pump.engine.now().day());
            }
            None => {
                stories.follow(&std::mem::take(&mut pump.batch), &mut summary, audience)?;
                pump.engine.skip_records();
            }
        }
        audience.progress(done.bytes, done.of_bytes, summary.events);
        if done.all {
            break;
        }
    }
    if let Some(keeper) = &mut keeper {
        keeper.finish(&mut pump, true)?;
    }
    stories.end(&mut summary, audience)?;
    summary.notes = archive.notes().clone();
    summary.know(&pump.engine);
    Ok(summary)
}

/// Whether there is no reason but its bytes to commit a batch: a day's end is worth a snapshot.
fn can_wait(pump: &Pump, day: u32) -> bool {
    let rows = pump.batch.rows.as_ref();
    !pump.batch.is_heavy()
        && rows.is_none_or(|rows| rows.since_roll() < ROW_GROUP_ROWS)
        && pump.engine.now().day() == day
}

/// Takes what was held, and has what waits for the time of a first event told without one: none
/// comes any more.
fn end(pump: &mut Pump) {
    pump.settle();
    if pump.engine.waits_for_a_time() {
        pump.tell(StoredInput::Tick(Time::ZERO));
    }
}

/// Merging several logs asks for the time of lines that are not decoded yet.
fn stage_time(line: &[u8]) -> Option<Time> {
    let mut time = None;
    decode::line(line, &decode::Limits::default(), &mut |_, event| {
        if let (None, Ok(event)) = (time, event) {
            time = Some(event.time);
        }
    });
    time
}

fn count(summary: &mut Summary, batch: &Batch) {
    summary.lines += batch.lines;
    summary.bytes += batch.bytes;
    summary.events += batch.events;
    summary.judged += batch.out.judged;
    summary.gaps += batch.gaps.values().sum::<u64>();
    for hole in &batch.holes {
        let words = format!("{}: {}", hole.kind, hole.detail);
        if let Some((_, times)) = summary.first_gaps.iter_mut().find(|(gap, _)| *gap == words) {
            *times += 1;
        } else if summary.first_gaps.len() < GAPS_TOLD {
            summary.first_gaps.push((words, 1));
        }
    }
    summary.exempted += batch.out.exempted;
    for (trouble, times) in &batch.out.troubles {
        match summary.troubles.iter_mut().find(|(t, _)| t == trouble) {
            Some((_, sum)) => *sum += times,
            None => summary.troubles.push((trouble.clone(), *times)),
        }
    }
    summary.foreign += batch.foreign;
    summary.cut += batch.cut;
    for (sum, n) in summary.carriers.iter_mut().zip(batch.carriers) {
        *sum += n;
    }
    for (sum, n) in summary.malformed.iter_mut().zip(batch.malformed) {
        *sum += n;
    }
}

/// Incidents that have not ended yet, as they were last told.
#[derive(Default)]
struct Stories {
    open: BTreeMap<Digest, Incident>,
}

impl Stories {
    fn follow(
        &mut self,
        batch: &Batch,
        summary: &mut Summary,
        audience: &mut dyn Audience,
    ) -> Result<()> {
        count(summary, batch);
        for Revision { incident, .. } in &batch.out.revisions {
            if incident.status == Status::Resolved {
                self.open.remove(&incident.id);
                tell(incident, summary, audience)?;
            } else {
                self.open.insert(incident.id, incident.clone());
            }
        }
        Ok(())
    }

    fn end(self, summary: &mut Summary, audience: &mut dyn Audience) -> Result<()> {
        self.open
            .values()
            .try_for_each(|incident| tell(incident, summary, audience))
    }
}

fn tell(incident: &Incident, summary: &mut Summary, audience: &mut dyn Audience) -> Result<()> {
    summary.incidents[incident.severity as usize] += 1;
    audience.incident(incident)
}
