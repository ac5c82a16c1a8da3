//! `explain`: an incident as it came about, event by event, with what was known before each.
//!
//! Refuses to reconstruct: every step is taken from a replay that ends in the incident.

use super::{before, start};
use crate::base::{Digest, Time};
use crate::engine::{Input, Output, Trace, VERSION};
use crate::event::AuditEvent;
use crate::incident::{Acknowledgement, Incident, Revision};
use crate::store::{ReadOnly, Recovered};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io;
use std::path::Path;

/// Most steps kept; later ones are only counted.
const STEPS_MAX: usize = 1_000;

/// How an incident came about.
#[derive(Debug, Default)]
pub struct Explained {
    pub id: Digest,
    /// The snapshot that the replay began from.
    pub since: Time,
    pub steps: Vec<Step>,
    /// Beyond the limit.
    pub more_steps: u64,
    /// The last revision that the replay came to.
    pub last: Option<Revision>,
    /// Who called it normal, as the state has it: an incident that was over gets no revision for
    /// that.
    pub acknowledged: Option<Acknowledgement>,
}

/// One input that changed the incident.
#[derive(Debug)]
pub struct Step {
    pub seq: u64,
    /// `None` for an input that is no event: what could not be seen, or silence.
    pub event: Option<What>,
    pub trace: Option<Trace>,
    /// The incident after it.
    pub incident: Incident,
}

/// An event in short.
#[derive(Debug)]
pub struct What {
    pub time: Time,
    pub audit_id: String,
    pub principal: String,
    /// Verb and object.
    pub request: String,
    pub code: u16,
    pub decision: String,
    pub source_ips: Vec<String>,
    pub user_agent: String,
    pub credential_id: String,
    pub reason: String,
}

impl Explained {
    fn add(&mut self, step: Step) {
        if self.steps.len() < STEPS_MAX {
            self.steps.push(step);
        } else {
            self.more_steps += 1;
        }
    }
}

/// Whatever changes when an input adds to an incident.
fn told_by(incident: &Incident) -> (u32, u32) {
    (incident.evidence.count, incident.revision)
}

/// Replays up to the end of the incident whose id begins so.
///
/// # Errors
/// No such incident, or several; no snapshot from before it; a hole in history; the replay does not
/// come to it.
pub fn explain(dir: &Path, id: &str) -> Result<Explained> {
    let state = ReadOnly::open(dir)?;
    let recovered = state.load()?;
    let (id, stored) = find(&recovered, id)?;
    let first_seen = stored["first_seen"].as_str().and_then(Time::parse);
    let first_seen = first_seen.context("the incident has no first_seen")?;
    let revision = stored["revision"].as_u64().unwrap_or(0);
    let snapshot = before(&recovered, first_seen)?;
    let (mut engine, mut tape) = start(dir, &recovered, snapshot)?;
    engine.trace();
    let acknowledged = acknowledgement(&stored["acknowledged"]);
    let mut told = Explained {
        id,
        since: snapshot.time_max,
        acknowledged,
        ..Explained::default()
    };
    let (mut out, mut evidence) = (Output::default(), None);
    let until = recovered.seq;
    let played = tape.play(until, &mut |seq, input| {
        let event = match &input {
            Input::Event { event, .. } => Some(*event),
            _ => None,
        };
        let what = event.map(What::of);
        engine.step(input, &mut out);
        let trace = engine.take_trace();
        let revised = out.revisions.drain(..).rfind(|r| r.incident.id == id);
        out.findings.clear();
        // One that an event both opens and ends is in its revisions only.
        let incident = engine
            .incidents()
            .get(&id)
            .or(revised.as_ref().map(|r| &r.incident));
        let changed = incident.filter(|incident| evidence != Some(told_by(incident)));
        if let Some(incident) = changed {
            evidence = Some(told_by(incident));
            told.add(Step {
                seq,
                event: what,
                trace,
                incident: incident.clone(),
            });
        }
        told.last = revised.or(told.last.take());
        let last = told.last.as_ref().map(|r| u64::from(r.incident.revision));
        let is_done = last.is_some_and(|last| last >= revision);
        if is_done {
            Err(io::Error::new(io::ErrorKind::Interrupted, "done"))
        } else {
            Ok(())
        }
    });
    if let Err(e) = played
        && e.kind() != io::ErrorKind::Interrupted
    {
        return Err(e).with_context(|| format!("replaying the history in {}", dir.display()));
    }
    if told.steps.is_empty() {
        let of = snapshot.engine;
        bail!(
            "the replay from {} does not come to incident {id}: engine version {VERSION} judges here, {of} judged then",
            snapshot.time_max
        );
    }
    Ok(told)
}

fn acknowledgement(stored: &Value) -> Option<Acknowledgement> {
    let text = |field: &str| stored[field].as_str().map(str::to_owned);
    Some(Acknowledgement {
        owner: text("owner")?,
        reason: text("reason")?,
        at: Time::parse(&text("at")?)?,
    })
}

fn find(recovered: &Recovered<'_>, wanted: &str) -> Result<(Digest, Value)> {
    let mut found = Vec::new();
    for row in recovered.incidents()? {
        let row = row?;
        if row.id().to_string().starts_with(wanted) {
            let stored = serde_json::from_slice(row.value()).context("reading the incident")?;
            found.push((row.id(), stored));
        }
    }
    match (found.pop(), found.len()) {
        (None, _) => bail!(
            "there is no incident {wanted:?}: `query 'SELECT id, summary FROM incidents'` lists them"
        ),
        (Some(one), 0) => Ok(one),
        (Some(_), more) => bail!(
            "{} incidents begin with {wanted:?}: give more of the id",
            more + 1
        ),
    }
}

impl What {
    fn of(event: &AuditEvent<'_>) -> What {
        let op = &event.operation;
        let resource = [op.resource, op.subresource]
            .into_iter()
            .filter(|s| !s.is_empty())
            .collect::<Vec<_>>()
            .join("/");
        let object = [op.namespace, op.name]
            .into_iter()
            .filter(|s| !s.is_empty())
            .collect::<Vec<_>>()
            .join("/");
        let request = if op.resource.is_empty() {
            op.path.to_owned()
        } else {
            format!("{resource} {object}")
        };
        What {
            time: event.time,
            audit_id: event.audit_id.to_owned(),
            principal: event.username.to_owned(),
            request: format!("{} {}", op.verb, request.trim_end()),
            code: event.code,
            decision: event.decision.to_owned(),
            source_ips: event.source_ips.iter().map(ToString::to_string).collect(),
            user_agent: event.user_agent.to_owned(),
            credential_id: event.credential.id.to_owned(),
            reason: event.reason.text().into_owned(),
        }
    }
}
