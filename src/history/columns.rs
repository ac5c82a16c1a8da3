//! THE list of columns of an event in history: name, type, meaning. Head and Parquet files have all
//! of them, in this order.
//!
//! Refuses bodies. A column may be added at the end; none is renamed, retyped or given another
//! meaning, since files of every age are read together.

use crate::history::write::column_view::View;
use crate::history::write::dictionary_column::DictionaryColumn;
use crate::history::write::plain_column::PlainColumn;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::sync::{Arc, LazyLock};

/// The type of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// UTF-8; NULL where the event says nothing.
    Text,
    Int,
    /// Microseconds since 1970, UTC.
    Time,
    Flag,
}

/// One column, as people read about it.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub meaning: &'static str,
}

impl Kind {
    /// The type in SQL; times are text that sorts as time, flags are 0 and 1.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Kind::Text | Kind::Time => "TEXT",
            Kind::Int | Kind::Flag => "INTEGER",
        }
    }

    pub(super) fn data_type(self) -> DataType {
        match self {
            Kind::Text => DataType::Utf8,
            Kind::Int => DataType::Int64,
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Flag => DataType::Boolean,
        }
    }
}

/// The one text column whose values hardly repeat: it has no dictionary.
pub(super) const UNIQUE: &str = "audit_id";

/// Columns whose values follow each other from row to row: which of them a row has is one number
/// for all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Who asks, with what credential, from where.
    Caller,
    /// What is asked.
    Request,
    /// How it ended.
    Outcome,
    /// What a body said.
    Body,
    /// Which file it stood in.
    Source,
    /// Its own in each row.
    Row,
}

/// Groups that several rows have in common.
pub(super) const GROUPS: usize = Group::Row as usize;

macro_rules! store {
    (Text) => {
        DictionaryColumn
    };
    (Unique) => {
        PlainColumn
    };
    ($number:ident) => {
        Vec<i64>
    };
}
macro_rules! view {
    (Text, $column:expr) => {
        $column.view()
    };
    (Unique, $column:expr) => {
        View::Texts($column)
    };
    ($number:ident, $column:expr) => {
        View::Numbers($column)
    };
}
macro_rules! kind {
    (Unique) => {
        Kind::Text
    };
    ($kind:ident) => {
        Kind::$kind
    };
}
macro_rules! columns {
    ($($name:ident: $kind:ident of $group:ident, $meaning:literal;)*) => {
        /// In the order of the files.
        pub const COLUMNS: &[Column] =
            &[$(Column { name: stringify!($name), kind: kind!($kind), meaning: $meaning }),*];

        /// The group of each column.
        pub(super) const GROUP_OF: &[Group] = &[$(Group::$group),*];

        /// Rows being gathered: what a column has for each row, or for each that its group has.
        #[derive(Default)]
        pub(super) struct Gathered { $(pub $name: store!($kind)),* }

        impl Gathered {
            pub fn views(&self) -> Vec<View<'_>> {
                vec![$(view!($kind, &self.$name)),*]
            }

            /// The rows' own values go; those that rows have in common only if it `forgets`.
            pub fn clear(&mut self, forgets: bool) {
                $(if forgets || Group::$group == Group::Row {
                    self.$name.clear();
                })*
            }
        }
    };
}

columns! {
    seq: Int of Row, "the number that the event got when it was read: the one order of everything";
    time: Time of Row, "stage time, by the API server's clock";
    received: Time of Row, "when the API server received the request; with audit_id it says which request an event belongs to: the same in all its stages, and in what two servers recorded of it";
    audit_id: Unique of Row, "the request's id; chosen by the client if it sends one";
    stage: Text of Outcome, "ResponseStarted, ResponseComplete, Panic or RequestReceived";
    level: Text of Outcome, "Metadata, Request or RequestResponse";
    principal: Text of Caller, "user.username, verbatim; NULL for a request that failed authentication";
    principal_kind: Text of Caller, "service-account, node, user, anonymous or nobody";
    principal_namespace: Text of Caller, "namespace of a service account";
    principal_name: Text of Caller, "name of a service account, node or user";
    user_uid: Text of Caller, "uid of the ServiceAccount object: a new one is another account of the same name";
    groups: Text of Caller, "JSON array of the groups";
    impersonated: Text of Caller, "the user name that was assumed";
    impersonated_groups: Text of Caller, "JSON array of the groups that were assumed";
    credential_kind: Text of Caller, "what the evidence says of the token or certificate";
    credential_id: Text of Caller, "JTI=... of a token, X509SHA256=... of a certificate";
    issued_credential_id: Text of Row, "of a TokenRequest: the id of the token that it issued";
    pod: Text of Caller, "the pod that the token is bound to";
    pod_uid: Text of Caller, "its uid";
    node: Text of Caller, "the node that the token is bound to";
    legacy_secret: Text of Caller, "the Secret of a legacy token, where the server names it";
    stale: Flag of Caller, "the token was used after it should have been renewed";
    verb: Text of Request, "get, list, watch, create, ...";
    api_group: Text of Request, "NULL for the core group";
    resource: Text of Request, "plural, lower case; NULL for a request of a path";
    subresource: Text of Request, "exec, token, log, ...";
    namespace: Text of Request, "of the object; NULL for the whole cluster";
    name: Text of Request, "of the object";
    code: Int of Outcome, "HTTP status; NULL where the event has none";
    decision: Text of Outcome, "allow or forbid; NULL where authorization was not reached";
    reason: Text of Outcome, "which binding allowed it, in the API server's words";
    origin: Text of Caller, "the one address that can be trusted";
    source_ips: Text of Caller, "JSON array of all addresses, :: for one that cannot be read; only the last is the API server's own word";
    user_agent: Text of Caller, "as the client sent it";
    uri: Text of Request, "path and query, secrets redacted";
    facts: Text of Body, "JSON: the few facts taken from the request body";
    facts_version: Int of Source, "which facts this row could hold";
    file: Text of Source, "digest of the first line of the log file";
    position: Int of Row, "uncompressed offset of the line in that file";
    source: Int of Source, "which of several logs it came from: the number that its path got when it was first followed, from 0";
    origin_country: Text of Caller, "of a public origin, by `geoip.country` when it was read: ISO 3166-1 alpha-2";
    origin_asn: Int of Caller, "of a public origin, by `geoip.asn` when it was read: number of the autonomous system";
    origin_network: Text of Caller, "the name of this autonomous system";
    is_copy: Flag of Outcome, "another server recorded the request before, so it is not counted here";
}

/// What a head calls each group that rows have in common, in the order of [`Group`].
pub(super) const GROUP_NAMES: [&str; GROUPS] = ["caller", "request", "outcome", "body", "source"];

/// The columns of a group, as a head has them.
pub(super) fn fields_of(group: usize) -> Fields {
    let columns = COLUMNS
        .iter()
        .zip(GROUP_OF)
        .filter(|(_, of)| **of as usize == group);
    columns
        .map(|(column, _)| Field::new(column.name, column.kind.data_type(), true))
        .collect()
}

/// The schema of a head: the rows' own columns, then each group as numbers into a dictionary of
/// structs.
pub(super) static HEAD_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let own = fields_of(Group::Row as usize);
    let in_common = GROUP_NAMES.iter().enumerate().map(|(group, name)| {
        let kinds = DataType::Struct(fields_of(group));
        Arc::new(Field::new_dictionary(*name, DataType::Int16, kinds, false))
    });
    Arc::new(Schema::new(
        own.iter().cloned().chain(in_common).collect::<Fields>(),
    ))
});

/// The schema of Parquet files with these columns, and of what a scan of them returns.
pub(super) fn schema(columns: &[Column]) -> Schema {
    Schema::new(
        columns
            .iter()
            .map(|c| Field::new(c.name, c.kind.data_type(), true))
            .collect::<Vec<_>>(),
    )
}
