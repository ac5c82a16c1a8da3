//! What an event gains for whoever made it, and what in it others may have gained before: the facts
//! by which the halves of an attacker's path find each other.
//!
//! Refuses kubelets and the control plane: they mint, read and make for everybody.

use super::Engine;
use super::judge::Observed;
use super::look::geo_of;
use crate::base::Digest;
use crate::baseline::features::origins::Class;
use crate::detect::Finding;
use crate::event::{AuditEvent, CredentialKind, Operation, Outcome, Principal, PrincipalKind};
use crate::incident::links::{GRAVE, How};
use crate::incident::{Arrival, Neighbour};

/// How the subjects begin of stories that have no user: a client may call itself so.
const RESERVED: [&str; 6] = ["addresses", "level ", "log ", "origin ", "stage ", "user "];
/// The parts that controllers add to a workload's name: a CronJob's pod has two.
const GENERATED_PARTS: usize = 3;

/// What is asked of the incidents about one event.
pub(super) struct Facts {
    subject: String,
    origin: String,
    /// Network and country of a public origin, where they are known.
    pub network: String,
    clues: Vec<String>,
    /// The username and the pod, as `namespace/name`.
    neighbour: Option<(String, String)>,
}

impl Engine {
    pub(super) fn facts_of(&self, event: &AuditEvent<'_>, seen: &Observed) -> Facts {
        let origin = seen.origin.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let network = geo_of(event, seen.origin)
            .map(ToString::to_string)
            .unwrap_or_default();
        let nameless = matches!(event.principal, Principal::Nobody | Principal::Anonymous);
        let subject = match event.username {
            _ if nameless => format!("origin {origin}"),
            // Names that stories without a user have.
            name if RESERVED.iter().any(|word| name.starts_with(word)) => format!("user {name}"),
            name => name.to_owned(),
        };
        let neighbour = self.neighbour(event, seen);
        let mut clues = clues_of(event);
        clues.extend(neighbour.iter().map(|(_, pod)| format!("pod {pod}")));
        clues.extend(self.public_address(event, seen));
        Facts {
            subject,
            origin,
            network,
            clues,
            neighbour,
        }
    }

    /// The pod that lives at the address of the event and is not the caller's.
    fn neighbour(&self, event: &AuditEvent<'_>, seen: &Observed) -> Option<(String, String)> {
        let bound = matches!(
            event.credential.kind,
            CredentialKind::PodBound | CredentialKind::PodBoundWithoutId
        );
        let elsewhere = if bound {
            seen.origin.class == Class::OtherPod
        } else {
            seen.origin.class == Class::Cluster
        };
        if !elsewhere || self.addresses.hide_clients(event.time) {
            return None;
        }
        let address = self.addresses.get(seen.origin.ip?)?;
        let pod = address
            .pod
            .as_ref()
            .filter(|pod| pod.username != event.username)?;
        let alone = !address.is_shared() && address.node.name.is_empty() && !address.control_plane;
        let namespace = Principal::parse(&pod.username).namespace();
        (alone && address.has_live_pod(event.time)).then(|| {
            (
                pod.username.to_string(),
                format!("{namespace}/{}", pod.name),
            )
        })
    }

    /// The address of the event, where it is one that tells: public, and no load balancer's.
    fn public_address(&self, event: &AuditEvent<'_>, seen: &Observed) -> Option<String> {
        let kind = event.principal.kind();
        let machine = matches!(
            kind,
            PrincipalKind::ServiceAccount | PrincipalKind::Anonymous | PrincipalKind::Nobody
        );
        let tells = machine && seen.origin.is_public() && !self.addresses.hide_clients(event.time);
        seen.origin
            .ip
            .filter(|_| tells)
            .map(|ip| format!("address {ip}"))
    }

    /// Remembers what the event gained, if its maker has an incident. `story` is the one its
    /// findings joined.
    pub(super) fn learn_gain(
        &mut self,
        event: &AuditEvent<'_>,
        seen: &Observed,
        findings: &[Finding],
        story: Option<Digest>,
    ) {
        let loud = |f: &Finding| f.culprit.is_none() && self.policy.severity_of(f) >= GRAVE;
        let address = if findings.iter().any(loud) {
            self.public_address(event, seen)
        } else {
            None
        };
        let gained = gained(event).or(address.map(|address| (How::Origin, address)));
        let Some((how, what)) = gained else { return };
        // To deploy, and to read Secrets, is many an account's trade; only what was remarkable in
        // itself leads on.
        if how != How::Minted && story.is_none() {
            return;
        }
        let facts = self.facts_of(event, seen);
        let story = story.or_else(|| {
            self.correlator
                .belongs_to(&facts.arrival(event, seen, &Digest::default), &self.policy)
        });
        if let Some(story) = story {
            self.correlator
                .gain(how, &what, &facts.subject, event.time, story);
        }
    }
}

impl Facts {
    pub(super) fn arrival<'a>(
        &'a self,
        event: &'a AuditEvent<'_>,
        seen: &Observed,
        digest: &'a dyn Fn() -> Digest,
    ) -> Arrival<'a> {
        Arrival {
            subject: &self.subject,
            principal: event.username,
            at: event.time,
            audit_id: event.audit_id,
            credential_id: event.credential.id,
            origin: &self.origin,
            network: &self.network,
            user_agent: event.user_agent,
            clues: &self.clues,
            neighbour: self
                .neighbour
                .as_ref()
                .map(|(username, pod)| Neighbour { username, pod }),
            here_since: seen.here_since,
            baseline: seen.maturity,
            digest,
            event: Some(event),
        }
    }
}

/// What the credential of an event says of where it came from.
fn clues_of(event: &AuditEvent<'_>) -> Vec<String> {
    let (credential, namespace) = (&event.credential, event.principal.namespace());
    match credential.kind {
        CredentialKind::Unbound => vec![format!("token {}", credential.id)],
        CredentialKind::Legacy => vec![
            format!("secret {namespace}/{}", credential.legacy_secret),
            format!("secrets of {namespace}"),
            EVERY_SECRET.to_owned(),
        ],
        CredentialKind::PodBound | CredentialKind::PodBoundWithoutId => {
            let mut clues = vec![
                format!("pod {namespace}/{}", credential.pod),
                format!("token {}", credential.id),
            ];
            let mut rest = credential.pod;
            for _ in 0..GENERATED_PARTS {
                let Some((before, _)) = rest.rsplit_once('-') else {
                    break;
                };
                clues.push(format!("workload {namespace}/{before}"));
                rest = before;
            }
            clues
        }
        _ => Vec::new(),
    }
}

const EVERY_SECRET: &str = "secrets of every namespace";

/// What whoever made the request holds from now on.
fn gained(event: &AuditEvent<'_>) -> Option<(How, String)> {
    let operation = &event.operation;
    let kind = event.principal.kind();
    if event.outcome != Outcome::Allowed
        || kind == PrincipalKind::Node
        || event.principal.component().is_some()
    {
        return None;
    }
    let Operation {
        verb,
        resource,
        subresource,
        namespace,
        name,
        ..
    } = *operation;
    match (resource, subresource) {
        ("serviceaccounts", "token") if !event.issued_credential_id.is_empty() => {
            Some((How::Minted, format!("token {}", event.issued_credential_id)))
        }
        ("secrets", "") if operation.is_read() => Some((
            How::SecretRead,
            match (namespace, name) {
                ("", _) => EVERY_SECRET.to_owned(),
                (_, "") => format!("secrets of {namespace}"),
                _ => format!("secret {namespace}/{name}"),
            },
        )),
        ("pods", "exec" | "attach" | "portforward" | "ephemeralcontainers") => {
            Some((How::PodEntered, format!("pod {namespace}/{name}")))
        }
        ("pods", "") if sets_containers(event) && !name.is_empty() => {
            Some((How::PodMade, format!("pod {namespace}/{name}")))
        }
        (
            "deployments"
            | "daemonsets"
            | "statefulsets"
            | "replicasets"
            | "replicationcontrollers"
            | "jobs"
            | "cronjobs",
            "",
        ) if sets_containers(event) && !name.is_empty() => {
            Some((How::PodMade, format!("workload {namespace}/{name}")))
        }
        _ => None,
    }
    .filter(|_| !verb.starts_with("delete"))
}

/// A new pod or workload, or a change that names containers.
fn sets_containers(event: &AuditEvent<'_>) -> bool {
    let named = || {
        event
            .facts
            .as_ref()
            .and_then(|f| f.pod.as_ref())
            .is_some_and(|pod| pod.containers)
    };
    match event.operation.verb {
        "create" => true,
        "update" | "patch" => named(),
        _ => false,
    }
}
