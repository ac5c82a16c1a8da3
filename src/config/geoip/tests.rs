//! Files of several layouts, and files that are none.

use super::*;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/geoip")
}

fn settings(country: Option<&str>, asn: Option<&str>) -> Geoip {
    Geoip {
        country: country.map(PathBuf::from),
        asn: asn.map(PathBuf::from),
    }
}

fn open(country: Option<&str>, asn: Option<&str>) -> Databases {
    Databases::open(&settings(country, asn), &fixtures()).unwrap()
}

fn look_up(databases: &Databases, ip: &str) -> Option<String> {
    databases
        .look_up(ip.parse().unwrap())
        .map(|found| found.as_geo().to_string())
}

/// What is wrong with a file named as `geoip.country` and as `geoip.asn`.
fn wrong(dir: &Path, name: &str) -> Vec<String> {
    let problems = Databases::open(&settings(Some(name), Some(name)), dir).unwrap_err();
    problems
        .into_iter()
        .map(|p| format!("{}: {}; {}", p.field, p.what, p.remedy))
        .collect()
}

#[test]
fn layouts_of_several_publishers_say_the_same() {
    let nested = open(Some("country.mmdb"), Some("asn.mmdb"));
    let flat = open(Some("flat.mmdb"), Some("flat.mmdb"));
    for (ip, words) in [
        ("198.51.100.7", Some("AS64500 Example Net, DE")),
        ("203.0.113.127", Some("AS64501 Other Net Inc., RO")),
        ("203.0.113.128", Some("AS64500 Example Net, FR")),
        ("2001:db8:2::1", Some("AS64501 Other Net Inc., RO")),
        ("2001:db8:3::1", None),
        ("8.8.8.8", None),
    ] {
        assert_eq!(
            (
                look_up(&nested, ip).as_deref(),
                look_up(&flat, ip).as_deref()
            ),
            (words, words),
            "{ip}"
        );
    }
}

#[test]
fn either_file_is_enough_and_none_is_none() {
    assert_eq!(
        look_up(&open(Some("country.mmdb"), None), "198.51.100.7").as_deref(),
        Some("DE")
    );
    assert_eq!(
        look_up(&open(None, Some("asn.mmdb")), "198.51.100.7").as_deref(),
        Some("AS64500 Example Net")
    );
    assert_eq!(look_up(&open(None, None), "198.51.100.7"), None);
}

#[test]
fn a_file_that_is_both_is_held_once() {
    let both = open(Some("flat.mmdb"), Some("flat.mmdb"));
    assert!(Arc::ptr_eq(
        both.country.as_ref().unwrap(),
        both.asn.as_ref().unwrap()
    ));
}

#[test]
fn names_out_of_a_file_are_short_and_safe_to_show() {
    for databases in [
        open(Some("country.mmdb"), Some("asn.mmdb")),
        open(Some("flat.mmdb"), Some("flat.mmdb")),
    ] {
        let found = databases
            .look_up("2001:db8:bad::1".parse().unwrap())
            .unwrap();
        assert_eq!(
            (found.asn, found.country.as_str()),
            (64502, ""),
            "a country is a code"
        );
        assert!(
            found.network.len() <= 64 && !found.network.contains([',', '\n', '\u{1b}', '\u{202e}']),
            "{found:?}"
        );
        assert_eq!(
            text::name(&found.network),
            found.network.as_str(),
            "history keeps what was judged"
        );
    }
}

#[test]
fn private_addresses_are_not_looked_up() {
    let databases = open(Some("flat.mmdb"), Some("flat.mmdb"));
    for ip in ["10.0.0.1", "fd00::1", "127.0.0.1", "100.64.0.1"] {
        assert_eq!(look_up(&databases, ip), None, "{ip}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let missing = wrong(dir.path(), "no.mmdb");
    assert!(
        missing[0].starts_with("geoip.country: ")
            && missing[0].contains("no.mmdb cannot be read: "),
        "{missing:?}"
    );
    assert!(
        missing[1].starts_with("geoip.asn: ") && missing[1].contains("or leave the setting out"),
        "{missing:?}"
    );
    let kind = wrong(&fixtures(), "neither.mmdb");
    assert!(
        kind[0].contains("neither.mmdb has no countries: it is of type \"GeoIP2-Connection-Type\""),
        "{kind:?}"
    );
    assert!(
        kind[1].contains("has no networks") && kind[1].contains("such as GeoLite2-ASN.mmdb"),
        "{kind:?}"
    );
    std::fs::write(dir.path().join("text.mmdb"), "<html>").unwrap();
    let whole = std::fs::read(fixtures().join("asn.mmdb")).unwrap();
    std::fs::write(dir.path().join("half.mmdb"), &whole[..whole.len() / 2]).unwrap();
    for name in ["text.mmdb", "half.mmdb"] {
        assert!(
            wrong(dir.path(), name)[1].contains("is damaged, or no file in MaxMind's format: "),
            "{name}"
        );
    }
    let swapped = Databases::open(
        &settings(Some("asn.mmdb"), Some("country.mmdb")),
        &fixtures(),
    )
    .unwrap_err();
    assert_eq!(swapped.len(), 2);
}

/// Wherever a byte is changed, the file is refused or read: nothing panics.
#[test]
fn a_damaged_file_breaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["asn.mmdb", "country.mmdb", "flat.mmdb"] {
        let whole = std::fs::read(fixtures().join(name)).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            std::fs::write(dir.path().join("d.mmdb"), bytes).unwrap();
            if let Ok(databases) = Databases::open(&settings(Some("d.mmdb"), None), dir.path()) {
                look_up(&databases, "198.51.100.7");
                look_up(&databases, "2001:db8:bad::1");
            }
        }
    }
}
