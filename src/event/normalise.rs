//! Wire form -> [`AuditEvent`]: the words of the log become the words of the engine.
//!
//! Refuses to judge and to fill gaps: an event without stage, level or time is malformed, and a
//! credential that nothing is said about is unknown.

use super::decode::Malformed;
use super::facts::CommandFacts;
use super::wire::{WireAnnotations, WireEvent, WireExtra, WireUser};
use super::{
    AuditEvent, Credential, CredentialKind, Impersonated, Level, Operation, Outcome, Principal,
    Stage, facts, origin,
};
use crate::base::Time;

/// Borrows from the wire event, which borrows from the line. `command` was read before the event
/// was purged.
pub(super) fn event<'a>(
    wire: &'a WireEvent<'_>,
    command: Option<CommandFacts>,
) -> Result<AuditEvent<'a>, Malformed> {
    let (level, stage) = (level(&wire.level)?, stage(&wire.stage)?);
    if wire.audit_id.is_empty() {
        return Err(Malformed::MissingField);
    }
    let (time, received) = times(wire)?;
    let principal = Principal::of(&wire.user.username, &wire.user.groups);
    let operation = operation(wire, principal);
    let code = code(wire.response_status.code)?;
    let mut facts = wire
        .request_object
        .and_then(|body| facts::extract(&operation, body.0));
    if facts.is_none() && wire.annotations.truncated == "true" {
        facts = facts::of_truncated(&operation);
    }
    if command.is_some() {
        facts.get_or_insert_default().command = command;
    }
    Ok(AuditEvent {
        time,
        received,
        level,
        stage,
        audit_id: &wire.audit_id,
        principal,
        username: &wire.user.username,
        user_uid: &wire.user.uid,
        groups: &wire.user.groups,
        impersonated: wire.impersonated_user.as_deref().map(impersonated),
        credential: credential(principal, &wire.user.extra, &wire.annotations),
        issued_credential_id: &wire.annotations.issued_credential_id,
        operation,
        source_ips: wire
            .source_ips
            .iter()
            .map(|text| origin::parse(text).unwrap_or(origin::UNREADABLE))
            .collect(),
        user_agent: &wire.user_agent,
        code,
        outcome: Outcome::at(stage, code, &wire.annotations.decision),
        decision: &wire.annotations.decision,
        reason: wire.annotations.reason.unwrap_or_default(),
        uri: &wire.request_uri,
        facts,
        geo: None,
    })
}

/// Whether this is no other level than those that events have; an absent one is told as such.
pub(super) fn is_level(text: &str) -> bool {
    !matches!(level(text), Err(Malformed::BadValue))
}

fn level(text: &str) -> Result<Level, Malformed> {
    match text {
        "Metadata" => Ok(Level::Metadata),
        "Request" => Ok(Level::Request),
        "RequestResponse" => Ok(Level::RequestResponse),
        "" => Err(Malformed::MissingField),
        _ => Err(Malformed::BadValue),
    }
}

fn stage(text: &str) -> Result<Stage, Malformed> {
    match text {
        "RequestReceived" => Ok(Stage::RequestReceived),
        "ResponseStarted" => Ok(Stage::ResponseStarted),
        "ResponseComplete" => Ok(Stage::ResponseComplete),
        "Panic" => Ok(Stage::Panic),
        "" => Err(Malformed::MissingField),
        _ => Err(Malformed::BadValue),
    }
}

/// Stage time and time of receipt. Servers before 1.9 wrote one `timestamp`, of the stage.
fn times(wire: &WireEvent<'_>) -> Result<(Time, Time), Malformed> {
    let stage = if wire.stage_timestamp.is_empty() {
        &wire.timestamp
    } else {
        &wire.stage_timestamp
    };
    if stage.is_empty() {
        return Err(Malformed::MissingField);
    }
    let time = Time::parse(stage).ok_or(Malformed::BadTime)?;
    if wire.request_received_timestamp.is_empty() {
        return Ok((time, time));
    }
    let received = Time::parse(&wire.request_received_timestamp).ok_or(Malformed::BadTime)?;
    Ok((time, received))
}

fn code(code: i32) -> Result<u16, Malformed> {
    u16::try_from(code)
        .ok()
        .filter(|&code| code < 1000)
        .ok_or(Malformed::BadValue)
}

fn impersonated<'a>(user: &'a WireUser<'_>) -> Impersonated<'a> {
    Impersonated {
        username: &user.username,
        groups: &user.groups,
    }
}

/// A Namespace object stands with its own name as `namespace` where the request names it (`get
/// namespaces/shop`), because a Role inside that namespace suffices to allow it; list, watch and
/// create have none. The server's word is kept: the scope is the one that authorization saw.
///
/// Without an `objectRef` nothing says that the path is a resource, so it stays a path.
fn operation<'a>(wire: &'a WireEvent<'_>, principal: Principal<'a>) -> Operation<'a> {
    let verb = &*wire.verb;
    match &wire.object_ref {
        Some(object) if !object.resource.is_empty() => Operation {
            verb,
            group: &object.api_group,
            resource: &object.resource,
            subresource: &object.subresource,
            namespace: &object.namespace,
            name: &object.name,
            path: "",
            scope: Operation::scope_of(principal, &object.resource, &object.namespace),
        },
        _ => Operation {
            verb,
            group: "",
            resource: "",
            subresource: "",
            namespace: "",
            name: "",
            path: wire.request_uri.split('?').next().unwrap_or_default(),
            scope: Operation::scope_of(principal, "", ""),
        },
    }
}

fn credential<'a>(
    principal: Principal<'a>,
    extra: &'a WireExtra<'_>,
    notes: &'a WireAnnotations<'_>,
) -> Credential<'a> {
    Credential {
        kind: credential_kind(principal, extra, notes),
        id: &extra.credential_id,
        pod: &extra.pod_name,
        pod_uid: &extra.pod_uid,
        node: &extra.node_name,
        legacy_secret: legacy_secret(notes),
        stale: !notes.stale_token.is_empty(),
    }
}

/// The table of `pkg/serviceaccount/claims.go`, read backwards: what is known of the token's claims
/// tells what kind of token it was.
fn credential_kind(
    principal: Principal<'_>,
    extra: &WireExtra<'_>,
    notes: &WireAnnotations<'_>,
) -> CredentialKind {
    if matches!(principal, Principal::Nobody | Principal::Anonymous) {
        return CredentialKind::None;
    }
    if extra.credential_id.starts_with("X509SHA256=") {
        return CredentialKind::Certificate;
    }
    let issued_here = matches!(principal, Principal::ServiceAccount { .. });
    let has_id = extra.credential_id.starts_with("JTI=");
    match (has_id, issued_here) {
        (true, false) => CredentialKind::External,
        (true, true) if !extra.pod_name.is_empty() => CredentialKind::PodBound,
        (true, true) if !extra.node_name.is_empty() => CredentialKind::NodeBound,
        (true, true) => CredentialKind::Unbound,
        (false, _) if !extra.pod_name.is_empty() => CredentialKind::PodBoundWithoutId,
        (false, _) if is_legacy(notes) => CredentialKind::Legacy,
        (false, _) => CredentialKind::Unknown,
    }
}

fn is_legacy(notes: &WireAnnotations<'_>) -> bool {
    !(notes.legacy_token.is_empty()
        && notes.legacy_autogenerated.is_empty()
        && notes.legacy_manual.is_empty()
        && notes.legacy_invalidated.is_empty())
}

/// `legacy-token-invalidated` names `<secret>/<namespace>`, the others the secret alone.
fn legacy_secret<'a>(notes: &'a WireAnnotations<'_>) -> &'a str {
    [
        &notes.legacy_autogenerated,
        &notes.legacy_manual,
        &notes.legacy_invalidated,
    ]
    .into_iter()
    .find(|name| !name.is_empty())
    .and_then(|name| name.split('/').next())
    .unwrap_or_default()
}

#[cfg(test)]
mod tests;
