//! One event through the engine: what was known before it, the judgement, then the learning.
//!
//! Refuses to learn before it has judged, and to learn from the evidence of theft.

use super::remark::{marks_of, probe_of, remembered_issuer};
use super::word::signature;
use super::{Engine, Output, Trace};
use crate::base::Time;
use crate::baseline::account::Words;
use crate::baseline::address::Failures;
use crate::baseline::addresses::{Home, is_cluster};
use crate::baseline::features::credentials::{Holder, Issued};
use crate::baseline::features::origins::Origin;
use crate::baseline::features::probes::{Kind, Probe};
use crate::baseline::features::{agents, networks, operations};
use crate::baseline::lesson::ACCEPTED_LIMIT;
use crate::baseline::{Account, Address, Maturity, Peers};
use crate::detect::acts::Acts;
use crate::detect::detectors::{act_words, issuer_words};
use crate::detect::rule::{self, Dispatch, Trouble};
use crate::detect::sensitive::{self, Sensitive};
use crate::detect::{self, Finding, Marks, Rival, Severity, View};
use crate::event::{AuditEvent, CredentialKind, Geo, Operation, Principal, PrincipalKind, Stage, origin};
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
    /// Where anything was found: the acts, in the words of the baseline.
    pub acts: Vec<String>,
    /// Signatures of findings that the account's baseline accepts.
    accepted: Vec<String>,
    troubles: Vec<Trouble>,
    pub(super) traces: bool,
    pub(super) trace: Option<Trace>,
}

impl Scratch {
    /// Takes out the findings that an operator called normal for this account, and returns how many.
    fn drop_accepted(&mut self, event: &AuditEvent<'_>, account: &Account, horizon: Time) -> u64 {
        let before = self.findings.len();
        for finding in std::mem::take(&mut self.findings) {
            let signature = signature(&finding, event, self);
            match account.accepted.get(&signature, horizon) {
                Some(_) => self.accepted.push(signature),
                None => self.findings.push(finding),
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
    misplaced: bool,
    /// The origin is the evidence of theft.
    stolen: bool,
    /// People are told that the account feels its way.
    enumerates: bool,
    /// A machine was heard elsewhere just now: its address is not believed yet.
    unsettled: bool,
    /// Who obtained a credential that is used for the first time, where that is known.
    issued_by: SmolStr,
    home: Home,
    /// Since when this credential is used from this address; `None` if it was not before.
    pub here_since: Option<Time>,
    strange: bool,
    probe: Option<Probe>,
    acts: Acts,
    /// Findings that were taken out again.
    exempted: u64,
}

impl Observed {
    fn of(view: &View<'_>, findings: &[Finding], exempted: u64) -> Observed {
        let ip = view.origin.ip;
        let here = |h: &Holder| h.places.iter().find(|p| Some(p.ip) == ip).map(|p| p.first);
        Observed {
            origin: view.origin,
            maturity: view.maturity,
            misplaced: view.is_misplaced(),
            stolen: findings.iter().any(is_theft),
            enumerates: findings.iter().any(is_enumeration),
            unsettled: false,
            issued_by: view.issued.map_or_else(SmolStr::default, |i| i.by.clone()),
            home: home_of(view.holder, ip),
            here_since: view.holder.and_then(here),
            strange: view.strange,
            probe: view.probe,
            acts: view.acts,
            exempted,
        }
    }
}

/// Each request is judged once: long-running ones when they start (or at their end, where the policy omits the start),
/// all others when they are complete. A 401 has only a start.
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
        scratch.acts.clear();
        scratch.accepted.clear();
        let mut seen = self.look(event, &mut scratch);
        let account = if scratch.findings.is_empty() { None } else { self.population.get(event.username) };
        if let Some(account) = account.filter(|a| !a.accepted.is_empty()) {
            let horizon = self.policy.learning.horizon(event.time);
            seen.exempted += scratch.drop_accepted(event, account, horizon);
            seen.stolen = scratch.findings.iter().any(is_theft);
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
            let mut memory = String::new();
            scratch.acts.extend(seen.acts.each().map(|act| act_words(act, &mut memory).to_owned()));
            story = self.correlate(&scratch, event, &seen, out);
        }
        self.learn_gain(event, &seen, &scratch.findings, story);
        self.learn(event, &seen, &mut scratch);
        self.scratch = scratch;
    }

    fn look(&self, event: &AuditEvent<'_>, scratch: &mut Scratch) -> Observed {
        let Scratch { operation, origin: origin_words, target, issuer, findings, troubles, traces, trace, .. } =
            scratch;
        let nobody = Account::default();
        let same_uid = |a: &&Account| a.uid == *event.user_uid || a.uid.is_empty() || event.user_uid.is_empty();
        let account = self.population.get(event.username).filter(same_uid).unwrap_or(&nobody);
        let horizon = self.policy.learning.horizon(event.time);
        let origin = self.origin_of(event);
        let geo = geo_of(event, origin);
        let sensitive = Sensitive::of(event);
        let agent = agents::product(event.user_agent);
        operations::key(&event.operation, operation);
        origin.key(origin_words);
        sensitive::target(sensitive, event, target);
        let holder = account.credentials.find(event);
        let mut view = View {
            event,
            policy: &self.policy,
            marks: Marks::default(),
            account,
            maturity: account.maturity(event.time, &self.policy.learning),
            origin,
            sensitive,
            acts: Acts::default(),
            operation,
            operation_seen: account.operations.get(operation, horizon),
            denial_seen: account.denials.get(operation, horizon),
            agent,
            agent_seen: account.agents.get(agent, horizon),
            origin_words,
            origin_seen: account.origins.get(origin_words, horizon),
            geo,
            network_seen: geo.and_then(|geo| networks::find(&account.networks, geo, horizon)).map(|(_, seen)| seen),
            target,
            target_seen: if target.is_empty() { None } else { account.targets.get(target, horizon) },
            holder,
            issued: if holder.is_none() { issued(account, event, horizon) } else { None },
            address: origin.ip.and_then(|ip| self.addresses.get(ip)),
            departed: self.departed_since(event, holder),
            refused: self.refused_since(event, origin.ip),
            operation_peers: Peers::default(),
            agent_peers: Peers::default(),
            probe: None,
            secret_maker: None,
            used_before: self.used_before(event),
            addresses_blind: self.addresses.hide_clients(event.time),
            addresses_hidden: self.addresses.are_crowded(),
            pods_have_own: origin.ip.is_some_and(|ip| self.addresses.are_own_around(ip)),
            pods_are_shown: self.addresses.show_pods(),
            nodes_tell_apart: self.addresses.tell_nodes_apart(),
            rival: origin.ip.and_then(|ip| self.rival(account, event, ip)),
            failures: Failures::default(),
            strange: false,
        };
        self.look_at_failure(&mut view, horizon);
        view.secret_maker = self.secret_maker(event, view.maturity.mature);
        view.acts = Acts::of(&view);
        (view.operation_peers, view.agent_peers) = self.ask_peers(&view);
        view.probe = probe_of(&view);
        view.marks = marks_of(&view);
        remembered_issuer(&view, issuer);
        let exempted = judge_all(&view, &self.dispatch, findings, troubles);
        *trace = traces.then(|| Trace::of(&view, findings));
        let moves = is_machine(event);
        let unsettled = moves && origin.ip.is_some_and(|ip| account.credentials.may_be_elsewhere(event, ip));
        Observed { unsettled, ..Observed::of(&view, findings, exempted) }
    }

    /// Of a request without a user: whether it is odd at its address, and which of how many it is.
    fn look_at_failure(&self, view: &mut View<'_>, horizon: Time) {
        let event = view.event;
        if event.principal.kind() == PrincipalKind::Nobody {
            view.strange = !self.is_habit_of_tenant(event, view.address, horizon);
            let counted = view.origin.ip.map(|ip| self.addresses.failures(event, ip, view.strange));
            view.failures = counted.unwrap_or_default();
        }
    }

    fn origin_of(&self, event: &AuditEvent<'_>) -> Origin {
        let caller = origin::caller(&event.source_ips, &self.policy.network.trusted_proxies);
        Origin::of(event, caller, &self.addresses)
    }

    /// Another address of a machine that is in use meanwhile, unless many share one of the two.
    fn rival(&self, account: &Account, event: &AuditEvent<'_>, ip: IpAddr) -> Option<Rival> {
        if !is_machine(event) {
            return None;
        }
        let is_shared = |ip| self.addresses.get(ip).is_some_and(Address::is_shared);
        let place = *account.credentials.rivals(event, ip).find(|place| !is_shared(ip) && !is_shared(place.ip))?;
        let name = if let Principal::Node { name } = event.principal { name } else { "" };
        let is_foreign = |ip: IpAddr| match self.addresses.get(ip) {
            Some(a) if !a.node.name.is_empty() => !name.is_empty() && a.node.name != name,
            Some(a) if a.has_live_pod(event.time) => true,
            _ => !origin::is_private(ip) && !is_cluster(&self.addresses, ip),
        };
        Some(Rival { place, is_foreign: is_foreign(ip) || is_foreign(place.ip) })
    }

    /// Whether the pod or node at an address is known for what a request without a user asked for: a
    /// client whose token expired goes on with what it always does.
    fn is_habit_of_tenant(&self, event: &AuditEvent<'_>, address: Option<&Address>, horizon: Time) -> bool {
        let Some(address) = address else { return false };
        let node = format!("system:node:{}", address.node.name);
        let tenant = address.pod.as_ref().map_or(node.as_str(), |pod| pod.username.as_str());
        let Some(account) = self.population.get(tenant) else { return false };
        let asked = &event.operation;
        let scope = Operation::scope_of(Principal::parse(tenant), asked.resource, asked.namespace);
        let mut words = String::new();
        operations::key(&Operation { scope, ..*asked }, &mut words);
        account.operations.get(&words, horizon).is_some() || account.denials.get(&words, horizon).is_some()
    }

    fn learn(&mut self, event: &AuditEvent<'_>, seen: &Observed, scratch: &mut Scratch) {
        if let Some(ip) = seen.origin.ip {
            if !(seen.stolen || seen.unsettled) {
                self.addresses.learn(event, ip, seen.home, seen.strange);
            }
            if seen.home == Home::Elsewhere && seen.here_since.is_none() {
                self.addresses.learn_visitor(ip, event.time);
            }
            if seen.home != Home::Here && seen.here_since.is_none() {
                self.addresses.learn_node_of(&event.credential, ip);
            }
            if seen.stolen {
                self.learn_theft(event, ip);
            }
        }
        if matches!(event.principal.kind(), PrincipalKind::Nobody) {
            return;
        }
        let may_grow = self.population.has_credential_budget();
        let words = Words {
            operation: &scratch.operation,
            origin: &scratch.origin,
            agent: agents::product(event.user_agent),
            target: &scratch.target,
            issuer: &scratch.issuer,
            geo: geo_of(event, seen.origin),
        };
        // Events of an account that was deleted may arrive after the first of its successor.
        let is_straggler =
            |a: &Account| a.predecessor.as_ref().is_some_and(|p| !p.uid.is_empty() && p.uid == *event.user_uid);
        if self.population.get(event.username).is_some_and(is_straggler) {
            return;
        }
        let (policy, mut act_memory) = (&self.policy, String::new());
        self.population.update(event.username, event.time, |account| {
            if account.uid.is_empty() {
                account.uid = event.user_uid.into();
            } else if !event.user_uid.is_empty() && account.uid != *event.user_uid {
                account.succeed(event.user_uid);
            }
            account.learn(event, &seen.origin, &words, &policy.learning, !seen.misplaced && !seen.stolen);
            if !event.outcome.is_refusal() {
                for act in seen.acts.each() {
                    account.note_target(act_words(act, &mut act_memory), event.time, &policy.learning);
                }
            }
            account.credentials.note(event, seen.origin.ip, &seen.issued_by, may_grow);
            account
                .probes
                .forget(event.time, crate::base::Span::seconds(i64::from(policy.enumeration.slow_window_seconds)));
            for signature in &scratch.accepted {
                account.accepted.note(signature, event.time, policy.learning.horizon(event.time), ACCEPTED_LIMIT);
            }
            if let Some(probe) = seen.probe {
                account.probes.note(probe, probe.kind == Kind::SelfReview);
            }
            if seen.enumerates {
                account.probes.tell(event.time);
            }
        });
        self.departed.learn(event);
        self.learn_issue(event);
        self.learn_maker(event, seen.maturity.mature);
    }
}

/// Our detectors, then the operator's rules; returns how many findings are exempted.
fn judge_all(view: &View<'_>, dispatch: &Dispatch, findings: &mut Vec<Finding>, troubles: &mut Vec<Trouble>) -> u64 {
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

/// Of the origin that is judged: another policy may see another one than was looked up.
pub(super) fn geo_of<'a>(event: &AuditEvent<'a>, origin: Origin) -> Option<&'a Geo<'a>> {
    event.geo.filter(|geo| origin.ip == Some(geo.ip) && origin.is_public())
}

/// A kubelet or a component: what has one address of a family.
fn is_machine(event: &AuditEvent<'_>) -> bool {
    matches!(event.principal, Principal::Node { .. }) || event.principal.component().is_some()
}

/// The TokenRequest that a credential came from. Where it is not remembered, one of those is meant who had more tokens
/// issued than are remembered, unless that is their habit.
fn issued<'a>(account: &'a Account, event: &AuditEvent<'_>, horizon: Time) -> Option<&'a Issued> {
    account.credentials.issued(event.credential.id).or_else(|| {
        let is_habit = |by: &str| account.issuers.get(&issuer_words(by), horizon).is_some_and(|seen| seen.days > 1);
        let unbound = event.credential.kind == CredentialKind::Unbound;
        account.credentials.flooders().find(|f| unbound && !is_habit(&f.by))
    })
}

fn is_enumeration(finding: &Finding) -> bool {
    finding.detector.id() == "enumeration"
}

/// The origin of the event is the evidence.
fn is_theft(finding: &Finding) -> bool {
    match finding.detector.id() {
        "credential-in-two-places" => true,
        "unknown-origin" => finding.severity >= Severity::High,
        _ => false,
    }
}

fn home_of(holder: Option<&Holder>, ip: Option<IpAddr>) -> Home {
    match holder.and_then(|h| h.places.first()) {
        None => Home::None,
        Some(place) if Some(place.ip) == ip => Home::Here,
        Some(_) => Home::Elsewhere,
    }
}
