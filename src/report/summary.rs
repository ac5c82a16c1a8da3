//! What a replay saw, in a few lines.

use crate::base::Time;
use crate::base::text::{self, counted};
use crate::daemon::replay::Summary;
use crate::detect::Severity;
use crate::event::decode::Malformed;
use crate::event::envelopes::Carrier;
use crate::source::Notes;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const WRAPPED: &str = "audit events are in this input, inside other JSON, as log shippers write them: take them out first, for example \
with `jq -r .log`, or name the file that the API server itself writes\n";

const GKE_LACKS: &str = "  GKE's log has no groups, uids or credential ids: what rests on them (two places of one credential, \
whose token it is, forged groups) is not judged\n";

/// For stderr. `elapsed` is wall time.
#[must_use]
pub fn summary(seen: &Summary, elapsed: Duration) -> String {
    let mut out = String::new();
    let rate = seen.events as f64 / elapsed.as_secs_f64().max(1e-9);
    let _ = writeln!(
        out,
        "{} in {}, {:.1} MB, in {:.2} s ({rate:.0} events a second){}",
        counted(seen.events, "event"),
        counted(seen.lines, "line"),
        seen.bytes as f64 / 1e6,
        elapsed.as_secs_f64(),
        if seen.newest == Time::ZERO {
            String::new()
        } else {
            format!(", up to {}", seen.newest)
        }
    );
    if seen.lines == 0 && seen.resumed {
        out.push_str("nothing new: the state has read all of this before\n");
    } else if seen.events == 0 && seen.malformed[Malformed::Wrapped as usize] > 0 {
        out.push_str(WRAPPED);
    } else if seen.events == 0 {
        out.push_str("no audit event is in this input: name the file that the API server's --audit-log-path names\n");
    }
    if seen.events > 0 && seen.judged == 0 {
        out.push_str("nothing was judged: no event says how a request ended; see omitStages in the audit policy\n");
    }
    carried(&mut out, seen);
    unread(&mut out, seen);
    if seen.exempted > 0 {
        let _ = writeln!(
            out,
            "exempted: {}, by exemptions and acknowledgements",
            counted(seen.exempted, "finding")
        );
    }
    for (trouble, times) in &seen.troubles {
        let _ = writeln!(
            out,
            "rule {} had no answer at {}: {}",
            trouble.id,
            counted(*times, "event"),
            trouble.fault.words()
        );
    }
    files(&mut out, &seen.notes);
    let _ = writeln!(
        out,
        "accounts: {} known, {} of them mature",
        seen.accounts, seen.mature
    );
    let counts: Vec<String> = Severity::ALL
        .iter()
        .rev()
        .map(|s| format!("{s} {}", seen.incidents[*s as usize]))
        .collect();
    let _ = writeln!(out, "incidents: {}", counts.join(", "));
    out
}

/// What the events came in, and what that takes away from the evidence.
fn carried(out: &mut String, seen: &Summary) {
    let met = Carrier::ALL
        .iter()
        .zip(seen.carriers)
        .filter(|(_, n)| *n > 0);
    let met: Vec<String> = met
        .map(|(carrier, n)| format!("{} {n}", carrier.name()))
        .collect();
    if !met.is_empty() {
        let _ = writeln!(out, "carriers, in lines: {}", met.join(", "));
    }
    if seen.foreign > 0 {
        let records = counted(seen.foreign, "record");
        let _ = writeln!(out, "  {records} of other logs passed over");
    }
    if seen.cut > 0 {
        let events = counted(seen.cut, "event");
        let _ = writeln!(
            out,
            "  {events} cut off at the carrier's limit, bodies unread"
        );
    }
    if seen.carriers[Carrier::Gke as usize] > 0 {
        out.push_str(GKE_LACKS);
    }
}

/// What could not be read of the lines.
fn unread(out: &mut String, seen: &Summary) {
    let reasons: Vec<String> = Malformed::ALL
        .iter()
        .zip(seen.malformed)
        .filter(|(_, n)| *n > 0)
        .map(|(r, n)| format!("{r} {n}"))
        .collect();
    let total: u64 = seen.malformed.iter().sum();
    let _ = match reasons.is_empty() {
        true => writeln!(out, "malformed lines: none"),
        false => writeln!(out, "malformed lines: {total} ({})", reasons.join(", ")),
    };
    if seen.gaps == 0 {
        return;
    }
    let gaps = seen.gaps;
    let _ = writeln!(
        out,
        "gaps: {gaps} (`tokentrail coverage --state DIR` lists them)"
    );
    for (gap, times) in &seen.first_gaps {
        let times = match times {
            0 | 1 => String::new(),
            times => format!("  ({times} times)"),
        };
        let _ = writeln!(out, "  {}{times}", text::name(gap));
    }
}

/// Notes of one sort that are printed.
const SHOWN: usize = 10;

/// What is to be said of the files themselves.
fn files(out: &mut String, notes: &Notes) {
    let name = |path: &Path| text::name(&path.display().to_string()).to_string();
    let mut tell = |lines: Vec<String>| {
        let left = lines.len().saturating_sub(SHOWN);
        for line in lines.into_iter().take(SHOWN) {
            let _ = writeln!(out, "{line}");
        }
        if left > 0 {
            let _ = writeln!(out, "  and {left} more like this");
        }
    };
    let copy = |(path, other): &(PathBuf, PathBuf)| {
        format!(
            "read once: {} holds nothing that is not in {}",
            name(path),
            name(other)
        )
    };
    tell(notes.copies.iter().map(copy).collect());
    tell(
        notes
            .utf16
            .iter()
            .map(|path| format!("UTF-16, read as UTF-8: {}", name(path)))
            .collect(),
    );
    let passed =
        |(path, why): &(PathBuf, String)| format!("not read: {}: {}", name(path), text::name(why));
    tell(notes.passed_over.iter().map(passed).collect());
    let unfinished = |(path, bytes): &(PathBuf, u64)| {
        format!(
            "left unread: {bytes} bytes of an unfinished last line in {}",
            name(path)
        )
    };
    tell(notes.unfinished.iter().map(unfinished).collect());
    if notes.more > 0 {
        let _ = writeln!(
            out,
            "and {} on files that are not listed",
            counted(notes.more, "note")
        );
    }
}
