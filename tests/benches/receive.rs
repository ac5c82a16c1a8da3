//! What the receiver bears: batches of 400 events as API servers send them, at 4,000 events a
//! second, in bursts of 20,000, and over kill -9.
//!
//! `cargo bench --bench receive -- [seconds]`; 20 seconds without an argument. Every answer waits
//! for a sync of the disk below the directory for temporary files. Prints the time from request to
//! answer, and fails if one event that was answered for is missing or counted twice.

#[path = "../common/authority.rs"]
mod authority;
#[expect(dead_code, reason = "the tests share more than each of them uses")]
#[path = "../daemon/harness.rs"]
mod harness;

use authority::Authority;
use harness::{Daemon, Home};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const BATCH: u64 = 400;
/// Batches a second: 4,000 events.
const BATCHES_A_SECOND: u32 = 10;
/// Batches of a burst: 20,000 events.
const BURST: u64 = 50;
/// As client-go gives an attempt of the webhook.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Sends as an API server does: a batch that is not answered with 200 comes again.
#[derive(Clone)]
struct Sender {
    http: reqwest::Client,
    url: String,
    next: Arc<AtomicU64>,
}

impl Sender {
    /// The time to the answer, and how many attempts it took.
    async fn send(self) -> (Duration, u32) {
        let from = self.next.fetch_add(BATCH, Ordering::Relaxed);
        let body = list(from).to_string();
        for attempt in 1.. {
            let begun = Instant::now();
            let request = self.http.post(&self.url).body(body.clone());
            match request.send().await {
                Ok(answer) if answer.status().is_success() => return (begun.elapsed(), attempt),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        unreachable!("attempts do not end")
    }
}

fn list(from: u64) -> Value {
    let items: Vec<Value> = (from..from + BATCH).map(event).collect();
    json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items})
}

/// Reads of many accounts, a thousand a second of stage time.
fn event(n: u64) -> Value {
    let time = tokentrail::base::Time(1_772_441_630_000_000 + n as i64 * 1000).to_string();
    let account = n % 200;
    json!({
        "level": "Metadata", "auditID": format!("{n:032x}"), "stage": "ResponseComplete",
        "requestURI": format!("/api/v1/namespaces/ns-{account}/pods/p-{}", n % 50), "verb": "get",
        "user": {"username": format!("system:serviceaccount:ns-{account}:app"), "uid": "u"},
        "sourceIPs": [format!("10.0.{}.{}", account / 100, account % 100)],
        "userAgent": "app/1.0", "objectRef": {"resource": "pods", "apiVersion": "v1",
            "namespace": format!("ns-{account}"), "name": format!("p-{}", n % 50)},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": time, "stageTimestamp": time,
        "annotations": {"authorization.k8s.io/decision": "allow"},
    })
}

fn told(what: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)].as_millis();
    println!(
        "{what}: {} batches, answered after {} ms (median), {} ms (p99), {} ms (most)",
        took.len(),
        at(50),
        at(99),
        at(100)
    );
}

async fn steady(sender: &Sender, seconds: u32) -> Vec<Duration> {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / BATCHES_A_SECOND);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..seconds * BATCHES_A_SECOND {
        pace.tick().await;
        all.spawn(sender.clone().send());
    }
    all.join_all()
        .await
        .into_iter()
        .map(|(took, _)| took)
        .collect()
}

fn main() {
    let seconds = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .next()
        .unwrap_or(20);
    let home = Home::new();
    let folder = home.path("pki");
    fs::create_dir_all(&folder).unwrap();
    let authority = Authority::new(&folder, "authority");
    let own = authority.issue(&folder, "server", "127.0.0.1");
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let settings = home.path("settings.yaml");
    let text = format!(
        "receive:\n  listen: 127.0.0.1:{port}\n  cert_file: {:?}\n  key_file: {:?}\n",
        own.certificate, own.key
    );
    fs::write(&settings, text).unwrap();
    let start = || {
        let mut daemon = Daemon::spawn(&home, &["--config", settings.to_str().unwrap()]);
        daemon.wait("it receives", |_| {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        daemon
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sender = Sender {
        http: client(&authority),
        url: format!("https://127.0.0.1:{port}/audit?timeout=30s"),
        next: Arc::default(),
    };

    let mut daemon = start();
    let memory = |daemon: &Daemon| daemon.metric("process_resident_memory_bytes") / 1e6;
    let mut took = runtime.block_on(steady(&sender, seconds));
    told("4,000 events a second", &mut took);
    let before = memory(&daemon);
    let burst = async {
        let all: tokio::task::JoinSet<_> = (0..BURST).map(|_| sender.clone().send()).collect();
        all.join_all().await
    };
    let mut took: Vec<Duration> = runtime
        .block_on(burst)
        .into_iter()
        .map(|(t, _)| t)
        .collect();
    told("20,000 events at once", &mut took);
    println!(
        "memory: {before:.0} MB before the burst, {:.0} MB after it",
        memory(&daemon)
    );

    // Killed while batches are on their way: what was not answered comes again.
    let third = sender.clone();
    let sending = runtime.spawn(async move { steady(&third, seconds).await });
    for _ in 0..4 {
        std::thread::sleep(Duration::from_secs(u64::from(seconds)) / 5);
        daemon.kill();
        daemon = start();
    }
    let mut took = runtime.block_on(sending).unwrap();
    told("4,000 events a second over four kills", &mut took);
    let sent = sender.next.load(Ordering::Relaxed);
    let counted = |home: &Home| {
        let row = home.query("SELECT count(*) AS n, count(DISTINCT audit_id) AS ids FROM events");
        let row: Value = serde_json::from_str(&row).unwrap();
        (row["n"].as_u64().unwrap(), row["ids"].as_u64().unwrap())
    };
    daemon.wait("all is read", |_| counted(&home).1 >= sent);
    let (rows, ids) = counted(&home);
    println!(
        "{sent} events sent, {ids} in history, {} of them twice",
        rows - ids
    );
    assert_eq!((rows, ids), (sent, sent));
}

fn client(authority: &Authority) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    let own = CertificateDer::from_pem_file(&authority.file).unwrap();
    roots.add(own).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .timeout(ATTEMPT)
        .no_proxy()
        .build()
        .unwrap()
}
