//! What responders ask most, as statements: the same rows here and in any other engine on the
//! files.
//!
//! Refuses to be clever: each is one SELECT that a person can copy, change and run again. What is
//! answered on the scan itself is described once, and its statement is made of that description.

use super::callers::KIND;
use crate::base::Time;
use crate::history::read::scan::Filter;

/// One question with its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Everything that one principal did, under any of these names, and that was done in its name.
    Timeline { principals: Vec<String> },
    /// Which principals were seen from an address.
    WhoFrom { origin: String },
    /// Which principals used a credential.
    WhoUsed { credential: String },
    /// Which principals touched an object.
    WhoTouched(Object),
    /// Each kind of operation of a principal, with its first and last time.
    FirstSeen { principals: Vec<String> },
    /// What a principal did since a time that it never did before.
    Diff {
        principals: Vec<String>,
        since: Time,
    },
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

/// What was touched; an empty part is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// Plural names that may be meant.
    pub resources: Vec<String>,
    pub api_group: String,
    pub namespace: String,
    pub name: String,
    /// The namespace or the name: of two parts, either may be meant.
    pub either: String,
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
    "impersonated",
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
const ENTERED: &[&str] = &[
    "principal",
    "resource",
    "namespace",
    "name",
    "subresource",
    "uri",
    "code",
    "origin",
    "credential_id",
    "audit_id",
];
/// What a kubelet is asked for that enters a container, by the path behind its proxy.
const KUBELET_ENTRIES: &[&str] = &[
    "/proxy/exec/",
    "/proxy/run/",
    "/proxy/attach/",
    "/proxy/portforward/",
    "/proxy/cri/",
];
const ISSUED: &[&str] = &[
    "principal",
    "namespace",
    "name",
    "code",
    "issued_credential_id",
    "facts",
    "origin",
    "credential_id",
    "audit_id",
];
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
const CHANGES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const OPERATION: &str = "verb, api_group, resource, subresource, namespace";

/// How a question is answered.
pub(super) enum Plan {
    /// Requests with these columns, of which an event is one of these, once each, oldest first.
    Requests(&'static [&'static str], Vec<Wanted>),
    /// Who made the requests that one of these wants.
    Callers(Vec<Filter>),
    Statement(String),
}

impl Plan {
    fn requests(columns: &'static [&'static str], filters: Vec<Filter>) -> Plan {
        Plan::Requests(columns, filters.into_iter().map(Wanted::from).collect())
    }
}

/// Which events are meant.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub filter: Filter,
    /// The URI has one of these, in lower case; none: it may be any.
    pub in_uri: &'static [&'static str],
}

impl From<Filter> for Wanted {
    fn from(filter: Filter) -> Wanted {
        Wanted {
            filter,
            in_uri: &[],
        }
    }
}

impl Question {
    pub(super) fn plan(&self, window: &Window) -> Plan {
        let events = |texts: &[(&'static str, &[&str])]| events(window, texts);
        match self {
            Question::Timeline { principals } => {
                let names: Vec<&str> = principals.iter().map(String::as_str).collect();
                let by = events(&[("principal", &names)]);
                let in_their_name = events(&[("impersonated", &names)]);
                Plan::requests(REQUEST, vec![by, in_their_name])
            }
            Question::WhoFrom { origin } => Plan::Callers(vec![events(&[("origin", &[origin])])]),
            Question::WhoUsed { credential } => {
                Plan::Callers(vec![events(&[("credential_id", &[credential])])])
            }
            Question::WhoTouched(object) => Plan::Callers(object.events(window)),
            Question::FirstSeen { principals } => {
                Plan::Statement(operations(principals, window, ""))
            }
            Question::Diff { principals, since } => {
                let having = format!(" HAVING min(first) >= '{since}'");
                Plan::Statement(operations(principals, window, &having))
            }
            Question::Trail { credential } => Plan::Statement(trail(credential, window)),
            Question::Exec => {
                let pods = events(&[("subresource", &["exec", "attach", "portforward"])]);
                let nodes = events(&[("resource", &["nodes"]), ("subresource", &["proxy"])]);
                let through_kubelet = Wanted {
                    filter: nodes,
                    in_uri: KUBELET_ENTRIES,
                };
                Plan::Requests(ENTERED, vec![pods.into(), through_kubelet])
            }
            Question::Secrets => {
                Plan::requests(REQUEST, vec![events(&[("resource", &["secrets"])])])
            }
            Question::Denied => {
                let refused = Filter {
                    numbers: vec![("code", vec![401, 403])],
                    ..events(&[])
                };
                Plan::requests(REQUEST, vec![refused])
            }
            Question::RbacChanges => {
                let changes = events(&[("api_group", &[RBAC_GROUP]), ("verb", CHANGES)]);
                Plan::requests(REQUEST, vec![changes])
            }
            Question::TokensIssued => {
                let issued = events(&[
                    ("subresource", &["token"]),
                    ("resource", &["serviceaccounts"]),
                    ("verb", &["create"]),
                    ("stage", &["ResponseComplete"]),
                ]);
                Plan::requests(ISSUED, vec![issued])
            }
            Question::Coverage => Plan::Statement(coverage(window)),
        }
    }

    /// The statement, in the SQL that SQLite and DuckDB share.
    #[must_use]
    pub fn sql(&self, window: &Window) -> String {
        format!("{} LIMIT {}", self.rows(window), window.limit)
    }

    fn rows(&self, window: &Window) -> String {
        match self.plan(window) {
            Plan::Requests(columns, wanted) => {
                let from = match wanted.as_slice() {
                    [one] => format!("events WHERE {}", one.condition()),
                    several => {
                        let all = columns.join(", ");
                        let one = |w: &Wanted| {
                            format!(
                                "SELECT time, received, {all} FROM events WHERE {}",
                                w.condition()
                            )
                        };
                        let several: Vec<String> = several.iter().map(one).collect();
                        format!("({}) AS wanted", several.join(" UNION ALL "))
                    }
                };
                format!(
                    "SELECT min(time) AS time, {} FROM {from} GROUP BY audit_id, received ORDER BY 1, audit_id",
                    greatest(columns)
                )
            }
            Plan::Callers(filters) => callers(&filters),
            Plan::Statement(sql) => sql,
        }
    }
}

/// Events of the window with one of the texts in each of these columns.
fn events(window: &Window, texts: &[(&'static str, &[&str])]) -> Filter {
    let one_of = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Filter {
        texts: texts
            .iter()
            .map(|(name, texts)| (*name, one_of(texts)))
            .collect(),
        from: window.since,
        until: window.until,
        ..Filter::default()
    }
}

impl Object {
    fn events(&self, window: &Window) -> Vec<Filter> {
        match self.either.as_str() {
            "" => vec![self.named(window, &self.namespace, &self.name)],
            either => vec![
                self.named(window, either, ""),
                self.named(window, "", either),
            ],
        }
    }

    fn named(&self, window: &Window, namespace: &str, name: &str) -> Filter {
        let resources: Vec<&str> = self.resources.iter().map(String::as_str).collect();
        let parts: [(&str, &[&str]); 4] = [
            ("resource", &resources),
            ("api_group", &[&self.api_group]),
            ("namespace", &[namespace]),
            ("name", &[name]),
        ];
        let given = |(_, texts): &(&str, &[&str])| texts.iter().any(|text| !text.is_empty());
        let given: Vec<_> = parts.into_iter().filter(given).collect();
        events(window, &given)
    }
}

/// What was not seen at an unknown time may have been in the window.
fn coverage(window: &Window) -> String {
    let since = bound("time", ">=", window.since);
    let until = bound("time", "<=", window.until);
    format!(
        "SELECT seq, kind, detail, time, file, from_offset, to_offset FROM coverage \
WHERE time IS NULL OR (1{since}{until}) ORDER BY time, seq"
    )
}

/// Which row of a request counts, as in `operations_daily`. Distinct audit ids would count what the
/// client chose to send.
const ENDED: &str = "is_copy IS NOT TRUE AND (stage IN ('ResponseComplete', 'Panic') OR stage = 'ResponseStarted' AND code = 401)";

/// What the events of one request say: one that says nothing of a column leaves it to the others.
fn greatest(columns: &[&str]) -> String {
    let column = |name: &&str| {
        if *name == "audit_id" {
            "audit_id".to_owned()
        } else {
            format!("max({name}) AS {name}")
        }
    };
    columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

impl Wanted {
    fn condition(&self) -> String {
        let one = |part: &&str| format!("lower(uri) LIKE '%{part}%'");
        let parts: Vec<String> = self.in_uri.iter().map(one).collect();
        match parts.is_empty() {
            true => condition(&self.filter),
            false => format!("{} AND ({})", condition(&self.filter), parts.join(" OR ")),
        }
    }
}

fn condition(filter: &Filter) -> String {
    let texts = filter
        .texts
        .iter()
        .map(|(name, texts)| (name, texts.iter().map(|text| quoted(text)).collect()));
    let numbers = filter
        .numbers
        .iter()
        .map(|(name, numbers)| (name, numbers.iter().map(ToString::to_string).collect()));
    let one_of = |(name, values): (&&str, Vec<String>)| match values.as_slice() {
        [one] => format!("{name} = {one}"),
        several => format!("{name} IN ({})", several.join(", ")),
    };
    let times = [
        bound("time", ">=", filter.from),
        bound("time", "<=", filter.until),
    ];
    let conditions = texts
        .chain(numbers)
        .map(one_of)
        .collect::<Vec<_>>()
        .join(" AND ");
    format!("{conditions}{}", times.concat())
}

fn bound(column: &str, sign: &str, time: Option<Time>) -> String {
    time.map(|time| format!(" AND {column} {sign} '{time}'"))
        .unwrap_or_default()
}

/// The statement of [`Plan::Callers`].
fn callers(filters: &[Filter]) -> String {
    let kind = KIND.join(", ");
    let one = |filter: &Filter| {
        format!(
            "SELECT {kind}, count(*) AS n, min(time) AS first, max(time) AS last FROM events WHERE {} GROUP BY {kind}",
            condition(filter)
        )
    };
    let kinds: Vec<String> = filters.iter().map(one).collect();
    let kinds = match kinds.as_slice() {
        [one] => one.clone(),
        several => several
            .iter()
            .map(|one| format!("SELECT * FROM ({one}) AS one"))
            .collect::<Vec<_>>()
            .join(" UNION ALL "),
    };
    format!(
        "SELECT principal, sum(CASE WHEN {ENDED} THEN n ELSE 0 END) AS requests, count(DISTINCT credential_id) AS \
credentials, min(first) AS first, max(last) AS last FROM ({kinds}) AS kinds GROUP BY principal ORDER BY 2 DESC, 1"
    )
}

fn operations(principals: &[String], window: &Window, having: &str) -> String {
    let until = window
        .until
        .map(|until| format!(" AND first <= '{until}'"))
        .unwrap_or_default();
    let principals: Vec<String> = principals
        .iter()
        .map(|principal| quoted(principal))
        .collect();
    format!(
        "SELECT min(first) AS first, max(last) AS last, sum(count) AS requests, {OPERATION} FROM operations_daily \
WHERE principal IN ({}){until} GROUP BY {OPERATION}{having} ORDER BY 1, verb, resource",
        principals.join(", ")
    )
}

fn trail(credential: &str, window: &Window) -> String {
    const COLUMNS: [&str; 13] = [
        "principal",
        "verb",
        "resource",
        "subresource",
        "namespace",
        "name",
        "uri",
        "code",
        "origin",
        "user_agent",
        "credential_id",
        "issued_credential_id",
        "audit_id",
    ];
    let columns = COLUMNS.join(", ");
    // CROSS JOIN: SQLite keeps its order, so each id is looked up; DuckDB orders joins as it likes.
    let of = |how: &str| {
        format!(
            "SELECT time, received, {columns} FROM line CROSS JOIN events WHERE {how} = line.id"
        )
    };
    format!(
        "WITH RECURSIVE line(id, step) AS (SELECT {}, 0 UNION SELECT issued_credential_id, step + 1 FROM line CROSS JOIN \
events WHERE credential_id = line.id AND issued_credential_id IS NOT NULL AND step < {GENERATIONS}) SELECT min(time) AS \
time, {} FROM ({} UNION ALL {}) AS trail WHERE audit_id IS NOT NULL{} GROUP BY audit_id, received ORDER BY 1, audit_id",
        quoted(credential),
        greatest(&COLUMNS),
        of("credential_id"),
        of("issued_credential_id"),
        [
            bound("time", ">=", window.since),
            bound("time", "<=", window.until)
        ]
        .concat()
    )
}

/// A string of SQL.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_a_string() {
        let question = Question::Timeline {
            principals: vec!["x' OR '1'='1".to_owned()],
        };
        let sql = question.sql(&Window {
            limit: 1,
            ..Window::default()
        });
        assert!(sql.contains("principal = 'x'' OR ''1''=''1'"), "{sql}");
    }
}
