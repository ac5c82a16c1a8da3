//! THE list of fields that conditions may use: name, type, possible values, meaning.
//!
//! Refuses whatever history does not keep: what a rule said can be told again from the stored
//! events. The reference page is generated from the list.

use super::expr::Type;
use super::value::Value;
use crate::base::remembered::{Remembered, Seen};
use crate::base::{Bits, Time};
use crate::detect::weigh::Weighed;
use crate::detect::{Severity, View};
use crate::event::{Facts, Level, PrincipalKind, Stage};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::borrow::Cow;

/// What a condition is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// `event.*` and `baseline.*`: of rules and exemptions.
    Event,
    /// `incident.*`: of silences.
    Incident,
}

/// What is known of a field's values.
#[derive(Clone, Copy, Debug)]
pub enum Domain {
    Any,
    OneOf(&'static [&'static str]),
    /// A check of one value, and the words for what it demands.
    Shaped(fn(&str) -> bool, &'static str),
    /// Whole numbers from the first to the last.
    Within(i64, i64),
}

enum Read {
    Event(for<'a> fn(&'a View<'a>) -> Value<'a>),
    Story(for<'a> fn(&'a Story<'a>) -> Value<'a>),
}

/// One field.
pub struct Info {
    pub name: &'static str,
    pub kind: Type,
    pub domain: Domain,
    pub meaning: &'static str,
    /// Its spelling in an audit event, by which Sigma rules name it; empty where there is none.
    pub wire: &'static str,
    read: Read,
}

impl Info {
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self.read {
            Read::Event(_) => Scope::Event,
            Read::Story(_) => Scope::Incident,
        }
    }
}

impl std::fmt::Debug for Info {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// An incident, as silences see it.
pub struct Story<'a> {
    pub cluster: &'a str,
    /// `threat` or `visibility`.
    pub kind: &'static str,
    pub severity: Severity,
    /// All its evidence.
    pub score: Bits,
    pub principal: &'a str,
    pub principals: &'a [SmolStr],
    pub detectors: &'a [SmolStr],
    pub techniques: &'a [SmolStr],
    pub origins: &'a [SmolStr],
    pub networks: &'a [SmolStr],
    pub user_agents: &'a [SmolStr],
}

pub(super) enum Subject<'a> {
    Event(&'a View<'a>),
    Story(&'a Story<'a>),
}

impl Subject<'_> {
    pub(super) fn read(&self, field: Field) -> Option<Value<'_>> {
        match (&field.info().read, self) {
            (Read::Event(read), Subject::Event(view)) => Some(read(view)),
            (Read::Story(read), Subject::Story(story)) => Some(read(story)),
            _ => None,
        }
    }
}

/// A field by its place in [`FIELDS`]; stored by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field(u16);

impl Field {
    #[must_use]
    pub fn named(name: &str) -> Option<Field> {
        let at = FIELDS.iter().position(|f| f.name == name)?;
        u16::try_from(at).ok().map(Field)
    }

    /// By its spelling in an audit event.
    #[must_use]
    pub fn wired(wire: &str) -> Option<Field> {
        let at = FIELDS
            .iter()
            .position(|f| !wire.is_empty() && f.wire == wire)?;
        u16::try_from(at).ok().map(Field)
    }

    #[must_use]
    pub fn info(self) -> &'static Info {
        &FIELDS[usize::from(self.0)]
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.info().name)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
        let name = String::deserialize(deserializer)?;
        Field::named(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("there is no field {name}")))
    }
}

/// Verbs of `RequestInfo` (`staging/src/k8s.io/apiserver/pkg/endpoints/request`): HTTP methods of
/// paths, verbs of resources.
const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "proxy",
    "head",
    "options",
    "post",
    "put",
];
const SCOPES: &[&str] = &["own", "other", "cluster", "path"];
const KINDS: &[&str] = &["service account", "node", "user", "anonymous", "nobody"];
const STAGES: &[&str] = &["ResponseStarted", "ResponseComplete", "Panic"];
const LEVELS: &[&str] = &["Metadata", "Request", "RequestResponse"];
const DECISIONS: &[&str] = &["allow", "forbid", ""];
const ORIGINS: &[&str] = &[
    "own pod",
    "own node",
    "shared address",
    "another pod",
    "another node",
    "cluster",
    "outside the cluster",
    "no address",
];
const OUTCOMES: &[&str] = &[
    "allowed",
    "forbidden by RBAC",
    "refused by admission",
    "impersonation refused",
    "unauthenticated",
    "not found",
    "throttled",
    "rejected",
    "server error",
    "pending",
];
const CREDENTIALS: &[&str] = &[
    "pod-bound token",
    "pod-bound token without an id",
    "node-bound token",
    "unbound token",
    "legacy Secret token",
    "client certificate",
    "external identity token",
    "unknown credential",
    "no credential",
];
const SEVERITIES: &[&str] = &["info", "low", "medium", "high", "critical"];
const INCIDENT_KINDS: &[&str] = &["threat", "visibility"];

const SHAPE_RESOURCE: Domain = Domain::Shaped(
    is_resource,
    "a plural in lower case, such as pods; the subresource is another field",
);
const SHAPE_NAME: Domain = Domain::Shaped(is_label, "at most 63 lower-case letters, digits and -");
const SHAPE_CODE: Domain = Domain::Within(0, 599);

fn is_resource(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
}

/// RFC 1123 label, as namespaces and resources are named.
fn is_label(text: &str) -> bool {
    text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_country(text: &str) -> bool {
    text.is_empty() || (text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()))
}

/// The act of the event that weighs most.
fn gravest<'a>(view: &'a View<'a>) -> Option<&'a Weighed> {
    view.weights.gravest(|_| true)
}

fn days(seen: Option<&Seen>) -> Value<'_> {
    Value::from(seen.map_or(0, |s| s.days))
}

fn words<'a>(memory: &'a Remembered) -> Value<'a> {
    memory.iter().map(|(what, _)| Cow::Borrowed(what)).collect()
}

fn facts<'a>(view: &'a View<'a>) -> Option<&'a Facts> {
    view.event.facts.as_deref()
}

pub(super) fn kind(view: &View<'_>) -> &'static str {
    match view.event.principal.kind() {
        PrincipalKind::ServiceAccount => "service account",
        PrincipalKind::Node => "node",
        PrincipalKind::User => "user",
        PrincipalKind::Anonymous => "anonymous",
        PrincipalKind::Nobody => "nobody",
    }
}

fn name<'a>(view: &'a View<'a>) -> &'a str {
    use crate::event::Principal as P;
    match view.event.principal {
        P::ServiceAccount { name, .. }
        | P::Node { name }
        | P::User { name }
        | P::Impostor { name } => name,
        P::Anonymous | P::Nobody => "",
    }
}

fn seconds_of_day(time: Time) -> i64 {
    time.0.div_euclid(1_000_000).rem_euclid(86_400)
}

macro_rules! fields {
    ($($scope:ident $name:literal $wire:literal $kind:ident $domain:expr, $meaning:literal, |$of:ident| $value:expr;)*) => {
        /// Every field, in the order of the reference page.
        pub static FIELDS: &[Info] = &[$(Info {
            name: $name,
            kind: Type::$kind,
            domain: $domain,
            meaning: $meaning,
            wire: $wire,
            read: Read::$scope(|$of| Value::from($value)),
        }),*];
    };
}

fields! {
    Event "event.verb" "verb" Text Domain::OneOf(VERBS), "Verb; exec over a WebSocket is a `get`", |v| v.event.operation.verb;
    Event "event.group" "objectRef.apiGroup" Text Domain::Any, "API group; empty for the core group", |v| v.event.operation.group;
    Event "event.resource" "objectRef.resource" Text SHAPE_RESOURCE, "Resource; empty for a path such as /version", |v| v.event.operation.resource;
    Event "event.subresource" "objectRef.subresource" Text SHAPE_RESOURCE, "Subresource, such as exec; empty where there is none", |v| v.event.operation.subresource;
    Event "event.namespace" "objectRef.namespace" Text SHAPE_NAME, "Namespace of the request; empty where it has none", |v| v.event.operation.namespace;
    Event "event.name" "objectRef.name" Text Domain::Any, "Name of the object; empty for lists", |v| v.event.operation.name;
    Event "event.path" "" Text Domain::Any, "Path of a request for no resource; empty otherwise", |v| v.event.operation.path;
    Event "event.uri" "requestURI" Text Domain::Any, "Path and query, as requested", |v| v.event.uri;
    Event "event.scope" "" Text Domain::OneOf(SCOPES), "Seen from the account: its own namespace, another, the whole cluster, no resource", |v| v.event.operation.scope.key();
    Event "event.user" "user.username" Text Domain::Any, "Username, verbatim; empty without authentication", |v| v.event.username;
    Event "event.user_kind" "" Text Domain::OneOf(KINDS), "Kind of principal", |v| kind(v);
    Event "event.user_namespace" "" Text SHAPE_NAME, "Namespace of the service account; empty for others", |v| v.event.principal.namespace();
    Event "event.user_name" "" Text Domain::Any, "Name of the service account, node or user, without its prefix", |v| name(v);
    Event "event.groups" "user.groups" Texts Domain::Any, "Groups of the user", |v| v.event.groups;
    Event "event.impersonated_user" "impersonatedUser.username" Text Domain::Any, "Username that was assumed; empty where none was", |v| v.event.impersonated.as_ref().map_or("", |i| i.username);
    Event "event.impersonated_groups" "impersonatedUser.groups" Texts Domain::Any, "Groups that were assumed", |v| v.event.impersonated.as_ref().map_or(&[][..], |i| i.groups);
    Event "event.agent" "" Text Domain::Any, "Product of the user agent, such as kubectl; the client chooses it", |v| v.agent;
    Event "event.user_agent" "userAgent" Text Domain::Any, "User agent, verbatim", |v| v.event.user_agent;
    Event "event.source_ips" "sourceIPs" Texts Domain::Any, "Addresses as the server wrote them; only the last is its own word", |v| v.event.source_ips.iter().map(|ip| Cow::Owned(ip.to_string())).collect::<Value<'_>>();
    Event "event.origin_ip" "" Text Domain::Any, "Address that the request came from, behind the trusted proxies", |v| v.origin.ip.map(|ip| ip.to_string()).unwrap_or_default();
    Event "event.origin" "" Text Domain::OneOf(ORIGINS), "What this address is to the credential", |v| v.origin.class.words();
    Event "event.origin_public" "" Bool Domain::Any, "The address is outside the cluster and reachable over the internet", |v| v.origin.is_public();
    Event "event.origin_country" "" Text Domain::Shaped(is_country, "two capital letters (ISO 3166-1)"), "Country of a public origin, by `geoip.country`; empty where it is not known", |v| v.geo.map_or("", |g| g.country);
    Event "event.origin_asn" "" Int Domain::Within(0, u32::MAX as i64), "Number of the autonomous system of a public origin, by `geoip.asn`; 0 where it is not known", |v| v.geo.map_or(0, |g| g.asn);
    Event "event.origin_network" "" Text Domain::Any, "Name of this autonomous system; files of other publishers spell it differently", |v| v.geo.map_or("", |g| g.network);
    Event "event.code" "responseStatus.code" Int SHAPE_CODE, "HTTP status", |v| v.event.code;
    Event "event.outcome" "" Text Domain::OneOf(OUTCOMES), "How the request ended", |v| v.event.outcome.words();
    Event "event.decision" "annotations.authorization.k8s.io/decision" Text Domain::OneOf(DECISIONS), "Decision of authorization; empty where it was not reached", |v| v.event.decision;
    Event "event.reason" "annotations.authorization.k8s.io/reason" Text Domain::Any, "Reason of the decision: which binding allowed it", |v| Value::Text(v.event.reason.text());
    Event "event.level" "level" Text Domain::OneOf(LEVELS), "Audit level", |v| match v.event.level { Level::Metadata => "Metadata", Level::Request => "Request", Level::RequestResponse => "RequestResponse" };
    Event "event.stage" "stage" Text Domain::OneOf(STAGES), "Audit stage that is judged", |v| match v.event.stage { Stage::RequestReceived => "RequestReceived", Stage::ResponseStarted => "ResponseStarted", Stage::ResponseComplete => "ResponseComplete", Stage::Panic => "Panic" };
    Event "event.audit_id" "auditID" Text Domain::Any, "Audit id; the client may choose it", |v| v.event.audit_id;
    Event "event.credential" "" Text Domain::OneOf(CREDENTIALS), "Kind of credential", |v| v.event.credential.kind.words();
    Event "event.credential_id" "" Text Domain::Any, "Credential id; empty where the server says none", |v| v.event.credential.id;
    Event "event.credential_stale" "" Bool Domain::Any, "The token was used after its time to warn", |v| v.event.credential.stale;
    Event "event.pod" "" Text Domain::Any, "Pod that the credential is bound to", |v| v.event.credential.pod;
    Event "event.node" "" Text Domain::Any, "Node that the credential is bound to", |v| v.event.credential.node;
    Event "event.hour" "" Int Domain::Within(0, 23), "Hour of the day, UTC", |v| seconds_of_day(v.event.time) / 3600;
    Event "event.weekday" "" Int Domain::Within(0, 6), "Day of the week, UTC; 0 is Sunday", |v| (v.event.time.0.div_euclid(86_400_000_000) + 4).rem_euclid(7);
    Event "event.sensitive" "" Text Domain::Any, "What is sensitive about the operation, in words; empty where nothing is", |v| v.sensitive.map_or("", |s| s.words());
    Event "event.acts" "" Texts Domain::Any, "Keys of what it does that an intruder wins by, such as `secret.list.c` (docs/detectors/gains.md)", |v| v.weights.acts.iter().map(|act| Cow::Borrowed(act.key.as_str())).collect::<Value<'_>>();
    Event "event.weight" "" Int Domain::Within(0, 100_000), "Weight of the gravest of these acts, in thousandths of a bit; 0 where there is none, or all of it is habit", |v| gravest(v).map_or(0, |act| i64::from(act.weight.0));
    Event "event.gain" "" Int Domain::Within(0, 100_000), "What that act would win an intruder, in thousandths of a bit", |v| gravest(v).map_or(0, |act| i64::from(act.gain.0));
    Event "event.surprise" "" Int Domain::Within(0, 100_000), "How surprising that act is of the account, in thousandths of a bit", |v| gravest(v).map_or(0, |act| i64::from(act.surprise.0));
    Event "event.practised_days" "" Int Domain::Within(0, i64::MAX), "Distinct days on which the account did that kind of act", |v| gravest(v).map_or(0, |act| i64::from(act.familiarity.days));
    Event "event.causes" "" Texts Domain::Any, "What explains that act, in words", |v| gravest(v).map_or(Value::Texts(Vec::new()), |act| act.causes.iter().map(|cause| Cow::Owned(cause.to_string())).collect::<Value<'_>>());
    Event "event.has_body" "" Bool Domain::Any, "Facts were taken from a body; without it the fields below are empty, zero or false", |v| v.event.facts.is_some();
    Event "event.privileged" "" Bool Domain::Any, "A privileged container is asked for", |v| facts(v).and_then(|f| f.pod.as_ref()).is_some_and(|p| p.privileged);
    Event "event.host_network" "" Bool Domain::Any, "The node's network is asked for", |v| facts(v).and_then(|f| f.pod.as_ref()).is_some_and(|p| p.host_network);
    Event "event.host_pid" "" Bool Domain::Any, "The node's processes are asked for", |v| facts(v).and_then(|f| f.pod.as_ref()).is_some_and(|p| p.host_pid);
    Event "event.host_paths" "" Texts Domain::Any, "hostPath volumes that are asked for", |v| facts(v).and_then(|f| f.pod.as_ref()).map_or(&[][..], |p| p.host_paths.as_slice());
    Event "event.capabilities" "" Texts Domain::Any, "Capabilities that are added", |v| facts(v).and_then(|f| f.pod.as_ref()).map_or(&[][..], |p| p.added_capabilities.as_slice());
    Event "event.pod_account" "" Text Domain::Any, "Service account that a pod is to run as", |v| facts(v).and_then(|f| f.pod.as_ref()).map_or("", |p| p.service_account.as_str());
    Event "event.bound_role" "" Text Domain::Any, "Role that a binding gives", |v| facts(v).and_then(|f| f.binding.as_ref()).map_or("", |b| b.role.as_str());
    Event "event.bound_subjects" "" Texts Domain::Any, "Whom a binding gives it to, as Kind:name or ServiceAccount:namespace/name", |v| facts(v).and_then(|f| f.binding.as_ref()).map_or(&[][..], |b| b.subjects.as_slice());
    Event "event.secret_type" "" Text Domain::Any, "Type of a Secret that is written", |v| facts(v).map_or("", |f| f.secret_type.as_str());
    Event "event.service_type" "" Text Domain::Any, "Type of a Service that is written", |v| facts(v).map_or("", |f| f.service_type.as_str());
    Event "event.audiences" "" Texts Domain::Any, "Audiences of a token that is asked for", |v| facts(v).and_then(|f| f.token.as_ref()).map_or(&[][..], |t| t.audiences.as_slice());
    Event "event.lifetime_seconds" "" Int Domain::Any, "Lifetime of a token that is asked for; 0 where the request names none", |v| facts(v).and_then(|f| f.token.as_ref()).map_or(0, |t| t.lifetime_seconds);
    Event "baseline.mature" "" Bool Domain::Any, "The account is known well enough for its novelties to mean something", |v| v.maturity.mature;
    Event "baseline.events" "" Int Domain::Within(0, i64::MAX), "Events of the account before this one", |v| v.maturity.events;
    Event "baseline.days" "" Int Domain::Within(0, i64::MAX), "Distinct days with events of the account", |v| v.maturity.days;
    Event "baseline.operation_days" "" Int Domain::Within(0, i64::MAX), "Distinct days on which it did this kind of operation; 0 if it is new", |v| days(v.operation_seen);
    Event "baseline.denial_days" "" Int Domain::Within(0, i64::MAX), "Distinct days on which it was refused this kind of operation", |v| days(v.denial_seen);
    Event "baseline.agent_days" "" Int Domain::Within(0, i64::MAX), "Distinct days on which it used this program", |v| days(v.agent_seen);
    Event "baseline.origin_days" "" Int Domain::Within(0, i64::MAX), "Distinct days on which it came from this kind of origin", |v| days(v.origin_seen);
    Event "baseline.network_days" "" Int Domain::Within(0, i64::MAX), "Distinct days on which it came from this network and country", |v| days(v.network_seen);
    Event "baseline.target_days" "" Int Domain::Within(0, i64::MAX), "Distinct days on which it aimed a sensitive operation at this target", |v| days(v.target_seen);
    Event "baseline.operations" "" Texts Domain::Any, "Operations that it is known for, such as `list secrets @cluster`", |v| words(&v.account.operations);
    Event "baseline.agents" "" Texts Domain::Any, "Programs that it is known for", |v| words(&v.account.agents);
    Event "baseline.origins" "" Texts Domain::Any, "Origins that it is known for, in the words of event.origin or as networks", |v| words(&v.account.origins);
    Event "baseline.networks" "" Texts Domain::Any, "Networks and countries that it is known to come from, such as `AS64500 Example Net, DE`", |v| words(&v.account.networks);
    Event "baseline.namespaces" "" Texts Domain::Any, "Foreign namespaces in which it was allowed something", |v| words(&v.account.reach);
    Story "incident.cluster" "" Text Domain::Any, "Name of the cluster", |i| i.cluster;
    Story "incident.kind" "" Text Domain::OneOf(INCIDENT_KINDS), "Kind: what somebody did, or what could not be seen", |i| i.kind;
    Story "incident.severity" "" Text Domain::OneOf(SEVERITIES), "Severity so far", |i| i.severity.label();
    Story "incident.score" "" Int Domain::Within(0, 1_000_000), "All its evidence so far, in thousandths of a bit", |i| i64::from(i.score.0);
    Story "incident.principal" "" Text Domain::Any, "Username of its first request; empty without a user", |i| i.principal;
    Story "incident.principals" "" Texts Domain::Any, "All usernames that are involved", |i| i.principals;
    Story "incident.detectors" "" Texts Domain::Any, "Ids of the detectors that found something", |i| i.detectors;
    Story "incident.techniques" "" Texts Domain::Any, "ATT&CK techniques", |i| i.techniques;
    Story "incident.origins" "" Texts Domain::Any, "Addresses", |i| i.origins;
    Story "incident.networks" "" Texts Domain::Any, "Networks and countries of public addresses, where they are known", |i| i.networks;
    Story "incident.user_agents" "" Texts Domain::Any, "User agents", |i| i.user_agents;
}
