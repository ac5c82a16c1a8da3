//! What a replay saw, in a few lines.

use crate::base::Time;
use crate::base::text::{self, counted};
use crate::daemon::replay::Summary;
use crate::detect::Severity;
use crate::event::decode::Malformed;
use std::fmt::Write;
use std::time::Duration;

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
        if seen.newest == Time::ZERO { String::new() } else { format!(", up to {}", seen.newest) }
    );
    if seen.lines == 0 && seen.resumed {
        out.push_str("nothing new: the state has read all of this before\n");
    } else if seen.events == 0 {
        out.push_str("no audit event is in this input: name the file that the API server's --audit-log-path names\n");
    }
    let reasons: Vec<String> =
        Malformed::ALL.iter().zip(seen.malformed).filter(|(_, n)| *n > 0).map(|(r, n)| format!("{r} {n}")).collect();
    let total: u64 = seen.malformed.iter().sum();
    let _ = match reasons.is_empty() {
        true => writeln!(out, "malformed lines: none"),
        false => writeln!(out, "malformed lines: {total} ({})", reasons.join(", ")),
    };
    if seen.gaps > 0 {
        let _ = writeln!(out, "gaps: {} (`tokentrail coverage --state DIR` lists them)", seen.gaps);
        for (gap, times) in &seen.first_gaps {
            let times = if *times > 1 { format!("  ({times} times)") } else { String::new() };
            let _ = writeln!(out, "  {}{times}", text::name(gap));
        }
    }
    if seen.exempted > 0 {
        let _ = writeln!(out, "exempted: {}, by exemptions and acknowledgements", counted(seen.exempted, "finding"));
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
    for (path, bytes) in &seen.unfinished {
        let _ = writeln!(out, "left unread: {bytes} bytes of an unfinished last line in {}", path.display());
    }
    let _ = writeln!(out, "accounts: {} known, {} of them mature", seen.accounts, seen.mature);
    let counts: Vec<String> =
        Severity::ALL.iter().rev().map(|s| format!("{s} {}", seen.incidents[*s as usize])).collect();
    let _ = writeln!(out, "incidents: {}", counts.join(", "));
    out
}
