//! Country and network of origins, from the operator's files to the incident, and out of history
//! again.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::{DAY, HOUR, MINUTE, Request};
use proptest::prelude::*;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokentrail::base::{Digest, Span, Time};
use tokentrail::config::{Config, Reloader};
use tokentrail::daemon::replay::{Audience, replay};
use tokentrail::daemon::rewind::verify::verify;
use tokentrail::detect::Severity;
use tokentrail::event::decode::{self, Limits};
use tokentrail::event::{AuditEvent, Geo};
use tokentrail::history::read::scan::{Bounds, Filter, Scan};
use tokentrail::history::{COLUMNS, Place, Rows, events};
use tokentrail::history::{History, Retention};
use tokentrail::incident::{Incident, Kind, Status};

/// AS64500, DE, in two networks; AS64501, RO; AS64500, FR. `tests/fixtures/geoip/make.py` has them
/// all.
const OFFICE: &str = "198.51.100.7";
const BRANCH: &str = "192.0.2.7";
const FOREIGN: &str = "203.0.113.9";
const ABROAD: &str = "203.0.113.200";

struct Told(Vec<Incident>);

impl Audience for Told {
    fn incident(&mut self, incident: &Incident) -> anyhow::Result<()> {
        self.0.push(incident.clone());
        Ok(())
    }
    fn progress(&mut self, _: u64, _: u64, _: u64) {}
}

/// A folder with logs, settings, and the state that goes on from one replay to the next.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Settings that name copies of the files, which a test may remove.
    fn settings(&self, country: &str, asn: &str) -> Config {
        for name in [country, asn] {
            fs::copy(
                Path::new("tests/fixtures/geoip").join(name),
                self.path(name),
            )
            .unwrap();
        }
        fs::write(
            self.path("t.yaml"),
            format!("geoip:\n  country: {country}\n  asn: {asn}\n"),
        )
        .unwrap();
        Reloader::open(Some(&self.path("t.yaml"))).unwrap().0
    }

    /// The incidents of `low` and more that these lines bring about after the first eight days,
    /// each as its severity, detectors and networks.
    fn replay(&self, name: &str, lines: &[String], config: &Config) -> Vec<String> {
        fs::write(self.path(name), lines.join("\n") + "\n").unwrap();
        let mut told = Told(Vec::new());
        replay(
            &[self.path(name)],
            Some(&self.path("state")),
            config,
            &mut told,
        )
        .unwrap();
        let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        let begun = Time::parse(first["stageTimestamp"].as_str().unwrap())
            .unwrap()
            .max(at(8 * DAY));
        let words = |i: &Incident| {
            format!(
                "{} {} {}",
                i.severity,
                i.detectors.join(" "),
                i.networks.join("; ")
            )
        };
        let is_told = |i: &&Incident| {
            i.kind == Kind::Threat && i.severity >= Severity::Low && i.last_seen >= begun
        };
        told.0.iter().filter(is_told).map(words).collect()
    }
}

fn at(millis: i64) -> Time {
    Time::from_seconds(1_767_225_600) + Span::seconds(millis / 1000)
}

fn person(ip: &str) -> Request {
    let base = Request::of_pod("shop:x", "", ip);
    let (user, credential) = ("ann".to_owned(), "X509SHA256=ab12".to_owned());
    Request {
        user,
        uid: "",
        credential,
        node: String::new(),
        agent: "kubectl/v1.36.0 (linux/amd64)".into(),
        ..base
    }
}

/// An account whose token is used outside of any pod: by a pipeline.
fn pipeline(ip: &str) -> Request {
    Request {
        credential: format!("JTI=pipeline-{ip}"),
        node: String::new(),
        agent: "deploy/v1".into(),
        ..Request::of_pod("ci:deploy", "", ip)
    }
}

/// Eight days of one account's work, and of a cluster whose pods and nodes show their addresses.
fn week(who: &dyn Fn() -> Request) -> Vec<String> {
    let mut lines = Vec::new();
    for day in 0..8 {
        for n in 0..6 {
            let time = day * DAY + 8 * HOUR + n * MINUTE;
            lines.push(Request::of_node("node-a", "10.0.0.1").line(time));
            lines.push(
                Request::of_pod(
                    "shop:cart",
                    &format!("cart-{n}"),
                    &format!("10.1.0.{}", n + 1),
                )
                .line(time),
            );
            lines.push(who().does("list", "secrets", "shop", "").line(time));
            lines.push(who().does("list", "pods", "shop", "").line(time + 1));
        }
    }
    lines
}

/// What a read of Secrets on the ninth day makes of it.
fn ninth(who: &Request) -> Vec<String> {
    vec![
        who.clone()
            .does("list", "secrets", "shop", "")
            .line(8 * DAY + 9 * HOUR),
    ]
}

const READ_ELSEWHERE: &str = "medium sensitive-operation unknown-origin AS64501 Other Net Inc., RO";

/// AB-04 of the table of coverage: who read Secrets from one network every day does so from
/// another.
#[test]
fn secrets_read_by_a_person_from_a_new_network_are_told() {
    let two_files = ("country.mmdb", "asn.mmdb");
    for (country, asn) in [two_files, ("flat.mmdb", "flat.mmdb")] {
        for (ip, told) in [
            (FOREIGN, vec![READ_ELSEWHERE]),
            (
                ABROAD,
                vec!["medium sensitive-operation unknown-origin AS64500 Example Net, FR"],
            ),
            (BRANCH, vec![]),
            (OFFICE, vec![]),
        ] {
            let desk = Desk::new();
            let config = desk.settings(country, asn);
            assert!(
                desk.replay("a.log", &week(&|| person(OFFICE)), &config)
                    .is_empty()
            );
            assert_eq!(
                desk.replay("b.log", &ninth(&person(ip)), &config),
                told,
                "{ip} by {country}"
            );
        }
    }
}

/// Whoever looks around first, or comes back another day, is told of all the same; each day on
/// which a place returns makes it less news.
#[test]
fn a_harmless_visit_is_no_licence_to_read_secrets() {
    let desk = Desk::new();
    let config = desk.settings("country.mmdb", "asn.mmdb");
    desk.replay("a.log", &week(&|| person(OFFICE)), &config);
    for (day, told) in (8..13).zip(["medium", "low", "", "", ""]) {
        let visit = person(FOREIGN)
            .does("list", "pods", "shop", "")
            .line(day * DAY + 9 * HOUR);
        let read = person(FOREIGN)
            .does("list", "secrets", "shop", "")
            .line(day * DAY + 10 * HOUR);
        // Each day is a story of its own.
        let all = desk.replay(&format!("{day}.log"), &[visit, read], &config);
        assert_eq!(
            all.last()
                .map_or("", |last| last.split(' ').next().unwrap()),
            told,
            "day {day}: {all:?}"
        );
    }
}

#[test]
fn the_finding_says_where_from_and_where_from_otherwise() {
    let desk = Desk::new();
    let config = desk.settings("country.mmdb", "asn.mmdb");
    let lines = [week(&|| person(OFFICE)), ninth(&person(FOREIGN))].concat();
    let mut told = Told(Vec::new());
    fs::write(desk.path("a.log"), lines.join("\n") + "\n").unwrap();
    replay(&[desk.path("a.log")], None, &config, &mut told).unwrap();
    let finding = told
        .0
        .iter()
        .flat_map(|i| &i.findings)
        .find(|f| f.detector == "unknown-origin")
        .unwrap();
    assert_eq!(
        finding.expected,
        "this account comes from: AS64500 Example Net, DE"
    );
    assert_eq!(
        finding.observed,
        "a client certificate came from 203.0.113.9 (outside the cluster) in AS64501 Other Net Inc., RO"
    );
}

/// Nothing is known of anybody's networks on the day when the files are configured.
#[test]
fn the_first_days_with_files_raise_no_alarm() {
    for who in [&person as &dyn Fn(&str) -> Request, &pipeline] {
        for ip in [OFFICE, BRANCH, FOREIGN, ABROAD] {
            let without = Desk::new();
            assert!(
                without
                    .replay("a.log", &week(&|| who(OFFICE)), &Config::default())
                    .is_empty()
            );
            let expected: Vec<String> =
                without.replay("b.log", &ninth(&who(ip)), &Config::default());
            let desk = Desk::new();
            desk.replay("a.log", &week(&|| who(OFFICE)), &Config::default());
            let config = desk.settings("country.mmdb", "asn.mmdb");
            let told = desk.replay("b.log", &ninth(&who(ip)), &config);
            let same =
                |a: &String, b: &String| a.split(" AS").next().map(str::trim) == Some(b.trim());
            assert!(
                told.len() == expected.len() && told.iter().zip(&expected).all(|(a, b)| same(a, b)),
                "{told:?} {expected:?}"
            );
        }
    }
}

/// An account that is told of by its addresses is quiet in its network, and told of in others.
#[test]
fn another_address_of_a_known_network_is_no_news_of_a_service_account() {
    for (ip, with, without) in [(BRANCH, 0, 1), (FOREIGN, 1, 1), (ABROAD, 1, 1)] {
        let desk = Desk::new();
        let config = desk.settings("flat.mmdb", "flat.mmdb");
        desk.replay("a.log", &week(&|| pipeline(OFFICE)), &config);
        assert_eq!(
            desk.replay("b.log", &ninth(&pipeline(ip)), &config).len(),
            with,
            "{ip}"
        );
        let desk = Desk::new();
        desk.replay("a.log", &week(&|| pipeline(OFFICE)), &Config::default());
        assert_eq!(
            desk.replay("b.log", &ninth(&pipeline(ip)), &Config::default())
                .len(),
            without,
            "{ip}"
        );
    }
}

/// Without the files of then, the same judgement: what they said stands in the rows.
#[test]
fn history_is_judged_without_the_files() {
    let desk = Desk::new();
    let config = desk.settings("country.mmdb", "asn.mmdb");
    desk.replay("a.log", &week(&|| person(OFFICE)), &config);
    assert_eq!(
        desk.replay("b.log", &ninth(&person(FOREIGN)), &config),
        [READ_ELSEWHERE]
    );
    // The incident is open in the state that this goes on from.
    let later =
        [12 * HOUR, 13 * HOUR, 14 * HOUR].map(|time| person(OFFICE).line(8 * DAY + time) + "\n");
    fs::write(desk.path("c.log"), later.concat()).unwrap();
    let mut told = Told(Vec::new());
    replay(
        &[desk.path("c.log")],
        Some(&desk.path("state")),
        &config,
        &mut told,
    )
    .unwrap();
    let over = told
        .0
        .iter()
        .find(|i| i.status == Status::Resolved && i.severity == Severity::Medium)
        .unwrap();
    assert_eq!(over.networks, ["AS64501 Other Net Inc., RO"]);
    fs::remove_file(desk.path("country.mmdb")).unwrap();
    fs::remove_file(desk.path("asn.mmdb")).unwrap();
    let done = verify(&desk.path("state"), &mut |_, _| ()).unwrap();
    assert_eq!(done.difference, None);
    assert!(done.incidents > 0);
}

fn tokentrail(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_tokentrail"))
        .args(args)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap().replace('\r', "")
}

#[test]
fn the_command_line_tells_and_asks() {
    let desk = Desk::new();
    desk.settings("country.mmdb", "asn.mmdb");
    let lines = [week(&|| person(OFFICE)), ninth(&person(FOREIGN))].concat();
    fs::write(desk.path("a.log"), lines.join("\n") + "\n").unwrap();
    let (log, settings, state) = (desk.path("a.log"), desk.path("t.yaml"), desk.path("state"));
    let [log, settings, state] = [&log, &settings, &state].map(|path| path.to_str().unwrap());
    let told = tokentrail(&[
        "replay", log, "--config", settings, "--state", state, "-o", "json",
    ]);
    assert!(
        told.contains("\"networks\":[\"AS64501 Other Net Inc., RO\"]"),
        "{told}"
    );
    let sql =
        "SELECT DISTINCT origin, origin_country, origin_asn, origin_network FROM events ORDER BY 1";
    let rows = tokentrail(&["query", "--state", state, "-o", "csv", sql]);
    assert!(
        rows.contains("198.51.100.7,DE,64500,Example Net\n203.0.113.9,RO,64501,Other Net Inc.\n"),
        "{rows}"
    );
    let known = "SELECT value, days FROM baselines WHERE feature = 'networks' ORDER BY 1";
    let known = tokentrail(&["query", "--state", state, "-o", "csv", known]);
    assert!(
        known.contains("\"AS64500 Example Net, DE\",8\n\"AS64501 Other Net Inc., RO\",1\n"),
        "{known}"
    );
}

#[test]
fn rules_know_country_and_network() {
    let desk = Desk::new();
    desk.settings("flat.mmdb", "flat.mmdb");
    let rule = "rules:\n  - id: elsewhere\n    title: From where nobody works\n    severity: high\n    condition: \"event.origin_country == 'RO' && event.origin_asn == 64501 && event.origin_network.startsWith('Other') && baseline.network_days == 0 && !('AS64501 Other Net Inc., RO' in baseline.networks)\"\n";
    fs::write(desk.path("own.yaml"), rule).unwrap();
    let settings = fs::read_to_string(desk.path("t.yaml")).unwrap();
    fs::write(desk.path("t.yaml"), settings + "rules: [own.yaml]\n").unwrap();
    let (config, _) = Reloader::open(Some(&desk.path("t.yaml"))).unwrap();
    assert!(
        desk.replay("a.log", &week(&|| person(OFFICE)), &config)
            .is_empty()
    );
    let told = desk.replay("b.log", &ninth(&person(FOREIGN)), &config);
    assert!(
        told.len() == 1 && told[0].starts_with("high ") && told[0].contains("elsewhere"),
        "{told:?}"
    );
}

/// What a file may say of an address, as it comes out of the reader.
fn geo_parts() -> impl Strategy<Value = (IpAddr, String, u32, String)> {
    let ip = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from)
    ];
    (
        ip.prop_map(|ip| ip.to_canonical()),
        "[A-Z]{2}|",
        any::<u32>(),
        "[A-Za-zäß .()/-]{0,40}",
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_looked_up_comes_out_of_a_row_again(all in prop::collection::vec(geo_parts(), 1..20)) {
        let line = person(OFFICE).line(0);
        let mut rows = Rows::default();
        for (n, (ip, country, asn, network)) in all.iter().enumerate() {
            let geo = Geo { ip: *ip, country, asn: *asn, network };
            decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
                let event = AuditEvent { geo: Some(&geo), ..event.unwrap().clone() };
                let place = Place { seq: n as u64 + 1, source: 0, file: Digest::of(b"a log"), offset: n as u64, is_copy: false };
                rows.push(&event, Some(*ip), place);
            });
        }
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::open(dir.path(), Vec::new(), Retention { age: Span::seconds(1 << 40), bytes: u64::MAX }).unwrap();
        let change = history.append(&mut rows).unwrap();
        history.committed(change).unwrap();
        let columns: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        for batch in Scan::open(dir.path(), false, Filter::default(), &columns, Bounds::default()).unwrap() {
            events(&batch.unwrap(), &mut |place, event| {
                let (ip, country, asn, network) = &all[place.seq as usize - 1];
                let known = *asn != 0 || !country.is_empty();
                let geo = known.then_some(Geo { ip: *ip, country, asn: *asn, network });
                assert_eq!(event.geo.copied(), geo);
            }).unwrap();
        }
    }
}
