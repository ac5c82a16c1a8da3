//! Against Debian's own `prometheus-alertmanager`, two replicas of it; skips, and says so, where it
//! is not installed.

use super::{deliver, settings};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokentrail::sink::{Note, Outcome, Parcel, receivers_of};

const PATIENCE: Duration = Duration::from_secs(60);

struct Replicas(Vec<Child>);

impl Drop for Replicas {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

/// Active alerts.
fn active(port: u16) -> Vec<Value> {
    let body = get(port, "/api/v2/alerts?active=true").expect("alerts");
    serde_json::from_str(&body).unwrap()
}

/// Those about incidents.
fn incidents(port: u16) -> Vec<Value> {
    active(port)
        .into_iter()
        .filter(|alert| alert["labels"]["alertname"] != "Watchdog")
        .collect()
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::yield_now();
    }
}

/// Two replicas that gossip with each other and tell one receiver; `None` where there is no
/// Alertmanager.
fn replicas(dir: &std::path::Path, hook: &str) -> Option<(Replicas, [u16; 2])> {
    let config = dir.join("am.yml");
    let route = "route: { receiver: r, group_by: [incident], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }";
    std::fs::write(
        &config,
        format!("{route}\nreceivers: [{{ name: r, webhook_configs: [{{ url: '{hook}' }}] }}]\n"),
    )
    .unwrap();
    let (ports, gossip) = ([free_port(), free_port()], [free_port(), free_port()]);
    let mut children = Replicas(Vec::new());
    for i in 0..2 {
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.path={}",
                dir.join(format!("data{i}")).display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{}", ports[i]))
            .arg(format!("--cluster.listen-address=127.0.0.1:{}", gossip[i]))
            .arg("--cluster.advertise-address")
            .arg(format!("127.0.0.1:{}", gossip[i]))
            .arg(format!("--cluster.peer=127.0.0.1:{}", gossip[1 - i]))
            .args([
                "--cluster.peer-timeout=2s",
                "--cluster.gossip-interval=50ms",
                "--cluster.settle-timeout=5s",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        children.0.push(child);
    }
    for port in ports {
        wait("ready", || get(port, "/-/ready").is_some());
    }
    // Only replicas that know each other can keep from telling twice.
    for port in ports {
        wait("two peers", || {
            let status: Value =
                serde_json::from_str(&get(port, "/api/v2/status").unwrap()).unwrap();
            status["cluster"]["peers"].as_array().map_or(0, Vec::len) == 2
                && status["cluster"]["status"] == "ready"
        });
    }
    Some((children, ports))
}

#[test]
fn two_replicas_receive_tell_once_escalate_and_resolve() {
    let dir = tempfile::tempdir().unwrap();
    let told = super::local::Local::start(&[]);
    let Some((_replicas, ports)) = replicas(dir.path(), &told.url) else {
        crate::skipped::because("prometheus-alertmanager is not installed");
        return;
    };
    let urls = ports
        .map(|port| format!("'http://127.0.0.1:{port}'"))
        .join(", ");
    let settings = settings(&format!("alertmanager: {{ urls: [{urls}] }}"));
    let mut receivers = receivers_of("am", &settings, "c1");
    assert_eq!(receivers.len(), 2);
    let severities = |port| -> Vec<String> {
        incidents(port)
            .iter()
            .map(|a| a["labels"]["severity"].as_str().unwrap().to_owned())
            .collect()
    };

    // What the queue sends when nothing goes on.
    for receiver in &mut receivers {
        assert_eq!(
            deliver(receiver, &Parcel::Refresh(Vec::new())).0,
            Outcome::Delivered
        );
    }
    for port in ports {
        let labels = active(port)[0]["labels"].clone();
        assert_eq!(
            (&labels["alertname"], &labels["cluster"]),
            (&"Watchdog".into(), &"c1".into())
        );
    }
    assert_eq!(
        told.next().json()["alerts"][0]["labels"]["alertname"],
        "Watchdog"
    );

    let mut send = |note: &Arc<Note>, before: Option<&Arc<Note>>| {
        for receiver in &mut receivers {
            let parcel = Parcel::Notice {
                note: note.clone(),
                before: before.cloned(),
            };
            assert_eq!(deliver(receiver, &parcel).0, Outcome::Delivered);
        }
    };
    let opened = super::note(1, "open", "medium");
    send(&opened, None);
    for port in ports {
        assert_eq!(severities(port), ["medium"]);
        let labels = incidents(port)[0]["labels"].clone();
        assert_eq!(
            (&labels["alertname"], &labels["namespace"]),
            (&"TokentrailTest".into(), &"tokentrail-test".into())
        );
    }
    let first = told.next().json();
    assert_eq!(
        (&first["status"], first["alerts"].as_array().unwrap().len()),
        (&"firing".into(), 1)
    );

    // Longer than the second replica waits for the first (cluster.peer-timeout) and its
    // group_interval.
    assert!(
        told.quiet_for(Duration::from_secs(5)),
        "the second replica told it again: it was not the same alert"
    );

    let escalated = super::note(2, "updated", "high");
    send(&escalated, Some(&opened));
    for port in ports {
        wait("the old severity is gone", || severities(port) == ["high"]);
    }
    let resolved = super::note(3, "resolved", "high");
    send(&resolved, Some(&escalated));
    for port in ports {
        wait("resolved", || incidents(port).is_empty());
    }
    let mut states = vec![of(&first["alerts"][0])];
    while !states.contains(&("resolved".to_owned(), "high".to_owned())) {
        states.extend(
            told.next().json()["alerts"]
                .as_array()
                .unwrap()
                .iter()
                .map(of),
        );
    }
    assert!(
        states.contains(&("resolved".to_owned(), "medium".to_owned())),
        "{states:?}"
    );
}

fn of(alert: &Value) -> (String, String) {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    (text(&alert["status"]), text(&alert["labels"]["severity"]))
}
