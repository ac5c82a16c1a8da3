//! Somebody who is another: nodes, people, cloud roles, namesakes, and those whom a proxy calls
//! for.

use super::{ask, habitual, ways};
use crate::actor::Actor;
use crate::clusters::bodies::{binding, review, token};
use crate::clusters::life::{Life, Worker, node_name};
use crate::clusters::tenants::{DEPLOYS, hosted};
use crate::world::{CURL, DAY, HOUR, KUBECTL, MINUTE, OUTSIDE, Trace};
use serde_json::{Value, json};

ways! {
    E40 "A certificate named like a node, with a group that no node has" named_like_a_node;
    E41 "A real kubelet's certificate lists all Secrets and mints" real_kubelet;
    E42 "A kubelet's certificate used with curl on its node" kubelet_by_curl;
    E43 "A dormant account does everything" dormant;
    E44 "An account is made again under its name to be young" made_again;
    E45 "A group impersonated in second place" second_group;
    E46 "A group impersonated for the first time" first_group;
    E47 "Namesakes made to soften by peers" namesakes;
    E48 "A person's kubeconfig at a new address does everything" person;
    E49 "A stolen cloud role" cloud_role;
    E50 "The account of a preview environment binds itself to cluster-admin" preview;
    E51 "The token of a hosted runner, among its runs" runner_token;
    E52 "A sweep over kubelets with an account's token" kubelets_directly;
    E53 "A habitual scraper enters pods through kubelets, by plain and by crooked paths" crooked_paths;
}

const ADMIN: &str = "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings 201";
const SECRETS: &[&str] = &[
    "GET /api/v1/secrets?limit=500 200",
    "GET /api/v1/namespaces/kube-system/secrets?limit=500 200",
];
const READS: &[&str] = &[
    "GET /api/v1/namespaces/{ns}/configmaps/{app} 200",
    "GET /api/v1/namespaces/{ns}/pods?limit=500 200",
];

fn mint_for_the_system(attack: &mut Trace, who: &Actor) {
    let request = "POST /api/v1/namespaces/kube-system/serviceaccounts/clusterrole-aggregation-controller/token 201";
    attack.mint(
        who,
        request,
        &token(864_000, &[], None),
        "JTI=for-the-system",
    );
}

fn privileged() -> Value {
    json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"hostPID": true,
        "containers": [{"name": "p", "image": "registry.example/p:1", "securityContext": {"privileged": true}}]}})
}

fn named_like_a_node(_: &mut Life<'_>, attack: &mut Trace) {
    let who =
        Actor::node("node-z", OUTSIDE).in_groups(&["platform-admins", "system:authenticated"]);
    ask(attack, &who, SECRETS, &[]);
    mint_for_the_system(attack, &who);
    attack.send(
        &who,
        "POST /api/v1/namespaces/kube-system/pods 201",
        &privileged(),
    );
}

fn real_kubelet(life: &mut Life<'_>, attack: &mut Trace) {
    let node = life.chance.size(2);
    let who = Actor::node(&node_name(node), &format!("10.60.0.{}", 11 + node));
    ask(attack, &who, SECRETS, &[]);
    mint_for_the_system(attack, &who);
}

fn kubelet_by_curl(life: &mut Life<'_>, attack: &mut Trace) {
    let node = life.chance.size(2);
    let who = Actor::node(&node_name(node), &format!("10.60.0.{}", 11 + node)).with(CURL);
    for name in ["web-tls", "database", "storage"] {
        ask(
            attack,
            &who,
            &["GET /api/v1/namespaces/orchard/secrets/{name} 200"],
            &[("name", name)],
        );
    }
    let request = "POST /api/v1/namespaces/orchard/serviceaccounts/press/token 201";
    attack.mint(
        &who,
        request,
        &token(86_400, &[], Some("press-7c9d-a1")),
        "JTI=by-curl",
    );
}

/// What somebody does who stops at nothing.
fn everything(attack: &mut Trace, who: &Actor, account: &str, namespace: &str) {
    ask(attack, who, SECRETS, &[]);
    attack.send(who, ADMIN, &binding("cluster-admin", account, namespace));
    mint_for_the_system(attack, who);
    attack.send(
        who,
        "POST /api/v1/namespaces/kube-system/pods 201",
        &privileged(),
    );
}

fn dormant(life: &mut Life<'_>, attack: &mut Trace) {
    let own = life.stranger();
    let who = own.on(attack.now).with(KUBECTL);
    everything(attack, &who, own.name(), own.namespace());
    ask(
        attack,
        &who,
        &[
            "GET /api/v1/namespaces/kube-system/pods/etcd-0/exec?command=cat&command=%2Fetc%2Fkubernetes%2Fpki%2Fca.key 101",
        ],
        &[],
    );
}

/// The same name with another uid, before which nothing is known.
fn made_again(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, READS);
    let maker = habitual(
        life,
        &["PATCH /apis/apps/v1/namespaces/{ns}/deployments/web 200"],
    );
    ask(
        attack,
        &maker.on(attack.now),
        &[
            "DELETE /api/v1/namespaces/{ns}/serviceaccounts/{app} 200",
            "POST /api/v1/namespaces/{ns}/serviceaccounts#{app} 201",
        ],
        &[("ns", own.namespace()), ("app", own.name())],
    );
    let again = own
        .on(attack.now)
        .with_uid("0d0d0d0d-0000-4000-8000-000000000001");
    ask(attack, &again, SECRETS, &[]);
    attack.send(
        &again,
        ADMIN,
        &binding("cluster-admin", own.name(), own.namespace()),
    );
}

/// A proxy that impersonates two people of these groups daily.
fn proxy(life: &mut Life<'_>, groups: &[&str]) -> Worker {
    let own = life.stranger();
    let people = [life.name(), life.name()];
    for day in 0..life.days {
        for person in &people {
            let at = life.working_hours(day);
            let who = own
                .on(at)
                .acting_as(&format!("{person}@corp.example"), groups);
            life.ask(
                at,
                &who,
                &["GET /api/v1/namespaces/{ns}/pods?limit=500 200"],
                &[("ns", own.namespace())],
            );
        }
    }
    own
}

fn second_group(life: &mut Life<'_>, attack: &mut Trace) {
    let own = proxy(life, &["system:monitoring", "system:authenticated"]);
    let who = own.on(attack.now).acting_as(
        "x@corp.example",
        &[
            "system:monitoring",
            "system:masters",
            "system:authenticated",
        ],
    );
    ask(
        attack,
        &who,
        &["GET /api/v1/namespaces/{ns}/pods?limit=500 200"],
        &[("ns", own.namespace())],
    );
}

fn first_group(life: &mut Life<'_>, attack: &mut Trace) {
    let own = proxy(life, &["developers", "system:authenticated"]);
    let who = own
        .on(attack.now)
        .acting_as("break-glass", &["cluster-owners", "system:authenticated"]);
    ask(
        attack,
        &who,
        &[
            "GET /api/v1/namespaces/kube-system/secrets?limit=500 200",
            "POST /api/v1/namespaces/vaults/pods/web-0/exec?command=sh&stdin=true 101",
        ],
        &[],
    );
}

/// Three accounts of its name learn what the fourth then does.
fn namesakes(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, READS);
    for _ in 0..3 {
        let namespace = life.name();
        let sake = life.worker(&namespace, own.name());
        let sake = Worker {
            agent: CURL.to_owned(),
            ..sake
        };
        life.steady(
            &sake,
            DAY..life.end(),
            6 * HOUR,
            &[
                "GET /api/v1/namespaces/{ns}/pods?limit=500 200",
                "PATCH /apis/apps/v1/namespaces/{ns}/statefulsets/a 200",
            ],
            &[("ns", &namespace)],
        );
    }
    let body = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "registry.example/other:1"}]}}}});
    let request = format!(
        "PATCH /apis/apps/v1/namespaces/{}/statefulsets/ledger 200",
        own.namespace()
    );
    attack.send(&own.on(attack.now).with(CURL), &request, &body);
}

fn person(life: &mut Life<'_>, attack: &mut Trace) {
    let name = life.name();
    let who = Actor::certified(&name, "198.51.100.80", KUBECTL);
    for day in 0..life.days {
        life.ask(
            day * DAY + 10 * HOUR,
            &who,
            &[
                "GET /api/v1/namespaces/orchard/pods?limit=500 200",
                "GET /api/v1/namespaces/orchard/pods/web-0/log 200",
            ],
            &[],
        );
    }
    everything(
        attack,
        &who.at(OUTSIDE).with("python-requests/2.32.3"),
        &name,
        "default",
    );
}

fn cloud_role(life: &mut Life<'_>, attack: &mut Trace) {
    let app = life.name();
    let who = Actor::plain(
        &format!("arn:cloud:sts::{app}:assumed-role/{app}/deploy"),
        "198.51.100.81",
        KUBECTL,
    );
    for day in 0..life.days {
        life.ask(
            day * DAY + 10 * HOUR,
            &who,
            DEPLOYS,
            &[("ns", &app), ("app", &app)],
        );
    }
    let thief = who.at(OUTSIDE).with(CURL);
    ask(attack, &thief, SECRETS, &[]);
    attack.send(
        &thief,
        ADMIN,
        &binding("cluster-admin", "default", "default"),
    );
    mint_for_the_system(attack, &thief);
}

/// Its sisters read their configuration for two days each, and so does it.
fn preview(life: &mut Life<'_>, attack: &mut Trace) {
    let (stem, app) = (life.name(), life.name());
    let mut last = None;
    for n in 0..6 {
        let namespace = format!("{stem}-{n}");
        let own = life.worker(&namespace, &app);
        let from = (attack.now - (6 - n) * DAY).max(0);
        life.steady(
            &own,
            from..(from + 2 * DAY).min(life.end()),
            2 * HOUR,
            READS,
            &[("ns", &namespace), ("app", &app)],
        );
        last = Some(own);
    }
    let Some(own) = last else { return };
    attack.send(
        &own.on(attack.now),
        ADMIN,
        &binding("cluster-admin", own.name(), own.namespace()),
    );
    ask(attack, &own.on(attack.now), SECRETS, &[]);
}

fn runner_token(life: &mut Life<'_>, attack: &mut Trace) {
    let (ns, app) = (life.name(), life.name());
    let own = |ip: &str| {
        Actor::legacy(
            &format!("{ns}:{app}-ci"),
            &format!("{app}-ci-token"),
            ip,
            KUBECTL,
        )
    };
    for day in 0..life.days {
        for _ in 0..2 {
            let (at, ip) = (life.working_hours(day), hosted(life));
            life.ask(at, &own(&ip), DEPLOYS, &[("ns", &ns), ("app", &app)]);
        }
    }
    let thief = own(&hosted(life));
    ask(
        attack,
        &thief,
        &[
            "GET /api/v1/namespaces/{ns}/secrets?limit=500 200",
            "GET /api/v1/namespaces/{ns}/secrets/database 200",
            "POST /api/v1/namespaces/{ns}/pods/web-0/exec?command=sh&stdin=true 101",
        ],
        &[("ns", &ns)],
    );
}

/// The account calls kubelets itself; the log has their questions about it.
fn kubelets_directly(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, READS);
    let user = format!("system:serviceaccount:{}", own.account);
    for turn in 0..3 {
        for node in 0..2 {
            let kubelet = Actor::node(&node_name(node), &format!("10.60.0.{}", 11 + node));
            let reviewed = json!({"kind": "TokenReview", "spec": {"token": "not-a-token"},
                "status": {"authenticated": true, "user": {"username": user}}});
            attack.send(
                &kubelet,
                "POST /apis/authentication.k8s.io/v1/tokenreviews 201",
                &reviewed,
            );
            let mut asked = review(&user, "create", "nodes");
            asked["spec"]["resourceAttributes"]["subresource"] =
                json!(if turn == 0 { "proxy" } else { "log" });
            asked["spec"]["resourceAttributes"]["name"] = json!(node_name(node));
            asked["status"]["allowed"] = json!(false);
            attack.send(
                &kubelet,
                "POST /apis/authorization.k8s.io/v1/subjectaccessreviews 201",
                &asked,
            );
        }
        attack.wait(MINUTE);
    }
}

fn crooked_paths(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(
        life,
        &[
            "GET /api/v1/nodes/node-b/proxy/metrics/cadvisor 200",
            "GET /api/v1/nodes/node-b/proxy/metrics 200",
        ],
    );
    let path = *life
        .chance
        .pick(&["exec", "metrics/../exec", "metrics/%2e%2e/exec"]);
    ask(
        attack,
        &own.on(attack.now),
        &[
            "GET /api/v1/nodes/node-b/proxy/{path}/kube-system/proxy-x/proxy?output=1&error=1&command=id 101",
        ],
        &[("path", path)],
    );
}
