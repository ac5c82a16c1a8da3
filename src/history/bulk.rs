//! How new history is, by the bulk of its rows.
//!
//! Refuses the word of a few: lines with a wrong clock stand apart from all others, and nothing may
//! expire by them.

use crate::base::{Span, Time};
use crate::history::manifest::{Segment, SegmentKind};

/// Days without a row that are a pause of the cluster, at most.
const PAUSE_MAX: Span = Span::seconds(7 * 86_400);
/// The share of a retention that a pause may be: a leap of less deletes that little too early.
const PAUSE_SHARE: i64 = 12;

/// How long a time without rows may be, for those who keep history so long.
#[must_use]
pub fn tolerance(age: Span) -> Span {
    PAUSE_MAX.min(Span(age.0 / PAUSE_SHARE))
}

/// The newest time that is reached from the middle row on without so long a time without rows.
/// [`Time::ZERO`] where there is no row.
pub fn newest<'s>(segments: impl Iterator<Item = &'s Segment>, tolerance: Span) -> Time {
    let has_events =
        |s: &&Segment| matches!(s.kind, SegmentKind::Head | SegmentKind::Events) && s.rows > 0;
    let mut files: Vec<&Segment> = segments.filter(has_events).collect();
    files.sort_by_key(|s| (s.time_max, s.id));
    let all: u64 = files.iter().map(|s| s.rows).sum();
    let mut before = 0;
    let mut reached = Time::ZERO;
    for file in files {
        let is_past_middle = before * 2 >= all;
        if is_past_middle && file.time_min.since(reached) > tolerance {
            break;
        }
        before += file.rows;
        // A head may hold days, and one line makes its end.
        let is_torn =
            file.kind == SegmentKind::Head && file.time_max.since(file.time_min) > tolerance;
        reached = reached.max(if is_torn {
            file.time_min
        } else {
            file.time_max
        });
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn file(id: u64, day: i64, rows: u64) -> Segment {
        let (time_min, time_max) = (
            Time::from_seconds(day * DAY),
            Time::from_seconds(day * DAY + DAY - 1),
        );
        let (path, sha256) = (String::new(), String::new());
        let (seq_min, seq_max) = (id * 1000, id * 1000 + rows - 1);
        let kind = SegmentKind::Events;
        Segment {
            id,
            kind,
            path,
            bytes: rows,
            rows,
            time_min,
            time_max,
            seq_min,
            seq_max,
            sha256,
            engine: 0,
        }
    }

    fn newest_day(files: &[Segment]) -> i64 {
        newest(files.iter(), tolerance(Span::seconds(90 * DAY)))
            .as_seconds()
            .div_euclid(DAY)
    }

    #[test]
    fn a_few_rows_of_next_year_are_not_believed() {
        let mut files: Vec<Segment> = (1..=10).map(|n| file(n, 20_000 + n as i64, 100)).collect();
        assert_eq!(newest_day(&files), 20_010);
        files.push(file(11, 20_375, 2));
        assert_eq!(newest_day(&files), 20_010);
        files.push(file(12, 20_376, 400));
        assert_eq!(newest_day(&files), 20_010, "nor nearly half of all");
    }

    #[test]
    fn a_pause_of_days_is_no_leap() {
        let files = [
            file(1, 20_000, 100),
            file(2, 20_004, 100),
            file(3, 20_010, 1),
        ];
        assert_eq!(newest_day(&files), 20_010);
        assert_eq!(newest([].iter(), Span::ZERO), Time::ZERO);
    }
}
