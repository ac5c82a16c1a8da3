//! `tokentrail sink test`: sends a marked sample to a sink, and says what the receiver answered.
//!
//! Refuses to touch the state: the sample is no incident, and a running daemon hears nothing of it.

use super::SinkTestArgs;
use crate::config::Config;
use crate::sink::{self, Answer, Outcome, Parcel, Receiver};
use anyhow::{Result, bail};
use std::process::ExitCode;
use std::sync::Arc;

pub(super) fn test(args: &SinkTestArgs) -> Result<ExitCode> {
    let config = Config::load(args.config.as_deref())?;
    let Some(settings) = config.sinks.get(&args.name) else {
        let known: Vec<&str> = config.sinks.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        bail!(
            "there is no sink {:?} in the settings (there are: {known}); add it under sinks",
            args.name
        );
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut failed = false;
    for mut receiver in sink::receivers_of(&args.name, settings, &config.policy.cluster) {
        failed |= !runtime.block_on(told(&mut receiver, &config.policy.cluster));
    }
    Ok(if failed {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

/// A beginning and its end, so that the sample leaves nothing open.
async fn told(receiver: &mut Receiver, cluster: &str) -> bool {
    let begun = sink::wall_clock();
    let mut before = None;
    for (what, ended) in [("the sample", false), ("its end", true)] {
        let note = Arc::new(sink::sample(cluster, begun, ended));
        let parcel = Parcel::Notice {
            note: note.clone(),
            before: before.take(),
        };
        let (outcome, answer) = receiver.deliver(&parcel, sink::wall_clock()).await;
        let kept = receiver.take_handle();
        before = Some(kept.map_or(note.clone(), |handle| Arc::new(note.with_handle(&handle))));
        let said = answer
            .map(|Answer { status, text, .. }| format!(": {status} {text}"))
            .unwrap_or_default();
        match outcome {
            Outcome::Delivered => println!("{}: took {what}{}", receiver.name, said.trim_end()),
            Outcome::Retry { why, .. } => {
                println!(
                    "{}: did not take {what}, the daemon would try again: {why}",
                    receiver.name
                );
                return false;
            }
            Outcome::Refused { why } => {
                println!(
                    "{}: refused {what}, the daemon would drop it: {why}",
                    receiver.name
                );
                return false;
            }
        }
    }
    true
}
