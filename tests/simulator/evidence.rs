//! What a run left behind: the state, the history, what was told, and what an uninterrupted run
//! makes of the same inputs.
//!
//! Refuses to find anything right or wrong: that is `check.rs`.

use super::disk::Disk;
use super::ground::Heard;
use super::server::{Line, What};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tokentrail::base::Digest;
use tokentrail::config::Config;
use tokentrail::daemon::rewind::verify::verify;
use tokentrail::detect::Policy;
use tokentrail::engine::{Engine, Input, Output, Room, StoredInput, camera};
use tokentrail::event::decode::{self, Limits};
use tokentrail::history::{SegmentKind, Tape};
use tokentrail::incident::to_json;
use tokentrail::store::{AsideRow, GapRow, Recovered, Store};

/// By room and key.
pub type Records = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// What somebody was to be told: the line, and what routing goes by.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    pub line: String,
    pub id: String,
    pub revision: u32,
    pub tell: bool,
    pub severity: String,
    pub status: String,
}

#[derive(Clone, Default)]
pub struct Evidence {
    /// The truth: every complete line, in order.
    pub written: Vec<Line>,
    pub rough: bool,
    pub losses: u64,
    pub scars: u64,
    /// What history says: seq and audit id, in the order of seq.
    pub events: Vec<(u64, String)>,
    /// Rows of its files.
    pub rows: u64,
    pub seq: u64,
    pub inputs: BTreeMap<u64, StoredInput>,
    pub gaps: Vec<GapRow>,
    pub asides: Vec<AsideRow>,
    pub records: Records,
    pub incidents: BTreeMap<Digest, String>,
    pub waiting: usize,
    pub positions: usize,
    /// The incidents file.
    pub file: String,
    pub heard: Heard,
    /// What `verify` found.
    pub difference: Option<String>,
}

/// What an engine comes to that is never interrupted.
pub struct Reference {
    pub records: Records,
    pub incidents: BTreeMap<Digest, String>,
    pub told: Vec<Told>,
    pub policy: Policy,
}

impl Evidence {
    /// Reads the state of a daemon that has stopped, by the bytes on its disk.
    pub fn gather(dir: &Path, config: &Config, disk: &Disk) -> Result<Evidence, String> {
        let state = &config.daemon.state;
        fs::write(state.join("state.redb"), disk.bytes()).unwrap();
        let said = |error: &dyn std::fmt::Display| format!("what is left cannot be read: {error}");
        let verified = verify(state, &mut |_, _| ()).map_err(|e| said(&format!("{e:#}")))?;
        let store = Store::open(state).map_err(|e| said(&e))?;
        let mut evidence = Evidence::of(state, &store.load().map_err(|e| said(&e))?)?;
        evidence.file = fs::read_to_string(dir.join("incidents.jsonl")).map_err(|e| said(&e))?;
        evidence.difference = verified.difference;
        Ok(evidence)
    }

    fn of(state: &Path, recovered: &Recovered<'_>) -> Result<Evidence, String> {
        let said = |error: &dyn std::fmt::Display| format!("what is left cannot be read: {error}");
        let parsed = |(seq, json): (u64, Vec<u8>)| (seq, serde_json::from_slice(&json).unwrap());
        let inputs: BTreeMap<u64, StoredInput> = recovered
            .inputs(0)
            .map_err(|e| said(&e))?
            .into_iter()
            .map(parsed)
            .collect();
        let mut events = Vec::new();
        let list = inputs
            .iter()
            .map(|(seq, input)| (*seq, input.clone()))
            .collect();
        let played = Tape::new(state, &recovered.segments, list, 0).play(
            recovered.seq,
            &mut |seq, input| {
                if let Input::Event { event, .. } = input {
                    events.push((seq, event.audit_id.to_owned()));
                }
                Ok(())
            },
        );
        played.map_err(|e| said(&e))?;
        let is_event = |kind| matches!(kind, SegmentKind::Head | SegmentKind::Events);
        let rooms = Room::ALL.map(|room| room as u8);
        let records = recovered.records_of(&rooms).map(|row| {
            let (room, key, value) = row.unwrap();
            ((room, key), value)
        });
        let incident = |row: Result<tokentrail::store::RecordRow<_>, _>| {
            let row: tokentrail::store::RecordRow<&'static [u8; 16]> = row.unwrap();
            (row.id(), String::from_utf8(row.value().to_vec()).unwrap())
        };
        // A pause of days is told as a leap, and is no hole.
        let gaps = recovered.gaps().map_err(|e| said(&e))?.into_iter();
        let gaps = gaps.filter(|gap| gap.kind != camera::LEAP).collect();
        Ok(Evidence {
            events,
            rows: recovered
                .segments
                .iter()
                .filter(|s| is_event(s.kind))
                .map(|s| s.rows)
                .sum(),
            seq: recovered.seq,
            inputs,
            gaps,
            asides: recovered.asides().map_err(|e| said(&e))?,
            records: records.collect(),
            incidents: recovered
                .incidents()
                .map_err(|e| said(&e))?
                .map(incident)
                .collect(),
            waiting: recovered.outbox(0, usize::MAX).map_err(|e| said(&e))?.len(),
            positions: recovered.positions.len(),
            ..Evidence::default()
        })
    }

    /// Judges the lines `kept`, in order, and between them the inputs that are no lines, all at
    /// once.
    pub fn uninterrupted(&self, kept: &[usize]) -> Reference {
        let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
        let mut lines = kept
            .iter()
            .map(|at| &self.written[*at])
            .filter(|line| line.what == What::Event);
        for seq in 1..=self.seq {
            match self.inputs.get(&seq) {
                Some(input) => engine.step(input.as_input(), &mut out),
                None => lines.by_ref().take(1).for_each(|line| {
                    decode::line(line.text.as_bytes(), &Limits::default(), &mut |_, event| {
                        engine.step(
                            Input::Event {
                                source: 0,
                                event: event.unwrap(),
                            },
                            &mut out,
                        );
                    });
                }),
            }
        }
        let mut drained = Vec::new();
        engine.drain_records(&mut drained);
        let mut records = Records::new();
        for record in drained {
            let place = (record.room as u8, record.key);
            match record.value {
                Some(value) => records.insert(place, value),
                None => records.remove(&place),
            };
        }
        let told: Vec<Told> = out.revisions.iter().map(told).collect();
        let incidents = out
            .revisions
            .iter()
            .zip(&told)
            .map(|(r, told)| (r.incident.id, told.line.clone()))
            .collect();
        Reference {
            records,
            incidents,
            told,
            policy: engine.policy().clone(),
        }
    }
}

fn told(revision: &tokentrail::incident::Revision) -> Told {
    let line = to_json(&revision.incident, Some(revision.notice));
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = |key: &str| value[key].as_str().unwrap().to_owned();
    let revision_number = u32::try_from(value["revision"].as_u64().unwrap()).unwrap();
    let tell = revision.notice.tell;
    Told {
        id: text("id"),
        revision: revision_number,
        tell,
        severity: text("severity"),
        status: text("status"),
        line,
    }
}
