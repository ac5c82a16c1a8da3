//! What can be asked: tables, columns and functions, with their meaning.
//!
//! Refuses functions that reach outside of the statement: the list names what is harmless, all else
//! is refused.

use crate::history::{COLUMNS, Column, Kind, ROLLUP_COLUMNS};

/// One table, as `--schema` lists it.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub name: &'static str,
    pub meaning: &'static str,
    pub columns: &'static [Column],
}

/// Every table.
pub const TABLES: &[Table] = &[
    Table {
        name: "events",
        meaning: "audit events, one row each, as long as they are kept",
        columns: COLUMNS,
    },
    Table {
        name: "operations_daily",
        meaning: "requests counted by day and kind; outlives the events",
        columns: ROLLUP_COLUMNS,
    },
    Table {
        name: "incidents",
        meaning: "incidents, as they were last",
        columns: INCIDENTS,
    },
    Table {
        name: "findings",
        meaning: "what each detector found, by incident",
        columns: FINDINGS,
    },
    Table {
        name: "baselines",
        meaning: "what each account is known for, a row a value",
        columns: BASELINES,
    },
    Table {
        name: "credentials",
        meaning: "the credentials that each account is known to use, and tokens issued for it and not used yet",
        columns: CREDENTIALS,
    },
    Table {
        name: "coverage",
        meaning: "what was not seen: holes in the log, lines set aside, silences",
        columns: COVERAGE,
    },
];

pub(super) const INCIDENTS: &[Column] = &[
    text("id", "the incident's id"),
    int("revision", "counts what changed"),
    text("kind", "threat or visibility"),
    text("status", "open, updated or resolved"),
    text("severity", "info, low, medium, high or critical"),
    int("score", "for sorting"),
    text("principal", "user.username, verbatim"),
    text("cluster", "the name of the cluster"),
    text("first_seen", "stage time of the first event"),
    text("last_seen", "stage time of the last event"),
    text("detected_at", "when it first reached medium"),
    text("detectors", "JSON array"),
    text("techniques", "JSON array of ATT&CK techniques"),
    text("audit_ids", "JSON array, for json_each"),
    text("credentials", "JSON array of credential ids"),
    text("origins", "JSON array of addresses"),
    text("user_agents", "JSON array"),
    text("summary", "one sentence"),
    text("json", "the whole incident"),
];

pub(super) const FINDINGS: &[Column] = &[
    text("incident", "the incident's id"),
    text("detector", "the detector's id"),
    text("title", "what it found"),
    text("expected", "what the baseline says"),
    text("observed", "what was seen"),
    int("count", "how often"),
    text("first_seen", "stage time"),
    text("last_seen", "stage time"),
];

pub(super) const BASELINES: &[Column] = &[
    text("principal", "user.username, verbatim"),
    text("uid", "of the ServiceAccount object"),
    text("maturity", "mature or learning"),
    text(
        "account_first_seen",
        "stage time of the account's first event",
    ),
    text("account_last_seen", "stage time of its last event"),
    int("account_days", "distinct UTC days with events"),
    int("account_events", "its events"),
    int(
        "busiest_minute",
        "its requests in the busiest minute, but for leases and relists",
    ),
    text(
        "active_hours",
        "JSON array of the hours of the UTC day in which it was ever active",
    ),
    text(
        "feature",
        "operations, reach (foreign namespaces), denials, origins, networks, agents, targets or issuers",
    ),
    text(
        "value",
        "what is remembered, in the words that findings use",
    ),
    text("first_seen", "stage time, to the second"),
    text("last_seen", "stage time, to the second"),
    int("count", "how often"),
    int("days", "on how many UTC days"),
];

pub(super) const CREDENTIALS: &[Column] = &[
    text("principal", "whose credential it is"),
    text("state", "used, or issued and not used yet"),
    text("kind", "pod-bound token, legacy Secret token, ..."),
    text("name", "the pod or Secret"),
    text(
        "holder",
        "what it is told apart by: the pod's uid, the node, the Secret, the id",
    ),
    text("credential_id", "the id used last: tokens of a pod rotate"),
    text("issued_by", "who asked for it, where the log told"),
    text(
        "first_seen",
        "stage time of its first use, or when it was issued",
    ),
    text("last_seen", "stage time of its last use"),
    text(
        "places",
        "JSON array of the addresses that it was used from, for json_each",
    ),
];

pub(super) const COVERAGE: &[Column] = &[
    int(
        "seq",
        "the number of the input before it; NULL of what is no place in the log",
    ),
    text(
        "kind",
        "truncated, lost, unreadable, ...; malformed; log-leap, log-silent, log-part-vanished, ...",
    ),
    text("detail", "one sentence, or why the line could not be read"),
    text(
        "time",
        "stage time of the event before it; NULL before the first",
    ),
    text("file", "digest of the first line of the log file"),
    int("from_offset", "uncompressed offset"),
    int("to_offset", "uncompressed offset"),
];

const fn text(name: &'static str, meaning: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Text,
        meaning,
    }
}

const fn int(name: &'static str, meaning: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Int,
        meaning,
    }
}

/// The column list of a CREATE TABLE.
pub(super) fn declaration(columns: &[Column]) -> String {
    let declared = columns
        .iter()
        .map(|column| format!("\"{}\" {}", column.name, column.kind.sql()));
    declared.collect::<Vec<_>>().join(", ")
}

/// Functions of SQLite that compute from their arguments alone, in bounded memory.
pub(super) const FUNCTIONS: &[&str] = &[
    "abs",
    "avg",
    "coalesce",
    "count",
    "date",
    "datetime",
    "group_concat",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array_length",
    "json_each",
    "json_extract",
    "json_group_array",
    "json_type",
    "json_valid",
    "length",
    "like",
    "glob",
    "lower",
    "ltrim",
    "max",
    "min",
    "nullif",
    "printf",
    "format",
    "replace",
    "round",
    "row_number",
    "rank",
    "dense_rank",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "rtrim",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "time",
    "total",
    "trim",
    "typeof",
    "unixepoch",
    "julianday",
    "upper",
    "->",
    "->>",
];
