//! What the engine costs beside decoding, and what it keeps: time per event, bytes per account, and
//! whether a hostile stream grows it.
//!
//! `cargo bench --bench engine [-- <log file>]`: over the recording if it is at hand, else over the
//! bundled sample, or over a log of your own. Ratios are comparable between machines, the times are
//! not.
//!
//! What rules cost in instructions says callgrind, which is told how many there are:
//!
//! ```text
//! cargo bench --bench engine --no-run
//! TOKENTRAIL_BENCH_RULES=16 valgrind --tool=callgrind '--toggle-collect=*engine_over*' target/release/deps/engine-... [LOG]
//! ```

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::Request;
use std::hint::black_box;
use std::time::Instant;
use tokentrail::detect::Policy;
use tokentrail::engine::{Engine, Input, Output};
use tokentrail::event::decode::{self, Limits};
use tokentrail::event::wire::WireEvent;

/// Events between two drains, as a commit every second would have under load.
const BATCH: usize = 5_000;

fn main() {
    let named = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let lines: Vec<String> = match named {
        Some(path) => std::fs::read_to_string(path)
            .expect("a readable log")
            .lines()
            .map(str::to_owned)
            .collect(),
        None => common::recording().unwrap_or_else(|| {
            let sample = include_str!("../fixtures/audit/cluster.jsonl");
            sample
                .lines()
                .cycle()
                .take(20_000)
                .map(str::to_owned)
                .collect()
        }),
    };
    if let Ok(many) = std::env::var("TOKENTRAIL_BENCH_RULES") {
        return engine_over(
            &lines,
            &with_rules(many.parse().expect("a number of rules")),
            false,
        );
    }
    // Memory in processes of their own: what one measurement frees would hide the growth of the
    // next.
    match std::env::var("TOKENTRAIL_BENCH_PART").as_deref() {
        Ok("accounts") => return accounts(),
        Ok("hostile") => return hostile(),
        _ => {}
    }
    for part in ["accounts", "hostile"] {
        let this = std::env::current_exe().expect("this program");
        let ran = std::process::Command::new(this)
            .env("TOKENTRAIL_BENCH_PART", part)
            .status();
        assert!(
            ran.is_ok_and(|status| status.success()),
            "the part {part} failed"
        );
    }
    times(&lines);
}

/// Nanoseconds per event, the best of five.
fn best(lines: &[String], mut work: impl FnMut()) -> f64 {
    let round = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e9 / lines.len() as f64
    };
    (0..5)
        .map(|_| round(&mut work))
        .fold(f64::INFINITY, f64::min)
}

/// Rules as Sigma has them for the audit log: what they select.
const SIGMA: [&str; 16] = [
    "{verb: create, objectRef.apiGroup: batch, objectRef.resource: cronjobs}",
    "{verb: delete, objectRef.resource: deployments}",
    "{verb: delete, objectRef.resource: events}",
    "{verb: create, objectRef.resource: pods, objectRef.subresource: exec}",
    "{verb: create, objectRef.resource: pods, hostPath: '*'}",
    "{verb: create, objectRef.resource: pods, objectRef.namespace: kube-system}",
    "{verb: create, objectRef.resource: pods, capabilities: '*'}",
    "{verb: create, objectRef.apiGroup: authorization.k8s.io, objectRef.resource: selfsubjectrulesreviews}",
    "{objectRef.resource: [clusterrolebindings, rolebindings], verb: [create, delete, patch, update]}",
    "{verb: list, objectRef.resource: secrets}",
    "{objectRef.resource: secrets, verb: [create, delete, patch, update]}",
    "{verb: create, objectRef.resource: serviceaccounts}",
    "{verb: patch, objectRef.apiGroup: apps, objectRef.resource: deployments}",
    "{verb: get, responseStatus.code: [401, 403]}",
    "{objectRef.apiGroup: admissionregistration.k8s.io, verb: [create, delete, patch, update]}",
    "{user.username: 'system:anonymous', responseStatus.code: 200}",
];

/// So many rules: Sigma's, then one for each of so many teams.
fn with_rules(many: usize) -> Policy {
    use std::fmt::Write;
    let (mut sigma, mut own) = (String::new(), String::new());
    for (n, selection) in SIGMA.iter().take(many).enumerate() {
        let _ = writeln!(
            sigma,
            "---\ntitle: T\nid: sigma-{n}\nlevel: low\nlogsource:\n  product: kubernetes\n  service: audit\n\
             detection:\n  selection: {selection}\n  condition: selection"
        );
    }
    if many > SIGMA.len() {
        own.push_str("rules:\n");
    }
    for n in SIGMA.len()..many {
        let _ = writeln!(
            own,
            "  - id: own-{n}\n    title: T\n    severity: low\n    condition: event.namespace == 'team-{n}' && \
             event.resource == 'secrets' && event.verb in ['get', 'list', 'watch'] && event.user_kind == 'user'"
        );
    }
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in [("sigma.yml", sigma), ("own.yaml", own)] {
        std::fs::write(dir.path().join(name), text).expect("a file");
    }
    let loaded =
        tokentrail::config::rules::load(&[dir.path().to_owned()], std::path::Path::new(""));
    assert_eq!(loaded.rules.rules.len(), many, "{:?}", loaded.checked);
    Policy {
        rules: std::sync::Arc::new(loaded.rules),
        ..Policy::default()
    }
}

#[inline(never)]
fn engine_over(lines: &[String], policy: &Policy, drain: bool) {
    let (mut engine, mut out) = (Engine::new(policy.clone()), Output::default());
    for (n, line) in lines.iter().enumerate() {
        decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
            if let Ok(event) = event {
                engine.step(Input::Event { source: 0, event }, &mut out);
            }
        });
        if n % BATCH == BATCH - 1 {
            if drain {
                let mut records = Vec::new();
                engine.drain_records(&mut records);
                black_box(records);
            } else {
                engine.skip_records();
            }
        }
    }
    black_box(out.revisions.len());
}

fn times(lines: &[String]) {
    let serde = best(lines, || {
        lines.iter().for_each(|line| {
            black_box(serde_json::from_str::<WireEvent<'_>>(line).is_ok());
        });
    });
    let door = best(lines, || {
        for line in lines {
            decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
                black_box(event.is_ok());
            });
        }
    });
    let plain = Policy::default();
    let judged = best(lines, || engine_over(lines, &plain, false));
    let drained = best(lines, || engine_over(lines, &plain, true));
    let ruled = |many| {
        let policy = with_rules(many);
        best(lines, || engine_over(lines, &policy, false))
    };
    println!("{} events", lines.len());
    let rows = [
        ("serde_json alone", serde),
        ("door", door),
        ("engine", judged - door),
        ("with 16 rules", ruled(16) - door),
        ("with 200 rules", ruled(200) - door),
        ("drain", drained - judged),
    ];
    for (name, ns) in rows {
        println!("{name:>18}: {ns:7.0} ns/event, {:5.2} x door", ns / door);
    }
}

/// Resident bytes of this process.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .unwrap_or("0");
    line.split_whitespace()
        .next()
        .and_then(|kb| kb.parse::<i64>().ok())
        .unwrap_or(0)
        * 1024
}

fn feed(engine: &mut Engine, line: &str, out: &mut Output) {
    common::feed(engine, 0, line, out);
    out.revisions.clear();
    out.findings.clear();
}

fn accounts() {
    const ACCOUNTS: i64 = 100_000;
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    let before = resident();
    for account in 0..ACCOUNTS {
        for n in 0..12 {
            let ip = format!(
                "10.{}.{}.{}",
                16 + account / 16_384,
                account / 64 % 256,
                4 * (account % 64) + n % 4
            );
            let pod = format!("3b1f{:04x}-5c0e-4c55-9d7a-{account:012x}", n % 4);
            let request = Request::of_pod(
                &format!("space-{}:account-{account}", account % 500),
                &pod,
                &ip,
            );
            let request = request.does("list", &format!("kind-of-thing-{n}"), "shelf", "");
            feed(&mut engine, &request.line(account * 20 + n), &mut out);
        }
        if account % 1000 == 0 {
            engine.skip_records();
        }
    }
    engine.skip_records();
    let grown = resident() - before;
    let held = engine.population().len();
    println!(
        "{held} accounts: {} bytes each, {} MiB in total",
        grown / ACCOUNTS,
        grown >> 20
    );
}

fn hostile() {
    let (mut engine, mut out) = (Engine::new(Policy::default()), Output::default());
    let before = resident();
    let mut half = 0;
    for n in 0..400_000i64 {
        let ip = format!("10.{}.{}.{}", 1 + n / 65_536, n / 256 % 256, n % 256);
        let mut request =
            Request::of_pod(&format!("lair-{n}:spider-{n}"), &format!("pod-{n}"), &ip);
        request.agent = format!("agent-{n}/1");
        let request = request.does(
            "get",
            "secrets",
            &format!("space-{n}"),
            &format!("thing-{n}"),
        );
        feed(&mut engine, &request.line(n * 5), &mut out);
        if n % 1000 == 0 {
            engine.skip_records();
        }
        if n == 200_000 {
            half = resident() - before;
        }
    }
    let whole = resident() - before;
    println!(
        "hostile stream: {} MiB after 200,000 events, {} MiB after 400,000: {:.2} x",
        half >> 20,
        whole >> 20,
        whole as f64 / half.max(1) as f64
    );
    println!(
        "  {} accounts, {} addresses",
        engine.population().len(),
        engine.addresses().len()
    );
}
