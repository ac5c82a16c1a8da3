//! Against Debian's own `rsyslogd`, over UDP, TCP and TLS; skips, and says so, where it is not
//! installed.

use super::{note, send, tls::Authority};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokentrail::sink::Outcome;

const PATIENCE: Duration = Duration::from_secs(60);

struct Rsyslog {
    child: Child,
    udp: u16,
    tcp: u16,
    tls: u16,
    log: PathBuf,
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A server that writes what it understood, a JSON object a line; `None` where there is no rsyslog
/// with TLS.
fn rsyslog(dir: &Path, authority: &Authority) -> Option<Rsyslog> {
    let here = |name: &str| dir.join(name).display().to_string();
    let (udp, tcp, tls) = (free_udp_port(), free_port(), free_port());
    let server = authority.issue(dir, "server", "localhost");
    let log = dir.join("log");
    let property = |name: &str, of: &str| {
        format!(
            "property(outname=\"{name}\" name=\"{of}\" format=\"jsonf\") constant(value=\", \")"
        )
    };
    let fields: String = [
        ("severity", "syslogseverity-text"),
        ("facility", "syslogfacility"),
        ("app", "app-name"),
    ]
    .into_iter()
    .chain([
        ("msgid", "msgid"),
        ("host", "hostname"),
        ("sd", "structured-data"),
        ("time", "timestamp"),
    ])
    .map(|(name, of)| property(name, of))
    .collect();
    let config = format!(
        "global(workDirectory=\"{work}\" defaultNetstreamDriver=\"gtls\" maxMessageSize=\"8k\"\n  \
           defaultNetstreamDriverCAFile=\"{ca}\" defaultNetstreamDriverCertFile=\"{cert}\"\n  \
           defaultNetstreamDriverKeyFile=\"{key}\")\n\
         module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{udp}\")\n\
         module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tcp}\"\n  \
           StreamDriver.Name=\"ptcp\" StreamDriver.Mode=\"0\")\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tls}\" StreamDriver.Name=\"gtls\" StreamDriver.Mode=\"1\"\n  \
           StreamDriver.AuthMode=\"x509/certvalid\")\n\
         template(name=\"all\" type=\"list\") {{ constant(value=\"{{\") {fields} \
           property(outname=\"msg\" name=\"msg\" format=\"jsonf\") constant(value=\"}}\\n\") }}\n\
         action(type=\"omfile\" file=\"{log}\" template=\"all\")\n",
        work = dir.display(),
        ca = authority.file.display(),
        cert = server.certificate.display(),
        key = server.key.display(),
        log = log.display(),
    );
    std::fs::write(here("rsyslog.conf"), config).unwrap();
    let errors = std::fs::File::create(here("errors")).unwrap();
    let child = Command::new("rsyslogd")
        .args(["-n", "-i", &here("pid"), "-f", &here("rsyslog.conf")])
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .ok()?;
    let mut server = Rsyslog {
        child,
        udp,
        tcp,
        tls,
        log,
    };
    let begun = Instant::now();
    while [tcp, tls]
        .iter()
        .any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err())
    {
        let said = std::fs::read_to_string(here("errors")).unwrap();
        if said.contains("gtls") && said.contains("could not load") {
            return None;
        }
        assert!(
            begun.elapsed() < PATIENCE && server.child.try_wait().unwrap().is_none(),
            "{said}"
        );
        std::thread::yield_now();
    }
    Some(server)
}

impl Rsyslog {
    /// The messages that it has written, once there are so many.
    fn messages(&self, count: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            if lines.len() >= count && text.ends_with('\n') {
                assert_eq!(lines.len(), count, "{text}");
                return lines
                    .into_iter()
                    .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
                    .collect();
            }
            assert!(begun.elapsed() < PATIENCE, "{text}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn rsyslog_understands_every_message_over_udp_tcp_and_tls() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "ca");
    let Some(server) = rsyslog(dir.path(), &authority) else {
        crate::skipped::because("rsyslog with its gtls driver is not installed");
        return;
    };
    let client = authority.issue(dir.path(), "client", "tokentrail");
    let secured = format!(
        "ca_file: '{}', client_cert_file: '{}', client_key_file: '{}'",
        authority.file.display(),
        client.certificate.display(),
        client.key.display()
    );
    let mut count = 0;
    let ways = [
        ("udp", format!("127.0.0.1:{}", server.udp)),
        ("tcp", format!("127.0.0.1:{}", server.tcp)),
    ];
    for (transport, address) in ways
        .into_iter()
        .chain([("tls", format!("localhost:{}", server.tls))])
    {
        for body in ["cef", "json"] {
            let text = format!(
                "syslog: {{ address: '{address}', transport: {transport}, body: {body}, facility: 16 }}, {secured}"
            );
            let note = note(count + 1, "updated", "high");
            assert_eq!(send(&text, &note), Outcome::Delivered, "{transport} {body}");
            count += 1;
            let got = server.messages(count as usize).pop().unwrap();
            let of = |name: &str| got[name].as_str().unwrap_or_default().to_owned();
            assert_eq!(
                (of("severity"), of("facility"), of("app")),
                ("err".into(), "16".into(), "tokentrail".into())
            );
            assert_eq!((of("msgid"), of("host")), ("test".into(), "c1".into()));
            assert!(
                of("sd").starts_with("[origin software=\"tokentrail\" swVersion="),
                "{got}"
            );
            let msg = of("msg");
            if body == "json" {
                let incident: Value = serde_json::from_str(&msg).unwrap();
                assert_eq!(
                    incident,
                    serde_json::from_slice::<Value>(&note.line).unwrap()
                );
            } else {
                assert!(
                    msg.starts_with("CEF:0|tokentrail|tokentrail|") && msg.contains(&note.id),
                    "{msg}"
                );
            }
        }
    }
    let other = Authority::new(dir.path(), "other");
    let stranger = format!(
        "syslog: {{ address: 'localhost:{}' }}, ca_file: '{}'",
        server.tls,
        other.file.display()
    );
    let Outcome::Retry { why, .. } = send(&stranger, &note(1, "open", "high")) else {
        panic!("a stranger is trusted")
    };
    assert!(why.contains("TLS: invalid peer certificate"), "{why}");
    let without = format!(
        "syslog: {{ address: 'localhost:{}' }}, ca_file: '{}'",
        server.tls,
        authority.file.display()
    );
    let Outcome::Retry { why, .. } = send(&without, &note(1, "open", "high")) else {
        panic!("no certificate was shown")
    };
    assert!(why.contains("localhost"), "{why}");
}

/// RFC 6587 section 3.4.1: `MSG-LEN SP SYSLOG-MSG`, the length in bytes.
#[test]
fn a_message_over_tcp_is_counted_in_bytes_and_a_broken_connection_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "syslog: {{ address: '{}', transport: tcp, body: cef }}",
        listener.local_addr().unwrap()
    );
    let mut row: Value = serde_json::from_slice(&note(1, "open", "high").line).unwrap();
    row["summary"] = "Gr\u{fc}\u{df}e \u{1f600}".into();
    let wide =
        std::sync::Arc::new(tokentrail::sink::Note::read(row.to_string().as_bytes()).unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        // Some receivers answer, which means nothing, and end.
        let _ = stream.write_all(b"ok");
        drop(stream);
        let (stream, _) = listener.accept().unwrap();
        // Bytes that are there and never read make the end a reset.
        assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
        all
    });
    assert_eq!(send(&text, &wide), Outcome::Delivered);
    let reset = send(&text, &wide);
    let all = server.join().unwrap();
    let space = all.iter().position(|b| *b == b' ').unwrap();
    let length: usize = std::str::from_utf8(&all[..space]).unwrap().parse().unwrap();
    assert_eq!(length, all.len() - space - 1);
    assert!(
        String::from_utf8(all)
            .unwrap()
            .contains("msg=Gr\u{fc}\u{df}e \u{1f600}")
    );
    assert!(matches!(reset, Outcome::Retry { .. }), "{reset:?}");
    assert!(matches!(
        send("syslog: { address: '127.0.0.1:1', transport: tcp }", &wide),
        Outcome::Retry { .. }
    ));
}
