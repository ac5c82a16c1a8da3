//! Names, labels and what a bad word is counted as.

use super::*;

#[test]
fn every_metric_is_there_from_the_start_under_a_conventional_name() {
    let metrics = Metrics::new();
    metrics.count_sink("soc", [0; 4], 0);
    metrics.count_account(&Accounts::new(1), "shop", "web");
    let text = metrics.render();
    for spec in ALL {
        assert!(
            text.contains(&format!("# TYPE {} {}\n", spec.name, spec.kind)),
            "{}",
            spec.name
        );
        assert!(
            spec.name.starts_with("tokentrail_") || spec.name.starts_with("process_"),
            "{}",
            spec.name
        );
        assert_eq!(
            spec.kind == "counter",
            spec.name.ends_with("_total"),
            "{}",
            spec.name
        );
        assert!(
            spec.help.ends_with('.') && spec.advice.ends_with('.'),
            "{}",
            spec.name
        );
    }
    for reason in Malformed::ALL {
        assert!(text.contains(&format!(
            "tokentrail_malformed_total{{reason=\"{reason}\"}} 0\n"
        )));
    }
    assert!(
        text.contains("tokentrail_findings_total{detector=\"log-gap\",severity=\"medium\"} 0\n"),
        "{text}"
    );
}

#[test]
fn words_that_nobody_knows_are_counted_as_other() {
    let metrics = Metrics::new();
    let series = || metrics.render().lines().count();
    let before = series();
    metrics.count_gap("ev\nil", 3.0);
    metrics.count_finding("made-up", Severity::Low);
    assert_eq!(series(), before);
    assert!(
        metrics
            .render()
            .contains("tokentrail_gap_seconds_total{kind=\"other\"} 3\n")
    );
}

#[test]
fn a_failed_reload_shows_until_the_next_good_one() {
    let metrics = Metrics::new();
    metrics.config_reloaded(None);
    assert_eq!(metrics.reload_success.get(), 0);
    metrics.config_reloaded(Some(7.0));
    assert_eq!(
        (metrics.reload_success.get(), metrics.reload_time.get()),
        (1, 7.0)
    );
}
