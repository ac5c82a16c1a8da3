//! The history that is asked, and what is asked of it.

use super::Question;
use super::fill::{decoded, fill};
use std::collections::BTreeMap;
use std::path::Path;
use tokentrail::base::{Span, Time};
use tokentrail::history::{History, Retention};

const FOR_EVER: Retention = Retention {
    age: Span::seconds(i64::MAX / 2_000_000),
    bytes: u64::MAX,
};

/// Makes `DIR/state`, if it is not there, and says how often the log fits in it.
pub fn make(dir: &Path, text: &str, events: usize) -> f64 {
    let copies = events as f64 / text.lines().count() as f64;
    let state = dir.join("state");
    if state.join("history/manifest.json").exists() {
        return copies;
    }
    let mut history = History::open(&state, Vec::new(), FOR_EVER).expect("a history");
    fill(&mut history, text, events, &|n| n as u64, &mut |_| {});
    copies
}

/// The six, about the busiest service account of the log's middle hour: its own event there says
/// credential, address and id. All of it is of the first day.
pub fn questions(state: &Path, text: &str) -> Vec<Question> {
    let lines: Vec<&str> = text.lines().collect();
    let middle = &lines[lines.len() / 2..(lines.len() / 2 + 30_000).min(lines.len())];
    let mut busy: BTreeMap<String, (usize, [String; 4], Time)> = BTreeMap::new();
    for line in middle {
        decoded(line, &mut |event| {
            if event.username.starts_with("system:serviceaccount:")
                && !event.credential.id.is_empty()
            {
                let origin = event
                    .source_ips
                    .last()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let names = [
                    event.username.to_owned(),
                    event.credential.id.to_owned(),
                    origin,
                    event.audit_id.to_owned(),
                ];
                busy.entry(event.username.to_owned())
                    .or_insert((0, names, event.time))
                    .0 += 1;
            }
        });
    }
    let (_, [account, credential, origin, id], time) = busy
        .into_values()
        .max_by_key(|(n, ..)| *n)
        .expect("an account");
    let (from, until) = (
        (time - Span::seconds(1800)).to_string(),
        (time + Span::seconds(1800)).to_string(),
    );
    let one = format!("SELECT * FROM events WHERE audit_id = '{id}'");
    let counts =
        "SELECT principal, verb, resource, sum(count) AS n FROM operations_daily GROUP BY 1, 2, 3";
    let command = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let hour = format!("select(.stageTimestamp >= \"{from}\" and .stageTimestamp <= \"{until}\")");
    let count = "[.user.username, .verb, .objectRef.resource] | @tsv";
    let question =
        |name, words: &[&str], sql: Option<&str>, is_in_a_day, grep: &str, jq: &str| Question {
            name,
            command: command(words),
            sql: sql.map_or_else(|| statement(state, words), str::to_owned),
            is_in_a_day,
            grep: grep.to_owned(),
            jq: jq.to_owned(),
        };
    let (timeline, refused) = (
        ["timeline", &account, "--since", &from, "--until", &until],
        ["denied", "--since", "1h"],
    );
    vec![
        question(
            "timeline of an account, 1 h",
            &timeline,
            None,
            true,
            &format!("\"username\":\"{account}\""),
            &hour,
        ),
        question(
            "a credential",
            &["who", "--used", &credential],
            None,
            false,
            &credential,
            ".user.username",
        ),
        question(
            "accounts from an address",
            &["who", "--from", &origin],
            None,
            false,
            &format!("\"{origin}\""),
            ".user.username",
        ),
        question("an audit id", &["query", &one], Some(&one), false, &id, "."),
        question(
            "counts, from the rollup",
            &["query", counts],
            Some(counts),
            false,
            "",
            count,
        ),
        question(
            "refusals of the last hour",
            &refused,
            None,
            true,
            "\"code\":40[13]",
            "[.user.username, .verb] | @tsv",
        ),
    ]
}

/// What `--sql` prints.
fn statement(state: &Path, words: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tokentrail"));
    let output = command
        .args(words)
        .arg("--sql")
        .arg("--state")
        .arg(state)
        .output()
        .expect("the program");
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
