//! Controllers, agents and jobs over weeks and months: what comes seldom, what comes for the first
//! time, what is refused.
//!
//! Refuses applications' daily work (`population.rs`) and what changes for everybody at once
//! (`changes.rs`).

use super::super::actor::Actor;
use super::super::world::{DAY, HOUR, KUBECTL, MINUTE, SECOND};
use super::life::{Life, Worker, kinds, node_name};

kinds! {
    L01 "Certificates are issued, and renewed after sixty days" 30 certificates;
    L02 "Jobs that run weekly, monthly and quarterly" 40 seldom;
    L03 "A GitOps agent installs add-ons" 35 add_ons;
    L07 "The autoscaler removes its first node" 25 first_scale_down;
    L08 "Kubelets are refused what was theirs a moment ago" 30 refused_kubelets;
    L09 "Cloud identities at their periodic work" 35 cloud_identities;
    L11 "A daemon restarts nodes" 20 reboot_daemon;
    L12 "Probes of the API server that need no name, or have none" 25 probes;
    L13 "A storage driver meets a new class of volumes" 20 volumes;
    L14 "An old kubectl in a CronJob sweeps the API" 20 old_script;
}

pub const WATCHES: &[&str] = &[
    "GET /apis/{app}.example/v1/{app}s?watch=true 200",
    "GET /api/v1/configmaps?watch=true 200",
    "PUT /apis/coordination.k8s.io/v1/namespaces/{ns}/leases/{app} 200",
];
const ISSUES: &[&str] = &[
    "POST /api/v1/namespaces/{tenant}/secrets#{n}-key 201",
    "POST /apis/{app}.example/v1/namespaces/{tenant}/requests#{n} 201",
    "POST /apis/acme.{app}.example/v1/namespaces/{tenant}/orders#{n} 201",
    "POST /api/v1/namespaces/{tenant}/pods#solver-{n} 201",
    "POST /api/v1/namespaces/{tenant}/services#solver-{n} 201",
    "POST /apis/networking.k8s.io/v1/namespaces/{tenant}/ingresses#solver-{n} 201",
    "DELETE /api/v1/namespaces/{tenant}/pods/solver-{n} 200",
    "DELETE /api/v1/namespaces/{tenant}/services/solver-{n} 200",
    "DELETE /apis/networking.k8s.io/v1/namespaces/{tenant}/ingresses/solver-{n} 200",
    "PUT /api/v1/namespaces/{tenant}/secrets/{n}-tls 200",
    "DELETE /api/v1/namespaces/{tenant}/secrets/{n}-key 200",
];

fn certificates(life: &mut Life<'_>) {
    let own = life.stranger();
    let app = own.name().to_owned();
    life.steady(
        &own,
        0..life.end(),
        6 * HOUR,
        &[WATCHES[0], WATCHES[2], "GET /api/v1/secrets?watch=true 200"],
        &[("ns", own.namespace()), ("app", &app)],
    );
    for _ in 0..1 + life.chance.size(3) {
        let (tenant, first) = (life.name(), life.chance.below(life.days as u64) as i64);
        for day in (first..life.days).step_by(60) {
            let (at, n) = (
                life.working_hours(day),
                format!("{:05x}", life.chance.below(1 << 20)),
            );
            life.ask(
                at,
                &own.on(at),
                ISSUES,
                &[("tenant", &tenant), ("app", &app), ("n", &n)],
            );
        }
    }
}

const ROUTINES: &[&[&str]] = &[
    &[
        "GET /api/v1/namespaces/{ns}/secrets/{app} 200",
        "GET /api/v1/namespaces/{ns}/pods?limit=500 200",
    ],
    &[
        "GET /api/v1/namespaces/{ns}/persistentvolumeclaims?limit=500 200",
        "POST /apis/batch/v1/namespaces/{ns}/jobs#{app}-{n} 201",
    ],
    &[
        "GET /api/v1/namespaces?limit=500 200",
        "GET /api/v1/pods?limit=500 200",
        "GET /api/v1/nodes?limit=500 200",
        "GET /apis/apps/v1/deployments?limit=500 200",
        "PATCH /api/v1/namespaces/{ns}/configmaps/{app} 200",
    ],
    &[
        "GET /api/v1/namespaces/{ns}/secrets?limit=500 200",
        "GET /apis/rbac.authorization.k8s.io/v1/clusterrolebindings?limit=500 200",
    ],
];

fn seldom(life: &mut Life<'_>) {
    for every in [7, 30, 90] {
        let (own, first) = (life.stranger(), life.chance.below(every) as i64);
        let routine = *life.chance.pick(ROUTINES);
        for day in (first..life.days).step_by(every as usize) {
            let at = day * DAY + 3 * HOUR;
            let (node, ip) = life.place();
            let run = Worker {
                pod: format!("{}-{day}", own.pod),
                node,
                ip,
                ..own.clone()
            };
            life.issue(&run, at);
            let (n, namespace) = (day.to_string(), own.namespace());
            life.ask(
                at,
                &run.on(at),
                routine,
                &[("ns", namespace), ("app", own.name()), ("n", &n)],
            );
        }
    }
}

const SYNCS: &[&str] = &[
    "GET /apis/apps/v1/namespaces/{ns}/deployments/{app} 200",
    "PATCH /apis/apps/v1/namespaces/{ns}/deployments/{app} 200",
    "PATCH /api/v1/namespaces/{ns}/services/{app} 200",
    "PATCH /api/v1/namespaces/{ns}/configmaps/{app} 200",
    "PATCH /apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/{app}#{app} 200",
];
const INSTALLS: &[&str] = &[
    "GET /api/v1/namespaces/{ns} 404",
    "POST /api/v1/namespaces#{ns} 201",
    "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions#{app}s.{app}.example 201",
    "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions#{app}claims.{app}.example 201",
    "POST /api/v1/namespaces/{ns}/serviceaccounts#{app} 201",
    "POST /apis/rbac.authorization.k8s.io/v1/clusterroles#{app} 201",
    "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings#{app} 201",
    "POST /apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings#{app}-reader 201",
    "POST /api/v1/namespaces/{ns}/services#{app} 201",
    "POST /apis/apps/v1/namespaces/{ns}/deployments#{app} 201",
    "POST /apis/apiregistration.k8s.io/v1/apiservices#v1.{app}.example 201",
    "POST /apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations#{app} 201",
    "POST /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations#{app} 201",
];

/// Daily it brings applications up to date; on some days it installs something with rights of its
/// own.
fn add_ons(life: &mut Life<'_>) {
    let own = life.stranger();
    let apps: Vec<String> = (0..3).map(|_| life.name()).collect();
    for day in 0..life.days {
        let at = life.working_hours(day);
        life.issue(&own, at);
        for app in &apps {
            life.ask(
                life.trace.now,
                &own.on(at),
                SYNCS,
                &[("ns", app), ("app", app)],
            );
        }
    }
    for _ in 0..1 + life.chance.size(3) {
        let (day, ns, app) = (life.some_day(), life.name(), life.name());
        let at = life.working_hours(day);
        life.ask(at, &own.on(at), INSTALLS, &[("ns", &ns), ("app", &app)]);
        let new = life.worker(&ns, &app);
        life.steady(
            &new,
            at + MINUTE..life.end(),
            6 * HOUR,
            WATCHES,
            &[("ns", &ns), ("app", &app)],
        );
    }
}

fn first_scale_down(life: &mut Life<'_>) {
    let (own, first) = (life.stranger(), life.some_day());
    let rows = [
        "GET /api/v1/nodes?watch=true 200",
        "GET /api/v1/pods?watch=true 200",
        WATCHES[2],
        "PUT /api/v1/namespaces/{ns}/configmaps/{app}-status 200",
    ];
    let app = own.name().to_owned();
    life.steady(
        &own,
        0..life.end(),
        6 * HOUR,
        &rows,
        &[("ns", own.namespace()), ("app", &app)],
    );
    for day in (first..life.days).step_by(3 + life.chance.size(9)) {
        let (at, tenant, node) = (
            life.working_hours(day),
            life.name(),
            format!("{}-pool-{day}", life.name()),
        );
        life.ask(
            at,
            &own.on(at),
            &[
                "GET /api/v1/nodes/{node} 200",
                "PUT /api/v1/nodes/{node} 200",
            ],
            &[("node", &node)],
        );
        for n in 0..2 + life.chance.size(4) {
            let pod = format!("{tenant}-{n}");
            life.ask(
                life.trace.now,
                &own.on(at),
                &["POST /api/v1/namespaces/{ns}/pods/{pod}/eviction#{pod} 201"],
                &[("ns", &tenant), ("pod", &pod)],
            );
        }
        if life.chance.percent(50) {
            life.ask(
                life.trace.now,
                &own.on(at),
                &["DELETE /api/v1/nodes/{node} 200"],
                &[("node", &node)],
            );
        }
    }
}

/// A node that runs short jobs: each leaves names behind that its kubelet may no longer ask for.
fn refused_kubelets(life: &mut Life<'_>) {
    let (node, ns) = (life.chance.size(life.nodes.hosts(0)), life.name());
    let since = if life.chance.percent(50) {
        0
    } else {
        life.some_day()
    };
    for day in since..life.days {
        for _ in 0..2 {
            life.trace.now = life.working_hours(day);
            let kubelet = life.nodes.kubelet(node, life.trace.now);
            for _ in 0..12 {
                let (at, n) = (
                    life.trace.now,
                    format!("job-{:08x}", life.chance.below(1 << 32)),
                );
                life.ask(
                    at,
                    &kubelet,
                    &[
                        "GET /api/v1/namespaces/{ns}/pods/{n} 200",
                        "GET /api/v1/namespaces/{ns}/secrets/{n} 403",
                        "GET /api/v1/namespaces/{ns}/configmaps/{n} 403",
                        "GET /api/v1/namespaces/{ns}/pods/{n} 403",
                    ],
                    &[("ns", &ns), ("n", &n)],
                );
                life.trace.wait(life.chance.below(2 * MINUTE as u64) as i64);
            }
        }
    }
}

/// How clouds name who works in a cluster for them, with `{}` for a name.
const CLOUD_NAMES: &[&str] = &[
    "{}:node-manager",
    "{}Service",
    "arn:cloud:sts::{}:assumed-role/{}/session-7",
    "system:{}-controller",
    "{}@project.iam.example",
    "masterclient-{}",
    "oidc:project_path:{}/deploy:ref_type:branch:ref:main",
];
const CLOUD_WORK: &[&str] = &[
    "GET /api/v1/secrets?limit=500 200",
    "PATCH /apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{app}#{app} 200",
    "PATCH /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{app} 200",
    "PATCH /apis/apps/v1/namespaces/kube-system/daemonsets/{app} 200",
    "PATCH /api/v1/nodes/{app} 200",
];

/// Machines without an account of the cluster: hourly something small, weekly or later something
/// great.
fn cloud_identities(life: &mut Life<'_>) {
    for _ in 0..1 + life.chance.size(3) {
        let app = life.name();
        let name = life.chance.pick(CLOUD_NAMES).replace("{}", &app);
        let agent = format!("{app}-manager/v0.0.0 (linux/amd64) kubernetes/$Format");
        let places: Vec<String> = (0..1 + life.chance.size(3))
            .map(|n| format!("10.60.0.{}", 2 + n))
            .collect();
        let work: Vec<&str> = CLOUD_WORK
            .iter()
            .copied()
            .filter(|_| life.chance.percent(50))
            .collect();
        let (every, first) = (
            *life.chance.pick(&[7, 14, 30]),
            life.chance.below(14) as i64,
        );
        for turn in 0..life.days * 4 {
            let who = Actor::plain(&name, life.chance.pick::<String>(&places), &agent);
            let at = turn * 6 * HOUR + life.chance.below(HOUR as u64) as i64;
            life.ask(
                at,
                &who,
                &[
                    "GET /api/v1/nodes?limit=500 200",
                    "GET /api/v1/namespaces/kube-system/configmaps/{app} 200",
                ],
                &[("app", &app)],
            );
            if turn % 4 == 0 && (turn / 4) % every == first % every {
                life.ask(at + MINUTE, &who, &work, &[("app", &app)]);
            }
        }
    }
}

/// Cordons, empties and frees a node in the night; first after some days, then weekly.
fn reboot_daemon(life: &mut Life<'_>) {
    let own = life.stranger();
    let names = [("ns", own.namespace()), ("app", own.name())];
    life.steady(
        &own,
        0..life.end(),
        6 * HOUR,
        &[
            "GET /api/v1/nodes?limit=500 200",
            "GET /apis/apps/v1/namespaces/{ns}/daemonsets/{app} 200",
        ],
        &names,
    );
    for day in (life.some_day()..life.days).step_by(7) {
        for node in 0..life.nodes.hosts(0) {
            let (at, node, tenant) = (
                day * DAY + 2 * HOUR + node as i64 * 20 * MINUTE,
                node_name(node),
                life.name(),
            );
            life.ask(
                at,
                &own.on(at),
                &[
                    "PATCH /apis/apps/v1/namespaces/{ns}/daemonsets/{app} 200",
                    "PATCH /api/v1/nodes/{node} 200",
                    "GET /api/v1/pods?limit=500 200",
                    "POST /api/v1/namespaces/{tenant}/pods/{tenant}-0/eviction#{tenant}-0 201",
                    "PATCH /api/v1/nodes/{node} 200",
                ],
                &[
                    ("ns", own.namespace()),
                    ("app", own.name()),
                    ("node", &node),
                    ("tenant", &tenant),
                ],
            );
        }
    }
}

/// A balancer's probes where nobody is anonymous, or public paths where somebody is.
fn probes(life: &mut Life<'_>) {
    let (first, named) = (life.some_day(), life.chance.percent(50));
    for turn in 0..240 {
        let ip = format!("203.0.113.{}", 10 + turn % 3);
        let at = first * DAY + turn * 5 * MINUTE;
        if named {
            let who = Actor::plain("system:anonymous", &ip, "kube-probe/1.36");
            let path = *life.chance.pick(&[
                "/healthz",
                "/livez",
                "/readyz",
                "/version",
                "/openid/v1/jwks",
            ]);
            life.ask(at, &who, &["GET {path} 200"], &[("path", path)]);
        } else {
            life.ask(
                at,
                &Actor::nobody(&ip, "balancer-probe/1.0"),
                &["GET /readyz 401"],
                &[],
            );
            life.trace.now += 20 * SECOND;
        }
    }
}

fn volumes(life: &mut Life<'_>) {
    let (own, day) = (life.stranger(), life.some_day());
    let names = [("ns", own.namespace()), ("app", own.name())];
    life.steady(
        &own,
        0..life.end(),
        6 * HOUR,
        &[
            "GET /api/v1/persistentvolumeclaims?watch=true 200",
            WATCHES[2],
        ],
        &names,
    );
    for day in (day..life.days).step_by(2) {
        let (at, n) = (
            life.working_hours(day),
            format!("pvc-{:08x}", life.chance.below(1 << 32)),
        );
        life.ask(
            at,
            &own.on(at),
            &[
                "GET /apis/storage.k8s.io/v1/storageclasses/{n} 200",
                "POST /api/v1/persistentvolumes#{n} 201",
                "PATCH /api/v1/persistentvolumes/{n} 200",
            ],
            &[("n", &n)],
        );
    }
}

fn old_script(life: &mut Life<'_>) {
    let own = life.stranger();
    let groups: Vec<String> = (0..25).map(|_| life.name()).collect();
    let every = *life.chance.pick(&[1, 2, 7]);
    for day in (life.chance.below(3) as i64..life.days).step_by(every) {
        let at = day * DAY + 4 * HOUR;
        let (node, ip) = life.place();
        let run = Worker {
            pod: format!("{}-{day}", own.pod),
            agent: KUBECTL.replace("1.33.4", "1.21.2"),
            node,
            ip,
            ..own.clone()
        };
        life.issue(&run, at);
        for group in &groups {
            life.ask(
                life.trace.now,
                &run.on(at),
                &["GET /apis/{group}.example/v1?timeout=32s 200"],
                &[("group", group)],
            );
        }
        life.ask(
            life.trace.now,
            &run.on(at),
            &["GET /api/v1/namespaces/{ns}/pods?limit=500 200"],
            &[("ns", own.namespace())],
        );
    }
}
