//! A real kube-apiserver beside us: what it writes, sends and expects is no guess here.
//!
//! It is built from its Go module (`upstream/`), runs on loopback on ports of its own, and ends
//! with its test. Where it cannot be built, its tests are skipped and say so.

#[path = "../common/authority.rs"]
mod authority;
mod client;
mod control_plane;
#[path = "../common/skipped.rs"]
mod skipped;
mod upstream;

use control_plane::ControlPlane;
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
