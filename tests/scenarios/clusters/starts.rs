//! Programs that start: for the first time, without what they need, again, and as another version.
//!
//! Refuses what they do when they run well.

use super::super::world::{DAY, HOUR, MINUTE};
use super::bodies;
use super::life::{Life, Worker, kinds};
use super::machines::WATCHES;

kinds! {
    L04 "A controller lacks rights in its first days" 25 no_rights_yet;
    L05 "A controller whose kinds are missing starts again and again" 15 no_kinds_yet;
    L06 "An operator begins to ask who calls it" 25 first_reviews;
    L10 "An ingress controller reads a Secret by name after an upgrade" 20 default_certificate;
    L15 "A controller of twenty programs becomes the next version" 25 many_programs;
    L16 "A program makes its webhook again at each start" 20 webhook_at_start;
    L17 "An operator asks for its own rights at each start" 20 rights_at_start;
}

fn no_rights_yet(life: &mut Life<'_>) {
    let (own, day) = (life.stranger(), life.some_day());
    let at = life.working_hours(day);
    let names = [("ns", own.namespace()), ("app", own.name())];
    let refused: Vec<String> = [
        "configmaps",
        "services",
        "secrets",
        "endpoints",
        "persistentvolumeclaims",
        "nodes",
        "namespaces",
        "events",
        "serviceaccounts",
    ]
    .iter()
    .take(4 + life.chance.size(6))
    .map(|kind| format!("GET /api/v1/{kind}?limit=500 403"))
    .collect();
    let rows: Vec<&str> = WATCHES
        .iter()
        .copied()
        .chain(refused.iter().map(String::as_str))
        .collect();
    let until = (at + DAY + life.chance.below(2 * DAY as u64) as i64).min(life.end());
    life.steady(&own, at..until, 20 * MINUTE, &rows, &names);
    let rows: Vec<String> = rows.iter().map(|row| row.replace(" 403", " 200")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    life.steady(&own, until..life.end(), 6 * HOUR, &rows, &names);
}

fn no_kinds_yet(life: &mut Life<'_>) {
    let (own, day) = (life.stranger(), life.some_day());
    let at = life.working_hours(day);
    let rows = [
        "GET /apis 200",
        "GET /apis/{app}.example/v1 404",
        "GET /apis/{app}.example/v1/{app}s?limit=500 404",
        "GET /apis/{app}.example/v1/{app}claims?limit=500 404",
        WATCHES[2],
    ];
    life.steady(
        &own,
        at..(at + 3 * DAY).min(life.end()),
        30 * MINUTE,
        &rows,
        &[("ns", own.namespace()), ("app", own.name())],
    );
}

fn first_reviews(life: &mut Life<'_>) {
    let (own, day) = (life.stranger(), life.some_day());
    let at = life.working_hours(day);
    let names = [("ns", own.namespace()), ("app", own.name())];
    life.steady(&own, 0..at, 6 * HOUR, WATCHES, &names);
    let next = own.upgraded(life);
    life.steady(&next, at..life.end(), 6 * HOUR, WATCHES, &names);
    let scraper = format!("system:serviceaccount:{}:{}", life.name(), life.name());
    for turn in 0..(life.end() - at).min(2 * DAY) / (15 * MINUTE) {
        let now = at + turn * 15 * MINUTE;
        life.ask(
            now,
            &next.on(now),
            &["POST /apis/authentication.k8s.io/v1/tokenreviews 201"],
            &[],
        );
        let review = bodies::review(&scraper, "get", "nodes");
        life.trace.other(
            &next.on(now),
            "POST /apis/authorization.k8s.io/v1/subjectaccessreviews 201",
            Some(&review),
        );
    }
}

fn default_certificate(life: &mut Life<'_>) {
    let (own, day) = (life.stranger(), life.some_day());
    let at = life.working_hours(day);
    let rows = [
        "GET /api/v1/secrets?watch=true 200",
        "GET /apis/networking.k8s.io/v1/ingresses?watch=true 200",
        WATCHES[2],
    ];
    let names = [("ns", own.namespace()), ("app", own.name())];
    life.steady(&own, 0..at, 6 * HOUR, &rows, &names);
    let next = own.upgraded(life);
    life.ask(
        at,
        &next.on(at),
        &["GET /api/v1/namespaces/{ns}/secrets/{app}-tls 200"],
        &names,
    );
    life.steady(&next, at + MINUTE..life.end(), 6 * HOUR, &rows, &names);
}

/// One account, one pod, and a program for each inner controller, which conflict now and then.
fn many_programs(life: &mut Life<'_>) {
    let (own, day) = (life.stranger(), life.some_day());
    let upgrade = life.working_hours(day);
    let next = own.upgraded(life);
    let parts: Vec<(String, String)> = (0..20).map(|_| (life.name(), life.name())).collect();
    for turn in 0..life.days * 2 {
        let at = turn * 12 * HOUR + life.chance.below(HOUR as u64) as i64;
        let (worker, version) = if at < upgrade {
            (&own, "v1.20.2")
        } else {
            (&next, "v1.21.0")
        };
        life.issue(worker, at);
        for (part, kind) in &parts {
            let who = worker.on(at).with(&format!(
                "{}-{part}/{version} (linux/amd64) {part}/c0ffee",
                own.name()
            ));
            let code = if life.chance.percent(10) {
                "409"
            } else {
                "200"
            };
            let rows = [
                "GET /apis/{app}.example/v1/{kind}s?watch=true 200",
                "PUT /apis/{app}.example/v1/namespaces/{ns}/requests/{kind} {code}",
            ];
            let names = [
                ("app", own.name()),
                ("ns", own.namespace()),
                ("kind", kind.as_str()),
                ("code", code),
            ];
            life.ask(life.trace.now, &who, &rows, &names);
        }
    }
}

/// Each start is a pod.
fn starts(life: &mut Life<'_>, own: &Worker, rows: &[&str], names: &[(&str, &str)]) {
    let mut at = life.chance.below(DAY as u64) as i64;
    while at < life.end() {
        let (node, ip) = life.place();
        let pod = format!("{}-{:05x}", own.name(), life.chance.below(1 << 20));
        let run = Worker {
            pod,
            node,
            ip,
            ..own.clone()
        };
        let until = (at + DAY + life.chance.below(4 * DAY as u64) as i64).min(life.end());
        life.issue(&run, at);
        life.ask(at, &run.on(at), rows, names);
        life.steady(&run, at + 2 * MINUTE..until, 6 * HOUR, &WATCHES[..1], names);
        at = until;
    }
}

fn webhook_at_start(life: &mut Life<'_>) {
    let own = life.stranger();
    let rows = [
        "GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{app} 200",
        "DELETE /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{app} 200",
        "POST /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations#{app} 201",
    ];
    starts(life, &own, &rows, &[("app", own.name())]);
}

fn rights_at_start(life: &mut Life<'_>) {
    let own = life.stranger();
    let kinds: Vec<String> = (0..15).map(|_| life.name()).collect();
    let mut rows: Vec<String> = vec!["GET /version 200".to_owned(), "GET /apis 200".to_owned()];
    for kind in &kinds {
        rows.push(format!(
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews#{kind}s 201"
        ));
        rows.push(format!("GET /apis/{kind}.example/v1 200"));
    }
    rows.push("PUT /api/v1/namespaces/{ns}/secrets/{app}-config 200".to_owned());
    rows.push("DELETE /api/v1/namespaces/{ns}/secrets/{app}-old 200".to_owned());
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    starts(
        life,
        &own,
        &rows,
        &[("ns", own.namespace()), ("app", own.name())],
    );
}
