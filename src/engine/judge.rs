//! One event through the engine: what was known before it, the judgement, then the learning.
//!
//! Refuses to learn before it has judged, and to learn from the evidence of theft.

use super::joins::makes_secret;
use super::look::{Remembered, is_machine};
use super::remark::{marks_of, probe_of, remembered_issuer};
use super::word::signature;
use super::{Engine, Output, Trace};
use crate::base::{Bits, Time};
use crate::baseline::addresses::Home;
use crate::baseline::features::credentials::Holder;
use crate::baseline::features::operations;
use crate::baseline::features::origins::Origin;
use crate::baseline::features::probes::Probe;
use crate::baseline::lesson::ANY;
use crate::baseline::{Account, Maturity};
use crate::detect::acts::{Act, Acts};
use crate::detect::rule::{self, Dispatch, Trouble};
use crate::detect::sensitive::{self, Sensitive};
use crate::detect::weigh::{self, Weighed};
use crate::detect::{self, Finding, Marks, View};
use crate::event::{AuditEvent, CredentialKind, Stage};
use smol_str::SmolStr;
use std::net::IpAddr;

/// Reused between events: the words that an event is remembered by.
#[derive(Default)]
pub(super) struct Scratch {
    pub operation: String,
    pub origin: String,
    pub target: String,
    pub issuer: String,
    pub findings: Vec<Finding>,
    /// What was weighed of the event.
    pub weighed: Vec<Weighed>,
    /// Signatures of findings that the account's baseline accepts.
    pub accepted: Vec<String>,
    troubles: Vec<Trouble>,
    pub(super) traces: bool,
    pub(super) trace: Option<Trace>,
}

impl Scratch {
    /// Takes out the findings that an operator called normal for this account, and returns how
    /// many.
    fn drop_accepted(&mut self, event: &AuditEvent<'_>, account: &Account) -> u64 {
        let before = self.findings.len();
        for finding in std::mem::take(&mut self.findings) {
            let signature = signature(&finding, event, self);
            let is_accepted = account.accepted.get(&signature).is_some()
                || (!finding.is_theft && account.accepted.get(ANY).is_some());
            if is_accepted {
                self.accepted.push(signature);
            } else {
                self.findings.push(finding);
            }
        }
        (before - self.findings.len()) as u64
    }
}

/// What the rest of the engine needs to know of a judged event.
pub(super) struct Observed {
    pub origin: Origin,
    pub maturity: Maturity,
    /// The address belongs to another one.
    pub misplaced: bool,
    /// The origin is the evidence of theft.
    pub stolen: bool,
    /// People are told that the account feels its way.
    pub enumerates: bool,
    /// A machine was heard elsewhere just now: its address is not believed yet.
    pub unsettled: bool,
    /// Who obtained a credential that is used for the first time, where that is known.
    pub issued_by: SmolStr,
    pub home: Home,
    /// Since when this credential is used from this address; `None` if it was not before.
    pub here_since: Option<Time>,
    pub strange: bool,
    pub probe: Option<Probe>,
    /// What making a Secret weighs, should it come to hold a token.
    pub secret_weight: Bits,
    /// The program is new to the account, and how surprising it and the origin are.
    pub news: Bits,
    pub is_new_agent: bool,
    /// The credential is used at an address where it was not before, by a program that the account
    /// knows.
    pub has_moved: bool,
    /// The first address of its family at which a pod is heard that has one of the other.
    pub is_new_family: bool,
    /// Findings that were taken out again.
    exempted: u64,
}

impl Observed {
    fn of(view: &View<'_>, findings: &[Finding], secret_weight: Bits, exempted: u64) -> Observed {
        let ip = view.origin.ip;
        let here = |h: &Holder| h.places.iter().find(|p| Some(p.ip) == ip).map(|p| p.first);
        Observed {
            origin: view.origin,
            maturity: view.maturity,
            misplaced: view.is_misplaced(),
            stolen: findings.iter().any(|finding| finding.is_theft),
            enumerates: findings.iter().any(is_enumeration),
            unsettled: false,
            issued_by: view.issued.map_or_else(SmolStr::default, |i| i.by.clone()),
            home: home_of(view.holder, ip),
            here_since: view.holder.and_then(here),
            strange: view.strange,
            probe: view.probe,
            secret_weight,
            news: view.weights.program + view.weights.origin,
            is_new_agent: view.agent_seen.is_none(),
            has_moved: view.agent_seen.is_some()
                && view
                    .holder
                    .is_some_and(|holder| !holder.places.iter().any(|place| Some(place.ip) == ip)),
            is_new_family: is_new_family(view.holder, ip),
            exempted,
        }
    }
}

/// Each request is judged once: long-running ones when they start (or at their end, where the
/// policy omits the start), all others when they are complete. A 401 has only a start.
pub(super) fn is_judged(event: &AuditEvent<'_>, saw_start: impl FnOnce() -> bool) -> bool {
    match event.stage {
        Stage::RequestReceived => false,
        Stage::ResponseStarted | Stage::Panic => true,
        Stage::ResponseComplete => !(event.is_long_running() && saw_start()),
    }
}

impl Engine {
    pub(super) fn judge(&mut self, event: &AuditEvent<'_>, out: &mut Output) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.findings.clear();
        scratch.weighed.clear();
        scratch.accepted.clear();
        let mut seen = self.weigh(event, &mut scratch);
        let account = if scratch.findings.is_empty() {
            None
        } else {
            self.population.get(event.username)
        };
        if let Some(account) = account.filter(|a| !a.accepted.is_empty()) {
            seen.exempted += scratch.drop_accepted(event, account);
            seen.stolen = scratch.findings.iter().any(|finding| finding.is_theft);
            seen.enumerates = scratch.findings.iter().any(is_enumeration);
        }
        out.exempted += seen.exempted;
        for trouble in scratch.troubles.drain(..) {
            match out.troubles.iter_mut().find(|(t, _)| *t == trouble) {
                Some((_, times)) => *times += 1,
                None => out.troubles.push((trouble, 1)),
            }
        }
        let mut story = None;
        if !scratch.findings.is_empty() {
            story = self.correlate(&scratch, event, &seen, out);
        }
        self.learn_gain(event, &seen, &scratch.findings, story);
        self.learn(event, &seen, &scratch);
        self.scratch = scratch;
    }

    /// What would be found in `event`, were it the next one. Changes nothing.
    #[must_use]
    pub fn preview(&self, event: &AuditEvent<'_>) -> Vec<Finding> {
        let mut scratch = Scratch::default();
        self.weigh(event, &mut scratch);
        scratch.findings
    }

    /// Looks at everything that is known, weighs it, and lets detectors and rules judge.
    fn weigh(&self, event: &AuditEvent<'_>, scratch: &mut Scratch) -> Observed {
        let Scratch {
            operation,
            origin: origin_words,
            target,
            issuer,
            findings,
            weighed,
            troubles,
            traces,
            trace,
            ..
        } = scratch;
        let nobody = Account::default();
        let same_uid = |a: &&Account| {
            a.uid == *event.user_uid || a.uid.is_empty() || event.user_uid.is_empty()
        };
        let account = self
            .population
            .get(event.username)
            .filter(same_uid)
            .unwrap_or(&nobody);
        let origin = self.origin_of(event);
        let sensitive = Sensitive::of(event);
        operations::key(&event.operation, operation);
        origin.key(origin_words);
        sensitive::target(sensitive, event, target);
        let words = Remembered {
            operation,
            origin_words,
            target,
            origin,
            sensitive,
        };
        let mut view = self.view(event, account, words);
        self.look_at_failure(&mut view);
        view.acts = Acts::of(&view);
        (view.operation_peers, view.agent_peers) = self.ask_peers(&view);
        view.probe = probe_of(&view);
        if view.sensitive.is_some() || !view.acts.is_empty() || view.is_news() {
            view.weights = weigh::of(&view);
        }
        let secret_weight = if makes_secret(event) {
            weigh::one(&view, Act::TokenSecret)
        } else {
            Bits::ZERO
        };
        view.secret_maker = self.secret_maker(event, secret_weight);
        view.marks = marks_of(&view);
        remembered_issuer(&view, issuer);
        let exempted = judge_all(&view, &self.dispatch, findings, troubles);
        *trace = traces.then(|| Trace::of(&view, findings));
        let moves = is_machine(event);
        let unsettled = moves
            && origin
                .ip
                .is_some_and(|ip| account.credentials.may_be_elsewhere(event, ip));
        let observed = Observed {
            unsettled,
            ..Observed::of(&view, findings, secret_weight, exempted)
        };
        weighed.extend(std::mem::take(&mut view.weights.acts));
        observed
    }
}

fn is_new_family(holder: Option<&Holder>, ip: Option<IpAddr>) -> bool {
    let (Some(holder), Some(ip)) = (holder, ip) else {
        return false;
    };
    let is_pod = matches!(
        holder.kind,
        CredentialKind::PodBound | CredentialKind::PodBoundWithoutId
    );
    is_pod
        && !holder.places.is_empty()
        && holder
            .places
            .iter()
            .all(|place| place.ip.is_ipv4() != ip.is_ipv4())
}

/// Our detectors, then the operator's rules; returns how many findings are exempted.
fn judge_all(
    view: &View<'_>,
    dispatch: &Dispatch,
    findings: &mut Vec<Finding>,
    troubles: &mut Vec<Trouble>,
) -> u64 {
    if view.marks != Marks::default() {
        detect::judge(view, findings);
    }
    let rules = &view.policy.rules;
    if rules.is_empty() {
        return 0;
    }
    rule::judge(view, dispatch, findings, troubles);
    rule::exempt(rules, view, findings, troubles)
}

fn is_enumeration(finding: &Finding) -> bool {
    finding.detector.id() == "enumeration"
}

fn home_of(holder: Option<&Holder>, ip: Option<IpAddr>) -> Home {
    match holder.and_then(|h| h.places.first()) {
        None => Home::None,
        Some(place) if Some(place.ip) == ip => Home::Here,
        Some(_) => Home::Elsewhere,
    }
}
