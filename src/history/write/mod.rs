//! Events become rows, and rows become columns. Read next: `rows.rs`.
//!
//! Refuses to write a file: the head and `parquet/` do.

pub(super) mod batch;
mod column_groups;
pub(super) mod column_view;
pub(super) mod dictionary_column;
pub(super) mod distinct_rows;
pub(super) mod plain_column;
pub(super) mod rows;
pub(super) mod table;

pub use rows::{FACTS_VERSION, Place, Rows};
