//! What the name of a rotated file says, as lumberjack (kube-apiserver) and logrotate make them.
//!
//! Refuses to look at the file.

use std::cmp::Reverse;

/// The place of a file in its set; sorts oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// `audit-2026-08-22T10-11-12.345.log` or `audit.log-20260822`: the stamp, as text.
    Stamped(String),
    /// `audit.log.3`: the higher, the older.
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
    /// `.gz` or `.zst` at the end: finished, however it is ranked.
    pub packed: bool,
}

impl Name {
    pub fn parse(name: &str) -> Name {
        let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst"));
        let packed = plain.is_some();
        let plain = plain.unwrap_or(name);
        let (base, rank) = numbered(plain)
            .or_else(|| lumberjack(plain))
            .or_else(|| dated(plain))
            .unwrap_or_else(|| (plain.to_owned(), Rank::Active));
        Name { base, rank, packed }
    }
}

/// `audit.log.2`
fn numbered(name: &str) -> Option<(String, Rank)> {
    let (base, number) = name.rsplit_once('.')?;
    let short = (1..=6).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    // A stamp without an extension ends in its milliseconds: `audit-2026-08-22T10-11-12.345`.
    if !short || base.is_empty() || lumberjack(name).is_some() {
        return None;
    }
    Some((base.to_owned(), Rank::Numbered(Reverse(number.parse().ok()?))))
}

/// `<stem>-2006-01-02T15-04-05.000<ext>`, of which `<stem><ext>` is active.
fn lumberjack(name: &str) -> Option<(String, Rank)> {
    const SHAPE: &[u8] = b"0000-00-00T00-00-00.000";
    let is_stamp = |text: &[u8]| {
        let same = |(c, shape): (&u8, &u8)| if *shape == b'0' { c.is_ascii_digit() } else { c == shape };
        text.len() == SHAPE.len() && text.iter().zip(SHAPE).all(same)
    };
    let (dash, _) = name
        .rmatch_indices('-')
        .find(|(dash, _)| name.as_bytes().get(dash + 1..dash + 1 + SHAPE.len()).is_some_and(is_stamp))?;
    let (stamp, ext) = name[dash + 1..].split_at(SHAPE.len());
    let is_ext = ext.is_empty() || (ext.starts_with('.') && !ext[1..].contains('.'));
    (dash > 0 && is_ext).then(|| (format!("{}{ext}", &name[..dash]), Rank::Stamped(stamp.to_owned())))
}

/// logrotate's `dateext`: `audit.log-20260822`, `audit.log-20260822-1755843072`.
fn dated(name: &str) -> Option<(String, Rank)> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (dash, _) = name.match_indices('-').find(|(dash, _)| {
        let (date, rest) = name[dash + 1..].split_once('-').unwrap_or((&name[dash + 1..], "0"));
        date.len() == 8 && digits(date) && !rest.is_empty() && digits(rest)
    })?;
    (dash > 0).then(|| (name[..dash].to_owned(), Rank::Stamped(name[dash + 1..].to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(name: &str) -> (String, Rank, bool) {
        let Name { base, rank, packed } = Name::parse(name);
        (base, rank, packed)
    }

    #[test]
    fn takes_names_apart() {
        let stamped = |s: &str| Rank::Stamped(s.to_owned());
        let log = "audit.log".to_owned();
        assert_eq!(rank("audit.log"), (log.clone(), Rank::Active, false));
        assert_eq!(rank("audit.log.gz"), (log.clone(), Rank::Active, true));
        assert_eq!(rank("audit.log.12.gz"), (log.clone(), Rank::Numbered(Reverse(12)), true));
        let stamp = "2026-08-22T10-11-12.345";
        assert_eq!(rank(&format!("audit-{stamp}.log")), (log.clone(), stamped(stamp), false));
        assert_eq!(rank(&format!("audit-{stamp}.log.zst")), (log.clone(), stamped(stamp), true));
        assert_eq!(rank(&format!("audit-{stamp}")), ("audit".to_owned(), stamped(stamp), false));
        assert_eq!(rank("audit.log-20260822"), (log.clone(), stamped("20260822"), false));
        assert_eq!(rank("audit.log-20260822-1755843072.gz"), (log, stamped("20260822-1755843072"), true));
        let kube = format!("kube-apiserver-audit-{stamp}.log");
        assert_eq!(rank(&kube), ("kube-apiserver-audit.log".to_owned(), stamped(stamp), false));
        for other in ["audit-dev.jsonl", "audit-2026-08-22.log", "1", ".5", &format!("-{stamp}.log")] {
            assert_eq!(rank(other), (other.to_owned(), Rank::Active, false), "{other}");
        }
    }
}
