//! Whether the daemon lives, and whether it is ready: named checks that the daemon sets.
//!
//! Refuses to judge sinks: a receiver that does not answer is a metric, and restarting would not
//! help it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The pump may be busy with one commit on a slow disk for so long before it counts as stalled.
pub const STALL: Duration = Duration::from_secs(60);

/// One check with a note for who looks closer (often none), or the reason why it fails.
pub type Check = (&'static str, Result<String, String>);

/// Shared between the daemon, which sets it, and the server, which shows it.
pub struct Health {
    state: Mutex<State>,
}

struct State {
    beat: Instant,
    ready: BTreeMap<&'static str, Result<String, String>>,
}

impl Health {
    /// Every named check fails with `not yet` until it is set.
    #[must_use]
    pub fn new(checks: &[&'static str], now: Instant) -> Health {
        let ready = checks
            .iter()
            .map(|name| (*name, Err("not yet".to_owned())))
            .collect();
        Health {
            state: Mutex::new(State { beat: now, ready }),
        }
    }

    /// The pump is alive at this moment; call it once a turn.
    pub fn beat(&self, now: Instant) {
        let mut state = self.lock();
        state.beat = state.beat.max(now);
    }

    /// Sets a check of readiness; an unknown name is added.
    pub fn set(&self, check: &'static str, outcome: Result<(), String>) {
        self.note(check, outcome.map(|()| String::new()));
    }

    /// As [`Health::set`], with a note where all is well.
    pub fn note(&self, check: &'static str, outcome: Result<String, String>) {
        self.lock().ready.insert(check, outcome);
    }

    /// The checks of `/livez` at a moment.
    #[must_use]
    pub fn live(&self, now: Instant) -> Vec<Check> {
        let silent = now.saturating_duration_since(self.lock().beat);
        let outcome = if silent < STALL {
            Ok(String::new())
        } else {
            Err(format!("no turn for {} seconds", silent.as_secs()))
        };
        vec![("ping", Ok(String::new())), ("pump", outcome)]
    }

    /// The checks of `/readyz` at a moment: those that were set, and those of `/livez`.
    #[must_use]
    pub fn ready(&self, now: Instant) -> Vec<Check> {
        let mut checks = self.live(now);
        checks.extend(
            self.lock()
                .ready
                .iter()
                .map(|(name, outcome)| (*name, outcome.clone())),
        );
        checks
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pump_that_does_not_turn_is_not_alive() {
        let begun = Instant::now();
        let health = Health::new(&["log-open"], begun);
        assert!(health.live(begun + STALL / 2).iter().all(|c| c.1.is_ok()));
        assert!(health.live(begun + STALL).iter().any(|c| c.1.is_err()));
        health.beat(begun + STALL);
        assert!(health.live(begun + STALL).iter().all(|c| c.1.is_ok()));
    }

    #[test]
    fn it_is_ready_only_when_every_named_check_was_set() {
        let begun = Instant::now();
        let health = Health::new(&["log-open", "caught-up"], begun);
        health.set("log-open", Ok(()));
        assert!(
            health
                .ready(begun)
                .contains(&("caught-up", Err("not yet".to_owned())))
        );
        health.set("caught-up", Ok(()));
        assert!(health.ready(begun).iter().all(|c| c.1.is_ok()));
    }
}
