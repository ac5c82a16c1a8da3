//! People: what they look at daily, what they deploy, debug and try, with few rights and with many.
//!
//! Refuses attacks by people: they stand in `attacks/`.

use super::super::actor::Actor;
use super::super::world::{DAY, HOUR, KUBECTL, MINUTE, Trace};
use super::bodies;
use super::life::{Life, kinds};
use super::population::NAMESPACES;
use serde_json::json;

kinds! {
    P01 "A restricted person opens a dashboard" 35 dashboard;
    P02 "A developer with few rights sweeps all kinds" 30 sweep;
    P03 "An engineer enters a node by kubectl debug" 20 debug_node;
    P04 "People come from another network, with a new kubectl" 35 roam;
    P05 "A group is bound to view in many namespaces" 25 bound_to_view;
    P06 "A new colleague begins" 35 new_colleague;
    P07 "An engineer cleans up what nobody needs" 20 clean_up;
}

/// People look around daily; now and then one deploys something new, gives a role, or debugs.
/// Debugging may rightly be told of.
pub fn daily(life: &mut Life<'_>) {
    for (n, person) in ["bert", "cleo", "dan", "eve"]
        .iter()
        .enumerate()
        .take(1 + life.chance.size(4))
    {
        let who = Actor::certified(person, &format!("198.51.100.{}", 21 + n), KUBECTL);
        for day in (0..life.days).filter(|day| day % 7 < 5) {
            look_around(life, &who, day);
            let namespace = *life.chance.pick(NAMESPACES);
            match life.chance.below(40) {
                0 => deploy(life.trace, &who, namespace, day),
                1 => give_role(life.trace, &who, namespace, day),
                2 => rightful(life, |trace| debug(trace, &who, namespace)),
                _ => {}
            }
        }
    }
}

const LOOKS: &[&str] = &[
    "GET /api/v1/namespaces/{ns}/pods?limit=500 200",
    "GET /api/v1/namespaces/{ns}/services?limit=500 200",
    "GET /api/v1/namespaces/{ns}/pods/web-0 200",
    "GET /apis/apps/v1/namespaces/{ns}/deployments?limit=500 200",
];

fn look_around(life: &mut Life<'_>, who: &Actor, day: i64) {
    let (at, namespace) = (life.working_hours(day), *life.chance.pick(NAMESPACES));
    life.ask(at, who, LOOKS, &[("ns", namespace)]);
}

/// Plays what may rightly be told.
fn rightful(life: &mut Life<'_>, play: impl FnOnce(&mut Trace)) {
    let mut alone = Trace::beginning(life.trace.now);
    alone.mark = life.trace.mark;
    play(&mut alone);
    life.rightful.extend(alone.ids());
    life.trace.append(alone);
}

fn deploy(trace: &mut Trace, who: &Actor, namespace: &str, day: i64) {
    let name = format!("new-{day}");
    let mut pod = bodies::one_container();
    pod["serviceAccountName"] = json!(name);
    let mut body = bodies::template(pod);
    body["metadata"] = json!({"name": name, "namespace": namespace});
    for path in [
        "/api/v1/namespaces/{ns}/serviceaccounts",
        "/api/v1/namespaces/{ns}/configmaps",
        "/apis/apps/v1/namespaces/{ns}/deployments",
    ] {
        trace.other(
            who,
            &format!("POST {} 201", path.replace("{ns}", namespace)),
            Some(&body),
        );
    }
}

fn give_role(trace: &mut Trace, who: &Actor, namespace: &str, day: i64) {
    let mut body = bodies::binding("view", &format!("view-{day}"), namespace);
    body["subjects"] = json!([{"kind": "Group", "name": "developers"}]);
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
    trace.other(who, &format!("POST {path} 201"), Some(&body));
}

fn debug(trace: &mut Trace, who: &Actor, namespace: &str) {
    let pod = format!("/api/v1/namespaces/{namespace}/pods/web-0");
    trace.other(
        who,
        &format!("GET {pod}/exec?command=sh&stdin=true&stdout=true&tty=true 101"),
        None,
    );
    trace.other(
        who,
        &format!("GET /api/v1/namespaces/{namespace}/secrets/web 200"),
        None,
    );
}

/// Somebody with a name of this cluster's, who looks around from the first day on.
fn somebody(life: &mut Life<'_>) -> Actor {
    let (name, ip) = (
        life.name(),
        format!("198.51.100.{}", 40 + life.chance.below(40)),
    );
    let who = Actor::certified(&name, &ip, KUBECTL);
    for day in (0..life.days).filter(|day| day % 7 < 5) {
        look_around(life, &who, day);
    }
    who
}

/// Kinds that dashboards and sweeps ask for everywhere.
const CORE: &[&str] = &[
    "nodes",
    "namespaces",
    "pods",
    "services",
    "configmaps",
    "secrets",
    "persistentvolumes",
    "persistentvolumeclaims",
    "events",
    "serviceaccounts",
    "resourcequotas",
    "limitranges",
    "endpoints",
    "replicationcontrollers",
];
const GROUPED: &[&str] = &[
    "apps/v1/deployments",
    "apps/v1/daemonsets",
    "apps/v1/statefulsets",
    "apps/v1/replicasets",
    "batch/v1/jobs",
    "batch/v1/cronjobs",
    "networking.k8s.io/v1/ingresses",
    "networking.k8s.io/v1/networkpolicies",
    "rbac.authorization.k8s.io/v1/roles",
    "rbac.authorization.k8s.io/v1/clusterroles",
    "autoscaling/v2/horizontalpodautoscalers",
    "policy/v1/poddisruptionbudgets",
    "storage.k8s.io/v1/storageclasses",
    "apiextensions.k8s.io/v1/customresourcedefinitions",
];

/// Lists of every kind of the cluster, refused but for one.
fn refused_lists(life: &mut Life<'_>, who: &Actor) {
    for kind in CORE
        .iter()
        .map(|kind| format!("/api/v1/{kind}"))
        .chain(GROUPED.iter().map(|kind| format!("/apis/{kind}")))
    {
        let code = if kind.ends_with("namespaces") {
            200
        } else {
            403
        };
        life.trace
            .other(who, &format!("GET {kind}?limit=500 {code}"), None);
        life.trace.now -= 1_900;
    }
}

fn dashboard(life: &mut Life<'_>) {
    let who = somebody(life);
    let board = who.clone().with(&format!(
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 {}/2.1",
        life.name()
    ));
    let first = life.some_day();
    for day in (first..life.days).step_by(1 + life.chance.size(6)) {
        let at = life.working_hours(day);
        life.trace.now = at;
        for kind in CORE {
            life.ask(
                life.trace.now,
                &board,
                &["POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews#{kind} 201"],
                &[("kind", kind)],
            );
        }
        for _ in 0..3 {
            refused_lists(life, &board);
            life.trace.wait(MINUTE);
        }
    }
}

fn sweep(life: &mut Life<'_>) {
    let (who, first) = (somebody(life), life.some_day());
    for day in (first..life.days).step_by(4 + life.chance.size(9)) {
        let at = life.working_hours(day);
        life.ask(
            at,
            &who,
            &[
                "GET /api 200",
                "GET /apis 200",
                "GET /api/v1?timeout=32s 200",
                "GET /apis/apps/v1?timeout=32s 200",
            ],
            &[],
        );
        refused_lists(life, &who);
    }
}

fn debug_node(life: &mut Life<'_>) {
    let (who, day) = (somebody(life), life.some_day());
    let (at, node) = (
        life.working_hours(day),
        super::life::node_name(life.chance.size(life.nodes.hosts(0))),
    );
    let pod = format!("node-debugger-{node}-{:05x}", life.chance.below(1 << 20));
    life.trace.now = at;
    rightful(life, |trace| {
        let body = json!({"kind": "Pod", "metadata": {"name": pod}, "spec": {
            "hostNetwork": true, "hostPID": true, "hostIPC": true, "nodeName": node, "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
            "containers": [{"name": "debugger", "image": "registry.example/busybox:1"}]}});
        trace.other(&who, &format!("GET /api/v1/nodes/{node} 200"), None);
        trace.other(
            &who,
            "POST /api/v1/namespaces/default/pods 201",
            Some(&body),
        );
        trace.other(
            &who,
            &format!("GET /api/v1/namespaces/default/pods/{pod}/attach?container=debugger 101"),
            None,
        );
        trace.other(
            &who,
            &format!("DELETE /api/v1/namespaces/default/pods/{pod} 200"),
            None,
        );
    });
}

/// From home on some days, from a hotel on one; with the next kubectl from a day on.
fn roam(life: &mut Life<'_>) {
    let (name, upgraded) = (life.name(), life.some_day());
    let home = format!("203.0.113.{}", 100 + life.chance.below(50));
    for day in (0..life.days).filter(|day| day % 7 < 5) {
        let ip = match life.chance.below(10) {
            0 if day > 5 => super::tenants::hosted(life),
            1..=3 if day > 3 => home.clone(),
            _ => "198.51.100.77".to_owned(),
        };
        let agent = if day < upgraded {
            KUBECTL.to_owned()
        } else {
            KUBECTL.replace("1.33.4", "1.34.1")
        };
        look_around(life, &Actor::certified(&name, &ip, &agent), day);
    }
}

fn bound_to_view(life: &mut Life<'_>) {
    let (who, day) = (somebody(life), life.some_day());
    let group = life.name();
    life.trace.now = life.working_hours(day);
    for _ in 0..3 + life.chance.size(9) {
        let namespace = life.name();
        let mut body = bodies::binding("view", &group, &namespace);
        body["subjects"] = json!([{"kind": "Group", "name": group}]);
        let request = format!(
            "POST /apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings 201"
        );
        life.trace.other(&who, &request, Some(&body));
    }
}

fn new_colleague(life: &mut Life<'_>) {
    let (name, first) = (life.name(), life.some_day());
    let who = Actor::certified(&name, "198.51.100.78", KUBECTL);
    for day in (first..life.days).filter(|day| day % 7 < 5) {
        let at = life.working_hours(day);
        life.ask(
            at,
            &who,
            &["GET /api?timeout=32s 200", "GET /apis?timeout=32s 200"],
            &[],
        );
        for _ in 0..3 {
            life.trace.now += HOUR / 2;
            look_around(life, &who, day);
        }
        let namespace = *life.chance.pick(NAMESPACES);
        life.ask(
            at,
            &who,
            &[
                "GET /api/v1/namespaces/{ns}/secrets?limit=500 403",
                "POST /apis/apps/v1/namespaces/{ns}/deployments#try 403",
            ],
            &[("ns", namespace)],
        );
    }
}

/// Old jobs, claims and a namespace, on one afternoon.
fn clean_up(life: &mut Life<'_>) {
    let (who, day) = (somebody(life), life.some_day());
    let namespace = life.name();
    life.trace.now = day * DAY + 15 * HOUR;
    for n in 0..6 + life.chance.size(9) {
        let n = n.to_string();
        life.ask(
            life.trace.now,
            &who,
            &[
                "DELETE /apis/apps/v1/namespaces/{ns}/deployments/old-{n} 200",
                "DELETE /api/v1/namespaces/{ns}/configmaps/old-{n} 200",
            ],
            &[("ns", &namespace), ("n", &n)],
        );
    }
    life.ask(
        life.trace.now,
        &who,
        &["DELETE /api/v1/namespaces/{ns} 200"],
        &[("ns", &namespace)],
    );
}
