//! What looks like an attack and is daily life must stay below `medium`.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::{DAY, HOUR, MINUTE, Request, SECOND, alarms, run};
use tokentrail::detect::Policy;

const TODAY: i64 = 8 * DAY + 10 * HOUR;

/// Eight days of six pods on two nodes that list, each from its own address, and two kubelets.
fn habits() -> Vec<(i64, Request)> {
    let mut all = Vec::new();
    for (day, n) in (0..8).flat_map(|d| (0..6).map(move |n| (d, n))) {
        let at = day * DAY + 10 * HOUR + n * MINUTE;
        for node in ["node-a", "node-b"] {
            all.push((
                at,
                Request::of_node(
                    node,
                    if node == "node-a" {
                        "10.250.0.11"
                    } else {
                        "10.250.0.12"
                    },
                ),
            ));
        }
        for pod in 0..6i64 {
            all.push((at + pod + 1, pod_of(pod)));
        }
    }
    all
}

fn pod_of(pod: i64) -> Request {
    Request::of_pod(
        &format!("shelf:acct-{}", pod % 3),
        &format!("pod-{pod}"),
        &format!("10.251.0.{}", 10 + pod),
    )
}

fn expect_calm(what: &str, day: Vec<(i64, Request)>) {
    assert_eq!(alarms_of(day), Vec::<String>::new(), "{what}");
}

fn alarms_of(day: Vec<(i64, Request)>) -> Vec<String> {
    let mut all = habits();
    all.extend(day);
    all.sort_by_key(|(at, _)| *at);
    let lines: Vec<String> = all.iter().map(|(at, r)| r.line(*at)).collect();
    alarms(&run(&Policy::default(), lines.iter().map(String::as_str)))
}

#[test]
fn a_rollout_reuses_addresses_at_once() {
    let day = (0..6).flat_map(|pod| {
        let old = (TODAY + pod, pod_of(pod));
        let new = Request {
            pod: format!("new-{pod}"),
            credential: format!("JTI=new-{pod}"),
            ..pod_of(pod)
        };
        [
            old,
            (TODAY + 20 * SECOND + pod, new.clone()),
            (TODAY + 40 * SECOND, new.clone()),
            (TODAY + HOUR, new),
        ]
    });
    expect_calm("rollout", day.collect());
}

#[test]
fn short_jobs_hand_one_address_on() {
    let day = (0..40).flat_map(|n| {
        let job = Request::of_pod("shelf:acct-0", &format!("job-{n}"), "10.251.0.99");
        [
            (TODAY + n * MINUTE, job.clone()),
            (TODAY + n * MINUTE + 20 * SECOND, job),
        ]
    });
    expect_calm("cron jobs", day.collect());
}

#[test]
fn many_pods_call_from_one_address() {
    let day = (0..120).map(|n| {
        let pod = format!("far-{}", n % 12);
        (
            TODAY + n * 10 * SECOND,
            Request::of_pod("shelf:acct-1", &pod, "10.77.0.1"),
        )
    });
    expect_calm("egress gateway", day.collect());
}

#[test]
fn a_load_balancer_hides_everybody() {
    let lines: Vec<String> = (0..3000i64)
        .map(|n| {
            let at = n * 3 * SECOND;
            let ip = format!("10.9.0.{}", 1 + n % 3);
            match n % 4 {
                0 => Request::of_node(&format!("node-{}", n / 4 % 7), &ip).line(at),
                _ => {
                    let pod = Request::of_pod(
                        &format!("shelf:acct-{}", n % 5),
                        &format!("pod-{}", n % 23),
                        &ip,
                    );
                    Request {
                        node: format!("node-{}", n % 23 % 7),
                        ..pod
                    }
                    .line(at)
                }
            }
        })
        .collect();
    let out = run(&Policy::default(), lines.iter().map(String::as_str));
    assert_eq!(alarms(&out), Vec::<String>::new());
    let told = out
        .findings
        .iter()
        .filter(|(d, _)| *d == "addresses-hidden")
        .count();
    assert_eq!(told, 1, "and it is said once");
}

/// Each address belongs to one node, as far as kubelets show, and any pod may come from it.
#[test]
fn a_load_balancer_hides_the_pods_of_two_quiet_nodes() {
    let mut all = Vec::new();
    for turn in 0..3 * 144i64 {
        for (node, ip) in [("node-a", "10.9.0.1"), ("node-b", "10.9.0.2")] {
            all.push((turn * 10 * MINUTE, Request::of_node(node, ip)));
        }
    }
    for (turn, n) in (0..36i64).flat_map(|turn| (0..12).map(move |n| (turn, n))) {
        // Four new pods a day.
        let name = format!("pod-{n}-{}", if n < 4 { turn / 12 } else { 0 });
        let pod = Request::of_pod(
            &format!("shelf:acct-{}", n % 5),
            &name,
            &format!("10.9.0.{}", 1 + n % 3),
        );
        let node = if n % 2 == 0 { "node-a" } else { "node-b" };
        all.push((
            turn * 2 * HOUR + n * 7 * MINUTE + 30 * SECOND,
            Request {
                node: node.into(),
                ..pod
            },
        ));
    }
    all.sort_by_key(|(at, _)| *at);
    let lines: Vec<String> = all.iter().map(|(at, r)| r.line(*at)).collect();
    assert_eq!(
        alarms(&run(&Policy::default(), lines.iter().map(String::as_str))),
        Vec::<String>::new()
    );
}

#[test]
fn pods_come_from_their_node_or_their_second_family() {
    let node = (0..6).map(|p| {
        (
            TODAY + p,
            Request {
                ip: "10.250.0.11".into(),
                ..pod_of(p)
            },
        )
    });
    let v6 = (0..6).map(|p| {
        (
            TODAY + MINUTE + p,
            Request {
                ip: format!("fd00:7::{p}"),
                ..pod_of(p)
            },
        )
    });
    expect_calm("SNAT by the node, dual stack", node.chain(v6).collect());
}

#[test]
fn a_node_is_replaced_at_the_same_address() {
    let mut day = vec![(TODAY, Request::of_node("node-z", "10.250.0.12"))];
    let daemon = Request {
        node: "node-z".into(),
        ..Request::of_pod("shelf:acct-2", "daemon-z", "10.250.0.12")
    };
    day.extend((1..30).map(|n| (TODAY + n * MINUTE, daemon.clone())));
    expect_calm("host network on a new node", day);
}

#[test]
fn a_pod_repeats_with_an_expired_token() {
    let day = (0..200).map(|n| {
        (
            TODAY + n * SECOND,
            Request::of_nobody("10.251.0.10").does("list", "configmaps", "shelf", ""),
        )
    });
    expect_calm("401 retries", day.collect());
}

#[test]
fn a_new_version_lacks_a_right_and_asks_for_hours() {
    let ask = |n| {
        Request {
            code: 403,
            ..pod_of(n % 3)
        }
        .does("list", "services", "shelf", "")
    };
    expect_calm(
        "missing RBAC",
        (0..300).map(|n| (TODAY + n * MINUTE, ask(n))).collect(),
    );
}

#[test]
fn what_a_told_sweep_asked_is_not_told_again_the_day_after() {
    let kinds = |from: i64, count: i64, at: i64| {
        let ask = |n: i64| pod_of(0).does("list", &format!("kind{n}s"), "shelf", "");
        (from..from + count).map(move |n| {
            (
                at + n * SECOND,
                Request {
                    code: 403,
                    ..ask(n)
                },
            )
        })
    };
    let sweep = || kinds(0, 30, TODAY);
    assert_eq!(alarms_of(sweep().collect()).len(), 1);
    let later = TODAY + 20 * HOUR;
    assert_eq!(
        alarms_of(sweep().chain(kinds(30, 2, later)).collect()).len(),
        1,
        "a new version lacks two rights"
    );
    assert_eq!(
        alarms_of(sweep().chain(kinds(30, 30, later)).collect()).len(),
        2,
        "another sweep"
    );
}

#[test]
fn an_operator_watches_one_more_kind() {
    let ask = |n: i64| pod_of(n % 3).does("list", "widgets", "shelf", "");
    expect_calm(
        "operator upgrade",
        (0..30).map(|n| (TODAY + n * MINUTE, ask(n))).collect(),
    );
}

#[test]
fn everybody_lists_again_after_a_restart() {
    let relist = (0..600i64).map(|n| (TODAY + n * 50, pod_of(n % 6)));
    let nobody = (0..6).map(|p| {
        (
            TODAY + p,
            Request::of_nobody(&format!("10.251.0.{}", 10 + p)),
        )
    });
    expect_calm("API server restart", relist.chain(nobody).collect());
}

#[test]
fn a_kubelet_mints_every_token_anew() {
    let day = (0..60).map(|n| {
        let mint = Request::of_node("node-a", "10.250.0.11");
        (
            TODAY + n * 100,
            mint.does(
                "create",
                "serviceaccounts/token",
                "shelf",
                &format!("acct-{}", n % 3),
            ),
        )
    });
    expect_calm("kubelet restart", day.collect());
}

#[test]
fn the_controller_manager_uses_its_own_tokens() {
    let manager = Request {
        user: "system:kube-controller-manager".into(),
        credential: "X509SHA256=01".into(),
        agent: "kube-controller-manager/v1.36.2".into(),
        uid: "",
        ..Request::of_pod("x:y", "", "10.250.0.2")
    };
    let mut day = vec![(TODAY, manager.clone())];
    for n in 0..20 {
        let mint = manager.clone().does(
            "create",
            "serviceaccounts/token",
            "kube-system",
            "job-controller",
        );
        day.push((TODAY + n * MINUTE, mint));
        let mut own = Request::of_pod("kube-system:job-controller", "", "10.250.0.2");
        (own.credential, own.agent) = (
            format!("JTI=own-{n}"),
            "kube-controller-manager/v1.36.2".into(),
        );
        day.push((
            TODAY + n * MINUTE + 1,
            own.does("create", "pods", "shelf", ""),
        ));
    }
    expect_calm("controllers of the cluster", day);
}

#[test]
fn the_clusters_own_work_is_no_danger_on_the_first_day() {
    let controller = |name: &str| {
        let mut own = Request::of_pod(&format!("kube-system:{name}"), "", "10.250.0.2");
        own.credential = format!("JTI={name}");
        own.agent = format!(
            "kube-controller-manager/v1.36.2 (linux/amd64)/system:serviceaccount:kube-system:{name}"
        );
        own
    };
    let kubelet = || Request::of_node("node-a", "10.250.0.11");
    let work = [
        controller("cronjob-controller").does("create", "jobs", "shelf", "nightly-1"),
        controller("replicaset-controller").does("create", "pods", "kube-system", "kube-proxy-1"),
        controller("service-account-controller").does(
            "create",
            "serviceaccounts",
            "shelf",
            "default",
        ),
        controller("namespace-controller").does("deletecollection", "deployments", "shelf", ""),
        controller("generic-garbage-collector").does("delete", "deployments", "shelf", "board"),
        Request {
            code: 403,
            ..controller("resourcequota-controller")
        }
        .does("list", "widgets", "", ""),
        kubelet().does("create", "serviceaccounts/token", "shelf", "stock"),
        kubelet().does("create", "nodes", "", "node-a"),
        kubelet().does("create", "subjectaccessreviews", "", ""),
        Request {
            code: 403,
            ..kubelet()
        }
        .does("get", "secrets", "shelf", "gone"),
    ];
    let lines: Vec<String> = work
        .iter()
        .zip(0..)
        .map(|(request, n)| request.line(n * SECOND))
        .collect();
    let out = run(&Policy::default(), lines.iter().map(String::as_str));
    let told: Vec<_> = out
        .findings
        .iter()
        .filter(|(d, _)| *d == "dangerous-request")
        .collect();
    assert!(told.is_empty(), "{told:?}: {:?}", common::json(&out));
}
