//! Says which tests were skipped, and why, where the test runner cannot swallow it.
//!
//! Refuses to let a test be skipped where `TOKENTRAIL_SKIP` is `never`: who has to prove everything
//! sets it.

use std::io::Write;

/// To be called where a test goes no further.
pub fn because(why: &str) {
    assert!(
        std::env::var("TOKENTRAIL_SKIP").as_deref() != Ok("never"),
        "this would be skipped: {why}"
    );
    // What the macros print of a test that passes is shown to nobody.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
