//! The one metric with names out of the log: incidents by service account, for whoever asks for it.
//!
//! Refuses to grow: after so many accounts, the first come, all others share one series, whose name
//! no account can have.

use crate::base::text;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Most accounts that can be asked for: each is a series in every Prometheus that scrapes us.
pub const MOST: usize = 500;
/// Namespace and account of all others.
pub const OTHER: &str = "_other";
/// Longest name that Kubernetes allows, in bytes; the log may hold longer ones.
const NAME: usize = 253;

/// Which accounts have a series.
pub struct Accounts {
    most: usize,
    known: Mutex<BTreeSet<(String, String)>>,
}

impl Accounts {
    /// With at most so many; 0 for no series at all.
    #[must_use]
    pub fn new(most: usize) -> Accounts {
        Accounts {
            most: most.min(MOST),
            known: Mutex::default(),
        }
    }

    /// The labels that an account is counted under; `None` where nobody asked.
    #[must_use]
    pub fn labels(&self, namespace: &str, name: &str) -> Option<[String; 2]> {
        let label = |name: &str| text::name(name).into_owned();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if self.most == 0 {
            return None;
        }
        let labels = (label(namespace), label(name));
        let is_long = labels.0.len().max(labels.1.len()) > NAME;
        let has_room = known.contains(&labels) || known.len() < self.most;
        if is_long || !has_room {
            return Some([OTHER.to_owned(), OTHER.to_owned()]);
        }
        known.insert(labels.clone());
        Some([labels.0, labels.1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_accounts_have_series_and_the_others_share_one() {
        let accounts = Accounts::new(2);
        let of = |ns: &str, name: &str| accounts.labels(ns, name).unwrap().join("/");
        assert_eq!(
            (of("a", "x"), of("b", "x")),
            ("a/x".to_owned(), "b/x".to_owned())
        );
        assert_eq!(
            (of("c", "x"), of("a", "x")),
            ("_other/_other".to_owned(), "a/x".to_owned())
        );
        assert_eq!(
            Accounts::new(5)
                .labels("a", &"x".repeat(254))
                .unwrap()
                .join("/"),
            "_other/_other"
        );
        assert_eq!(Accounts::new(0).labels("a", "x"), None);
        let many = Accounts::new(usize::MAX);
        let series: BTreeSet<_> = (0..2 * MOST)
            .map(|n| many.labels("a", &n.to_string()))
            .collect();
        assert_eq!(series.len(), MOST + 1);
    }
}
