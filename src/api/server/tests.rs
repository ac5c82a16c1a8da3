//! Slow, greedy and ordinary clients against the real server.

use super::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::time::Instant;

struct Served {
    address: SocketAddr,
    health: Arc<Health>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<io::Result<()>>>,
}

impl Served {
    fn new() -> Served {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let health = Arc::new(Health::new(&["log-open"], Instant::now()));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = Arc::clone(&health);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let until = async { drop(stopped.await) };
            runtime.block_on(serve(listener, Arc::new(Metrics::new()), served, until))
        });
        Served {
            address,
            health,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = StdStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"
        ))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(matches!(ended, Ok(Ok(()))));
    }
}

#[test]
fn readiness_says_what_fails_and_why() {
    let served = Served::new();
    let answer = served.get("/readyz");
    assert!(
        answer.starts_with("HTTP/1.1 500") && answer.contains("[-]log-open failed: not yet\n"),
        "{answer}"
    );
    assert!(
        served
            .get("/readyz?exclude=log-open")
            .ends_with("\r\n\r\nok")
    );
    served
        .health
        .set("log-open", Err("no such file\u{1b}[2J".to_owned()));
    assert!(!served.get("/readyz").contains('\u{1b}'));
    served.health.set("log-open", Ok(()));
    let answer = served.get("/readyz?verbose");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.ends_with("[+]ping ok\n[+]pump ok\n[+]log-open ok\nreadyz check passed\n"),
        "{answer}"
    );
    assert!(served.get("/livez").ends_with("\r\n\r\nok"));
}

#[test]
fn metrics_and_the_index_answer_and_nothing_else_does() {
    let served = Served::new();
    let metrics = served.get("/metrics");
    assert!(
        metrics.contains("text/plain; version=0.0.4")
            && metrics.contains("\ntokentrail_build_info{"),
        "{metrics}"
    );
    assert!(served.get("/").contains("/livez "));
    assert!(served.get("/debug/pprof").starts_with("HTTP/1.1 404"));
    let post =
        "POST /metrics HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert!(served.ask(post).starts_with("HTTP/1.1 405"));
}

#[test]
fn headers_without_end_are_refused() {
    let served = Served::new();
    let many: String = (0..HEADERS + 1).map(|i| format!("x-{i}: y\r\n")).collect();
    assert!(
        served
            .ask(&format!("GET / HTTP/1.1\r\nhost: t\r\n{many}\r\n"))
            .starts_with("HTTP/1.1 431")
    );
}

#[test]
fn idle_connections_do_not_hold_up_the_end() {
    let served = Served::new();
    let idle: Vec<StdStream> = (0..CONNECTIONS)
        .map(|_| StdStream::connect(served.address).unwrap())
        .collect();
    drop(served);
    drop(idle);
}

#[test]
fn one_address_cannot_take_every_place() {
    let (guests, greedy, other) = (
        Guests::at_most(CONNECTIONS_OF_ONE),
        [10, 0, 0, 1].into(),
        [10, 0, 0, 2].into(),
    );
    let mut taken: Vec<_> = std::iter::from_fn(|| guests.admit(greedy))
        .take(CONNECTIONS)
        .collect();
    assert_eq!(taken.len(), CONNECTIONS_OF_ONE);
    assert!(guests.admit(other).is_some());
    taken.pop();
    assert!(guests.admit(greedy).is_some());
    drop(taken);
    assert!(guests.is_empty());
}
