//! Events in every carrier, and what only looks like one.

use super::*;
use crate::event::decode::{self, Limits};
use proptest::prelude::*;
use serde_json::{Value, json};

const CARRIED: &str = include_str!("../../../tests/fixtures/audit/carriers.jsonl");
const BYTES_MAX: usize = 1 << 20;

/// The texts that a document holds, and its carriers by name.
fn opened(text: &str) -> (Vec<String>, Vec<&'static str>, Carriers) {
    let mut found = Vec::new();
    let carriers = open(text, BYTES_MAX, &mut |native| found.push(native.to_owned()));
    let carriers = carriers.unwrap_or_default();
    (
        found,
        carriers.iter().map(Carrier::name).collect(),
        carriers,
    )
}

#[test]
fn every_carrier_of_the_fixture_holds_the_same_request() {
    for line in CARRIED
        .lines()
        .filter(|line| !line.contains("CONTROL_MESSAGE"))
    {
        let mut told = Vec::new();
        decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
            let event = event.unwrap_or_else(|reason| panic!("{reason}: {line}"));
            told.push(format!(
                "{} {} {} {} {}/{}/{} {}",
                event.audit_id,
                event.time,
                event.username,
                event.code,
                event.operation.namespace,
                event.operation.resource,
                event.operation.name,
                event.source_ips[0],
            ));
        });
        assert_eq!(told.len(), 1, "{line}");
        let asked = "system:serviceaccount:shop:web 200 shop/secrets/db 10.0.0.7";
        assert!(
            told[0].starts_with("7c0f8f9e-0d5b-4f0a-9d3a-2f0b8f4f7a01 2026-03-02T08:53:50.025")
                && told[0].ends_with(asked),
            "{}",
            told[0]
        );
    }
}

#[test]
fn probes_and_other_logs_are_counted_and_not_complained_about() {
    let control = CARRIED
        .lines()
        .find(|line| line.contains("CONTROL_MESSAGE"));
    let (found, names, carriers) = opened(control.unwrap());
    assert_eq!(
        (found.len(), names, carriers.foreign),
        (0, vec!["CloudWatch"], 1)
    );
    let klog = CARRIED.lines().next().unwrap();
    let (found, _, carriers) = opened(klog);
    assert_eq!((found.len(), carriers.foreign), (1, 1));
    let other =
        r#"{"protoPayload":{"methodName":"google.container.v1.ClusterManager.GetCluster"}}"#;
    let (found, names, carriers) = opened(other);
    assert_eq!((found.len(), names, carriers.foreign), (0, vec!["GKE"], 1));
}

#[test]
fn a_cut_event_keeps_what_stands_before_the_cut() {
    let cut = CARRIED.lines().last().unwrap();
    let (found, _, carriers) = opened(cut);
    let event: Value = serde_json::from_str(&found[0]).unwrap();
    assert_eq!(carriers.cut, 1);
    assert_eq!(event["annotations"]["audit.k8s.io/truncated"], "true");
    assert!(event.get("requestObject").is_none(), "{event}");
    assert_eq!(event["stageTimestamp"], "2026-03-02T08:53:50.025000Z");
    // Before the object, nobody knows what was asked.
    let early = json!({"logEvents": [{"timestamp": 1, "message":
        r#"{"kind":"Event","auditID":"a","stage":"ResponseComplete","verb":"get","user":{"u"#}]});
    let (found, _, carriers) = opened(&early.to_string());
    assert_eq!((found.len(), carriers.cut, carriers.foreign), (0, 0, 1));
}

#[test]
fn an_evasion_by_carriers_is_none() {
    let native = CARRIED
        .lines()
        .find(|line| line.starts_with("{\"date\""))
        .unwrap();
    // What a client wrote into a body of an event is not looked into.
    let event = json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "a",
        "stage": "ResponseComplete", "log": native});
    assert_eq!(opened(&event.to_string()).0.len(), 0);
    // Nor what is nested deeper than any carrier is.
    let mut deep = json!({"log": native});
    for _ in 0..DEPTH_MAX {
        deep = json!({"message": deep.to_string()});
    }
    assert_eq!(opened(&deep.to_string()).0.len(), 0);
    // What unpacks into more than a line may have is passed over.
    let bomb = json!({"records": [{"data": BOMB}]});
    let (found, _, carriers) = opened(&bomb.to_string());
    assert_eq!((found.len(), carriers.foreign), (0, 1));
}

/// Two MiB of spaces behind a brace, in gzip.
const BOMB: &str = include_str!("../../../tests/fixtures/audit/bomb.b64");

#[test]
fn google_codes_are_those_of_http() {
    let entry = |method: &str, resource: &str, status: Value| {
        json!({"timestamp": "2026-03-02T08:53:50Z", "protoPayload": {
            "methodName": method, "resourceName": resource, "status": status,
            "authenticationInfo": {"principalEmail": "ann"},
        }})
    };
    for (method, resource, status, expected) in [
        (
            "io.k8s.core.v1.pods.create",
            "core/v1/namespaces/a/pods/b",
            json!({}),
            201,
        ),
        (
            "io.k8s.core.v1.pods.exec.create",
            "core/v1/namespaces/a/pods/b/exec/b",
            json!({"code": 2}),
            101,
        ),
        (
            "io.k8s.core.v1.secrets.list",
            "core/v1/secrets",
            json!({"code": 7}),
            403,
        ),
        (
            "io.k8s.core.v1.nodes.get",
            "core/v1/nodes/n",
            json!({"code": 5}),
            404,
        ),
    ] {
        let (found, ..) = opened(&entry(method, resource, status).to_string());
        let event: Value = serde_json::from_str(&found[0]).unwrap();
        assert_eq!(event["responseStatus"]["code"], expected, "{method}");
        let is_refused = event["annotations"]["authorization.k8s.io/decision"] == "forbid";
        assert_eq!(is_refused, expected == 403, "{method}");
    }
    let (found, ..) = opened(
        &entry(
            "io.k8s.rbac.x",
            "rbac.authorization.k8s.io/v1/clusterroles/c",
            json!({}),
        )
        .to_string(),
    );
    let event: Value = serde_json::from_str(&found[0]).unwrap();
    assert_eq!(
        event["requestURI"],
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/c"
    );
}

/// One event as each carrier would bring it.
fn wrapped(native: &str, carrier: usize) -> String {
    use base64::Engine as _;
    let value: Value = serde_json::from_str(native).unwrap();
    let encoded = || base64::engine::general_purpose::STANDARD.encode(native);
    match carrier {
        0 => json!({"messageType": "DATA_MESSAGE", "logEvents": [{"message": native}]}),
        1 => json!({"records": [{"data": encoded()}]}),
        2 => json!({"message": {"data": encoded()}, "subscription": "s"}),
        3 => json!({"records": [{"category": "kube-audit", "properties": {"log": native}}]}),
        4 => json!({"category": "kube-audit-admin", "properties": {"log": value}}),
        5 => json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": native}}]}]}]}),
        6 => json!({"log": native, "stream": "stdout"}),
        7 => json!({"message": value, "@timestamp": "2026"}),
        8 => json!({"contents": [{"Key": "content", "Value": native}]}),
        9 => json!({"_source": {"message": native}}),
        10 => json!([value]),
        _ => return format!("2026-03-02T08:53:50.025149Z stdout F {native}"),
    }
    .to_string()
}

proptest! {
    #[test]
    fn wrapping_and_opening_gives_the_event(
        name in "[^\\x00]{0,20}", outer in 0_usize..12, inner in 0_usize..12, twice: bool,
    ) {
        let event = json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": name,
            "stage": "ResponseComplete", "user": {"username": name}});
        let once = wrapped(&event.to_string(), inner);
        // A carrier's records are JSON; text before it is a line of its own.
        let text = match twice && inner < 11 {
            true => wrapped(&once, outer),
            false => once,
        };
        let (found, names, carriers) = opened(&text);
        prop_assert_eq!(found.len(), 1, "{}", text);
        prop_assert_eq!(serde_json::from_str::<Value>(&found[0]).unwrap(), event);
        prop_assert!(!names.is_empty() && carriers.foreign == 0 && carriers.cut == 0);
    }

    #[test]
    fn whatever_comes_is_bounded_and_ends(text in "[\\[\\]{}\",:a-z0-9\\\\ ]{0,200}") {
        let _ = opened(&text);
        let _ = opened(&json!({"logEvents": [{"message": text}]}).to_string());
        let _ = opened(&json!({"records": [{"data": text}]}).to_string());
    }
}
