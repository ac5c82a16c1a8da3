//! What logs of the field have and clean ones do not: wrong clocks, audit ids that clients chose,
//! two logs of one request, stages that are missing; asked as people type.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokentrail::base::{Span, Time};

const ACCOUNT: &str = "system:serviceaccount:shop:web";
const TOKEN: &str = "6c84fb90-12c4-11e1-840d-7b25c5ee775a";

fn at(seconds: i64) -> String {
    (Time::parse("2026-03-02T08:00:00Z").unwrap() + Span::seconds(seconds)).to_string()
}

/// A request that is answered at this second; `more` replaces fields.
fn event(id: &str, second: i64, more: Value) -> Value {
    let mut event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": id, "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/shop/secrets/db", "verb": "get",
        "user": { "username": ACCOUNT, "uid": "u-1", "groups": ["system:serviceaccounts"], "extra": {
            "authentication.kubernetes.io/credential-id": [format!("JTI={TOKEN}")],
            "authentication.kubernetes.io/pod-name": ["web-0"], "authentication.kubernetes.io/pod-uid": ["p-1"],
        } },
        "sourceIPs": ["10.244.1.5"], "userAgent": "web/1.0",
        "objectRef": { "resource": "secrets", "namespace": "shop", "name": "db", "apiVersion": "v1" },
        "responseStatus": { "code": 200 },
        "requestReceivedTimestamp": at(second), "stageTimestamp": at(second),
        "annotations": { "authorization.k8s.io/decision": "allow" },
    });
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

fn text(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn tokentrail(args: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tokentrail"))
        .args(args)
        .output()
        .unwrap();
    let read = |bytes| String::from_utf8(bytes).unwrap();
    (read(output.stdout), read(output.stderr))
}

/// These logs, replayed into a state.
struct World {
    _dir: tempfile::TempDir,
    state: PathBuf,
    incidents: Vec<Value>,
    summary: String,
}

fn objects(lines: &str) -> Vec<Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

impl World {
    fn of(logs: &[(&str, String)]) -> World {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let paths: Vec<PathBuf> = logs.iter().map(|(name, _)| dir.path().join(name)).collect();
        for (path, (_, text)) in paths.iter().zip(logs) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut args = vec!["replay", "-o", "json", "--state", state.to_str().unwrap()];
        args.extend(paths.iter().map(|path| path.to_str().unwrap()));
        let (incidents, summary) = tokentrail(&args);
        World {
            incidents: objects(&incidents),
            summary,
            state,
            _dir: dir,
        }
    }

    fn ask(&self, question: &[&str]) -> Vec<Value> {
        objects(&self.say(question, &["-o", "json"]).0)
    }

    fn say(&self, question: &[&str], more: &[&str]) -> (String, String) {
        tokentrail(&[question, &["--state", path(&self.state)], more].concat())
    }

    fn found(&self, detector: &str) -> usize {
        let has = |i: &&Value| {
            i["detectors"]
                .as_array()
                .unwrap()
                .iter()
                .any(|d| d == detector)
        };
        self.incidents.iter().filter(has).count()
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

const DAY: i64 = 86_400;

/// A month of requests, of which two in its middle and two at its end are of next year.
#[test]
fn lines_of_next_year_delete_nothing_and_are_named() {
    let mut events: Vec<Value> = (0..30 * 24)
        .map(|h| event(&format!("n-{h}"), h * 3600, json!({})))
        .collect();
    let wrong = |n: i64| event(&format!("wrong-{n}"), 400 * DAY + n, json!({}));
    // An hour apart is too far for a second witness: more of them make the log one that is sure of
    // its time.
    events.extend((0..200).map(|n| event(&format!("m-{n}"), 30 * DAY + n, json!({}))));
    let at_end = [wrong(3), wrong(4)];
    events.splice(
        500..500,
        (0..10)
            .map(|s| event(&format!("s-{s}"), 499 * 3600 + s, json!({})))
            .chain([wrong(1), wrong(2)]),
    );
    events.extend(at_end);
    let world = World::of(&[("audit.log", text(&events))]);
    let rows = world.ask(&["query", "SELECT count(*) AS n FROM events"]);
    assert_eq!(rows[0]["n"], events.len(), "{}", world.summary);
    let leaps: Vec<Value> = world
        .ask(&["coverage"])
        .into_iter()
        .filter(|row| row["kind"] == "log-leap")
        .collect();
    assert!(
        !leaps.is_empty() && leaps[0]["from_offset"].as_u64().unwrap() > 0,
        "{leaps:?}"
    );
    assert!(
        leaps[0]["detail"].as_str().unwrap().contains("wrong-1"),
        "{leaps:?}"
    );
    let recent = world.ask(&["timeline", "shop/web", "--since", "1m", "--limit", "100000"]);
    assert!(
        recent.len() > 50 && recent.len() < 70,
        "the newest is what the bulk has: {}",
        recent.len()
    );
    let (verified, said) = tokentrail(&["verify", "--state", path(&world.state)]);
    assert!(
        !format!("{verified}{said}").contains("differ"),
        "{verified}{said}"
    );
}

/// What a client sends as audit id says nothing of how many requests there are.
#[test]
fn one_audit_id_of_twelve_reads_is_twelve_and_two_stages_are_one() {
    let mut events: Vec<Value> = (0..12)
        .map(|n| event("mine", n * 3300, json!({})))
        .collect();
    events.extend((0..5).map(|n| {
        let uri = "/api/v1/namespaces/shop/pods/web-0/exec?command=sh";
        let object = json!({ "resource": "pods", "subresource": "exec", "namespace": "shop", "name": "web-0" });
        event("mine", 40_000 + n, json!({ "stage": "ResponseStarted", "verb": "create", "requestURI": uri, "objectRef": object, "responseStatus": { "code": 101 } }))
    }));
    let received = json!({ "stage": "RequestReceived", "responseStatus": null });
    events.push(event("two-stages", 50_000, received));
    events.push(event(
        "two-stages",
        50_000,
        json!({ "stageTimestamp": at(50_001) }),
    ));
    let world = World::of(&[("audit.log", text(&events))]);
    assert_eq!(world.ask(&["secrets"]).len(), 13);
    assert_eq!(world.ask(&["exec"]).len(), 5);
    let timeline = world.ask(&["timeline", "shop/web"]);
    assert_eq!(timeline.len(), 18);
    assert_eq!(
        (&timeline[17]["code"], &timeline[17]["time"]),
        (&json!(200), &json!(at(50_000)))
    );
    let counted = world.ask(&[
        "query",
        "SELECT sum(count) AS n FROM operations_daily WHERE resource = 'secrets'",
    ]);
    assert_eq!(counted[0]["n"], 13);
}

/// An aggregated API server records what kube-apiserver hands on to it, and is done before it.
#[test]
fn two_logs_of_one_request_are_one_place_and_one_request() {
    let object = json!({ "resource": "pods", "namespace": "shop", "apiGroup": "metrics.k8s.io" });
    let of = |n: i64, more: Value| {
        let mut event = event(&format!("r-{n}"), n * 60, more);
        event["requestURI"] = json!("/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods");
        event["objectRef"] = object.clone();
        event
    };
    let outer: Vec<Value> = (0..40)
        .map(|n| {
            of(
                n,
                json!({ "stageTimestamp": at(n * 60).replace(".000000Z", ".030000Z") }),
            )
        })
        .collect();
    let inner: Vec<Value> = (0..40)
        .map(|n| {
            let [received, done] = [".010000Z", ".020000Z"].map(|end| at(n * 60).replace(".000000Z", end));
            of(n, json!({ "sourceIPs": ["10.244.1.5", "192.168.0.10"], "requestReceivedTimestamp": received, "stageTimestamp": done }))
        })
        .collect();
    let world = World::of(&[
        ("kube-apiserver/audit.log", text(&outer)),
        ("metrics/audit.log", text(&inner)),
    ]);
    assert_eq!(
        world.found("credential-in-two-places"),
        0,
        "{:?}",
        world.incidents
    );
    let rows = world.ask(&[
        "query",
        "SELECT count(*) AS n, sum(is_copy) AS copies FROM events",
    ]);
    assert_eq!(
        (&rows[0]["n"], &rows[0]["copies"]),
        (&json!(80), &json!(40))
    );
    assert_eq!(world.ask(&["timeline", "shop/web"]).len(), 40);
    assert_eq!(
        world.ask(&["who", "--from", "10.244.1.5"])[0]["requests"],
        40
    );
    assert!(world.ask(&["who", "--from", "192.168.0.10"]).is_empty());
    let counted = world.ask(&["query", "SELECT sum(count) AS n FROM operations_daily"]);
    assert_eq!(counted[0]["n"], 40);
}

#[test]
fn a_log_without_a_stage_that_is_judged_is_told() {
    let received = |n: i64| {
        event(
            &format!("n-{n}"),
            n,
            json!({ "stage": "RequestReceived", "responseStatus": null }),
        )
    };
    let world = World::of(&[(
        "audit.log",
        text(&(0..60).map(received).collect::<Vec<_>>()),
    )]);
    assert_eq!(world.found("log-unjudged"), 1, "{:?}", world.incidents);
    assert!(
        world.summary.contains("nothing was judged"),
        "{}",
        world.summary
    );
    assert!(
        world
            .ask(&["coverage"])
            .iter()
            .any(|row| row["kind"] == "log-unjudged")
    );
}

#[test]
fn an_origin_is_the_last_entry_or_none() {
    let from = |id: &str, ips: Value| event(id, id.len() as i64, json!({ "sourceIPs": ips }));
    let events = [
        from("a", json!(["10.131.0.7:37194"])),
        from("bb", json!(["192.0.2.1", "[2001:db8::9]:443"])),
        from("ccc", json!(["192.0.2.1", "no address"])),
        from("dddd", json!(["::ffff:10.0.0.9"])),
    ];
    let world = World::of(&[("audit.log", text(&events))]);
    for (typed, rows) in [
        ("10.131.0.7", 1),
        ("2001:db8::9", 1),
        ("192.0.2.1", 0),
        ("::ffff:10.0.0.9", 1),
        ("10.131.0.7:1", 1),
    ] {
        assert_eq!(world.ask(&["who", "--from", typed]).len(), rows, "{typed}");
    }
}

#[test]
fn what_stands_before_the_first_event_has_its_time() {
    let events: Vec<Value> = (0..20)
        .map(|n| event(&format!("n-{n}"), n, json!({})))
        .collect();
    let world = World::of(&[("audit.log", format!("no event\n{}", text(&events)))]);
    assert_eq!(world.found("log-unreadable"), 1, "{:?}", world.incidents);
    assert!(
        world
            .incidents
            .iter()
            .all(|incident| !incident.to_string().contains("1970-01-01")),
        "{:?}",
        world.incidents
    );
}

/// No time is known of it, and history tells it again all the same; what comes later goes on with
/// the same state.
#[test]
fn what_stands_in_a_log_without_any_event_is_told_where_it_ends() {
    let world = World::of(&[("audit.log", "no event\nnor this\n".to_owned())]);
    assert_eq!(world.found("log-unreadable"), 1, "{:?}", world.incidents);
    assert_eq!(
        world.incidents[0]["severity"], "low",
        "{:?}",
        world.incidents
    );
    let later = world.state.with_file_name("later.log");
    fs::write(
        &later,
        text(
            &(0..20)
                .map(|n| event(&format!("n-{n}"), n, json!({})))
                .collect::<Vec<_>>(),
        ),
    )
    .unwrap();
    let (told, _) = tokentrail(&[
        "replay",
        "-o",
        "json",
        "--state",
        path(&world.state),
        path(&later),
    ]);
    let resolved = |incident: &Value| incident["status"] == "resolved";
    let again: Vec<Value> = objects(&told)
        .into_iter()
        .filter(|i| i["id"] == world.incidents[0]["id"])
        .collect();
    assert!(again.len() == 1 && again.iter().all(resolved), "{again:?}");
    let (verified, said) = tokentrail(&["verify", "--state", path(&world.state)]);
    assert!(
        verified.starts_with("history and state agree"),
        "{verified}{said}"
    );
}

#[test]
fn a_legacy_token_without_the_name_of_its_secret_reads_well() {
    let mut events: Vec<Value> = (0..8 * 24)
        .map(|hour| event(&format!("n-{hour}"), hour * 3600, json!({})))
        .collect();
    let annotations = json!({ "annotations": { "authentication.k8s.io/legacy-token": ACCOUNT } });
    let mut legacy = event("a", 8 * 24 * 3600, annotations);
    legacy["user"]["extra"] = json!({});
    events.push(legacy);
    let world = World::of(&[("audit.log", text(&events))]);
    let said = format!("{:?}", world.incidents);
    assert!(
        said.contains("legacy token of a Secret without a name, from"),
        "{said}"
    );
}

fn asked_world() -> World {
    let touch = |id: &str, second, uri: &str, object: Value| {
        event(
            id,
            second,
            json!({ "requestURI": uri, "objectRef": object }),
        )
    };
    let mut events = vec![
        touch(
            "a",
            1,
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/ops",
            json!({ "resource": "clusterroles", "name": "ops", "apiGroup": "rbac.authorization.k8s.io" }),
        ),
        touch(
            "b",
            2,
            "/api/v1/nodes/worker-1",
            json!({ "resource": "nodes", "name": "worker-1" }),
        ),
        touch(
            "c",
            3,
            "/apis/apps/v1/namespaces/shop/deployments/web",
            json!({ "resource": "deployments", "apiGroup": "apps", "namespace": "shop", "name": "web" }),
        ),
        touch(
            "d",
            4,
            "/api/v1/nodes/worker-1/proxy/exec/shop/web-0/app?command=id",
            json!({ "resource": "nodes", "subresource": "proxy", "name": "worker-1" }),
        ),
        touch(
            "e",
            5,
            "/api/v1/nodes/worker-1/proxy/metrics",
            json!({ "resource": "nodes", "subresource": "proxy", "name": "worker-1" }),
        ),
        event(
            "f",
            6,
            json!({ "impersonatedUser": { "username": "alice", "groups": ["dev"] } }),
        ),
    ];
    let mut slash = event("g", 7, json!({}));
    slash["user"] = json!({ "username": "oidc/bob", "groups": ["dev"] });
    events.push(slash);
    World::of(&[("audit.log", text(&events))])
}

#[test]
fn what_the_log_can_name_can_be_asked_as_people_type_it() {
    let world = asked_world();
    for touched in [
        "clusterroles/ops",
        "clusterrole/ops",
        "nodes/worker-1",
        "no/worker-1",
        "nodes//worker-1",
        "deployments.apps/shop/web",
        "deploy/shop/web",
        "deployments/shop",
        "secret/shop/db",
    ] {
        assert!(
            !world.ask(&["who", "--touched", touched]).is_empty(),
            "{touched}"
        );
    }
    assert!(
        world
            .ask(&["who", "--touched", "deployments.extensions/shop/web"])
            .is_empty()
    );
    for used in [TOKEN.to_owned(), format!("JTI={TOKEN}")] {
        assert_eq!(world.ask(&["who", "--used", &used]).len(), 1);
        assert_eq!(world.ask(&["trail", &used]).len(), 6);
    }
    assert_eq!(world.ask(&["timeline", "alice"]).len(), 1);
    assert_eq!(world.ask(&["timeline", "oidc/bob"]).len(), 1);
    assert_eq!(world.ask(&["first-seen", "oidc/bob"]).len(), 1);
    let entered = world.ask(&["exec"]);
    assert_eq!(entered.len(), 1, "{entered:?}");
    assert_eq!(entered[0]["audit_id"], "d");
}

#[test]
fn an_empty_answer_says_what_it_looked_for_and_what_is_near() {
    let world = asked_world();
    for (question, said) in [
        (
            vec!["timeline", "shop/wob"],
            "\"system:serviceaccount:shop:wob\" or \"shop/wob\"",
        ),
        (
            vec!["timeline", "web"],
            "near: system:serviceaccount:shop:web",
        ),
        (vec!["who", "--from", "10.244.1.6"], "near: 10.244.1.5"),
        (
            vec!["who", "--touched", "clusterroles/op"],
            "near: clusterroles//ops",
        ),
        (
            vec!["who", "--used", "6c84fb90-12c4-11e1-840d-000000000000"],
            TOKEN,
        ),
        (
            vec!["tokens-issued"],
            "tokens that TokenRequests issued: there are none",
        ),
        (
            vec!["exec", "--since", "2027-01-01T00:00:00Z"],
            "but not in this window",
        ),
    ] {
        let (out, err) = world.say(&question, &["-o", "json"]);
        assert!(out.is_empty() && err.contains(said), "{question:?}: {err}");
    }
}
