//! What an empty answer says: what was looked for, and what history has that is written nearly so.
//!
//! Refuses to answer the question itself by what is near.

use super::questions::{Object, Question, Window, quoted};

/// Names of an answer that is none.
const NEAR_MAX: u32 = 5;
/// Characters of an id or a resource that say what may be meant.
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
        match self {
            Question::Timeline { principals }
            | Question::FirstSeen { principals }
            | Question::Diff { principals, .. } => {
                let word = principals.last()?.rsplit(['/', ':']).next()?;
                let pattern = format!("%{word}%");
                (!word.is_empty()).then(|| like("operations_daily", "principal", &pattern))
            }
            Question::WhoFrom { origin } => {
                let sign = if origin.contains(':') { ':' } else { '.' };
                let network: String = origin.split_inclusive(sign).take(3).collect();
                Some(like("operations_daily", "origin", &format!("{network}%")))
            }
            Question::WhoUsed { credential } | Question::Trail { credential } => {
                let id = credential
                    .split_once('=')
                    .map_or(&**credential, |(_, id)| id);
                let begins: String = id.chars().take(BEGINNING).collect();
                Some(like("events", "credential_id", &format!("%{begins}%")))
            }
            Question::WhoTouched(object) => object.near(),
            Question::Exec
            | Question::Secrets
            | Question::Denied
            | Question::RbacChanges
            | Question::TokensIssued
            | Question::Coverage => None,
        }
    }
}

/// Selects the distinct values of a column that match.
fn like(table: &str, column: &str, pattern: &str) -> String {
    like_by(table, column, column, pattern)
}

/// Selects the distinct values of an expression of the rows whose column matches.
fn like_by(table: &str, shown: &str, column: &str, pattern: &str) -> String {
    let pattern = quoted(&pattern.to_lowercase());
    format!(
        "SELECT DISTINCT {shown} AS near FROM {table} WHERE lower({column}) LIKE {pattern} \
         ORDER BY 1 LIMIT {NEAR_MAX}"
    )
}

impl Object {
    fn near(&self) -> Option<String> {
        let names = [&self.name, &self.either];
        if let Some(name) = names.into_iter().find(|name| !name.is_empty()) {
            let path = "resource || '/' || coalesce(namespace, '') || '/' || name";
            return Some(like_by("events", path, "name", &format!("%{name}%")));
        }
        let resource = self.resources.first()?;
        let begins: String = resource.chars().take(BEGINNING / 2).collect();
        Some(like("operations_daily", "resource", &format!("{begins}%")))
    }

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
