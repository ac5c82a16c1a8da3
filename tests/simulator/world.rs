//! The world: an API server, a daemon, receivers and a disk, and what befalls them, one step at a
//! time.
//!
//! Refuses to judge: what came of it is [`Evidence`], for `check.rs`.

use super::chance::Chance;
use super::disk::{Disk, Failure, Remains};
use super::evidence::Evidence;
use super::ground::{Heard, Model};
use super::server::{MAX_LINE, Server};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokentrail::config::{Config, Reloader};
use tokentrail::daemon::run::Session;
use tokentrail::daemon::{Watch, health};
use tokentrail::history::SegmentKind;
use tokentrail::incident::Revision;
use tokentrail::store::Store;
use tokentrail::telemetry::Metrics;

/// Turns, a second apart, after which everything must be read and told once nothing fails any more.
/// A sink pauses for two minutes at most, an hour if the receiver asked for it.
const PATIENCE: usize = 4000;

pub struct World {
    pub dir: tempfile::TempDir,
    chance: Chance,
    /// Whether log files may be cut or vanish unread.
    rough: bool,
    server: Server,
    model: Arc<Model>,
    config: Config,
    reloader: Option<Reloader>,
    session: Option<Session>,
    watch: Watch,
    heard: Heard,
    /// What befell it, in order.
    pub story: Vec<String>,
    pub crashes: u64,
}

impl World {
    pub fn new(seed: u64) -> World {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        }
        .unwrap();
        let mut chance = Chance::new(seed);
        let server = Server::new(&dir.path().join("logs"));
        let path = dir.path().join("tokentrail.yaml");
        fs::write(&path, settings(&mut chance)).unwrap();
        let (mut config, reloader) = Reloader::open(Some(&path)).unwrap();
        config.daemon.audit_logs = vec![server.log()];
        config.daemon.state = dir.path().join("state");
        config.daemon.incidents = Some(dir.path().join("incidents.jsonl"));
        config.daemon.max_line_bytes = MAX_LINE;
        let model = Arc::new(Model::new(Disk::default()));
        // A database appears by rename, so nothing fails while it is made.
        drop(Store::open_on(&config.daemon.state, model.disk.clone()).unwrap());
        World {
            dir,
            rough: chance.percent(50),
            chance,
            server,
            model,
            config,
            reloader: Some(reloader),
            session: None,
            watch: Watch::new(
                Arc::new(Metrics::new()),
                Arc::new(health(Instant::now())),
                0,
            ),
            heard: Heard::new(),
            story: Vec::new(),
            crashes: 0,
        }
    }

    /// One thing happens.
    pub fn step(&mut self) -> Result<(), String> {
        match self.chance.below(100) {
            0..30 => {
                let requests = 1 + self.chance.below(12);
                self.server.serve(requests, &mut self.chance);
                self.say(format!("{requests} requests"));
            }
            30..36 => {
                self.server.begin_line(&mut self.chance);
                self.say("half a line".to_owned());
            }
            36..38 => {
                self.server.restart(&mut self.chance);
                self.say(format!("the server dies: {} scars", self.server.scars));
            }
            38..72 => self.turn()?,
            72..82 => {
                self.model.deliver(20, &mut self.chance, &mut self.heard);
            }
            82..88 => self.log_changes()?,
            88..90 => self.reload(),
            90..95 => self.arm(),
            95..97 => self.die("killed")?,
            97..98 => self.stop()?,
            _ => self.idle()?,
        }
        Ok(())
    }

    /// Nothing fails any more: it must come to an end, and then everything is looked at.
    pub fn end(&mut self) -> Result<Evidence, String> {
        self.model.disk.heal();
        // What comes after a run of NUL bytes ends it.
        self.server.serve(1, &mut self.chance);
        for _ in 0..PATIENCE {
            self.turn()?;
            let told = self.model.deliver(0, &mut self.chance, &mut self.heard);
            if told && self.session.as_ref().is_some_and(Session::is_idle) {
                self.stop()?;
                let mut evidence =
                    Evidence::gather(self.dir.path(), &self.config, &self.model.disk)?;
                evidence.written = std::mem::take(&mut self.server.written);
                evidence.heard = std::mem::take(&mut self.heard);
                (evidence.rough, evidence.losses, evidence.scars) =
                    (self.rough, self.server.losses, self.server.scars);
                return Ok(evidence);
            }
        }
        Err(format!(
            "after {PATIENCE} turns without trouble it has still not read and told everything"
        ))
    }

    fn turn(&mut self) -> Result<(), String> {
        let past = self.chance.below(900);
        self.model.pass(Duration::from_millis(100 + past));
        if self.session.is_none() {
            return self.open();
        }
        self.story
            .push(format!("turn at {} lines", self.server.written.len()));
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        let turned = session.turn(self.reloader.as_mut(), &self.watch, &mut |_: &Revision| ());
        turned.or_else(|error| self.failed(&format!("{error:#}")))
    }

    fn open(&mut self) -> Result<(), String> {
        // What the settings say now is what it starts with.
        let path = self.dir.path().join("tokentrail.yaml");
        if let Ok((config, reloader)) = Reloader::open(Some(&path)) {
            (self.config.policy, self.reloader) = (config.policy, Some(reloader));
        }
        match Session::open(&self.config, self.config.policy.clone(), self.model.clone()) {
            Ok(session) => {
                self.session = Some(session);
                self.say("opened".to_owned());
                Ok(())
            }
            Err(error) => self.failed(&format!("{error:#}")),
        }
    }

    /// Silence, long enough for the daemon's ticks.
    fn idle(&mut self) -> Result<(), String> {
        self.say("silence".to_owned());
        self.model
            .pass(Duration::from_secs(30 + self.chance.below(4000)));
        self.turn()
    }

    fn log_changes(&mut self) -> Result<(), String> {
        let held = self.session.is_some();
        let act = self.chance.below(if self.rough { 12 } else { 7 });
        self.say(format!(
            "log act {act} after {} lines",
            self.server.written.len()
        ));
        match act {
            0..3 => self.server.rotate(&mut self.chance),
            3..6 => self.server.pack(&mut self.chance),
            6 => self.clean_up()?,
            7 | 8 => self.server.copy_and_cut(),
            9 => self.server.cut(),
            10 => self.server.delete(held),
            _ => self.server.clean_up(false),
        }
        Ok(())
    }

    /// Old files go when they are read, as far as anybody can know.
    fn clean_up(&mut self) -> Result<(), String> {
        for _ in 0..4 {
            self.turn()?;
        }
        if self.session.as_ref().is_some_and(Session::is_idle) && self.server.is_rich() {
            self.server.clean_up(true);
        }
        Ok(())
    }

    fn reload(&mut self) {
        let text = if self.chance.percent(25) {
            "cluster: [".to_owned()
        } else {
            settings(&mut self.chance)
        };
        self.say(format!(
            "settings: {}",
            text.lines().next().unwrap_or_default()
        ));
        fs::write(self.dir.path().join("tokentrail.yaml"), text).unwrap();
    }

    fn arm(&mut self) {
        let failure = *self
            .chance
            .pick(&[Failure::Before, Failure::After, Failure::Full]);
        let after = self.chance.below(120);
        self.say(format!("{failure:?} in {after} operations"));
        self.model.disk.arm(after, failure);
    }

    fn stop(&mut self) -> Result<(), String> {
        let Some(mut session) = self.session.take() else {
            return Ok(());
        };
        self.say("stopped".to_owned());
        let stopped = session.stop(&self.watch, &mut |_: &Revision| ());
        drop(session);
        match stopped {
            Err(error) => self.failed(&format!("{error:#}")),
            Ok(()) if self.model.disk.has_failed() => self.die("stopped on a failing disk"),
            Ok(()) => {
                self.model.forget();
                Ok(())
            }
        }
    }

    /// An error is only right where the disk failed.
    fn failed(&mut self, error: &str) -> Result<(), String> {
        if self.model.disk.has_failed() {
            self.die(error)
        } else {
            Err(format!("the daemon ended by itself: {error}"))
        }
    }

    fn die(&mut self, why: &str) -> Result<(), String> {
        self.model.disk.cut_off();
        self.session = None;
        self.model.forget();
        self.crashes += 1;
        let remains = *self
            .chance
            .pick(&[Remains::All, Remains::Synced, Remains::Torn]);
        self.model.disk.settle(remains, &mut self.chance);
        self.say(format!("{why}; remains: {remains:?}"));
        self.tear()
    }

    /// What no commit names may be torn, or not there at all; and nobody may have heard of what no
    /// commit holds.
    fn tear(&mut self) -> Result<(), String> {
        let state = self.config.daemon.state.clone();
        let store = Store::open_on(&state, self.model.disk.copy())
            .map_err(|e| format!("after a crash: {e}"))?;
        let recovered = store.load().map_err(|e| format!("after a crash: {e}"))?;
        let next_row = recovered.next_outbox_row;
        let incidents = self.dir.path().join("incidents.jsonl");
        let told = fs::read(&incidents).unwrap_or_default();
        let rows = told.iter().filter(|b| **b == b'\n').count() as u64;
        let heard = self
            .heard
            .values()
            .map(|keys| distinct(keys))
            .max()
            .unwrap_or(0);
        if rows.max(heard) > next_row {
            return Err(format!(
                "{rows} revisions are in the file and {heard} were sent, of {next_row} committed"
            ));
        }
        shorten(
            &incidents,
            recovered.delivered.map_or(0, |d| d.file_bytes),
            &mut self.chance,
        );
        for path in files(&state) {
            let name = path
                .strip_prefix(&state)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let named = recovered.segments.iter().find(|s| s.path == name);
            match named {
                Some(head) if head.kind == SegmentKind::Head => {
                    shorten(&path, head.bytes, &mut self.chance);
                }
                Some(_) => {}
                None if name.ends_with("manifest.json") && self.chance.percent(70) => {}
                None if self.chance.percent(30) => fs::remove_file(&path).unwrap(),
                None => shorten(&path, 0, &mut self.chance),
            }
        }
        Ok(())
    }

    fn say(&mut self, what: String) {
        self.story.push(what);
    }
}

fn distinct(keys: &[(String, u32)]) -> u64 {
    keys.iter().collect::<std::collections::BTreeSet<_>>().len() as u64
}

/// Cuts a file somewhere behind what is durable, or leaves it.
fn shorten(path: &Path, durable: u64, chance: &mut Chance) {
    let len = fs::metadata(path).map_or(0, |meta| meta.len());
    if len > durable && chance.percent(60) {
        OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(durable + chance.below(len - durable))
            .unwrap();
    }
}

/// The files of history.
fn files(state: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories: Vec<PathBuf> = ["history", "rollup", "snapshots"]
        .map(|name| state.join(name))
        .to_vec();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn settings(chance: &mut Chance) -> String {
    let (notify, quiet) = (
        chance.pick(&["low", "medium", "high"]),
        600 + chance.below(6000),
    );
    let (events, accounts) = (10 + chance.below(30), 5 + chance.below(20));
    format!(
        "cluster: c{}\nlearning: {{min_age_hours: 12, min_days: 1, min_events: {events}}}\nlimits: {{accounts: \
         {accounts}}}\nincidents: {{notify: {notify}, quiet_seconds: {quiet}}}\nsinks:\n  all: {{min_severity: info, \
         webhook: {{url: \"https://a.invalid/\", every_revision: true}}}}\n  some: {{min_severity: medium, alertmanager: \
         {{urls: [\"https://b.invalid\"]}}}}\n",
        chance.below(3)
    )
}
