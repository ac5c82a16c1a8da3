//! What responders ask most, as statements: the same rows here and in any other engine on the files.
//!
//! Refuses to be clever: each is one SELECT that a person can copy, change and run again. What is answered on the scan
//! itself is described once, and its statement is made of that description.

use crate::base::Time;
use crate::store::history::scan::Filter;

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

const REQUEST: &[&str] = &[
    "principal",
    "verb",
    "api_group",
    "resource",
    "subresource",
    "namespace",
    "name",
    "uri",
    "code",
    "origin",
    "user_agent",
    "credential_id",
    "audit_id",
];
const ENTERED: &[&str] =
    &["principal", "namespace", "name", "subresource", "uri", "code", "origin", "credential_id", "audit_id"];
const ISSUED: &[&str] =
    &["principal", "namespace", "name", "code", "issued_credential_id", "facts", "origin", "credential_id", "audit_id"];
const OPERATION: &str = "verb, api_group, resource, subresource, namespace";

/// How a question is answered.
pub(super) enum Plan {
    /// Requests with these columns, once each, oldest first.
    Requests(&'static [&'static str], Filter),
    Statement(String),
}

impl Question {
    pub(super) fn plan(&self, window: &Window) -> Plan {
        let texts = |texts: &[(&'static str, &[&str])]| Filter {
            texts: texts.iter().map(|(name, of)| (*name, of.iter().map(|text| (*text).to_owned()).collect())).collect(),
            from: window.since,
            until: window.until,
            ..Filter::default()
        };
        match self {
            Question::Timeline { principal } => Plan::Requests(REQUEST, texts(&[("principal", &[principal])])),
            Question::WhoFrom { origin } => Plan::Statement(callers(&texts(&[("origin", &[origin])]))),
            Question::WhoUsed { credential } => Plan::Statement(callers(&texts(&[("credential_id", &[credential])]))),
            Question::WhoTouched { resource, namespace, name } => {
                let parts: [(&str, &[&str]); 3] =
                    [("resource", &[resource]), ("namespace", &[namespace]), ("name", &[name])];
                let named: Vec<_> = parts.into_iter().filter(|(_, value)| !value[0].is_empty()).collect();
                Plan::Statement(callers(&texts(&named)))
            }
            Question::FirstSeen { principal } => Plan::Statement(operations(principal, window, "")),
            Question::Diff { principal, since } => {
                Plan::Statement(operations(principal, window, &format!(" HAVING min(first) >= '{since}'")))
            }
            Question::Trail { credential } => Plan::Statement(trail(credential, window)),
            Question::Exec => Plan::Requests(ENTERED, texts(&[("subresource", &["exec", "attach", "portforward"])])),
            Question::Secrets => Plan::Requests(REQUEST, texts(&[("resource", &["secrets"])])),
            Question::Denied => {
                Plan::Requests(REQUEST, Filter { numbers: vec![("code", vec![401, 403])], ..texts(&[]) })
            }
            Question::RbacChanges => Plan::Requests(
                REQUEST,
                texts(&[
                    ("api_group", &["rbac.authorization.k8s.io"]),
                    ("verb", &["create", "update", "patch", "delete", "deletecollection"]),
                ]),
            ),
            Question::TokensIssued => Plan::Requests(
                ISSUED,
                texts(&[
                    ("subresource", &["token"]),
                    ("resource", &["serviceaccounts"]),
                    ("verb", &["create"]),
                    ("stage", &["ResponseComplete"]),
                ]),
            ),
            Question::Coverage => {
                let (since, until) = (bound("time", ">=", window.since), bound("time", "<=", window.until));
                // What was not seen at an unknown time may have been in the window.
                Plan::Statement(format!(
                    "SELECT seq, kind, detail, time, file, from_offset, to_offset FROM coverage \
WHERE time IS NULL OR (1{since}{until}) ORDER BY time, seq"
                ))
            }
        }
    }

    /// The statement, in the SQL that SQLite and DuckDB share.
    #[must_use]
    pub fn sql(&self, window: &Window) -> String {
        format!("{} LIMIT {}", self.rows(window), window.limit)
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
        match self.plan(window) {
            Plan::Requests(columns, filter) => {
                let (columns, condition) = (columns.join(", "), condition(&filter));
                format!(
                    "SELECT min(time) AS time, {columns} FROM events WHERE {condition} GROUP BY {columns} ORDER BY 1, audit_id"
                )
            }
            Plan::Statement(sql) => sql,
        }
    }
}

/// Which row of a request counts, as in `operations_daily`. Distinct audit ids would count what the client chose to
/// send.
const ENDED: &str = "stage IN ('ResponseComplete', 'Panic') OR stage = 'ResponseStarted' AND code = 401";

fn condition(filter: &Filter) -> String {
    let texts = filter.texts.iter().map(|(name, texts)| (name, texts.iter().map(|text| quoted(text)).collect()));
    let numbers =
        filter.numbers.iter().map(|(name, numbers)| (name, numbers.iter().map(ToString::to_string).collect()));
    let one_of = |(name, values): (&&str, Vec<String>)| match values.as_slice() {
        [one] => format!("{name} = {one}"),
        several => format!("{name} IN ({})", several.join(", ")),
    };
    let times = [bound("time", ">=", filter.from), bound("time", "<=", filter.until)];
    let conditions = texts.chain(numbers).map(one_of).collect::<Vec<_>>().join(" AND ");
    format!("{conditions}{}", times.concat())
}

fn bound(column: &str, sign: &str, time: Option<Time>) -> String {
    time.map(|time| format!(" AND {column} {sign} '{time}'")).unwrap_or_default()
}

/// Principals with what they did, busiest first. The scan groups the events, and SQLite the few kinds of them.
fn callers(filter: &Filter) -> String {
    format!(
        "SELECT principal, sum(CASE WHEN {ENDED} THEN n ELSE 0 END) AS requests, count(DISTINCT credential_id) AS \
credentials, min(first) AS first, max(last) AS last FROM (SELECT principal, stage, code, credential_id, count(*) AS n, \
min(time) AS first, max(time) AS last FROM events WHERE {} GROUP BY principal, stage, code, credential_id) AS kinds \
GROUP BY principal ORDER BY 2 DESC, 1",
        condition(filter)
    )
}

fn operations(principal: &str, window: &Window, having: &str) -> String {
    let until = window.until.map(|until| format!(" AND first <= '{until}'")).unwrap_or_default();
    format!(
        "SELECT min(first) AS first, max(last) AS last, sum(count) AS requests, {OPERATION} FROM operations_daily \
WHERE principal = {}{until} GROUP BY {OPERATION}{having} ORDER BY 1, verb, resource",
        quoted(principal)
    )
}

fn trail(credential: &str, window: &Window) -> String {
    let columns = "time, principal, verb, resource, subresource, namespace, name, uri, code, origin, user_agent, \
credential_id, issued_credential_id, audit_id";
    // CROSS JOIN: SQLite keeps its order, so each id is looked up; DuckDB orders joins as it likes.
    let of = |how: &str| format!("SELECT DISTINCT {columns} FROM line CROSS JOIN events WHERE {how} = line.id");
    format!(
        "WITH RECURSIVE line(id, step) AS (SELECT {}, 0 UNION SELECT issued_credential_id, step + 1 FROM line CROSS JOIN \
events WHERE credential_id = line.id AND issued_credential_id IS NOT NULL AND step < {GENERATIONS}) SELECT * FROM ({} UNION {}) \
AS trail WHERE audit_id IS NOT NULL{} ORDER BY time, audit_id",
        quoted(credential),
        of("credential_id"),
        of("issued_credential_id"),
        [bound("time", ">=", window.since), bound("time", "<=", window.until)].concat()
    )
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
