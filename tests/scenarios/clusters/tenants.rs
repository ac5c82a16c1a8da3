//! Whoever works for others: runners, minters, proxies, platforms, environments that come and go.
//!
//! Refuses to be fair to a model of sets: most of it brings new names for as long as it lives.

use super::super::actor::Actor;
use super::super::world::{DAY, HOUR, KUBECTL, MINUTE};
use super::bodies;
use super::life::{Life, Worker, kinds};

kinds! {
    T01 "A runner makes a namespace for each job" 25 namespace_per_job;
    T02 "A minter of tokens gets another tenant" 25 another_tenant;
    T03 "A proxy impersonates people who begin something" 25 impersonating_proxy;
    T04 "Preview environments live two days" 25 previews;
    T05 "An environment is made anew each night under its name" 15 nightly;
    T06 "A platform makes token Secrets for each project" 15 project_tokens;
    T07 "A vault makes an account for each lease" 15 dynamic_accounts;
    T08 "Hosted runners are always elsewhere" 25 hosted_runners;
    T09 "Another team's operator is installed, as others were" 20 tenth_operator;
    T10 "A platform gives each new team its roles" 20 team_roles;
}

const JOB: &[&str] = &[
    "POST /api/v1/namespaces#{app}-job-{n} 201",
    "POST /api/v1/namespaces/{app}-job-{n}/secrets#runner 201",
    "POST /api/v1/namespaces/{app}-job-{n}/pods#runner-{n} 201",
    "GET /api/v1/namespaces/{app}-job-{n}/pods/runner-{n} 200",
    "POST /api/v1/namespaces/{app}-job-{n}/pods/runner-{n}/exec?command=sh&container=build&stdin=true 101",
    "POST /api/v1/namespaces/{app}-job-{n}/pods/runner-{n}/exec?command=sh&container=helper&stdin=true 101",
    "DELETE /api/v1/namespaces/{app}-job-{n}/pods/runner-{n} 200",
    "DELETE /api/v1/namespaces/{app}-job-{n} 200",
];

fn namespace_per_job(life: &mut Life<'_>) {
    let own = life.stranger();
    let jobs = 2 + life.chance.size(6);
    for day in (0..life.days).filter(|day| day % 7 < 5) {
        for _ in 0..jobs {
            let (at, n) = (
                life.working_hours(day),
                life.chance.below(1 << 20).to_string(),
            );
            life.ask(at, &own.on(at), JOB, &[("app", own.name()), ("n", &n)]);
        }
    }
}

fn another_tenant(life: &mut Life<'_>) {
    let own = life.stranger();
    let mut tenants: Vec<(i64, String)> = (0..2 + life.chance.size(4))
        .map(|_| (0, life.name()))
        .collect();
    tenants.extend(
        (0..1 + life.days / 20)
            .map(|_| (life.some_day(), life.name()))
            .collect::<Vec<_>>(),
    );
    for day in 0..life.days {
        for turn in 0..4 {
            let at = day * DAY + turn * 6 * HOUR + life.chance.below(HOUR as u64) as i64;
            life.issue(&own, at);
            for (_, tenant) in tenants.iter().filter(|(since, _)| *since <= day) {
                let request = format!(
                    "POST /api/v1/namespaces/{tenant}/serviceaccounts/{tenant}-reader/token 201"
                );
                life.trace.now += 1_000;
                life.trace.issue(
                    &own.on(at),
                    &request,
                    &bodies::token(600, &["cloud.example"], None),
                    &format!("JTI={tenant}-{at}"),
                );
                life.ask(
                    life.trace.now,
                    &own.on(at),
                    &["PUT /api/v1/namespaces/{t}/secrets/{t}-db 200"],
                    &[("t", tenant)],
                );
            }
        }
    }
}

const DAILY: &[&str] = &[
    "GET /api/v1/namespaces/{ns}/pods?limit=500 200",
    "GET /api/v1/namespaces/{ns}/pods/web-0 200",
    "GET /api/v1/namespaces/{ns}/pods/web-0/log 200",
];
const NEWS: &[&str] = &[
    "PATCH /apis/apps/v1/namespaces/{ns}/deployments/web/scale 200",
    "GET /api/v1/nodes?limit=500 200",
    "GET /apis/batch/v1/namespaces/{ns}/jobs?limit=500 200",
    "DELETE /api/v1/namespaces/{ns}/pods/web-0 200",
    "GET /api/v1/namespaces/{ns}/pods/web-0/portforward 101",
];

fn impersonating_proxy(life: &mut Life<'_>) {
    let own = life.stranger();
    let namespaces = [life.name(), life.name(), life.name()];
    let mut people: Vec<(i64, String)> = (0..3)
        .map(|_| (0, format!("{}@corp.example", life.name())))
        .collect();
    people.extend(
        (0..1 + life.days / 10)
            .map(|_| (life.some_day(), format!("{}@corp.example", life.name())))
            .collect::<Vec<_>>(),
    );
    for day in (0..life.days).filter(|day| day % 7 < 5) {
        for (_, person) in people.iter().filter(|(since, _)| *since <= day) {
            let at = life.working_hours(day);
            let who = own
                .on(at)
                .acting_as(person, &["developers", "system:authenticated"]);
            let namespace = life.chance.pick(&namespaces).clone();
            life.ask(at, &who, DAILY, &[("ns", &namespace)]);
            if day > 4 && life.chance.percent(6) {
                let news = *life.chance.pick(NEWS);
                life.ask(at + MINUTE, &who, &[news], &[("ns", &namespace)]);
            }
        }
    }
}

/// What pods of short-lived environments do.
const SMALL: &[&str] = &[
    "GET /api/v1/namespaces/{ns}/configmaps/{app} 200",
    "GET /api/v1/namespaces/{ns}/pods?limit=500 200",
];

fn previews(life: &mut Life<'_>) {
    let (maker, apps) = (life.stranger(), [life.name(), life.name()]);
    for day in (0..life.days).step_by(1 + life.chance.size(3)) {
        let (ns, at) = (format!("{}-{day}", maker.name()), life.working_hours(day));
        life.ask(
            at,
            &maker.on(at),
            &["POST /api/v1/namespaces#{ns} 201"],
            &[("ns", &ns)],
        );
        for app in &apps {
            life.ask(
                life.trace.now,
                &maker.on(at),
                &[
                    "POST /api/v1/namespaces/{ns}/serviceaccounts#{app} 201",
                    "POST /apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings#{app} 201",
                    "POST /apis/apps/v1/namespaces/{ns}/deployments#{app} 201",
                ],
                &[("ns", &ns), ("app", app)],
            );
            let own = life.worker(&ns, app);
            life.steady(
                &own,
                at + MINUTE..(at + 2 * DAY).min(life.end()),
                3 * HOUR,
                SMALL,
                &[("ns", &ns), ("app", app)],
            );
        }
        if at + 2 * DAY < life.end() {
            life.ask(
                at + 2 * DAY + MINUTE,
                &maker.on(at + 2 * DAY + MINUTE),
                &["DELETE /api/v1/namespaces/{ns} 200"],
                &[("ns", &ns)],
            );
        }
    }
}

fn nightly(life: &mut Life<'_>) {
    let (maker, ns, app) = (life.stranger(), life.name(), life.name());
    let odd = life.some_day();
    for day in 0..life.days {
        let at = day * DAY + 2 * HOUR;
        life.ask(
            at,
            &maker.on(at),
            &[
                "DELETE /api/v1/namespaces/{ns} 200",
                "POST /api/v1/namespaces#{ns} 201",
                "POST /api/v1/namespaces/{ns}/serviceaccounts#{app} 201",
                "POST /apis/apps/v1/namespaces/{ns}/deployments#{app} 201",
            ],
            &[("ns", &ns), ("app", &app)],
        );
        let (node, ip) = life.place();
        let own = Worker {
            pod: format!("{app}-{day}"),
            node,
            ip,
            ..life.worker(&ns, &app)
        };
        life.steady(
            &own,
            at + MINUTE..at + 20 * HOUR,
            3 * HOUR,
            SMALL,
            &[("ns", &ns), ("app", &app)],
        );
        if day == odd {
            life.ask(
                at + 10 * HOUR,
                &own.on(at),
                &["GET /api/v1/namespaces/{ns}/services?limit=500 200"],
                &[("ns", &ns)],
            );
        }
    }
}

fn project_tokens(life: &mut Life<'_>) {
    let own = life.stranger();
    life.steady(
        &own,
        0..life.end(),
        6 * HOUR,
        &[
            "GET /api/v1/secrets?watch=true 200",
            "GET /api/v1/serviceaccounts?watch=true 200",
        ],
        &[],
    );
    for day in (0..life.days).step_by(1 + life.chance.size(3)) {
        let (at, ns) = (life.working_hours(day), life.name());
        life.trace.now = at;
        for account in ["builder", "default", "deployer"] {
            life.ask(
                life.trace.now,
                &own.on(at),
                &[
                    "POST /api/v1/namespaces/{ns}/secrets#{account}-token-{n} 201",
                    "POST /api/v1/namespaces/{ns}/secrets#{account}-dockercfg-{n} 201",
                    "PUT /api/v1/namespaces/{ns}/serviceaccounts/{account} 200",
                ],
                &[("ns", &ns), ("account", account), ("n", &day.to_string())],
            );
        }
    }
}

fn dynamic_accounts(life: &mut Life<'_>) {
    let (own, ns) = (life.stranger(), life.name());
    for day in 0..life.days {
        for _ in 0..2 {
            let (at, n) = (
                life.working_hours(day),
                format!("v-lease-{:06x}", life.chance.below(1 << 24)),
            );
            life.ask(
                at,
                &own.on(at),
                &[
                    "POST /api/v1/namespaces/{ns}/serviceaccounts#{n} 201",
                    "POST /apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings#{n} 201",
                ],
                &[("ns", &ns), ("n", &n)],
            );
            let request = format!("POST /api/v1/namespaces/{ns}/serviceaccounts/{n}/token 201");
            let id = format!("JTI={n}");
            life.trace
                .issue(&own.on(at), &request, &bodies::token(3600, &[], None), &id);
            let leased = Actor::unbound(&format!("{ns}:{n}"), &id, "198.51.100.90", KUBECTL);
            life.ask(
                at + MINUTE,
                &leased,
                &["GET /api/v1/namespaces/{ns}/pods?limit=500 200"],
                &[("ns", &ns)],
            );
            life.ask(
                at + HOUR,
                &own.on(at + HOUR),
                &[
                    "DELETE /apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/{n} 200",
                    "DELETE /api/v1/namespaces/{ns}/serviceaccounts/{n} 200",
                ],
                &[("ns", &ns), ("n", &n)],
            );
        }
    }
}

/// An address of a cloud, another each time.
pub fn hosted(life: &mut Life<'_>) -> String {
    let first = *life.chance.pick(&[4, 13, 20, 40, 52, 104, 172]);
    format!(
        "{first}.{}.{}.{}",
        60 + life.chance.below(140),
        1 + life.chance.below(250),
        1 + life.chance.below(250)
    )
}

/// What a deployment from elsewhere asks.
pub const DEPLOYS: &[&str] = &[
    "GET /api 200",
    "GET /apis 200",
    "GET /apis/apps/v1/namespaces/{ns}/deployments/{app} 200",
    "PATCH /apis/apps/v1/namespaces/{ns}/deployments/{app} 200",
    "GET /apis/apps/v1/namespaces/{ns}/deployments/{app} 200",
    "GET /api/v1/namespaces/{ns}/pods?limit=500 200",
];

fn hosted_runners(life: &mut Life<'_>) {
    let (ns, app, by_oidc) = (life.name(), life.name(), life.chance.percent(40));
    for day in (0..life.days).filter(|day| day % 7 < 5) {
        for _ in 0..1 + life.chance.size(4) {
            let (at, ip) = (life.working_hours(day), hosted(life));
            let who = if by_oidc {
                Actor::plain(
                    &format!("ci:project_path:{ns}/{app}:ref:main"),
                    &ip,
                    KUBECTL,
                )
            } else {
                Actor::legacy(
                    &format!("{ns}:{app}-ci"),
                    &format!("{app}-ci-token"),
                    &ip,
                    KUBECTL,
                )
            };
            life.ask(at, &who, DEPLOYS, &[("ns", &ns), ("app", &app)]);
        }
    }
}

/// Several people install something of the same shape over the weeks.
fn tenth_operator(life: &mut Life<'_>) {
    let installer = life.stranger();
    for day in (0..life.days).step_by(2 + life.chance.size(3)) {
        let (at, ns, app) = (life.working_hours(day), life.name(), life.name());
        life.ask(
            at,
            &installer.on(at),
            &[
                "POST /api/v1/namespaces#{ns} 201",
                "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions#{app}s.{app}.example 201",
                "POST /api/v1/namespaces/{ns}/serviceaccounts#{app} 201",
                "POST /apis/rbac.authorization.k8s.io/v1/clusterroles#{app} 201",
                "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings#{app} 201",
                "POST /apis/apps/v1/namespaces/{ns}/deployments#{app} 201",
            ],
            &[("ns", &ns), ("app", &app)],
        );
        let own = life.worker(&ns, &app);
        let names = [("ns", ns.as_str()), ("app", app.as_str())];
        // At its first start an operator makes its own webhook and kinds.
        life.ask(
            at + MINUTE,
            &own.on(at),
            &[
                "POST /apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations#{app} 201",
                "PATCH /apis/apiextensions.k8s.io/v1/customresourcedefinitions/{app}s.{app}.example 200",
            ],
            &names,
        );
        life.steady(
            &own,
            at + 2 * MINUTE..life.end(),
            12 * HOUR,
            &["GET /apis/{app}.example/v1/{app}s?watch=true 200"],
            &names,
        );
    }
}

fn team_roles(life: &mut Life<'_>) {
    let own = life.stranger();
    for day in (0..life.days).step_by(1 + life.chance.size(4)) {
        let (at, ns) = (life.working_hours(day), life.name());
        life.ask(
            at,
            &own.on(at),
            &["POST /api/v1/namespaces#{ns} 201"],
            &[("ns", &ns)],
        );
        let request =
            format!("POST /apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings 201");
        for role in ["view", "edit", "admin"] {
            life.trace.other(
                &own.on(at),
                &request,
                Some(&bodies::binding(role, &format!("{ns}-{role}"), &ns)),
            );
        }
        life.ask(
            life.trace.now,
            &own.on(at),
            &[
                "POST /api/v1/namespaces/{ns}/resourcequotas#{ns} 201",
                "POST /apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies#default 201",
            ],
            &[("ns", &ns)],
        );
    }
}
