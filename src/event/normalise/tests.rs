//! From the words of the wire to the words of the house.

use super::*;
use crate::event::Scope;
use crate::event::wire::{Raw, WireObjectRef, WireStatus};
use std::borrow::Cow;

const SA: &str = "system:serviceaccount:store:tills";

fn wire() -> WireEvent<'static> {
    WireEvent {
        level: Cow::Borrowed("Metadata"),
        stage: Cow::Borrowed("ResponseComplete"),
        audit_id: Cow::Borrowed("a"),
        verb: Cow::Borrowed("get"),
        stage_timestamp: Cow::Borrowed("2026-03-02T08:53:50.021149Z"),
        ..WireEvent::default()
    }
}

fn kind(username: &str, id: &str, pod: &str, node: &str, legacy: &str) -> CredentialKind {
    let extra = WireExtra {
        credential_id: id.into(),
        pod_name: pod.into(),
        node_name: node.into(),
        ..WireExtra::default()
    };
    let notes = WireAnnotations {
        legacy_token: legacy.into(),
        ..WireAnnotations::default()
    };
    credential(Principal::parse(username), &extra, &notes).kind
}

#[test]
fn the_credential_table() {
    use CredentialKind as K;
    for (username, id, pod, node, legacy, expected) in [
        (SA, "JTI=1", "p", "n", "", K::PodBound),
        (SA, "JTI=1", "", "n", "", K::NodeBound),
        (SA, "JTI=1", "", "", "", K::Unbound),
        (SA, "", "p", "", "", K::PodBoundWithoutId),
        (SA, "", "", "", SA, K::Legacy),
        (SA, "", "", "", "", K::Unknown),
        ("system:node:n", "X509SHA256=ab", "", "", "", K::Certificate),
        ("erika", "JTI=1", "", "", "", K::External),
        ("erika", "", "", "", "", K::Unknown),
        ("system:anonymous", "", "", "", "", K::None),
        ("", "", "", "", "", K::None),
    ] {
        assert_eq!(
            kind(username, id, pod, node, legacy),
            expected,
            "{username} {id} {pod} {node}"
        );
    }
}

#[test]
fn a_legacy_secret_is_named_by_any_of_its_annotations() {
    let notes = WireAnnotations {
        legacy_invalidated: "token-x/store".into(),
        ..WireAnnotations::default()
    };
    let extra = WireExtra::default();
    let credential = credential(Principal::parse(SA), &extra, &notes);
    assert_eq!(
        (credential.kind, credential.legacy_secret, credential.id),
        (CredentialKind::Legacy, "token-x", "")
    );
}

#[test]
fn old_events_have_one_time_stamp_and_received_is_never_the_stage_time() {
    let old = WireEvent {
        stage_timestamp: "".into(),
        timestamp: "2017-09-11T19:57:33Z".into(),
        ..wire()
    };
    let seen = event(&old, None).unwrap();
    assert_eq!(
        (seen.time, seen.received),
        (seen.received, Time::parse("2017-09-11T19:57:33Z").unwrap())
    );
    let only_received = WireEvent {
        stage_timestamp: "".into(),
        request_received_timestamp: "2017-09-11T19:57:33Z".into(),
        ..wire()
    };
    assert_eq!(
        event(&only_received, None).err(),
        Some(Malformed::MissingField)
    );
}

#[test]
fn a_path_loses_its_query_and_an_object_has_no_path() {
    let path = WireEvent {
        request_uri: "/healthz?verbose".into(),
        ..wire()
    };
    let seen = event(&path, None).unwrap();
    assert_eq!(
        (seen.operation.path, seen.operation.scope, seen.uri),
        ("/healthz", Scope::NonResource, "/healthz?verbose")
    );
    let object = WireObjectRef {
        resource: "pods".into(),
        namespace: "store".into(),
        ..WireObjectRef::default()
    };
    let mut list = WireEvent {
        object_ref: Some(object),
        request_uri: "/api/v1/x".into(),
        ..wire()
    };
    list.user.username = SA.into();
    let seen = event(&list, None).unwrap();
    assert_eq!(
        (seen.operation.path, seen.operation.scope),
        ("", Scope::Own)
    );
}

#[test]
fn addresses_that_are_none_keep_their_place() {
    let mut odd = wire();
    odd.source_ips = ["gce-internal-ip", "10.0.0.1", "::1", ""]
        .map(Cow::Borrowed)
        .into_iter()
        .collect();
    let [first, .., last] = event(&odd, None).unwrap().source_ips[..] else {
        panic!("four entries")
    };
    assert_eq!([first, last], [origin::UNREADABLE; 2]);
}

#[test]
fn a_panic_without_a_code_is_a_server_error_and_reasons_are_unescaped() {
    let mut panic = WireEvent {
        stage: "Panic".into(),
        ..wire()
    };
    panic.annotations.reason = Some(Raw(r#""by \"x\"""#));
    let seen = event(&panic, None).unwrap();
    assert_eq!(
        (seen.outcome, &*seen.reason.text()),
        (Outcome::ServerError, "by \"x\"")
    );
    let odd = WireEvent {
        response_status: WireStatus { code: -1 },
        ..wire()
    };
    assert_eq!(event(&odd, None).err(), Some(Malformed::BadValue));
}

/// The API server leaves bodies out of events that are too large, and says so.
#[test]
fn a_body_that_the_server_cut_counts_as_unread() {
    let of = |verb: &'static str, resource: &'static str, truncated: &'static str| {
        let object = WireObjectRef {
            resource: resource.into(),
            namespace: "store".into(),
            ..WireObjectRef::default()
        };
        let annotations = WireAnnotations {
            truncated: truncated.into(),
            ..WireAnnotations::default()
        };
        let wire = WireEvent {
            object_ref: Some(object),
            annotations,
            verb: verb.into(),
            ..wire()
        };
        event(&wire, None)
            .unwrap()
            .facts
            .is_some_and(|facts| facts.unread)
    };
    assert!(of("create", "pods", "true"));
    assert!(!of("create", "pods", "") && !of("list", "pods", "true"));
    assert!(
        !of("update", "configmaps", "true") && !of("update", "secrets", "true"),
        "large ones are ordinary"
    );
}
