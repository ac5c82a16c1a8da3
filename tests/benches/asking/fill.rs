//! A history of many events out of one log.

use tokentrail::base::{Digest, Span, Time};
use tokentrail::event::AuditEvent;
use tokentrail::event::decode::{self, Limits};
use tokentrail::history::History;
use tokentrail::history::{Change, Place, Rows};

/// Events of a commit: what a replay reads in 64 MB.
const BATCH: usize = 45_000;

pub fn decoded(line: &str, each: &mut dyn FnMut(&AuditEvent<'_>)) {
    decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
        if let Ok(event) = event {
            each(event);
        }
    });
}

/// Puts so many events into a history: the log again and again, each copy a day later, with audit
/// and credential ids of its own. Each change is handed to `commit` before it is called committed.
pub fn fill(
    history: &mut History,
    text: &str,
    events: usize,
    seq_of: &dyn Fn(usize) -> u64,
    commit: &mut dyn FnMut(&Change),
) {
    let lines: Vec<&str> = text.lines().collect();
    let (mut rows, mut now) = (Rows::default(), Time::ZERO);
    let mut done = |history: &mut History, change: Change| {
        commit(&change);
        history.committed(change).expect("room");
    };
    for n in 0..events {
        let copy = n / lines.len();
        decoded(lines[n % lines.len()], &mut |event| {
            let [id, credential, issued] = [
                event.audit_id,
                event.credential.id,
                event.issued_credential_id,
            ]
            .map(|id| fresh(id, copy));
            let mut event = event.clone();
            let later = Span::seconds(86_400 * copy as i64);
            (event.time, event.received) = (event.time + later, event.received + later);
            (
                event.audit_id,
                event.credential.id,
                event.issued_credential_id,
            ) = (&id, &credential, &issued);
            now = now.max(event.time);
            let origin = event.source_ips.last().copied();
            let file = Digest::of(&copy.to_le_bytes());
            let offset = 1400 * (n % lines.len()) as u64;
            rows.push(
                &event,
                origin,
                Place {
                    seq: seq_of(n),
                    source: 0,
                    file,
                    offset,
                    is_copy: false,
                },
            );
        });
        if n % BATCH == BATCH - 1 || n == events - 1 {
            let change = history.append(&mut rows).expect("room");
            done(history, change);
            let change = history.due(now, n == events - 1, &mut rows).expect("room");
            done(history, change);
        }
    }
}

/// Another id of the same form; the first copy keeps its own.
fn fresh(id: &str, copy: usize) -> String {
    let digest = Digest::of(format!("{copy} {id}").as_bytes()).to_string();
    let mut digits = digest.chars().cycle();
    let kept = id.find('=').map_or(0, |sign| sign + 1);
    let other = |c: char| {
        if copy > 0 && c.is_ascii_hexdigit() {
            digits.next().unwrap_or(c)
        } else {
            c
        }
    };
    id[..kept]
        .chars()
        .chain(id[kept..].chars().map(other))
        .collect()
}
