//! What the daemon shows of itself while it runs: metrics and health.
//!
//! Refuses to hold anything up: counting is all it does.

use super::Batch;
use crate::base::text::counted;
use crate::engine::{Answer, Command, Engine, Refusal};
use crate::event::decode::Malformed;
use crate::incident::{Incident, Reason, Revision, Status};
use crate::sink::Tally;
use crate::source::Absence;
use crate::source::receive::{Meter, Outcome};
use crate::telemetry::{Accounts, Health, Metrics};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Readiness: everything that was there at the start has been read.
const CAUGHT_UP: &str = "caught-up";
/// Readiness: what is read can be committed.
const STATE: &str = "state-writable";
/// Readiness: no log is withheld from us. One that is not there yet is only noted.
const LOGS: &str = "logs-readable";
const WITHHELD: &str =
    "it is tried again; kube-apiserver writes it 0600 for root: run as its owner";
const NO_LINE: &str = "it holds bytes and not one complete line yet";
const IS_IT: &str = "name the file that the API server's --audit-log-path names";
const READ_AS: &str = "this is the same log, and is read once, as";
/// Counting all baselines takes a walk over them.
const COUNT_EVERY: Duration = Duration::from_secs(10);

pub struct Watch {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    counted: Mutex<Option<Instant>>,
    /// Logs that give nothing to read, and why.
    absent: Mutex<BTreeMap<PathBuf, Absence>>,
    accounts: Accounts,
}

/// The checks of readiness that a daemon has.
#[must_use]
pub fn health(now: Instant) -> Health {
    let health = Health::new(&[CAUGHT_UP, STATE, LOGS], now);
    health.set(LOGS, Ok(()));
    health
}

impl Watch {
    /// With series for so many service accounts.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, health: Arc<Health>, account_series: usize) -> Watch {
        metrics.config_loaded(wall_clock());
        let (counted, absent) = (Mutex::new(None), Mutex::default());
        Watch {
            metrics,
            health,
            counted,
            absent,
            accounts: Accounts::new(account_series),
        }
    }

    /// What the receiver tells.
    #[must_use]
    pub fn meter(&self) -> Arc<dyn Meter> {
        Arc::new(Received(self.metrics.clone()))
    }

    /// A spool takes so many bytes, and has lost so many events since it was opened.
    pub fn spool(&self, (bytes, lost): (u64, u64)) {
        self.metrics
            .spool_size
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.metrics
            .spool_dropped
            .inc_by(lost.saturating_sub(self.metrics.spool_dropped.get()));
    }

    /// Whether a log gave anything to read, once a turn of the loop; changes are told.
    pub fn log(&self, path: &Path, absence: Option<Absence>) {
        let Ok(mut absent) = self.absent.lock() else {
            return;
        };
        if absent.get(path) == absence.as_ref() {
            return;
        }
        let shown = path.display();
        match &absence {
            None => tracing::info!("{shown}: it can be read now"),
            Some(Absence::NotThere) => {
                tracing::warn!("{shown}: there is no such file; it is read as soon as there is");
            }
            Some(Absence::Unreadable(why)) => tracing::error!("{why}; {WITHHELD}"),
            Some(Absence::NoLine { stuck: false }) => tracing::info!("{shown}: {NO_LINE}"),
            Some(Absence::NoLine { stuck: true }) => tracing::error!("{shown}: {NO_LINE}; {IS_IT}"),
            Some(Absence::ReadAs(other)) => {
                tracing::warn!("{shown}: {READ_AS} {}", other.display());
            }
        }
        match absence {
            None => absent.remove(path),
            Some(why) => absent.insert(path.to_owned(), why),
        };
        let (mut missing, mut withheld) = (Vec::new(), Vec::new());
        for (path, absence) in absent.iter() {
            match absence {
                Absence::NotThere => {
                    missing.push(format!("{}: there is no such file yet", path.display()));
                }
                Absence::Unreadable(why) => withheld.push(format!("{why}; {WITHHELD}")),
                Absence::NoLine { stuck: false } => {
                    missing.push(format!("{}: {NO_LINE}", path.display()));
                }
                Absence::NoLine { stuck: true } => {
                    withheld.push(format!("{}: {NO_LINE}; {IS_IT}", path.display()));
                }
                Absence::ReadAs(other) => {
                    missing.push(format!("{}: {READ_AS} {}", path.display(), other.display()));
                }
            }
        }
        let outcome = if withheld.is_empty() {
            Ok(missing.join(", "))
        } else {
            Err(withheld.join(", "))
        };
        self.health.note(LOGS, outcome);
    }

    /// Once a turn of the loop.
    pub fn turn(&self, engine: &Engine, behind: u64, caught_up: bool, now: Instant) {
        self.health.beat(now);
        self.metrics
            .bytes_behind
            .set(i64::try_from(behind).unwrap_or(i64::MAX));
        if caught_up {
            self.health.set(CAUGHT_UP, Ok(()));
        }
        let newest = engine.now().0 as f64 / 1e6;
        if newest > 0.0 {
            self.metrics.lag.set(wall_clock() - newest);
        }
        let Ok(mut counted) = self.counted.lock() else {
            return;
        };
        if counted.is_none_or(|at| now.duration_since(at) >= COUNT_EVERY) {
            *counted = Some(now);
            self.count_baselines(engine);
        }
    }

    fn count_baselines(&self, engine: &Engine) {
        let learning = &engine.policy().learning;
        let mature = engine
            .population()
            .iter()
            .filter(|(_, a)| a.maturity(a.last_seen, learning).mature)
            .count();
        self.metrics
            .set_baselines(engine.population().len() - mature, mature);
        let refused = engine.population().refused;
        self.metrics
            .accounts_refused
            .inc_by(refused.saturating_sub(self.metrics.accounts_refused.get()));
    }

    /// What a batch read and found; call it once the batch is durable.
    pub fn batch(&self, batch: &Batch) {
        let metrics = &self.metrics;
        metrics.lines_read.inc_by(batch.lines);
        metrics.bytes_read.inc_by(batch.bytes);
        metrics.events_decoded.inc_by(batch.events);
        metrics.events_judged.inc_by(batch.out.judged);
        for (reason, count) in Malformed::ALL.into_iter().zip(batch.malformed) {
            (0..count).for_each(|_| metrics.count_malformed(reason));
        }
        for (kind, count) in &batch.gaps {
            (0..*count).for_each(|_| metrics.count_gap(kind.as_str(), 0.0));
        }
        if batch.out.silent.0 > 0 {
            metrics.count_gap("silent", batch.out.silent.0 as f64 / 1e6);
        }
        metrics.exempted.inc_by(batch.out.exempted);
        for (trouble, times) in &batch.out.troubles {
            metrics.rule_errors.inc_by(*times);
            tracing::warn!(
                "rule {} had no answer at {}: {}",
                trouble.id,
                counted(*times, "event"),
                trouble.fault.words()
            );
        }
        batch.out.answers.iter().for_each(answer);
        for (detector, severity) in &batch.out.findings {
            metrics.count_finding(detector, *severity);
        }
        batch
            .out
            .revisions
            .iter()
            .for_each(|revision| self.revision(revision));
    }

    fn revision(&self, Revision { incident, notice }: &Revision) {
        let Incident { severity, kind, .. } = *incident;
        let account = incident
            .principal
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| rest.split_once(':'));
        if let (Some((namespace, name)), 1) = (account, incident.revision) {
            self.metrics.count_account(&self.accounts, namespace, name);
        }
        match (incident.revision, incident.status, notice.reason) {
            (1, ..) => self.metrics.count_opened(severity, kind),
            (_, Status::Resolved, _) => self.metrics.count_resolved(severity, kind),
            (_, _, Reason::Escalated | Reason::Opened) => {
                self.metrics.count_escalated(severity, kind);
            }
            _ => {}
        }
    }

    /// A commit was made, of which so many notices wait for delivery.
    pub fn committed(&self, engine: &Engine, took: Duration, waiting: usize, state: &Path) {
        self.metrics.commit_duration.observe(took.as_secs_f64());
        self.metrics.last_commit.set(wall_clock());
        self.metrics
            .outbox_rows
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
        let bytes = std::fs::metadata(state.join("state.redb")).map_or(0, |meta| meta.len());
        self.metrics
            .state_size
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.metrics
            .set_open(engine.incidents().open().map(|i| (i.severity, i.kind)));
        self.health.set(STATE, Ok(()));
    }

    /// The sinks that there are: their series begin at 0.
    pub fn sinks_named(&self, names: &[String]) {
        names
            .iter()
            .for_each(|name| self.metrics.count_sink(name, [0; 4], 0));
    }

    /// What came of deliveries, and how many notices wait for each sink.
    pub fn sinks(&self, counts: &[(String, Tally, usize)]) {
        for (
            name,
            Tally {
                delivered,
                failed,
                refused,
                dropped,
            },
            depth,
        ) in counts
        {
            self.metrics
                .count_sink(name, [*delivered, *failed, *refused, *dropped], *depth);
        }
    }

    /// The state was opened, and can be written.
    pub fn opened(&self) {
        self.health.set(STATE, Ok(()));
    }

    pub fn disk_full(&self) {
        self.health.set(
            STATE,
            Err("no space left: reading has stopped until there is room".to_owned()),
        );
        self.health.set(
            CAUGHT_UP,
            Err("what was read since the last commit is read again".to_owned()),
        );
    }

    /// The configuration file changed; `problem` says why it is not in force.
    pub fn reloaded(&self, problem: Option<String>) {
        self.metrics
            .config_reloaded(problem.is_none().then(wall_clock));
        if let Some(problem) = problem {
            tracing::error!("{problem}; the last good configuration stays in force");
        }
    }
}

struct Received(Arc<Metrics>);

impl Meter for Received {
    fn answered(&self, outcome: Outcome, events: u32, took: Duration) {
        let stored = if outcome == Outcome::Stored {
            events.into()
        } else {
            0
        };
        self.0
            .count_received(outcome.label(), stored, took.as_secs_f64());
    }

    fn connected(&self, connections: usize) {
        self.0
            .receive_connections
            .set(i64::try_from(connections).unwrap_or(i64::MAX));
    }
}

/// What became of a command.
fn answer(answer: &Answer) {
    let Command::Ack(ack) = &answer.command;
    let incident = ack.incident;
    match &answer.outcome {
        Ok(kept) => {
            let taught = counted(kept.taught.into(), "detail");
            tracing::info!(
                "incident {incident} is acknowledged: {taught} of what happened in it count as habit now"
            );
        }
        Err(Refusal::Repeated) => tracing::info!("incident {incident} was acknowledged before"),
        Err(Refusal::NothingToLearn) => tracing::error!(
            "incident {incident} cannot be acknowledged: it is not known, too old, or names nothing that a baseline learns"
        ),
    }
}

/// Seconds since 1970. Only metrics compare it with stage times.
fn wall_clock() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
