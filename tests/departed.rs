//! What ends a pod, as the log shows it, and its token after that: accepted, or refused where it
//! was stolen.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::{DAY, HOUR, MINUTE, Request, SECOND, feed};
use serde_json::{Value, json};
use tokentrail::detect::{Policy, Severity};
use tokentrail::engine::{Engine, Output};

const OUTSIDE: &str = "203.0.113.66";
/// When the pod is ended.
const END: i64 = 7 * DAY;

fn pod() -> Request {
    Request::of_pod("shop:web", "web-1", "10.0.1.5")
}

fn person() -> Request {
    Request {
        user: "erin".into(),
        pod: String::new(),
        ..Request::of_pod("x:y", "", "198.51.100.20")
    }
}

fn node() -> Request {
    Request::of_node("node-a", "10.0.0.1")
}

fn manager(agent: &str) -> Request {
    let agent = format!("kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/98b3519/{agent}");
    Request {
        user: "system:kube-controller-manager".into(),
        agent,
        ..person()
    }
}

fn controller(name: &str) -> Request {
    Request {
        user: format!("system:serviceaccount:kube-system:{name}"),
        ..person()
    }
}

/// A line with what only some of them have: a query, and a body at the level that shows it.
fn with(request: Request, at: i64, query: &str, body: Option<Value>) -> String {
    let mut event: Value = serde_json::from_str(&request.line(at)).expect("a line of ours");
    if !query.is_empty() {
        event["requestURI"] =
            format!("{}?{query}", event["requestURI"].as_str().expect("a URI")).into();
    }
    event["level"] = "Request".into();
    if let Some(body) = body {
        event["requestObject"] = body;
    }
    event.to_string()
}

fn deletes(who: Request) -> Request {
    who.does("delete", "pods", "shop", "web-1")
}

fn empties(who: Request) -> Request {
    who.does("deletecollection", "pods", "shop", "")
}

fn evicts(options: Value) -> String {
    let body = json!({"kind": "Eviction", "apiVersion": "policy/v1", "deleteOptions": options});
    with(
        person().does("create", "pods/eviction", "shop", "web-1"),
        END,
        "",
        Some(body),
    )
}

/// Findings of the detector: those that the last line brings after the others.
fn found(lines: &[String], last: &str) -> Vec<Severity> {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    lines
        .iter()
        .for_each(|line| feed(&mut engine, 0, line, &mut out));
    out.findings.clear();
    feed(&mut engine, 0, last, &mut out);
    out.findings
        .iter()
        .filter(|(id, _)| id == "deleted-pod-token")
        .map(|(_, severity)| *severity)
        .collect()
}

/// What a use of the pod's token comes to so long after the line that ends it, or does not.
fn used_after(end: &str, after: i64) -> Vec<Severity> {
    found(
        &[pod().line(END - HOUR), end.to_owned()],
        &pod().line(END + after),
    )
}

#[test]
fn what_leaves_a_pod_no_time_ends_it() {
    let (none, zero) = (
        json!({}),
        json!({"kind": "DeleteOptions", "gracePeriodSeconds": 0}),
    );
    for end in [
        deletes(node()).line(END),
        with(deletes(node()), END, "", Some(zero.clone())),
        with(deletes(person()), END, "", Some(zero.clone())),
        with(deletes(person()), END, "gracePeriodSeconds=0", None),
        with(empties(person()), END, "", Some(zero.clone())),
        evicts(zero),
        deletes(controller("pod-garbage-collector")).line(END),
        deletes(manager("pod-garbage-collector")).line(END),
        deletes(manager(
            "system:serviceaccount:kube-system:pod-garbage-collector",
        ))
        .line(END),
        controller("namespace-controller")
            .does("update", "namespaces/finalize", "shop", "shop")
            .line(END),
        with(
            manager("namespace-controller").does("update", "namespaces/finalize", "shop", "shop"),
            END,
            "",
            Some(none),
        ),
    ] {
        assert_eq!(used_after(&end, 2 * MINUTE), [Severity::High], "{end}");
        assert_eq!(
            used_after(&end, 80 * SECOND),
            [],
            "the server may honour it so long: {end}"
        );
    }
}

#[test]
fn a_pod_that_is_asked_to_end_takes_its_time() {
    let zero = json!({"gracePeriodSeconds": 0});
    let trial = json!({"gracePeriodSeconds": 0, "dryRun": ["All"]});
    for end in [
        deletes(person()).line(END),
        with(
            deletes(person()),
            END,
            "",
            Some(json!({"propagationPolicy": "Background"})),
        ),
        with(
            deletes(person()),
            END,
            "",
            Some(json!({"gracePeriodSeconds": 7200})),
        ),
        with(
            deletes(node()),
            END,
            "",
            Some(json!({"gracePeriodSeconds": 30})),
        ),
        // A body may stand against it, which is not shown, or is.
        Request {
            ..deletes(person())
        }
        .line(END)
        .replace("/shop/pods", "/shop/pods?gracePeriodSeconds=0"),
        with(
            deletes(person()),
            END,
            "gracePeriodSeconds=0",
            Some(json!({})),
        ),
        with(deletes(person()), END, "", Some(trial.clone())),
        with(
            deletes(person()),
            END,
            "gracePeriodSeconds=0&dryRun=All",
            None,
        ),
        evicts(json!({})),
        evicts(trial),
        with(
            empties(controller("namespace-controller")),
            END,
            "",
            Some(json!({"propagationPolicy": "Background"})),
        ),
        with(
            empties(person()),
            END,
            "labelSelector=app%3Dother",
            Some(zero.clone()),
        ),
        // A server decodes names of parameters; what is cut off of a long query nobody knows.
        with(
            empties(person()),
            END,
            "label%53elector=app%3Dother",
            Some(zero.clone()),
        ),
        with(
            deletes(person()),
            END,
            "gracePeriodSeconds=0&dry%52un=All",
            None,
        ),
        with(
            deletes(person()),
            END,
            &format!("gracePeriodSeconds=0&x={}", "y".repeat(5000)),
            None,
        ),
        with(
            person().does("delete", "pods", "shop", "web-2"),
            END,
            "",
            Some(zero.clone()),
        ),
        with(
            Request {
                code: 404,
                ..deletes(person())
            },
            END,
            "",
            Some(zero.clone()),
        ),
        with(
            Request {
                code: 403,
                ..deletes(node())
            },
            END,
            "",
            Some(zero),
        ),
        controller("other-controller")
            .does("update", "namespaces/finalize", "shop", "shop")
            .line(END),
        controller("namespace-controller")
            .does("update", "namespaces/finalize", "bank", "bank")
            .line(END),
    ] {
        assert_eq!(used_after(&end, HOUR), [], "{end}");
    }
}

#[test]
fn the_next_pod_of_a_name_is_another_one() {
    let end = with(
        empties(person()),
        END,
        "",
        Some(json!({"gracePeriodSeconds": 0})),
    );
    let next = |at| {
        pod()
            .line(at)
            .replace("pod-uid\":[\"web-1\"]", "pod-uid\":[\"web-1-again\"]")
    };
    let lines = [pod().line(END - HOUR), end, next(END + MINUTE)];
    assert_eq!(found(&lines, &next(END + HOUR)), []);
    assert_eq!(found(&lines, &pod().line(END + HOUR)), [Severity::High]);
}

#[test]
fn what_ended_survives_a_restart() {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    for line in [
        pod().line(END - HOUR),
        with(
            empties(person()),
            END,
            "",
            Some(json!({"gracePeriodSeconds": 0})),
        ),
    ] {
        feed(&mut engine, 0, &line, &mut out);
    }
    let mut records = Vec::new();
    engine.drain_records(&mut records);
    let mut engine = Engine::new(Policy::default());
    for record in records {
        let Some(value) = record.value else { continue };
        engine
            .restore(record.room as u8, &record.key, &value)
            .expect("a record of ours");
    }
    feed(&mut engine, 0, &pod().line(END + HOUR), &mut out);
    assert!(
        out.findings.iter().any(|(id, _)| id == "deleted-pod-token"),
        "{:?}",
        out.findings
    );
}

/// Pods with addresses of their own, the theft, and its pod's end, if it ends.
fn theft(from: &str, ends: bool) -> Vec<String> {
    let mut lines: Vec<String> = (0..40)
        .flat_map(|n| {
            [1, 2, 3, 4].map(|p| {
                let (name, ip) = (format!("web-{p}"), format!("10.0.1.{}", 4 + p));
                Request::of_pod("shop:web", &name, &ip).line(END - DAY + n * 20 * MINUTE + p)
            })
        })
        .collect();
    lines.push(pod().line(END - 3 * MINUTE));
    if !from.is_empty() {
        lines.push(
            Request {
                ip: from.into(),
                ..pod()
            }
            .line(END - 2 * MINUTE),
        );
    }
    if ends {
        lines.push(deletes(node()).line(END));
    }
    lines
}

#[test]
fn whoever_stole_a_token_and_goes_on_is_told_though_refused() {
    let refused = |ip: &str, at| Request::of_nobody(ip).line(at);
    let at = |lines: &[String], ip: &str, after| found(lines, &refused(ip, END + after));
    assert_eq!(
        at(&theft(OUTSIDE, true), OUTSIDE, MINUTE),
        [Severity::Medium]
    );
    assert_eq!(at(&theft(OUTSIDE, true), OUTSIDE, DAY), [Severity::Medium]);
    for (case, lines, ip, after) in [
        ("elsewhere", theft(OUTSIDE, true), "198.51.100.7", MINUTE),
        ("long after", theft(OUTSIDE, true), OUTSIDE, 3 * DAY),
        ("in disorder", theft(OUTSIDE, true), OUTSIDE, 3 * SECOND),
        (
            "while the pod lives",
            theft(OUTSIDE, false),
            OUTSIDE,
            MINUTE,
        ),
        (
            "where nothing was stolen",
            theft("", true),
            "10.0.1.5",
            MINUTE,
        ),
        ("never accepted there", theft("", true), OUTSIDE, MINUTE),
    ] {
        assert_eq!(at(&lines, ip, after), [], "{case}");
    }
}

/// A second stolen token does not make the first one forgotten.
#[test]
fn whoever_stole_two_tokens_is_told_of_the_one_whose_pod_has_ended() {
    let mut lines = theft(OUTSIDE, false);
    let other = Request {
        ip: OUTSIDE.into(),
        ..Request::of_pod("shop:web", "web-2", "10.0.1.6")
    };
    lines.extend([other.line(END - MINUTE), deletes(node()).line(END)]);
    assert_eq!(
        found(&lines, &Request::of_nobody(OUTSIDE).line(END + MINUTE)),
        [Severity::Medium]
    );
}
