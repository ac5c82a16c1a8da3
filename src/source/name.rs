//! What the name of a rotated file says, as lumberjack (kube-apiserver) and logrotate make them,
//! alone or after each other.
//!
//! Refuses to look at the file.

use std::cmp::Reverse;

/// The place of a file in its set; sorts oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// `audit-2026-08-22T10-11-12.345.log` or `audit.log-20260822`: the stamp, as text. Where the
    /// name has a number behind it, too: the higher, the older.
    Stamped(String, Reverse<u32>),
    /// `audit.log.3` or `audit.3.log`: the higher, the older.
    Numbered(Reverse<u32>),
    /// `audit.log` itself.
    Active,
}

/// A file name taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// The active file's name, such as `audit.log`.
    pub base: String,
    pub rank: Rank,
    /// `.gz` or the like at the end: finished, however it is ranked.
    pub packed: bool,
    /// Only the name of a finished file looks like this. Others may be what their writer calls a
    /// live one.
    pub surely: bool,
}

/// Ends of names of packed files.
pub(super) const PACKED: [&str; 6] = [".gz", ".zst", ".xz", ".bz2", ".lz4", ".zstd"];
/// The shape of lumberjack's stamp, which ends in milliseconds.
const LUMBERJACK: &[u8] = b"0000-00-00T00-00-00.000";

impl Name {
    pub fn parse(name: &str) -> Name {
        let plain = PACKED.iter().find_map(|end| name.strip_suffix(end));
        let packed = plain.is_some();
        let plain = plain.unwrap_or(name);
        let (base, rank, surely) = numbered(plain)
            .or_else(|| stamped(plain))
            .or_else(|| numbered_inside(plain))
            .unwrap_or_else(|| (plain.to_owned(), Rank::Active, packed));
        Name {
            base,
            rank,
            packed,
            surely,
        }
    }

    /// What a file is called that is written to, whatever it looks like.
    pub fn active(name: &str) -> Name {
        Name {
            base: name.to_owned(),
            rank: Rank::Active,
            packed: false,
            surely: false,
        }
    }

    /// What a finished file is called that no pattern fits.
    pub fn other(name: &str) -> Name {
        let parsed = Name::parse(name);
        let rank = if parsed.rank == Rank::Active {
            Rank::Stamped(String::new(), Reverse(0))
        } else {
            parsed.rank
        };
        Name {
            rank,
            surely: true,
            ..parsed
        }
    }
}

/// A name with its digits made alike: names of one pattern have one shape.
pub(super) fn shape(name: &str) -> String {
    let plain = PACKED
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    let mut shape = String::with_capacity(plain.len());
    for c in plain.chars() {
        let c = if c.is_ascii_digit() { '0' } else { c };
        if c != '0' || !shape.ends_with('0') {
            shape.push(c);
        }
    }
    shape
}

/// `audit.log.2`, `audit.log.old`, and a stamped name with a number behind it.
fn numbered(name: &str) -> Option<(String, Rank, bool)> {
    let (rest, number) = name.rsplit_once('.')?;
    let number = match number {
        "old" | "bak" => 1,
        digits => short_number(digits)?,
    };
    // A stamp without an extension ends in its milliseconds: `audit-2026-08-22T10-11-12.345`.
    if rest.is_empty() || ends_in_lumberjack(name) {
        return None;
    }
    Some(match stamped(rest) {
        Some((base, Rank::Stamped(stamp, _), _)) => {
            (base, Rank::Stamped(stamp, Reverse(number)), true)
        }
        _ => (rest.to_owned(), Rank::Numbered(Reverse(number)), true),
    })
}

fn short_number(digits: &str) -> Option<u32> {
    let short = (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if short { digits.parse().ok() } else { None }
}

/// `audit.1.log`
fn numbered_inside(name: &str) -> Option<(String, Rank, bool)> {
    let (rest, ext) = name.rsplit_once('.')?;
    let (stem, number) = rest.rsplit_once('.')?;
    if stem.is_empty()
        || ends_in_lumberjack(rest)
        || !matches!(ext, "log" | "json" | "jsonl" | "ndjson")
    {
        return None;
    }
    Some((
        format!("{stem}.{ext}"),
        Rank::Numbered(Reverse(short_number(number)?)),
        false,
    ))
}

fn ends_in_lumberjack(name: &str) -> bool {
    let same = |(c, shape): (&u8, &u8)| {
        if *shape == b'0' {
            c.is_ascii_digit()
        } else {
            c == shape
        }
    };
    let stamp = name
        .len()
        .checked_sub(LUMBERJACK.len())
        .map(|at| &name.as_bytes()[at..]);
    stamp.is_some_and(|stamp| stamp.iter().zip(LUMBERJACK).all(same))
}

/// A name with a date in it, alone or with a time: before the extension, as lumberjack writes it,
/// or at the end, as logrotate does. Without it the name is the active file's.
fn stamped(name: &str) -> Option<(String, Rank, bool)> {
    name.match_indices(['-', '.', '_'])
        .filter(|(at, _)| *at > 0)
        .find_map(|(at, _)| {
            let text = &name[at + 1..];
            let run = text
                .find(|c: char| !(c.is_ascii_digit() || "-_.:T+Z".contains(c)))
                .unwrap_or(text.len());
            let stamp = text[..run].trim_end_matches(|c: char| !c.is_ascii_digit() && c != 'Z');
            let ext = &text[stamp.len()..];
            let is_ext = ext.is_empty()
                || (ext.len() > 1 && ext.starts_with('.') && !ext[1..].contains('.'));
            if !is_ext || !is_date(stamp) {
                return None;
            }
            // Behind the extension, or to the second, nobody calls a file that is written to.
            let surely = ext.is_empty() || stamp.len() >= LUMBERJACK.len();
            Some((
                format!("{}{ext}", &name[..at]),
                Rank::Stamped(stamp.to_owned(), Reverse(0)),
                surely,
            ))
        })
}

/// Whether a stamp begins with a year, month and day, or is the seconds since 1970.
fn is_date(stamp: &str) -> bool {
    let bytes = stamp.as_bytes();
    let digits: Vec<u8> = bytes
        .iter()
        .filter(|b| b.is_ascii_digit())
        .map(|b| b - b'0')
        .take(8)
        .collect();
    let [.., _, _, _, _] = digits[..] else {
        return false;
    };
    if digits.len() < 8 {
        return false;
    }
    let year = u32::from(digits[0]) * 10 + u32::from(digits[1]);
    let (month, day) = (digits[4] * 10 + digits[5], digits[6] * 10 + digits[7]);
    // The parts stand together, or apart by one sign each.
    let apart = |at: usize| {
        bytes
            .get(at)
            .is_some_and(|b| matches!(b, b'-' | b'_' | b'.'))
    };
    let together = bytes.len() >= 8 && bytes[..8].iter().all(u8::is_ascii_digit);
    let parts = bytes.len() >= 10 && apart(4) && apart(7);
    let is_day = (19..=20).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let seconds = bytes.len() == 10 && bytes.iter().all(u8::is_ascii_digit);
    seconds || (is_day && (together || parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(name: &str) -> (String, Rank, bool) {
        let Name {
            base, rank, packed, ..
        } = Name::parse(name);
        (base, rank, packed)
    }

    fn stamped(stamp: &str) -> Rank {
        Rank::Stamped(stamp.to_owned(), Reverse(0))
    }

    #[test]
    fn takes_names_apart() {
        let log = "audit.log".to_owned();
        assert_eq!(rank("audit.log"), (log.clone(), Rank::Active, false));
        for end in PACKED {
            assert_eq!(
                rank(&format!("audit.log{end}")),
                (log.clone(), Rank::Active, true)
            );
        }
        for name in ["audit.log.12.gz", "audit.12.log.gz"] {
            assert_eq!(rank(name), (log.clone(), Rank::Numbered(Reverse(12)), true));
        }
        let stamp = "2026-08-22T10-11-12.345";
        assert_eq!(
            rank(&format!("audit-{stamp}.log")),
            (log.clone(), stamped(stamp), false)
        );
        assert_eq!(
            rank(&format!("audit-{stamp}.log.zst")),
            (log.clone(), stamped(stamp), true)
        );
        assert_eq!(
            rank(&format!("audit-{stamp}")),
            ("audit".to_owned(), stamped(stamp), false)
        );
        let again = Rank::Stamped(stamp.to_owned(), Reverse(1));
        assert_eq!(
            rank(&format!("audit-{stamp}.log.1")),
            (log.clone(), again.clone(), false)
        );
        assert_eq!(
            rank(&format!("audit-{stamp}.log.1.gz")),
            (log.clone(), again, true)
        );
        for stamp in [
            "20260822",
            "2026082210",
            "20260822101112",
            "2026-08-22",
            "20260822-1755843072",
            "1755843072",
        ] {
            assert_eq!(
                rank(&format!("audit.log-{stamp}.gz")),
                (log.clone(), stamped(stamp), true)
            );
            assert_eq!(
                rank(&format!("audit.log.{stamp}")),
                (log.clone(), stamped(stamp), false)
            );
            assert_eq!(
                rank(&format!("audit-{stamp}.log")),
                (log.clone(), stamped(stamp), false)
            );
            assert_eq!(
                rank(&format!("audit_{stamp}.log")),
                (log.clone(), stamped(stamp), false)
            );
        }
        let kube = format!("kube-apiserver-audit-{stamp}.log");
        assert_eq!(
            rank(&kube),
            ("kube-apiserver-audit.log".to_owned(), stamped(stamp), false)
        );
        for other in [
            "audit-dev.jsonl",
            "audit-12345678.log",
            "audit-1.log",
            "1",
            ".5",
            &format!("-{stamp}.log"),
        ] {
            assert_eq!(
                rank(other),
                (other.to_owned(), Rank::Active, false),
                "{other}"
            );
        }
    }

    #[test]
    fn names_of_one_pattern_have_one_shape() {
        assert_eq!(shape("api-7.done.gz"), shape("api-12.done"));
        assert_ne!(shape("api-7.done"), shape("api.done"));
    }
}
