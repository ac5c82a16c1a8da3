//! The reference page of the metrics, from the list.
//!
//! Refuses words of its own: what is wrong on the page is wrong in the list.

use super::metrics::ALL;
use std::fmt::Write;

const HEAD: &str = "# Metrics\n\n\
<!-- Generated from the list: UPDATE_REFERENCE=1 cargo test --test reference -->\n\n\
Served at `/metrics`. Labels have fixed values, all of them there from the start (names of sinks are fixed by the settings); no account, address or token is\n\
a label, but for `daemon.account_series`, which is off. Times in names are wall clock; only `tokentrail_lag_seconds` compares it with the events' own time.\n\n\
| metric | type | labels | meaning | when it looks wrong |\n|---|---|---|---|---|\n";

const SINKS: &str = "the names under `sinks` in the settings; of several replicas each, behind `@`";
const ACCOUNTS: &str =
    "of the first `daemon.account_series` accounts with an incident; `_other` for the rest";

/// `docs/reference/metrics.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for spec in ALL {
        let labels: Vec<String> = spec
            .labels
            .iter()
            .map(|l| format!("`{}`", l.name))
            .collect();
        let labels = labels.join(", ");
        let _ = writeln!(
            page,
            "| `{}` | {} | {labels} | {} | {} |",
            spec.name, spec.kind, spec.help, spec.advice
        );
    }
    page.push_str("\n## Values of labels\n\n| metric | label | values |\n|---|---|---|\n");
    for spec in ALL {
        for label in spec.labels.iter().filter(|l| l.name != "version") {
            let values = match label.name {
                "sink" => SINKS.to_owned(),
                "namespace" | "serviceaccount" if (label.values)().is_empty() => {
                    ACCOUNTS.to_owned()
                }
                _ => (label.values)().join(", "),
            };
            let _ = writeln!(page, "| `{}` | `{}` | {values} |", spec.name, label.name);
        }
    }
    page
}
