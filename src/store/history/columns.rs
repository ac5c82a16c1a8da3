//! THE list of columns of an event in history: name, type, meaning. Head and Parquet files have all of them, in this
//! order.
//!
//! Refuses bodies. A column may be added at the end; none is renamed, retyped or given another meaning, since files of
//! every age are read together.

use super::cells;
use super::words::Words;
use arrow_array::builder::{BooleanBuilder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
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

    fn data_type(self) -> DataType {
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

macro_rules! builder {
    (Text) => {
        Words
    };
    (Unique) => {
        StringBuilder
    };
    (Int) => {
        Int64Builder
    };
    (Time) => {
        TimestampMicrosecondBuilder
    };
    (Flag) => {
        BooleanBuilder
    };
}
macro_rules! array {
    (Text) => {
        StringArray
    };
    (Unique) => {
        StringArray
    };
    (Int) => {
        Int64Array
    };
    (Time) => {
        TimestampMicrosecondArray
    };
    (Flag) => {
        BooleanArray
    };
}
macro_rules! get {
    (Text, $array:expr) => {
        $array.as_string_opt::<i32>().cloned()
    };
    (Unique, $array:expr) => {
        $array.as_string_opt::<i32>().cloned()
    };
    (Int, $array:expr) => {
        $array.as_primitive_opt::<Int64Type>().cloned()
    };
    (Time, $array:expr) => {
        $array.as_primitive_opt::<TimestampMicrosecondType>().cloned()
    };
    (Flag, $array:expr) => {
        $array.as_boolean_opt().cloned()
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
macro_rules! finish {
    (Text, $builder:expr) => {
        Arc::new($builder.finish()?) as ArrayRef
    };
    (Time, $builder:expr) => {
        Arc::new($builder.finish().with_timezone("UTC")) as ArrayRef
    };
    ($kind:ident, $builder:expr) => {
        Arc::new($builder.finish()) as ArrayRef
    };
}

macro_rules! columns {
    ($($name:ident: $kind:ident, $meaning:literal;)*) => {
        /// In the order of the files.
        pub const COLUMNS: &[Column] =
            &[$(Column { name: stringify!($name), kind: kind!($kind), meaning: $meaning }),*];

        /// Rows being gathered.
        #[derive(Default)]
        pub(super) struct Builders { $(pub $name: builder!($kind)),* }

        impl Builders {
            /// What was gathered; empty afterwards.
            pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
                RecordBatch::try_new(HEAD_SCHEMA.clone(), vec![$(finish!($kind, self.$name)),*])
            }
        }

        /// The columns of a batch, texts in full. What follows from other columns is checked, and not read back.
        #[allow(dead_code)]
        pub(super) struct Arrays { $(pub $name: array!($kind)),* }

        impl Arrays {
            /// What a file of an older version does not have is NULL.
            ///
            /// # Errors
            /// A sentence that names the column that is of another type: the file is not ours, or damaged.
            pub fn of(batch: &RecordBatch) -> Result<Arrays, String> {
                let column = |name: &str, kind: Kind| match batch.column_by_name(name) {
                    Some(array) => cells::whole(array).map_err(|e| format!("the column {name}: {e}")),
                    None => Ok(new_null_array(&kind.data_type(), batch.num_rows())),
                };
                Ok(Arrays { $($name: {
                    let array = column(stringify!($name), kind!($kind))?;
                    get!($kind, array).ok_or(concat!("the column ", stringify!($name), " is of another type"))?
                }),* })
            }
        }
    };
}

columns! {
    seq: Int, "the number that the event got when it was read: the one order of everything";
    time: Time, "stage time, by the API server's clock";
    received: Time, "when the API server received the request";
    audit_id: Unique, "the request's id; chosen by the client if it sends one";
    stage: Text, "ResponseStarted, ResponseComplete, Panic or RequestReceived";
    level: Text, "Metadata, Request or RequestResponse";
    principal: Text, "user.username, verbatim; NULL for a request that failed authentication";
    principal_kind: Text, "service-account, node, user, anonymous or nobody";
    principal_namespace: Text, "namespace of a service account";
    principal_name: Text, "name of a service account, node or user";
    user_uid: Text, "uid of the ServiceAccount object: a new one is another account of the same name";
    groups: Text, "JSON array of the groups";
    impersonated: Text, "the user name that was assumed";
    impersonated_groups: Text, "JSON array of the groups that were assumed";
    credential_kind: Text, "what the evidence says of the token or certificate";
    credential_id: Text, "JTI=... of a token, X509SHA256=... of a certificate";
    issued_credential_id: Text, "of a TokenRequest: the id of the token that it issued";
    pod: Text, "the pod that the token is bound to";
    pod_uid: Text, "its uid";
    node: Text, "the node that the token is bound to";
    legacy_secret: Text, "the Secret of a legacy token, where the server names it";
    stale: Flag, "the token was used after it should have been renewed";
    verb: Text, "get, list, watch, create, ...";
    api_group: Text, "NULL for the core group";
    resource: Text, "plural, lower case; NULL for a request of a path";
    subresource: Text, "exec, token, log, ...";
    namespace: Text, "of the object; NULL for the whole cluster";
    name: Text, "of the object";
    code: Int, "HTTP status; NULL where the event has none";
    decision: Text, "allow or forbid; NULL where authorization was not reached";
    reason: Text, "which binding allowed it, in the API server's words";
    origin: Text, "the one address that can be trusted";
    source_ips: Text, "JSON array of all addresses; only the last is the API server's own word";
    user_agent: Text, "as the client sent it";
    uri: Text, "path and query, secrets redacted";
    facts: Text, "JSON: the few facts taken from the request body";
    facts_version: Int, "which facts this row could hold";
    file: Text, "digest of the first line of the log file";
    position: Int, "uncompressed offset of the line in that file";
    source: Int, "which of several logs it came from: its number in the configuration, from 0";
}

/// The schema of a head: texts are numbers into the dictionary of their batch.
pub(super) static HEAD_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |column: &Column| match (column.kind, column.name) {
        (Kind::Text, name) if name != UNIQUE => Field::new_dictionary(name, DataType::Int16, DataType::Utf8, true),
        (kind, name) => Field::new(name, kind.data_type(), true),
    };
    Arc::new(Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>()))
});

/// The schema of Parquet files with these columns, and of what a scan of them returns.
pub(super) fn schema(columns: &[Column]) -> Schema {
    Schema::new(columns.iter().map(|c| Field::new(c.name, c.kind.data_type(), true)).collect::<Vec<_>>())
}
