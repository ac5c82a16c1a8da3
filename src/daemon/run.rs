//! The live loop: poll the logs, commit, tell, wait.
//!
//! Refuses to go on over a broken state: a full disk stops the reading until there is room again,
//! any other failed write ends the process.

use super::intake::Intake;
use super::watch::Watch;
use super::{Ground, Keeper, Lookups, Machine, Pump, commands};
use crate::base::{Span, Time};
use crate::config::{Begin, Config, Reloader};
use crate::detect::Policy;
use crate::engine::{Engine, SourceIndex, StoredInput};
use crate::event::decode;
use crate::history::{HistoryError, is_full};
use crate::incident::{Reason, Revision};
use crate::sink::SinkError;
use crate::source::spool::{self, Spool};
use crate::source::{Follower, Limits, Shared, Start, Waker, Woken};
use crate::store::StoreError;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes read of each log before the others have their turn, and before a commit is considered.
const BUDGET: u64 = 4 << 20;
/// The same where there are several: they are read side by side, so that what two of them say of
/// one request is close.
const BUDGET_OF_SEVERAL: u64 = 256 << 10;
/// By the events' time, a log waits when it is so far ahead of one that has more to read.
const SIDE_BY_SIDE: Span = Span::seconds(10);
/// A log is read on so often in its turn for the lines of another that wait for it.
const POLLS_FOR_OTHERS: u32 = 16;
/// A batch waits at most so long for its commit: each costs a sync.
const COMMIT_EVERY: Duration = Duration::from_millis(400);
/// Silence, before ticks begin, and between them.
const IDLE: Duration = Duration::from_secs(60);
const TICK_EVERY: Duration = Duration::from_secs(10);
/// A tick says less than the monotonic clock does: lines may be on their way.
const TICK_MARGIN: Span = Span::seconds(60);
const RELOAD_EVERY: Duration = Duration::from_secs(1);
const RETRY_FULL_DISK: Duration = Duration::from_secs(2);

/// What the daemon tells at once: incidents that open or escalate.
pub type Tell<'a> = &'a mut dyn FnMut(&Revision);

/// Runs until the waker's handle says stop.
///
/// # Errors
/// The state cannot be opened, or a write failed for another reason than a full disk.
pub fn run(
    config: &Config,
    reloader: Option<Reloader>,
    mut waker: Waker,
    watch: &Watch,
    tell: Tell<'_>,
) -> Result<()> {
    let mut reloader = reloader;
    let intake = Intake::start(config, watch.meter())?;
    let spools = intake.as_ref().map(Intake::spools).unwrap_or_default();
    let mut session = Session::beside(&spools, config, config.policy.clone(), Arc::new(Machine))?;
    watch.opened();
    watch.sinks_named(&names(config));
    loop {
        let Err(error) = session.follow(&mut waker, &mut reloader, watch, tell) else {
            return Ok(());
        };
        let (policy, sinks) = (session.policy().clone(), session.config.sinks.clone());
        let databases = session.config.databases.clone();
        // The state is unlocked before it is opened again.
        drop(session);
        let config = Config {
            sinks,
            databases,
            ..config.clone()
        };
        match reopen(error, &spools, &config, &policy, &mut waker, watch)? {
            Some(opened) => session = opened,
            None => return Ok(()),
        }
    }
}

/// Names of the receivers of all sinks.
fn names(config: &Config) -> Vec<String> {
    crate::sink::receivers(&config.sinks, &config.policy.cluster)
        .into_iter()
        .map(|r| r.name)
        .collect()
}

/// Waits for room on the disk, then opens the state as after a crash. `None` if it is time to stop.
fn reopen(
    error: anyhow::Error,
    spools: &[Spool],
    config: &Config,
    policy: &Policy,
    waker: &mut Waker,
    watch: &Watch,
) -> Result<Option<Session>> {
    let mut error = error;
    watch.disk_full();
    while is_full_disk(&error) {
        tracing::error!("{error:#}; reading stops until there is room");
        if waker.pause(RETRY_FULL_DISK) {
            return Ok(None);
        }
        match Session::beside(spools, config, policy.clone(), Arc::new(Machine)) {
            Ok(session) => {
                tracing::info!("there is room again: going on from the last commit");
                watch.opened();
                return Ok(Some(session));
            }
            Err(again) => error = again,
        }
    }
    Err(error)
}

/// No room for the state, its history, or the incidents file.
#[must_use]
pub fn is_full_disk(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::DiskFull { .. }))
        || matches!(error.downcast_ref(), Some(HistoryError::DiskFull { .. }))
        || matches!(error.downcast_ref(), Some(SinkError::Io { source, .. }) if is_full(source))
}

fn warn_of_expired(policy: &Policy, now: Time) {
    policy
        .rules
        .expired(now)
        .iter()
        .for_each(|expired| tracing::warn!("{expired}"));
}

/// From one opening of the state to the next: after an error it is over, as after a crash.
pub struct Session {
    ground: Arc<dyn Ground>,
    /// As it was last read.
    config: Config,
    pump: Pump,
    keeper: Keeper,
    /// By number of the log.
    followers: Vec<(SourceIndex, Follower)>,
    /// Logs among them that our own receiver writes.
    spools: Vec<Spool>,
    poll: Duration,
    committed: Instant,
    reload_at: Instant,
    /// When the newest event was read: ticks count from there.
    heard: Instant,
    ticked: Instant,
    caught_up: bool,
    behind: u64,
    /// Logs that have more to read, and how many bytes.
    left: BTreeMap<SourceIndex, u64>,
}

impl Session {
    /// Opens the state and everything that is read and told from it. `policy` is in force until the
    /// next reload.
    ///
    /// # Errors
    /// As [`Keeper::open`] and [`Keeper::start_sinks`].
    pub fn open(config: &Config, policy: Policy, ground: Arc<dyn Ground>) -> Result<Session> {
        Session::beside(&[], config, policy, ground)
    }

    /// [`Session::open`], where some of the logs are spools.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn beside(
        spools: &[Spool],
        config: &Config,
        policy: Policy,
        ground: Arc<dyn Ground>,
    ) -> Result<Session> {
        let daemon = &config.daemon;
        let mut pump = Pump::new(
            Engine::new(policy.clone()),
            decode::Limits {
                max_line_bytes: daemon.max_line_bytes,
            },
        );
        pump.keeps_history = true;
        pump.holds = daemon.audit_logs.len() > 1;
        pump.geoip = Lookups::in_files(&config.databases);
        let (mut keeper, logs) = Keeper::on(
            ground.store(&daemon.state)?,
            &daemon.state,
            daemon.incidents.as_deref(),
            &daemon.audit_logs,
            &mut pump,
            daemon.retention(),
        )?;
        keeper.start_sinks(&config.sinks, &policy.cluster, &ground)?;
        warn_of_expired(&policy, pump.engine.now());
        let limits = Limits {
            max_line: daemon.max_line_bytes,
            ..Limits::default()
        };
        let start = |path: &PathBuf| match daemon.start {
            Begin::End if !spools.iter().any(|spool| spool.path() == path) => Start::End,
            Begin::End | Begin::Oldest => Start::Oldest,
        };
        let shared = Shared::default();
        let open = |(path, (source, positions)): (&PathBuf, _)| {
            (
                source,
                Follower::beside(&shared, path, start(path), positions, limits),
            )
        };
        let followers = daemon.audit_logs.iter().zip(logs).map(open).collect();
        let now = ground.now();
        let poll = Duration::from_secs_f64(daemon.poll_seconds);
        Ok(Session {
            ground,
            config: Config {
                policy,
                ..config.clone()
            },
            pump,
            keeper,
            followers,
            spools: spools.to_vec(),
            poll,
            committed: now,
            reload_at: now,
            heard: now,
            ticked: now,
            caught_up: false,
            behind: 0,
            left: BTreeMap::new(),
        })
    }

    fn follow(
        &mut self,
        waker: &mut Waker,
        reloader: &mut Option<Reloader>,
        watch: &Watch,
        tell: Tell<'_>,
    ) -> Result<()> {
        loop {
            self.turn(reloader.as_mut(), watch, tell)?;
            if self.wait(waker) {
                return self.stop(watch, tell);
            }
        }
    }

    /// Reads what there is, and commits what is due.
    ///
    /// # Errors
    /// As [`Keeper::commit`].
    pub fn turn(
        &mut self,
        reloader: Option<&mut Reloader>,
        watch: &Watch,
        tell: Tell<'_>,
    ) -> Result<()> {
        let now = self.ground.now();
        if let Some(why) = self.spools.iter().find_map(Spool::failure) {
            bail!("the spool of the receiver could not be written: {why}");
        }
        self.read(now, watch);
        self.tick(now);
        if now >= self.reload_at {
            self.reload(reloader, watch)?;
            commands::take(&self.config.daemon.state, &mut self.pump);
            self.reload_at = now + RELOAD_EVERY;
        }
        let due = now.duration_since(self.committed) >= COMMIT_EVERY || !self.caught_up;
        if due && (!self.pump.batch.is_empty() || self.keeper.has_news()) {
            self.commit(watch, tell)?;
        }
        watch.turn(&self.pump.engine, self.behind, self.caught_up, now);
        Ok(())
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.pump.engine.policy()
    }

    /// Whether everything that there is has been read, committed and handed to sinks.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.caught_up
            && self.pump.batch.is_empty()
            && self.keeper.waiting() == 0
            && !self.keeper.has_news()
    }

    fn read(&mut self, now: Instant, watch: &Watch) {
        let events = self.pump.batch.events;
        let budget = if self.followers.len() > 1 {
            BUDGET_OF_SEVERAL
        } else {
            BUDGET
        };
        let slowest = self
            .left
            .keys()
            .map(|source| self.pump.latest(*source))
            .min();
        // Logs whose lines are held come first, then those that say more of them.
        self.followers
            .sort_by_key(|(source, _)| !self.pump.holds_of(*source));
        for (source, follower) in &mut self.followers {
            let is_ahead = slowest
                .is_some_and(|slowest| self.pump.latest(*source).since(slowest) > SIDE_BY_SIDE);
            if is_ahead && !self.pump.waits_for(*source) {
                // It stays as it was: while another has more to read, nothing is caught up.
                continue;
            }
            let is_spool = self
                .spools
                .iter()
                .any(|spool| spool.path() == follower.path());
            let mut poll = |pump: &mut Pump| {
                follower.poll(now, budget, &mut |item| {
                    pump.take(*source, &if is_spool { spool::read(item) } else { item });
                })
            };
            let mut progress = poll(&mut self.pump);
            for _ in 0..POLLS_FOR_OTHERS {
                if progress.caught_up || !self.pump.waits_for(*source) {
                    break;
                }
                progress = poll(&mut self.pump);
            }
            if progress.caught_up {
                self.left.remove(source);
            } else {
                self.left.insert(*source, progress.bytes_behind);
            }
            watch.log(follower.path(), progress.absence);
        }
        let (caught_up, behind) = (self.left.is_empty(), self.left.values().sum());
        if self.pump.batch.events > events {
            self.heard = now;
        }
        (self.caught_up, self.behind) = (caught_up, behind);
    }

    /// Only once everything is read: in silence time goes on by itself, and where one log of
    /// several is silent, it is what the others say.
    fn tick(&mut self, now: Instant) {
        let silence = now.duration_since(self.heard);
        if !self.caught_up
            || now.duration_since(self.ticked) < TICK_EVERY
            || self.pump.engine.now() == Time::ZERO
        {
            return;
        }
        let at = if silence >= IDLE {
            let passed = Span(i64::try_from(silence.as_micros()).unwrap_or(i64::MAX));
            self.pump.engine.now() + passed - TICK_MARGIN
        } else if self.pump.engine.misses_a_log() {
            self.pump.engine.now()
        } else {
            return;
        };
        self.ticked = now;
        self.pump.tell(StoredInput::Tick(at));
    }

    fn reload(&mut self, reloader: Option<&mut Reloader>, watch: &Watch) -> Result<()> {
        match reloader.and_then(Reloader::check) {
            None => {}
            Some(Ok(config)) => {
                tracing::info!("the configuration changed: its policy and its sinks are in force");
                config
                    .warnings
                    .iter()
                    .for_each(|warning| tracing::warn!("{warning}"));
                // What the process was started with stays: directories, addresses, what the command
                // line said.
                let config = Config {
                    daemon: self.config.daemon.clone(),
                    ..config
                };
                warn_of_expired(&config.policy, self.pump.engine.now());
                let old = std::mem::replace(&mut self.config, config.clone());
                if old.sinks != config.sinks || old.policy.cluster != config.policy.cluster {
                    self.keeper
                        .change_sinks(&config.sinks, &config.policy.cluster)?;
                    watch.sinks_named(&names(&config));
                }
                self.pump.geoip = Lookups::in_files(&config.databases);
                self.pump.tell(StoredInput::Policy(Box::new(config.policy)));
                watch.reloaded(None);
            }
            Some(Err(error)) => watch.reloaded(Some(error.to_string())),
        }
        Ok(())
    }

    fn commit(&mut self, watch: &Watch, tell: Tell<'_>) -> Result<()> {
        let begun = self.ground.now();
        self.pump.batch.trails = self
            .followers
            .iter_mut()
            .flat_map(|(_, follower)| follower.take_trails())
            .collect();
        // A position must not be more durable than what it counts.
        self.spools.iter().for_each(Spool::barrier);
        let batch = self.keeper.commit(&mut self.pump)?;
        self.release(watch);
        self.committed = self.ground.now();
        watch.batch(&batch);
        watch.committed(
            &self.pump.engine,
            self.committed.duration_since(begun),
            self.keeper.waiting(),
            &self.config.daemon.state,
        );
        watch.sinks(&self.keeper.take_counts());
        batch
            .out
            .revisions
            .iter()
            .filter(|r| r.notice.tell && r.notice.reason != Reason::Ended)
            .for_each(tell);
        Ok(())
    }

    /// What of a spool was committed is not needed there any more.
    fn release(&self, watch: &Watch) {
        for spool in &self.spools {
            let reader = self
                .followers
                .iter()
                .map(|(_, follower)| follower)
                .find(|f| f.path() == spool.path());
            if let Some(held) = reader.and_then(Follower::held) {
                spool.is_read_before(held);
            }
            watch.spool(spool.size());
        }
    }

    /// True when it is time to stop.
    fn wait(&self, waker: &mut Waker) -> bool {
        if !self.caught_up {
            return waker.handle().is_stopped();
        }
        let waiting = !self.pump.batch.is_empty();
        let at_most = if waiting {
            COMMIT_EVERY.saturating_sub(self.ground.now().duration_since(self.committed))
        } else {
            self.poll
        };
        waker.wait(at_most) == Woken::Stopped
    }

    /// What is read is committed before the end.
    ///
    /// # Errors
    /// As [`Keeper::commit`].
    pub fn stop(&mut self, watch: &Watch, tell: Tell<'_>) -> Result<()> {
        let batch = &self.pump.batch;
        if !batch.is_empty() || !batch.inputs.is_empty() || self.keeper.has_news() {
            self.commit(watch, tell)?;
        }
        self.keeper.finish(&mut self.pump, false)
    }
}
