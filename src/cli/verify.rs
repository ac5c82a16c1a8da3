//! `verify`: history judged again, and compared with the state.
//!
//! Refuses to mend: it says what differs.

use super::VerifyArgs;
use crate::daemon::rewind::verify;
use anyhow::Result;
use std::io::IsTerminal;
use std::process::ExitCode;

pub(super) fn verify(args: &VerifyArgs) -> Result<ExitCode> {
    let shows = std::io::stderr().is_terminal();
    let done = verify::verify(&args.state, &mut |seq, of| {
        if shows {
            eprint!("\r{seq} of {of} inputs");
        }
    })?;
    if shows {
        eprint!("\r");
    }
    eprintln!(
        "{} inputs since {} judged again; compared {} times: {} records, {} incidents",
        done.inputs, done.since, done.compared, done.records, done.incidents
    );
    match done.difference {
        None => {
            println!("history and state agree; digest {}", done.digest);
            Ok(ExitCode::SUCCESS)
        }
        Some(what) => {
            println!("{what}");
            Ok(ExitCode::from(1))
        }
    }
}
