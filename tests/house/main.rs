//! The walls of the house, held up by tests: floors, purity, file shape, names, documents.
//!
//! Reads text only; builds nothing. A rule that a reviewer must remember is a preference.

mod documents;
mod floors;
mod names;
mod purity;
mod rust;
mod shape;
#[path = "../common/skipped.rs"]
mod skipped;
