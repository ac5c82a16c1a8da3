//! The pages of the detectors, from what they say of themselves.
//!
//! Refuses words of its own: what is wrong on a page is wrong in the detector's file.

use super::acts::Act;
use super::deed::{Deed, Reach};
use super::{Detector, detectors};
use std::fmt::Write;

/// The sections of every detector's doc comment, in this order.
pub const SECTIONS: [&str; 6] = [
    "What it sees",
    "Why it matters",
    "How it decides",
    "When it is wrong",
    "Tuning",
    "Respond",
];

const NOTE: &str =
    "<!-- Generated from the detectors: UPDATE_REFERENCE=1 cargo test --test reference -->\n\n";

/// Every page as (path in the repository, content), the table of all first.
#[must_use]
pub fn pages() -> Vec<(String, String)> {
    let mut pages = vec![("docs/detectors/README.md".to_owned(), table())];
    pages.push((
        "docs/detectors/coverage.md".to_owned(),
        super::coverage::page(),
    ));
    pages.push(("docs/detectors/gains.md".to_owned(), gains()));
    pages.extend(
        detectors::ALL
            .iter()
            .map(|d| (format!("docs/detectors/{}.md", d.meta.id), page(d))),
    );
    pages
}

/// The doc comment of a detector's file, as Markdown.
#[must_use]
pub fn doc(detector: &Detector) -> String {
    let lines = detector
        .source
        .lines()
        .map_while(|line| line.strip_prefix("//!"));
    lines
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The titles of the sections that a detector's doc comment has.
#[must_use]
pub fn sections(detector: &Detector) -> Vec<String> {
    doc(detector)
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .map(str::to_owned)
        .collect()
}

fn table() -> String {
    let mut out = format!("# Detectors\n\n{NOTE}");
    out.push_str(
        "In the order in which they judge. What could not be seen (`log-gap`, `log-unreadable`, `log-silent`,\n",
    );
    out.push_str("`log-leap`, `log-unjudged`, `addresses-hidden`, `log-part-vanished`) is told without a detector, in incidents of kind [visibility](visibility.md). What each\nact would win an intruder: [gains](gains.md); what a score is worth: [calibration](calibration.md). What this\ncovers of the detections that others publish: [coverage](coverage.md); of whole attacks: [scenarios](scenarios.md); how much of\nthem, and for how much noise, in 200 clusters of chance: [clusters](clusters.md).\n\n");
    out.push_str(
        "| detector | weighs | tactic | techniques | audit level |\n|---|---|---|---|---|\n",
    );
    for Detector { meta, .. } in detectors::ALL {
        let techniques = techniques(meta.techniques);
        let weighs = meta.weighs;
        let (id, title) = (meta.id, meta.title);
        let _ = writeln!(
            out,
            "| [{title}]({id}.md) | {weighs} | {:?} | {techniques} | {} |",
            meta.tactic, meta.level
        );
    }
    out
}

/// What each act would win an intruder, with the keys that settings know it by.
fn gains() -> String {
    let mut out = format!("# Gains\n\n{NOTE}");
    out.push_str(
        "How many bits each act would win an intruder, before it is known how surprising it is of the account\n\
         ([how judging works](../design/judgement.md)). `gains` in the settings replaces any of them, by its key\n\
         (`secret.list`) or, of an operation, by key and reach (`secret.list.c`).\n\n\
         ## Operations\n\n\
         | operation | key | own namespace `.o` | another `.n` | the system's `.s` | the cluster `.c` |\n\
         |---|---|---|---|---|---|\n",
    );
    for deed in Deed::ALL {
        let _ = write!(out, "| {} | `{}` |", deed.title(), deed.key());
        for reach in [Reach::Own, Reach::Other, Reach::System, Reach::Cluster] {
            let _ = write!(out, " {} |", deed.gain(reach).0 / 1000);
        }
        out.push('\n');
    }
    out.push_str(
        "\n## What a request shows besides\n\n| the account | key | bits |\n|---|---|---|\n",
    );
    for act in Act::ALL {
        let _ = writeln!(
            out,
            "| {} | `{}` | {} |",
            act.words(),
            act.key(),
            act.gain().0 / 1000
        );
    }
    out
}

fn page(detector: &Detector) -> String {
    let meta = detector.meta;
    let mut out = format!(
        "# {}\n\n{NOTE}| | |\n|---|---|\n| id | `{}` |\n",
        meta.title, meta.id
    );
    let tunables: Vec<String> = meta.tunables.iter().map(|t| format!("`{t}`")).collect();
    let settings = if tunables.is_empty() {
        "none".to_owned()
    } else {
        tunables.join(", ")
    };
    let rows = [
        ("weighs", meta.weighs.to_owned()),
        ("tactic", format!("{:?}", meta.tactic)),
        ("techniques", techniques(meta.techniques)),
        ("audit level", meta.level.to_owned()),
        ("since", meta.since.to_owned()),
        ("[settings](../reference/config.md)", settings),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out.push('\n');
    for line in doc(detector).lines() {
        let _ = writeln!(
            out,
            "{}{line}",
            if line.starts_with("# ") { "#" } else { "" }
        );
    }
    out
}

/// Linked to ATT&CK; a sub-technique has a page below its technique.
fn techniques(ids: &[&str]) -> String {
    let link = |id: &&str| {
        format!(
            "[{id}](https://attack.mitre.org/techniques/{}/)",
            id.replace('.', "/")
        )
    };
    ids.iter().map(link).collect::<Vec<_>>().join(", ")
}
