//! A real kube-apiserver beside us: what it writes, sends and expects is no guess here.
//!
//! It is built from its Go module (`upstream/`), runs on loopback on ports of its own, and ends
//! with its test. Where it cannot be built, its tests are skipped and say so.

#[path = "../common/authority.rs"]
mod authority;
#[expect(dead_code, reason = "the tests share more than each of them uses")]
#[path = "../common/client.rs"]
mod client;
mod control_plane;
#[expect(dead_code, reason = "the tests share more than each of them uses")]
#[path = "../daemon/harness.rs"]
mod harness;
#[path = "../common/skipped.rs"]
mod skipped;
mod upstream;

use authority::Authority;
use control_plane::ControlPlane;
use harness::{Daemon, Home};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

#[test]
fn it_starts_in_seconds_and_writes_an_audit_log_that_we_read() {
    let dir = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let Some(mut plane) = ControlPlane::start(dir.path(), &[]) else {
        return;
    };
    println!("ready after {:?}", begun.elapsed());
    let client = plane.client("alice", "system:masters");
    let made = client
        .post(
            "/api/v1/namespaces",
            &serde_json::json!({"metadata": {"name": "shop"}}),
        )
        .unwrap();
    assert_eq!(made.0, 201, "{}", made.1);
    plane.stop();
    let log = std::fs::read(plane.audit_log()).unwrap();
    let (mut by_alice, mut unread) = (0, 0);
    for line in log.split(|byte| *byte == b'\n') {
        tokentrail::event::decode::line(
            line,
            &tokentrail::event::decode::Limits::default(),
            &mut |_, event| match event {
                Ok(event) => by_alice += u32::from(event.username == "alice"),
                Err(_) => unread += 1,
            },
        );
    }
    assert_eq!((by_alice, unread), (1, 0));
}

/// Settings of a receiver, and the kubeconfig by which an API server sends to it.
fn receiver(home: &Home, port: u16) -> (String, String) {
    let folder = home.path("pki");
    fs::create_dir_all(&folder).unwrap();
    let authority = Authority::new(&folder, "receiver");
    let own = authority.issue(&folder, "receiver-server", "127.0.0.1");
    let token = home.path("token");
    fs::write(&token, "s3cret").unwrap();
    let settings = format!(
        "receive:\n  listen: 127.0.0.1:{port}\n  cert_file: {:?}\n  key_file: {:?}\n  token_file: {token:?}\n",
        own.certificate, own.key
    );
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "audit",
        "clusters": [{"name": "tokentrail", "cluster": {
            "server": format!("https://127.0.0.1:{port}/audit"), "certificate-authority": authority.file,
        }}],
        "users": [{"name": "api-server", "user": {"token": "s3cret"}}],
        "contexts": [{"name": "audit", "context": {"cluster": "tokentrail", "user": "api-server"}}],
    });
    let (settings_file, kubeconfig_file) = (home.path("settings.yaml"), home.path("webhook.yaml"));
    fs::write(&settings_file, settings).unwrap();
    fs::write(&kubeconfig_file, kubeconfig.to_string()).unwrap();
    let shown = |path: &Path| path.to_str().unwrap().to_owned();
    (shown(&settings_file), shown(&kubeconfig_file))
}

/// Audit id and stage of each event of the API server's own log.
fn logged(plane: &ControlPlane) -> BTreeSet<String> {
    let log = fs::read_to_string(plane.audit_log()).unwrap();
    let of = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        format!("{} {}", event["auditID"], event["stage"])
    };
    log.lines().map(of).collect()
}

fn received(home: &Home) -> BTreeSet<String> {
    let rows = home.query("SELECT audit_id, stage FROM events");
    let of = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        format!("{} {}", row["audit_id"], row["stage"])
    };
    rows.lines().map(of).collect()
}

/// The API server writes its log and sends to us at once; we are killed in between, and both ends
/// agree event for event.
#[test]
fn what_a_real_api_server_sends_is_what_it_writes() {
    let home = Home::new();
    let (settings, kubeconfig) = receiver(&home, upstream::free_port());
    let start = || Daemon::spawn(&home, &["--config", &settings]);
    let mut daemon = start();
    let flags = [
        format!("--audit-webhook-config-file={kubeconfig}"),
        "--audit-webhook-batch-max-wait=500ms".to_owned(),
        "--audit-webhook-batch-max-size=7".to_owned(),
        "--audit-webhook-initial-backoff=1s".to_owned(),
    ];
    let dir = tempfile::tempdir().unwrap();
    let Some(mut plane) = ControlPlane::start(dir.path(), &flags) else {
        return;
    };
    let client = plane.client("alice", "system:masters");
    let make = |n: u32| {
        let namespace = json!({"metadata": {"name": format!("shop-{n}")}});
        let made = client.post("/api/v1/namespaces", &namespace).unwrap();
        assert_eq!(made.0, 201, "{}", made.1);
    };
    (0..20).for_each(make);
    daemon.wait("it receives", |daemon| {
        daemon.metric("tokentrail_received_events_total") > 20.0
    });
    daemon.kill();
    (20..40).for_each(make);
    let mut daemon = start();
    (40..50).for_each(make);
    plane.stop();
    let logged = logged(&plane);
    assert!(logged.len() > 50);
    daemon.wait("it has what was logged", |_| {
        received(&home).is_superset(&logged)
    });
    assert_eq!(received(&home), logged);
    let rows = home.query("SELECT count(*) AS n FROM events");
    assert_eq!(
        rows.trim(),
        format!("{{\"n\":{}}}", logged.len()),
        "each is there once"
    );
    assert!(daemon.terminate());
}
