//! Instants and spans in microseconds, as kube-apiserver writes them (`metav1.MicroTime`, RFC
//! 3339).
//!
//! Refuses to ask what time it is: every instant comes from an event or from an argument.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(pub i64);

/// A distance between two instants, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span(pub i64);

const MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;
/// Years outside 1970..=2105 are refused: baselines keep seconds in 32 bits.
const LAST_SECOND: i64 = u32::MAX as i64;

impl Span {
    pub const ZERO: Span = Span(0);

    #[must_use]
    pub const fn seconds(n: i64) -> Span {
        Span(n.saturating_mul(MICROS))
    }

    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0 / MICROS
    }
}

impl Time {
    pub const ZERO: Time = Time(0);

    #[must_use]
    pub const fn from_seconds(n: i64) -> Time {
        Time(n.saturating_mul(MICROS))
    }

    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// Seconds for storage in 32 bits; times outside 1970..=2105 are clamped.
    #[must_use]
    pub const fn stored_seconds(self) -> u32 {
        let s = self.as_seconds();
        if s < 0 {
            0
        } else if s > LAST_SECOND {
            u32::MAX
        } else {
            s as u32
        }
    }

    /// Days since 1970-01-01, UTC.
    #[must_use]
    pub const fn day(self) -> u32 {
        self.stored_seconds() / DAY_SECONDS as u32
    }

    /// Hour of the UTC day, 0..=23.
    #[must_use]
    pub const fn hour(self) -> u8 {
        ((self.stored_seconds() / 3600) % 24) as u8
    }

    #[must_use]
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Reads RFC 3339 (`2026-03-02T08:53:50.021149Z`, any offset, any fraction; digits past the
    /// microsecond are cut), and what tables make of it: a space for the `T` and no zone, which is
    /// UTC. `None` for everything else and for years outside 1970..=2105.
    #[must_use]
    pub fn parse(text: &str) -> Option<Time> {
        let b = text.as_bytes();
        if let Ok(written) = b.try_into()
            && let Some(time) = micro_time(written)
        {
            return Some(time);
        }
        if b.len() < 19 || b[4] != b'-' || b[7] != b'-' || b[13] != b':' || b[16] != b':' {
            return None;
        }
        if !matches!(b[10], b'T' | b't' | b' ') {
            return None;
        }
        let (year, month, day) = (digits(&b[..4])?, digits(&b[5..7])?, digits(&b[8..10])?);
        let (hour, minute, second) = (
            digits(&b[11..13])?,
            digits(&b[14..16])?,
            digits(&b[17..19])?,
        );
        if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (micros, zone) = fraction(&b[19..])?;
        let zone = if zone.is_empty() && b[10] == b' ' {
            b"Z"
        } else {
            zone
        };
        let local =
            days_from_civil(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
        let seconds = local - offset(zone)?;
        (0..=LAST_SECOND)
            .contains(&seconds)
            .then_some(Time(seconds * MICROS + micros))
    }
}

fn digits(b: &[u8]) -> Option<i64> {
    b.iter().try_fold(0, |n, c| {
        c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0'))
    })
}

/// The one form that kube-apiserver writes (`2026-03-02T08:53:50.021149Z`), without a branch for
/// each digit: this runs twice for every event. `None` is no verdict: other forms are read by the
/// long way.
fn micro_time(b: &[u8; 27]) -> Option<Time> {
    if [b[4], b[7], b[10], b[13], b[16], b[19], b[26]] != *b"--T::.Z" {
        return None;
    }
    let mut bad = false;
    let mut two = |at: usize| {
        let (tens, ones) = (b[at].wrapping_sub(b'0'), b[at + 1].wrapping_sub(b'0'));
        bad |= tens > 9 || ones > 9;
        i64::from(tens) * 10 + i64::from(ones)
    };
    let (year, month, day) = (two(0) * 100 + two(2), two(5), two(8));
    let (hour, minute, second) = (two(11), two(14), two(17));
    let micros = (two(20) * 100 + two(22)) * 100 + two(24);
    let fits = !bad && (1..=12).contains(&month) && day >= 1 && day <= days_in(year, month);
    if !fits || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds =
        days_from_civil(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    (0..=LAST_SECOND)
        .contains(&seconds)
        .then_some(Time(seconds * MICROS + micros))
}

/// Microseconds of an optional fraction, and what follows it.
fn fraction(b: &[u8]) -> Option<(i64, &[u8])> {
    if b.first() != Some(&b'.') {
        return Some((0, b));
    }
    let len = b[1..].iter().take_while(|c| c.is_ascii_digit()).count();
    if len == 0 {
        return None;
    }
    let kept = len.min(6);
    let value = digits(&b[1..=kept])? * 10_i64.pow(6 - kept as u32);
    Some((value, &b[1 + len..]))
}

/// Seconds east of UTC of `Z`, `+hh:mm` or `-hh:mm`.
fn offset(b: &[u8]) -> Option<i64> {
    match b {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (h, m) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let seconds = (h < 24 && m < 60).then_some(h * 3600 + m * 60)?;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + is_leap(year) as i64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (the year is taken to begin in March, so
/// that the leap day is its last).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (
        yoe + era * 400 + (month <= 2) as i64,
        month,
        doy - (153 * mp + 2) / 5 + 1,
    )
}

/// `2026-03-02T08:53:50.021149Z`: always UTC, always six digits, so that text sorts as time.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.as_seconds();
        let (y, mo, d) = civil_from_days(seconds.div_euclid(DAY_SECONDS));
        let s = seconds.rem_euclid(DAY_SECONDS);
        let (h, mi, s) = (s / 3600, s / 60 % 60, s % 60);
        write!(
            f,
            "{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{:06}Z",
            self.0.rem_euclid(MICROS)
        )
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The two largest units that are not zero: `3d 4h`, `12m 5s`, `40s`, `250ms`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.as_seconds();
        match s {
            i64::MIN..=-1 => write!(f, "-{}", Span(-self.0)),
            0 => write!(f, "{}ms", self.0 / 1000),
            1..60 => write!(f, "{s}s"),
            60..3600 => parts(f, s / 60, "m", s % 60, "s"),
            3600..86_400 => parts(f, s / 3600, "h", s / 60 % 60, "m"),
            _ => parts(f, s / 86_400, "d", s / 3600 % 24, "h"),
        }
    }
}

/// A second part of nothing is left out.
fn parts(f: &mut fmt::Formatter<'_>, whole: i64, unit: &str, rest: i64, of: &str) -> fmt::Result {
    if rest == 0 {
        write!(f, "{whole}{unit}")
    } else {
        write!(f, "{whole}{unit} {rest}{of}")
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_an_api_server_writes_and_prints_it_back() {
        for text in [
            "2026-03-02T08:53:50.021149Z",
            "1970-01-01T00:00:00.000000Z",
            "2024-02-29T23:59:59.999999Z",
        ] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn offsets_and_fractions_mean_the_same_instant() {
        let utc = Time::parse("2026-03-02T08:53:50.5Z");
        assert_eq!(Time::parse("2026-03-02T10:53:50.500000+02:00"), utc);
        assert_eq!(Time::parse("2026-03-02 03:23:50.5000009-05:30"), utc);
        assert_eq!(
            Time::parse("2026-03-02 08:53:50.500000000"),
            utc,
            "of a table, without a zone"
        );
        assert_eq!(
            Time::parse("2026-03-02 08:53:50"),
            Time::parse("2026-03-02T08:53:50Z")
        );
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2026-03-02",
            "2026-02-29T00:00:00Z",
            "2026-02-29T00:00:00.000000Z",
            "2026-03-02T08:53:50.02114xZ",
            "2026-13-01T00:00:00Z",
            "2026-03-02T24:00:00Z",
            "2026-03-02T08:53:50.Z",
            "2026-03-02T08:53:50",
            "1969-12-31T23:59:59Z",
            "2026-03-02T08:53:50+2:00",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        for seconds in [0, 951_782_399, 951_782_400, 1_709_164_799, 4_102_444_799] {
            let time = Time(seconds * MICROS + 21_149);
            let text = time.to_string();
            assert_eq!(Time::parse(&text), Some(time));
            assert_eq!(Time::parse(&text.replace('Z', "+00:00")), Some(time));
        }
    }
}
