//! The reference page of the fields, from their list.
//!
//! Refuses words of its own: what is wrong on the page is wrong in the list.

use super::COST_MAX;
use super::fields::{Domain, FIELDS, Info, Scope};
use std::fmt::Write;

/// `docs/reference/rules.md`.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# Fields of rules\n\n\
         <!-- Generated from the list of fields: UPDATE_REFERENCE=1 cargo test --test reference -->\n\n\
         What conditions may use; [docs/rules.md](../rules.md) says how. A field is always there: what an event does\n\
         not say is empty, zero or false.\n",
    );
    let _ = writeln!(
        out,
        "\nA condition takes at most {COST_MAX} steps at one event; one that would take more has no answer there, and is counted."
    );
    section(&mut out, "Rules and exemptions", Scope::Event);
    section(&mut out, "Silences", Scope::Incident);
    out.push_str(
        "\n## Operators and functions\n\n\
         `&&` `||` `!` `? :` `==` `!=` `<` `<=` `>` `>=` `in` `+` `-` `*` `/` `%` of CEL, list literals, and\n\n\
         | function | gives |\n|---|---|\n\
         | `TEXT.contains(TEXT)`, `TEXT.startsWith(TEXT)`, `TEXT.endsWith(TEXT)` | bool |\n\
         | `TEXT.matches(\"PATTERN\")` | bool; the pattern is a literal, in RE2's syntax, and may match anywhere |\n\
         | `TEXT.lowerAscii()` | string |\n\
         | `size(TEXT)`, `size(LIST)` | int |\n\
         | `LIST.exists(x, CONDITION)`, `LIST.all(x, CONDITION)` | bool |\n",
    );
    out.push_str(
        "\n## Fields of Sigma rules\n\nSigma rules name fields as the audit event does:\n\n| Sigma | ours |\n|---|---|\n",
    );
    for info in FIELDS.iter().filter(|f| !f.wire.is_empty()) {
        let _ = writeln!(out, "| `{}` | `{}` |", info.wire, info.name);
    }
    out
}

fn section(out: &mut String, title: &str, scope: Scope) {
    let _ = write!(
        out,
        "\n## {title}\n\n| field | type | meaning |\n|---|---|---|\n"
    );
    for info in FIELDS.iter().filter(|f| f.scope() == scope) {
        let _ = writeln!(
            out,
            "| `{}` | {} | {}{} |",
            info.name,
            info.kind.name(),
            info.meaning,
            values(info)
        );
    }
}

fn values(info: &Info) -> String {
    match info.domain {
        Domain::OneOf(values) => {
            let shown = |v: &&str| {
                if v.is_empty() {
                    "`\"\"`".to_owned()
                } else {
                    format!("`{v}`")
                }
            };
            format!(
                ": {}",
                values.iter().map(shown).collect::<Vec<_>>().join(", ")
            )
        }
        Domain::Any | Domain::Shaped(..) | Domain::Within(..) => String::new(),
    }
}
