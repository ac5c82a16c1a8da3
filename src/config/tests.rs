//! What settings are refused, in which words, and that the bundled file shows every default.

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("t.yaml"))
}

fn refused(text: &str) -> String {
    parse(text).expect_err("it should be refused").to_string()
}

#[test]
fn the_bundled_file_shows_every_setting_with_its_default() {
    let shown: serde_json::Value = serde_saphyr::from_str(BUNDLED).unwrap();
    assert_eq!(shown, serde_json::to_value(File::default()).unwrap());
    assert_eq!(parse(BUNDLED).unwrap(), Config::default());
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
    assert_eq!(parse("# nothing\n---\n").unwrap(), Config::default());
}

#[test]
fn a_profile_is_one_word_and_a_value_of_ones_own_wins() {
    use crate::detect::Severity;
    let quiet = parse("profile: quiet\nenumeration:\n  threshold: 60\n")
        .unwrap()
        .policy;
    assert_eq!(
        (quiet.incidents.notify, quiet.enumeration.threshold),
        (Severity::High, 60)
    );
    let copied = parse(&BUNDLED.replace("profile: default", "profile: strict"))
        .unwrap()
        .policy;
    assert_eq!(
        copied,
        parse("profile: strict").unwrap().policy,
        "the bundled file shows defaults, and asks for none"
    );
    assert!(refused("profile: loud\n").contains("profile"));
}

#[test]
fn the_longest_line_is_the_decoders() {
    let decoder = crate::event::decode::Limits::default();
    assert_eq!(Daemon::default().max_line_bytes, decoder.max_line_bytes);
}

#[test]
fn an_unknown_setting_is_named_with_its_place_and_the_known_ones() {
    let error = refused("cluster: a\nincidents:\n  notify: high\n  quite_seconds: 3\n");
    assert!(
        error.starts_with(
            "t.yaml:4:3: incidents.quite_seconds: there is no such setting; use one of"
        ),
        "{error}"
    );
    assert!(error.contains("quiet_seconds"), "{error}");
}

#[test]
fn a_value_of_another_type_is_named_with_its_place() {
    for text in [
        "learning:\n  min_days: often\n",
        "network:\n  cluster: [10.0.0.0/99]\n",
        "incidents:\n  notify: urgent\n",
    ] {
        let error = refused(text);
        let field = if text.contains("often") {
            "learning.min_days"
        } else if text.contains("/99") {
            "network.cluster"
        } else {
            "incidents.notify"
        };
        assert!(
            error.starts_with("t.yaml:2:") && error.contains(field),
            "{error}"
        );
    }
}

#[test]
fn all_senseless_values_are_told_at_once_with_their_places() {
    let error = refused(
        "cluster: 'a b'\nenumeration:\n  threshold: 0\ndetectors:\n  enumerations: { disabled: true }\n",
    );
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert!(lines[0].starts_with("t.yaml:1:1: cluster: "), "{error}");
    assert!(
        lines[1].starts_with("t.yaml:3:3: enumeration.threshold: it is 0"),
        "{error}"
    );
    assert!(
        lines[2].starts_with(
            "t.yaml:5:3: detectors.enumerations: there is no such detector; use one of"
        )
    );
    assert!(
        lines[2].contains("credential-in-two-places") && lines[2].contains("log-gap"),
        "{error}"
    );
}

#[test]
fn what_could_not_be_seen_cannot_be_disabled_but_capped() {
    assert!(refused("detectors:\n  log-gap: { disabled: true }\n").contains("at_most: info"));
    assert!(parse("detectors:\n  log-gap: { at_most: info }\n").is_ok());
}

#[test]
fn a_change_is_seen_once_and_a_bad_one_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.yaml");
    std::fs::write(&path, "cluster: one\n").unwrap();
    let (config, mut reloader) = Reloader::open(Some(&path)).unwrap();
    assert_eq!(config.policy.cluster, "one");
    assert!(reloader.check().is_none());
    std::fs::write(&path, "cluster: two\n").unwrap();
    assert_eq!(reloader.check().unwrap().unwrap().policy.cluster, "two");
    assert!(reloader.check().is_none());
    std::fs::write(&path, "clutser: two\n").unwrap();
    assert!(reloader.check().unwrap().is_err());
    assert!(reloader.check().is_none());
    std::fs::remove_file(&path).unwrap();
    assert!(reloader.check().unwrap().is_err());
    assert!(reloader.check().is_none());
}

/// What newly named files hold is waited for, as what named ones hold.
#[test]
fn a_file_that_comes_after_the_settings_that_name_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.yaml");
    std::fs::write(&path, "cluster: one\n").unwrap();
    let (_, mut reloader) = Reloader::open(Some(&path)).unwrap();
    let file = dir.path().join("country.mmdb");
    std::fs::write(
        &path,
        format!("cluster: two\ngeoip:\n  country: {}\n", file.display()),
    )
    .unwrap();
    assert!(reloader.check().unwrap().is_err());
    assert!(reloader.check().is_none());
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/geoip/country.mmdb"
    );
    std::fs::copy(fixture, &file).unwrap();
    assert_eq!(reloader.check().unwrap().unwrap().policy.cluster, "two");
}

#[cfg(unix)]
#[test]
fn the_symlink_swap_of_a_config_map_is_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (version, cluster) in [("v1", "cluster: a\n"), ("v2", "cluster: b\n")] {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("t.yaml"), cluster).unwrap();
    }
    std::os::unix::fs::symlink("v1", at("..data")).unwrap();
    std::os::unix::fs::symlink("..data/t.yaml", at("t.yaml")).unwrap();
    let (_, mut reloader) = Reloader::open(Some(&at("t.yaml"))).unwrap();
    std::os::unix::fs::symlink("v2", at("new")).unwrap();
    std::fs::rename(at("new"), at("..data")).unwrap();
    assert_eq!(reloader.check().unwrap().unwrap().policy.cluster, "b");
}

#[test]
fn without_a_file_the_bundled_one_runs_until_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.yaml");
    assert!(Reloader::open(Some(&path)).is_err());
    let (config, mut reloader) = Reloader::at(&path, true).unwrap();
    assert_eq!(config, Config::default());
    assert!(reloader.check().is_none());
    std::fs::write(&path, "cluster: here\n").unwrap();
    assert_eq!(reloader.check().unwrap().unwrap().policy.cluster, "here");
}

#[test]
fn what_needs_a_restart_is_named() {
    let (old, mut new) = (Config::default(), Config::default());
    new.policy.cluster = "other".to_owned();
    new.policy.limits.accounts = 7;
    assert_eq!(old.restart_warning(&new), None);
    new.daemon.poll_seconds = 2.0;
    let warning = old.restart_warning(&new).unwrap();
    assert!(
        warning.starts_with("daemon.poll_seconds changed"),
        "{warning}"
    );
}

#[test]
fn an_error_does_not_quote_a_value_that_may_be_a_secret() {
    for setting in [
        "learning",
        "detectors",
        "learning:\n  min_days",
        "daemon:\n  listen",
        "incidents:\n  notify",
        "limits",
    ] {
        let error = refused(&format!("{setting}: hunter22\n"));
        assert!(!error.contains("hunter22"), "{error}");
    }
    assert!(refused("learning:\n  min_days: -1\n").contains("write a whole number"));
}

#[test]
fn a_secret_of_a_sink_is_named_by_its_place_and_never_quoted() {
    for text in [
        "hunter22",
        "{ file: /a, env: hunter22 }",
        "{ value: hunter22 }",
    ] {
        let error = refused(&format!(
            "sinks:\n  on-call:\n    pagerduty:\n      routing_key: {text}\n"
        ));
        assert!(
            error.contains("sinks.on-call.pagerduty")
                && error.contains("`file: PATH` or `env: NAME`"),
            "{error}"
        );
        assert!(!error.contains("hunter22"), "{error}");
    }
    let config = parse("sinks:\n  a:\n    slack: { url: { env: SLACK } }\n").unwrap();
    assert_eq!(
        config.sinks["a"].slack.as_ref().unwrap().url,
        Some(sink::Secret::Env("SLACK".to_owned()))
    );
}

#[test]
fn what_is_wrong_with_a_sink_is_told_with_its_place() {
    let error = refused(
        "sinks:\n  'a b': {}\n  c:\n    webhook: { url: 'http://u:p@h/' }\n    keep_seconds: 1\n",
    );
    let lines: Vec<&str> = error.lines().collect();
    assert!(
        lines[0].contains("sinks.a b: the name cannot be used"),
        "{error}"
    );
    assert!(
        lines[1].contains("sinks.a b: the sink has no receiver"),
        "{error}"
    );
    assert!(
        lines[2].starts_with("t.yaml:4:16: sinks.c.webhook.url: "),
        "{error}"
    );
    assert!(
        lines[3].starts_with("t.yaml:5:5: sinks.c.keep_seconds: "),
        "{error}"
    );
    assert!(
        refused("sinks:\n  c: { slack: { url: { env: S } }, detectors: [nmap] }\n")
            .contains("no such detector")
    );
}

#[test]
fn a_geoip_file_that_was_replaced_is_read_again_and_a_bad_one_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = |name: &str| std::path::Path::new("tests/fixtures/geoip").join(name);
    let (path, file, new) = (
        dir.path().join("t.yaml"),
        dir.path().join("geo.mmdb"),
        dir.path().join("new"),
    );
    std::fs::write(&path, "geoip:\n  country: geo.mmdb\n").unwrap();
    let replace = |name: &str| {
        std::fs::copy(fixture(name), &new).unwrap();
        std::fs::rename(&new, &file).unwrap();
    };
    let error = Reloader::open(Some(&path)).unwrap_err().to_string();
    assert!(
        error.contains("t.yaml:2:3: geoip.country: ") && error.contains("geo.mmdb cannot be read"),
        "{error}"
    );
    replace("country.mmdb");
    let (config, mut reloader) = Reloader::open(Some(&path)).unwrap();
    let country = |config: &Config| {
        let found = config.databases.look_up("198.51.100.7".parse().unwrap());
        found.map(|found| found.as_geo().to_string())
    };
    assert_eq!(country(&config).as_deref(), Some("DE"));
    assert!(reloader.check().is_none());
    replace("asn.mmdb");
    assert!(
        reloader
            .check()
            .unwrap()
            .unwrap_err()
            .to_string()
            .contains("has no countries")
    );
    assert!(reloader.check().is_none());
    replace("flat.mmdb");
    assert_eq!(
        country(&reloader.check().unwrap().unwrap()).as_deref(),
        Some("DE")
    );
    assert!(reloader.check().is_none());
}
