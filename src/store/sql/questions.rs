//! What responders ask most, as statements: the same rows here and in any other engine on the files.
//!
//! Refuses to be clever: each is one SELECT that a person can copy, change and run again.

use crate::base::Time;

/// One question with its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Everything that one principal did.
    Timeline { principal: String },
    /// Which principals were seen from an address.
    WhoFrom { origin: String },
    /// Which principals used a credential.
    WhoUsed { credential: String },
    /// Which principals touched an object: resource, namespace, name; empty ones are any.
    WhoTouched { resource: String, namespace: String, name: String },
    /// Each kind of operation of a principal, with its first and last time.
    FirstSeen { principal: String },
    /// What a principal did since a time that it never did before.
    Diff { principal: String, since: Time },
    /// The life of a credential: who issued it, what it did, what it issued, and so on.
    Trail { credential: String },
    /// Who entered which pod.
    Exec,
    /// Who read or wrote Secrets.
    Secrets,
    /// What was refused.
    Denied,
    /// Changes of roles and bindings.
    RbacChanges,
    /// Tokens issued by TokenRequest.
    TokensIssued,
    /// What was not seen.
    Coverage,
}

/// Which part of history is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub since: Option<Time>,
    pub until: Option<Time>,
    /// Rows of the answer.
    pub limit: u64,
}

/// Steps from token to token in a trail: nobody chains more by right.
const GENERATIONS: u32 = 8;

/// A request of a path has no resource.
const PATH: &str = "CASE WHEN resource IS NULL THEN uri END AS path";
const REQUEST: &str = "principal, verb, api_group, resource, subresource, namespace, name, path, code, origin, \
user_agent, credential_id, audit_id";
const OPERATION: &str = "verb, api_group, resource, subresource, namespace";

impl Question {
    /// The statement, in the SQL that SQLite and DuckDB share.
    #[must_use]
    pub fn sql(&self, window: &Window) -> String {
        format!("{} LIMIT {}", self.rows(window), window.limit)
    }

    /// How many rows there are, whatever the limit.
    #[must_use]
    pub fn count(&self, window: &Window) -> String {
        format!("SELECT count(*) AS n FROM ({}) AS rows", self.rows(window))
    }

    /// What the question is about, in words, and the statement that has a row if history knows it at any time.
    #[must_use]
    pub fn subject(&self) -> Option<(String, String)> {
        let known = |table: &str, column: &str, value: &str| {
            format!("SELECT 1 AS known FROM {table} WHERE {column} = {} LIMIT 1", quoted(value))
        };
        match self {
            Question::Timeline { principal } => {
                Some((format!("account {principal:?}"), known("events", "principal", principal)))
            }
            Question::FirstSeen { principal } | Question::Diff { principal, .. } => {
                Some((format!("account {principal:?}"), known("operations_daily", "principal", principal)))
            }
            Question::WhoFrom { origin } => Some((format!("address {origin:?}"), known("events", "origin", origin))),
            Question::WhoUsed { credential } => {
                Some((format!("credential {credential:?}"), known("events", "credential_id", credential)))
            }
            Question::Trail { credential } => {
                let either = ["credential_id", "issued_credential_id"].map(|c| known("events", c, credential));
                let either = either.map(|one| format!("SELECT * FROM ({one}) AS one"));
                Some((format!("credential {credential:?}"), either.join(" UNION ALL ")))
            }
            _ => None,
        }
    }

    fn rows(&self, window: &Window) -> String {
        let requests = |condition: &str| {
            let within = within(window, "time");
            format!(
                "SELECT min(time) AS time, {} FROM events WHERE {condition}{within} GROUP BY {REQUEST} ORDER BY 1, audit_id",
                REQUEST.replacen("path", PATH, 1)
            )
        };
        let who = |condition: &str| {
            let within = within(window, "time");
            format!(
                "SELECT principal, count(DISTINCT audit_id) AS requests, count(DISTINCT credential_id) AS credentials, \
min(time) AS first, max(time) AS last FROM events WHERE {condition}{within} GROUP BY principal ORDER BY 2 DESC, 1"
            )
        };
        match self {
            Question::Timeline { principal } => requests(&format!("principal = {}", quoted(principal))),
            Question::WhoFrom { origin } => who(&format!("origin = {}", quoted(origin))),
            Question::WhoUsed { credential } => who(&format!("credential_id = {}", quoted(credential))),
            Question::WhoTouched { resource, namespace, name } => who(&object(resource, namespace, name)),
            Question::FirstSeen { principal } => operations(principal, window, ""),
            Question::Diff { principal, since } => {
                operations(principal, window, &format!(" HAVING min(first) >= '{since}'"))
            }
            Question::Trail { credential } => trail(credential, window),
            Question::Exec => {
                let within = within(window, "time");
                let who = "principal, namespace, name, subresource, uri, code, origin, credential_id, audit_id";
                format!(
                    "SELECT min(time) AS time, {who} FROM events WHERE subresource IN ('exec', 'attach', 'portforward')\
{within} GROUP BY {who} ORDER BY 1, audit_id"
                )
            }
            Question::Secrets => requests("resource = 'secrets'"),
            Question::Denied => requests("code IN (401, 403)"),
            Question::RbacChanges => requests(
                "api_group = 'rbac.authorization.k8s.io' AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection')",
            ),
            Question::TokensIssued => {
                let within = within(window, "time");
                format!(
                    "SELECT time, principal, namespace, name, code, issued_credential_id, facts, origin, credential_id, \
audit_id FROM events WHERE resource = 'serviceaccounts' AND subresource = 'token' AND verb = 'create' AND stage = \
'ResponseComplete'{within} ORDER BY 1, audit_id"
                )
            }
            Question::Coverage => {
                // What was not seen at an unknown time may have been in the window.
                let within = within(window, "time");
                format!(
                    "SELECT seq, kind, detail, time, file, from_offset, to_offset FROM coverage \
WHERE time IS NULL OR (seq >= 0{within}) ORDER BY seq"
                )
            }
        }
    }
}

fn operations(principal: &str, window: &Window, having: &str) -> String {
    let until = window.until.map(|until| format!(" AND first <= '{until}'")).unwrap_or_default();
    format!(
        "SELECT min(first) AS first, max(last) AS last, sum(count) AS requests, {OPERATION} FROM operations_daily \
WHERE principal = {}{until} GROUP BY {OPERATION}{having} ORDER BY 1, verb, resource",
        quoted(principal)
    )
}

fn object(resource: &str, namespace: &str, name: &str) -> String {
    let parts = [("resource", resource), ("namespace", namespace), ("name", name)];
    let named = parts.iter().filter(|(_, value)| !value.is_empty());
    named.map(|(column, value)| format!("{column} = {}", quoted(value))).collect::<Vec<_>>().join(" AND ")
}

fn trail(credential: &str, window: &Window) -> String {
    let columns = "time, principal, verb, resource, subresource, namespace, name, path, code, origin, user_agent, \
credential_id, issued_credential_id, audit_id";
    let columns = columns.replacen("path", PATH, 1);
    let of = |how: &str| format!("SELECT DISTINCT {columns} FROM line JOIN events ON {how} = line.id");
    format!(
        "WITH RECURSIVE line(id, step) AS (SELECT {}, 0 UNION SELECT issued_credential_id, step + 1 FROM line JOIN events \
ON credential_id = line.id WHERE issued_credential_id IS NOT NULL AND step < {GENERATIONS}) SELECT * FROM ({} UNION {}) \
AS trail WHERE audit_id IS NOT NULL{} ORDER BY time, audit_id",
        quoted(credential),
        of("credential_id"),
        of("issued_credential_id"),
        within(window, "time")
    )
}

fn within(window: &Window, column: &str) -> String {
    let since = window.since.map(|since| format!(" AND {column} >= '{since}'"));
    let until = window.until.map(|until| format!(" AND {column} <= '{until}'"));
    since.into_iter().chain(until).collect()
}

/// A string of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_a_string() {
        let question = Question::Timeline { principal: "x' OR '1'='1".to_owned() };
        assert!(question.sql(&Window { limit: 1, ..Window::default() }).contains("principal = 'x'' OR ''1''=''1'"));
    }
}
