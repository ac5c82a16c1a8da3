//! Secrets and tokens, by who has some to read or to give by trade.

use super::{PATIENCE, ask, habitual, ways};
use crate::actor::Actor;
use crate::clusters::bodies::token;
use crate::clusters::life::{Life, Worker};
use crate::world::{CURL, DAY, KUBECTL, OUTSIDE, Trace};
use serde_json::json;

ways! {
    E20 "A reader of some namespaces' Secrets reads the system's" other_namespaces;
    E21 "Who reads its one Secret reads twenty-five others" twenty_five_others;
    E22 "A watcher of Secrets lists them all by another program" listed_by_curl;
    E23 "A pod's program is replaced by kubectl that reads three other Secrets" three_by_kubectl;
    E24 "Forty Secrets under one audit id" one_audit_id;
    E25 "A minter mints for a strong account, for a node" minted_for_a_node;
    E26 "A token is minted for a pod that never calls" minted_for_an_idle_pod;
    E27 "A Secret is re-aimed at a strong account by a patch" re_aimed;
    E28 "One probe an hour" one_an_hour;
    E29 "A patient reader of one more Secret a day takes the rest" patient;
    E30 "A Secret is read by watching it by name" by_watch_of_one;
}

const LOOT: &[&str] = &[
    "bootstrap-token",
    "etcd-client",
    "root-token",
    "initial-admin",
    "deploy-key",
    "deployer-token",
    "cloud-credentials",
    "database",
    "smtp",
    "storage",
    "payment",
    "registry",
    "session",
    "signing",
    "backup",
];
const OWN_SECRET: &[&str] = &[
    "GET /api/v1/namespaces/{ns}/secrets/{app} 200",
    "GET /api/v1/namespaces/{ns}/endpoints?limit=500 200",
];
const WATCHES_SECRETS: &[&str] = &[
    "GET /api/v1/secrets?watch=true 200",
    "GET /apis/networking.k8s.io/v1/ingresses?watch=true 200",
];

/// Secrets by name, one after another.
fn read(attack: &mut Trace, own: &Worker, namespace: &str, names: &[&str], agent: Option<&str>) {
    for name in names {
        let who = own.on(attack.now);
        let who = agent.map_or(who.clone(), |agent| who.with(agent));
        ask(
            attack,
            &who,
            &["GET /api/v1/namespaces/{ns}/secrets/{name} 200"],
            &[("ns", namespace), ("name", name)],
        );
    }
}

fn other_namespaces(life: &mut Life<'_>, attack: &mut Trace) {
    let tenants = [life.name(), life.name(), life.name()];
    let rows: Vec<String> = tenants
        .iter()
        .map(|tenant| format!("GET /api/v1/namespaces/{tenant}/secrets/{tenant}-tls 200"))
        .collect();
    let own = habitual(life, &rows.iter().map(String::as_str).collect::<Vec<_>>());
    for namespace in ["kube-system", "vaults", "deployments"] {
        read(attack, &own, namespace, &LOOT[..6], None);
    }
}

fn twenty_five_others(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, OWN_SECRET);
    let namespace = own.namespace().to_owned();
    read(attack, &own, &namespace, LOOT, None);
    for name in &LOOT[..10] {
        let request = format!("GET /api/v1/namespaces/{namespace}/secrets/{name}-old 404");
        attack.ask(&own.on(attack.now), &request);
    }
}

fn listed_by_curl(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, WATCHES_SECRETS);
    ask(
        attack,
        &own.on(attack.now).with(CURL),
        &[
            "GET /api/v1/secrets?limit=500 200",
            "GET /api/v1/namespaces/kube-system/secrets 200",
        ],
        &[],
    );
}

fn three_by_kubectl(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, OWN_SECRET);
    let namespace = own.namespace().to_owned();
    read(attack, &own, &namespace, &LOOT[7..10], Some(KUBECTL));
}

fn one_audit_id(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, OWN_SECRET);
    for n in 0..40 {
        let mut who = own.on(attack.now);
        who.audit_id = Some("0".to_owned());
        attack.ask(
            &who,
            &format!("GET /api/v1/namespaces/kube-system/secrets/any-{n} 200"),
        );
    }
}

/// Who mints for its tenants daily, and who is strong.
fn minter_and_strong(life: &mut Life<'_>) -> (Worker, Worker) {
    let (own, tenants) = (life.stranger(), [life.name(), life.name()]);
    for day in 0..life.days {
        life.trace.now = life.working_hours(day);
        for tenant in &tenants {
            let request = format!(
                "POST /api/v1/namespaces/{tenant}/serviceaccounts/{tenant}-reader/token 201"
            );
            life.trace.issue(
                &own.on(life.trace.now),
                &request,
                &token(600, &["cloud.example"], None),
                &format!("JTI={tenant}-{day}"),
            );
        }
    }
    let strong = habitual(
        life,
        &[
            "GET /api/v1/secrets?limit=500 200",
            "PATCH /apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{app}#{app} 200",
        ],
    );
    (own, strong)
}

fn minted_for_a_node(life: &mut Life<'_>, attack: &mut Trace) {
    let (own, strong) = minter_and_strong(life);
    let mut body = token(3600, &[], None);
    body["spec"]["boundObjectRef"] = json!({"kind": "Node", "apiVersion": "v1", "name": "node-a"});
    mint_and_use(attack, &own.on(attack.now), &strong, &body, &own.ip);
}

fn minted_for_an_idle_pod(life: &mut Life<'_>, attack: &mut Trace) {
    let (_, strong) = minter_and_strong(life);
    let person = Actor::certified(&life.name(), "198.51.100.79", KUBECTL);
    for day in 0..life.days {
        life.ask(
            day * DAY,
            &person,
            &["GET /api/v1/namespaces/{ns}/pods?limit=500 200"],
            &[("ns", strong.namespace())],
        );
    }
    mint_and_use(
        attack,
        &person,
        &strong,
        &token(3600, &[], Some("idle-0")),
        "10.60.0.99",
    );
}

fn mint_and_use(
    attack: &mut Trace,
    who: &Actor,
    strong: &Worker,
    body: &serde_json::Value,
    ip: &str,
) {
    let request = format!(
        "POST /api/v1/namespaces/{}/serviceaccounts/{}/token 201",
        strong.namespace(),
        strong.name()
    );
    attack.mint(who, &request, body, "JTI=a-stranger's");
    let used = Actor::unbound(&strong.account, "JTI=a-stranger's", ip, &strong.agent);
    for (namespace, name) in [
        ("kube-system", LOOT[0]),
        ("vaults", LOOT[2]),
        ("deployments", LOOT[3]),
    ] {
        ask(
            attack,
            &used,
            &["GET /api/v1/namespaces/{ns}/secrets/{name} 200"],
            &[("ns", namespace), ("name", name)],
        );
    }
}

fn re_aimed(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(
        life,
        &[
            "GET /api/v1/namespaces/{ns}/secrets/{app} 200",
            "PATCH /api/v1/namespaces/{ns}/secrets/{app} 200",
        ],
    );
    let of = json!({"kubernetes.io/service-account.name": "clusterrole-aggregation-controller"});
    let body = json!({"metadata": {"annotations": of},
        "type": "kubernetes.io/service-account-token"});
    attack.send(
        &own.on(attack.now),
        "PATCH /api/v1/namespaces/kube-system/secrets/spare 200",
        &body,
    );
    ask(
        attack,
        &own.on(attack.now),
        &["GET /api/v1/namespaces/kube-system/secrets/spare 200"],
        &[],
    );
}

fn one_an_hour(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, OWN_SECRET);
    let steps: &[&str] = &[
        "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews#secrets 201",
        "GET /api/v1/namespaces/kube-system/pods?limit=500 200",
        "PATCH /apis/apps/v1/namespaces/kube-system/daemonsets/network 200",
        "DELETE /apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies/deny 200",
        "PATCH /api/v1/namespaces/{ns} 200",
        "PUT /api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication 200",
        "POST /api/v1/persistentvolumes#pv 201",
    ];
    for step in steps {
        ask(
            attack,
            &own.on(attack.now).with(CURL),
            &[step],
            &[("ns", own.namespace())],
        );
        attack.wait(PATIENCE);
    }
}

/// The teaching is no attack by itself: what is taken in the end is.
fn patient(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, OWN_SECRET);
    for day in 0..attack.now / DAY {
        let at = life.working_hours(day).min(attack.now - 1_000);
        life.ask(
            at,
            &own.on(at),
            &["GET /api/v1/namespaces/{ns}/secrets/extra-{n} 200"],
            &[("ns", own.namespace()), ("n", &day.to_string())],
        );
    }
    read(attack, &own, "kube-system", LOOT, None);
}

fn by_watch_of_one(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, OWN_SECRET);
    let thief = own.on(attack.now).at(OUTSIDE).with(CURL);
    for name in &LOOT[..3] {
        ask(
            attack,
            &thief,
            &[
                "GET /api/v1/namespaces/kube-system/secrets?fieldSelector=metadata.name%3D{name}&watch=true 200",
            ],
            &[("name", name)],
        );
    }
}
