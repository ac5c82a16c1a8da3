//! TLS with authorities of our own: who is trusted, who has to show a certificate, and what is
//! refused.

pub use super::authority::Authority;
use super::{note, send};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::sync::Arc;
use tokentrail::sink::Outcome;

/// Serves `localhost` over TLS: reads each request, and answers 200. Returns its port.
fn server(dir: &Path, authority: &Authority, clients: Option<&Authority>) -> u16 {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let issued = authority.issue(dir, "local", "localhost");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_file(&authority.file).unwrap())
                .unwrap();
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_file(&issued.certificate).unwrap()];
    let config = Arc::new(
        builder
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(&issued.key).unwrap())
            .unwrap(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            // One read holds the head; these requests are small.
            if tls.read(&mut [0; 65_536]).is_ok() {
                let _ = tls.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    port
}

fn why(outcome: Outcome) -> String {
    match outcome {
        Outcome::Retry { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_named_authority_is_trusted_and_only_for_its_host() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (
        Authority::new(dir.path(), "ours"),
        Authority::new(dir.path(), "other"),
    );
    let port = server(dir.path(), &ours, None);
    let to = |host: &str, more: &str| {
        format!("webhook: {{ url: 'https://{host}:{port}/' }}, timeout_seconds: 20{more}")
    };
    let note = note(1, "open", "high");
    let trusting = |authority: &Authority| format!(", ca_file: '{}'", authority.file.display());
    assert_eq!(
        send(&to("localhost", &trusting(&ours)), &note),
        Outcome::Delivered
    );
    assert!(
        why(send(&to("localhost", &trusting(&other)), &note)).contains("invalid peer certificate")
    );
    assert!(
        why(send(&to("localhost", ""), &note)).contains("certificate"),
        "the system's do not know it"
    );
    assert!(
        why(send(&to("127.0.0.1", &trusting(&ours)), &note)).contains("certificate"),
        "it is another's name"
    );
    let absent = why(send(
        &to("localhost", ", ca_file: /nonexistent/ca.pem"),
        &note,
    ));
    assert!(absent.contains("ca_file /nonexistent/ca.pem"), "{absent}");
    let key = why(send(
        &to(
            "localhost",
            &format!(", ca_file: '{}'", dir.path().join("local.key").display()),
        ),
        &note,
    ));
    assert!(key.contains("it holds no certificate"), "{key}");
}

#[test]
fn a_certificate_is_shown_where_one_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, clients) = (
        Authority::new(dir.path(), "ours"),
        Authority::new(dir.path(), "clients"),
    );
    let port = server(dir.path(), &ours, Some(&clients));
    let base = format!(
        "webhook: {{ url: 'https://localhost:{port}/' }}, ca_file: '{}'",
        ours.file.display()
    );
    let note = note(1, "open", "high");
    let with = |by: &Authority, name: &str| {
        let issued = by.issue(dir.path(), name, "tokentrail");
        let (certificate, key) = (issued.certificate.display(), issued.key.display());
        format!("{base}, client_cert_file: '{certificate}', client_key_file: '{key}'")
    };
    assert_eq!(send(&with(&clients, "known"), &note), Outcome::Delivered);
    why(send(&base, &note));
    why(send(&with(&ours, "unknown"), &note));
    let known = dir.path().join("known.crt");
    let wrong = format!(
        "{base}, client_cert_file: '{0}', client_key_file: '{0}'",
        known.display()
    );
    assert!(why(send(&wrong, &note)).contains("client_key_file"));
}

#[test]
fn a_certificate_that_comes_later_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new(dir.path(), "ours");
    let port = server(dir.path(), &ours, None);
    let late = dir.path().join("late.pem");
    let mut receiver = super::receiver(&format!(
        "webhook: {{ url: 'https://localhost:{port}/' }}, ca_file: '{}'",
        late.display()
    ));
    let parcel = tokentrail::sink::Parcel::Notice {
        note: note(1, "open", "high"),
        before: None,
    };
    why(super::deliver(&mut receiver, &parcel).0);
    let other = Authority::new(dir.path(), "other");
    std::fs::copy(&other.file, &late).unwrap();
    why(super::deliver(&mut receiver, &parcel).0);
    std::fs::copy(&ours.file, &late).unwrap();
    assert_eq!(super::deliver(&mut receiver, &parcel).0, Outcome::Delivered);
}
