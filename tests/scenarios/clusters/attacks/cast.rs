//! An attack of the scenarios with somebody else's credential.
//!
//! Refuses to recast what only the scenario's own account can do.

use crate::Scenario;
use crate::chance::Chance;
use crate::clusters::changes::Nodes;
use crate::clusters::population::App;
use crate::world::{Trace, press};
use serde_json::Value;

/// They need two pods of the account's kind, or its daily work.
const OWN: &[&str] = &["S24", "S32", "S53"];

/// Plays it at about this time, by an application of the cluster if there is one at work.
pub fn play(
    scenario: &Scenario,
    at: i64,
    apps: &[App],
    nodes: &Nodes,
    chance: &mut Chance,
) -> Trace {
    let mut trace = Trace::beginning(at);
    (scenario.play)(&mut trace);
    let app = (!apps.is_empty() && chance.percent(70) && !OWN.contains(&scenario.id))
        .then(|| chance.pick(apps));
    if let Some(thief) = app.and_then(|app| app.at_work(at, nodes)) {
        for (_, line) in &mut trace.lines {
            let mut event: Value = serde_json::from_str(line).expect("a line of ours");
            thief.stand_in_for(&press(), &mut event);
            *line = event.to_string();
        }
    }
    trace
}
