//! What an empty answer says: what was looked for, and what history has that is written nearly so.
//!
//! Refuses to answer the question itself by what is near.

use super::questions::{Object, Question, Window, quoted};

/// Names of an answer that is none.
const NEAR_MAX: u32 = 5;
/// Of an id or a resource, so many characters say what may be meant.
const BEGINNING: usize = 8;

impl Question {
    /// What is looked for, in words.
    #[must_use]
    pub fn looks_for(&self) -> String {
        let any_of = |names: &[String]| {
            names
                .iter()
                .map(|name| format!("{name:?}"))
                .collect::<Vec<_>>()
                .join(" or ")
        };
        match self {
            Question::Timeline { principals } => {
                format!("requests of account {}, or in its name", any_of(principals))
            }
            Question::FirstSeen { principals } | Question::Diff { principals, .. } => {
                format!("requests of account {}", any_of(principals))
            }
            Question::WhoFrom { origin } => format!("requests from address {origin:?}"),
            Question::WhoUsed { credential } => format!("requests with credential {credential:?}"),
            Question::Trail { credential } => format!("credential {credential:?}"),
            Question::WhoTouched(object) => object.words(),
            Question::Exec => {
                "exec, attach, portforward, and the same through nodes/proxy".to_owned()
            }
            Question::Secrets => "requests for Secrets".to_owned(),
            Question::Denied => "requests that ended with 401 or 403".to_owned(),
            Question::RbacChanges => "changes of roles and bindings".to_owned(),
            Question::TokensIssued => "tokens that TokenRequests issued".to_owned(),
            Question::Coverage => "holes in the log, and lines set aside".to_owned(),
        }
    }

    /// The statement that has a row if history knows what was looked for at any time.
    #[must_use]
    pub fn at_any_time(&self) -> String {
        let whenever = Window {
            limit: 1,
            ..Window::default()
        };
        match self {
            Question::Diff { principals, .. } => Question::FirstSeen {
                principals: principals.clone(),
            }
            .sql(&whenever),
            other => other.sql(&whenever),
        }
    }

    /// The statement that gives what is written nearly as what was looked for. `None`: nothing can
    /// be.
    #[must_use]
    pub fn near(&self) -> Option<String> {
        let like = |table: &str, what: &str, column: &str, pattern: &str| {
            let pattern = quoted(&pattern.to_lowercase());
            format!(
                "SELECT DISTINCT {what} AS near FROM {table} WHERE lower({column}) LIKE {pattern} ORDER BY 1 LIMIT {NEAR_MAX}"
            )
        };
        match self {
            Question::Timeline { principals }
            | Question::FirstSeen { principals }
            | Question::Diff { principals, .. } => {
                let word = principals
                    .last()?
                    .rsplit(['/', ':'])
                    .next()
                    .filter(|word| !word.is_empty())?;
                Some(like(
                    "operations_daily",
                    "principal",
                    "principal",
                    &format!("%{word}%"),
                ))
            }
            Question::WhoFrom { origin } => {
                let sign = if origin.contains(':') { ':' } else { '.' };
                let network: String = origin.split_inclusive(sign).take(3).collect();
                Some(like(
                    "operations_daily",
                    "origin",
                    "origin",
                    &format!("{network}%"),
                ))
            }
            Question::WhoUsed { credential } | Question::Trail { credential } => {
                let id = credential
                    .split_once('=')
                    .map_or(credential.as_str(), |(_, id)| id);
                let begins: String = id.chars().take(BEGINNING).collect();
                Some(like(
                    "events",
                    "credential_id",
                    "credential_id",
                    &format!("%{begins}%"),
                ))
            }
            Question::WhoTouched(object) => {
                let name = [&object.name, &object.either]
                    .into_iter()
                    .find(|name| !name.is_empty());
                Some(match name {
                    Some(name) => {
                        let path = "resource || '/' || coalesce(namespace, '') || '/' || name";
                        like("events", path, "name", &format!("%{name}%"))
                    }
                    None => {
                        let begins: String = object
                            .resources
                            .first()?
                            .chars()
                            .take(BEGINNING / 2)
                            .collect();
                        like(
                            "operations_daily",
                            "resource",
                            "resource",
                            &format!("{begins}%"),
                        )
                    }
                })
            }
            _ => None,
        }
    }
}

impl Object {
    fn words(&self) -> String {
        let group = if self.api_group.is_empty() {
            String::new()
        } else {
            format!(" of {}", self.api_group)
        };
        let mut words = format!("requests for {}{group}", self.resources.join(" or "));
        let parts = [
            ("namespace", &self.namespace),
            ("name", &self.name),
            ("namespace or name", &self.either),
        ];
        for (what, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
            words.push_str(&format!(", {what} {value:?}"));
        }
        words
    }
}
