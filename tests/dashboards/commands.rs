//! The commands that text panels offer for the account and the time shown, run as a person would
//! paste them.
//!
//! Refuses to judge their answers: `tests/query.rs` does.

use super::files::{boards, list};
use super::harness::{Daemon, Home, sample};
use regex::Regex;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The lines between fences of all text panels, with the board's name.
fn offered() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, board) in boards() {
        for panel in list(&board, "panels")
            .iter()
            .filter(|panel| panel["type"] == "text")
        {
            let content = panel["options"]["content"].as_str().unwrap();
            let fenced = content.split("```\n").skip(1).step_by(2);
            found.extend(
                fenced
                    .flat_map(str::lines)
                    .map(|line| (name.clone(), line.to_owned())),
            );
        }
    }
    found
}

/// What was typed into a variable, or put into a link by somebody else, must not end a quotation of
/// the shell: Grafana's `percentencode` leaves only letters, digits and `-_.~` as they are, which
/// every name is made of.
#[test]
fn what_a_link_brings_along_cannot_become_a_command() {
    let variable = Regex::new(r"\$\w+|\$\{([^}]*)\}").unwrap();
    for (board, line) in offered() {
        for found in variable.captures_iter(&line) {
            let inner = found.get(1).map_or("", |m| m.as_str());
            let safe = ["__from:date:iso", "__to:date:iso"].contains(&inner)
                || inner.ends_with(":percentencode");
            assert!(safe, "{board}: {} in {line}", &found[0]);
        }
    }
}

#[test]
fn commands_of_text_panels_answer_beside_the_daemon() {
    let home = Home::new();
    let log = [sample(), b"not an event\n".to_vec()].concat();
    home.write_log(&log);
    let mut daemon = Daemon::start(&home);
    daemon.wait_for_bytes(log.len() as u64);
    let worst = home.query(
        "SELECT id, principal FROM incidents WHERE principal LIKE 'system:s%' ORDER BY score DESC",
    );
    let worst: Value = serde_json::from_str(worst.lines().next().expect("an incident")).unwrap();
    let (_, account) = worst["principal"]
        .as_str()
        .unwrap()
        .split_once("serviceaccount:")
        .unwrap();
    let (namespace, name) = account.split_once(':').unwrap();
    let values = [
        ("${__from:date:iso}", "2000-01-01T00:00:00.000Z"),
        ("${__to:date:iso}", "2100-01-01T00:00:00.000Z"),
        ("${namespace:percentencode}", namespace),
        ("${serviceaccount:percentencode}", name),
        (" ID", &format!(" {}", worst["id"].as_str().unwrap())),
    ];
    let program = Path::new(env!("CARGO_BIN_EXE_tokentrail"))
        .parent()
        .unwrap()
        .display();
    let offered = offered();
    assert!(offered.len() > 10, "{offered:?}");
    for (board, line) in offered {
        let line = values.iter().fold(line, |line, (variable, value)| {
            line.replace(variable, value)
        });
        let pasted = format!(
            "PATH={program}:$PATH {line} --state {}",
            home.state().display()
        );
        let output = Command::new("sh").args(["-c", &pasted]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{board}: {line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            told.lines().count() > 1 || line.contains("verify"),
            "{board}: {line} found nothing: {told}"
        );
    }
}
