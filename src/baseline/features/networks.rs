//! Whose networks an account's requests come from, and in which countries, where the operator has
//! files that say so.
//!
//! Refuses to tell networks apart by their names: vendors spell and rename them, and a number
//! stays. Where one side does not know the number or the country, the other decides, so that a
//! second file makes no strangers.

use crate::base::Time;
use crate::base::remembered::{Remembered, Seen};
use crate::event::Geo;

/// Most networks remembered of one account.
pub const LIMIT: usize = 16;

/// What is remembered of the network of `geo`: its words and when it was seen. One that is known as
/// fully as `geo` goes before one that only does not contradict it.
#[must_use]
pub fn find<'m>(memory: &'m Remembered, geo: &Geo<'_>) -> Option<(&'m str, &'m Seen)> {
    let alike = memory
        .iter()
        .filter(|(words, _)| is_alike(parts(words), (geo.asn, geo.country)));
    alike.max_by_key(|(words, seen)| (is_same(words, geo), seen.days))
}

/// Remembers one more sighting, under the name that is known.
pub fn note(memory: &mut Remembered, geo: &Geo<'_>, at: Time, horizon: Time) {
    let same = find(memory, geo).filter(|(words, _)| is_same(words, geo));
    let words = same.map_or_else(|| geo.to_string(), |(words, _)| words.to_owned());
    memory.note(&words, at, horizon, LIMIT);
}

/// Whether any of the networks that were known before `day` began is in this country.
#[must_use]
pub fn has_country(memory: &Remembered, country: &str, day: u32) -> bool {
    memory
        .iter()
        .any(|(words, seen)| seen.first().day() < day && parts(words).1 == country)
}

fn is_same(words: &str, geo: &Geo<'_>) -> bool {
    parts(words) == (geo.asn, geo.country)
}

/// No contradiction, and something in common.
fn is_alike((asn, country): (u32, &str), (other_asn, other_country): (u32, &str)) -> bool {
    let numbers = (asn != 0 && other_asn != 0).then_some(asn == other_asn);
    let countries =
        (!country.is_empty() && !other_country.is_empty()).then_some(country == other_country);
    numbers != Some(false) && countries != Some(false) && (numbers.is_some() || countries.is_some())
}

/// Number and country, out of the words that [`Geo`] is written in.
fn parts(words: &str) -> (u32, &str) {
    let number = words
        .strip_prefix("AS")
        .map(|rest| rest.split([' ', ',']).next().unwrap_or(rest));
    match number.and_then(|digits| digits.parse().ok()) {
        None => (0, words),
        Some(asn) => (
            asn,
            words.rsplit_once(", ").map_or("", |(_, country)| country),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    const EVER: Time = Time::ZERO;

    fn geo<'a>(asn: u32, network: &'a str, country: &'a str) -> Geo<'a> {
        Geo {
            ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            country,
            asn,
            network,
        }
    }

    fn day(n: i64) -> Time {
        Time::from_seconds(n * 86_400)
    }

    #[test]
    fn words_are_read_back() {
        for (asn, network, country) in [
            (64500, "Example Net", "DE"),
            (64500, "", "DE"),
            (64500, "Example Net", ""),
            (0, "", "AS"),
        ] {
            assert_eq!(
                parts(&geo(asn, network, country).to_string()),
                (asn, country)
            );
        }
    }

    #[test]
    fn a_network_is_known_by_number_and_country_whatever_its_name() {
        let mut memory = Remembered::default();
        note(&mut memory, &geo(64500, "Example Net", "DE"), day(1), EVER);
        note(
            &mut memory,
            &geo(64500, "EXAMPLE-NET GmbH", "DE"),
            day(2),
            EVER,
        );
        let all: Vec<_> = memory
            .iter()
            .map(|(words, seen)| (words, seen.days))
            .collect();
        assert_eq!(all, [("AS64500 Example Net, DE", 2)]);
        assert!(find(&memory, &geo(64501, "Other Net", "DE")).is_none());
        assert!(find(&memory, &geo(64500, "Example Net", "FR")).is_none());
    }

    #[test]
    fn a_second_file_makes_no_strangers_and_is_learned_in_full() {
        let mut memory = Remembered::default();
        note(&mut memory, &geo(64500, "Example Net", ""), day(1), EVER);
        let full = geo(64500, "Example Net", "DE");
        assert_eq!(
            find(&memory, &full).map(|(words, _)| words),
            Some("AS64500 Example Net")
        );
        note(&mut memory, &full, day(2), EVER);
        assert_eq!(
            find(&memory, &full).map(|(words, _)| words),
            Some("AS64500 Example Net, DE")
        );
        assert_eq!(
            find(&memory, &geo(0, "", "DE")).map(|(words, _)| words),
            Some("AS64500 Example Net, DE")
        );
        assert!(
            find(&memory, &geo(0, "", "RO")).is_none(),
            "a number alone says nothing of a country"
        );
    }

    #[test]
    fn more_networks_than_there_is_room_for_leave_habits_alone() {
        let mut memory = Remembered::default();
        let habit = geo(64500, "Example Net", "DE");
        (1..4).for_each(|d| note(&mut memory, &habit, day(d), EVER));
        (0..1000).for_each(|n| note(&mut memory, &geo(65_000 + n, "", "RO"), day(5), EVER));
        assert_eq!(memory.len(), LIMIT);
        assert_eq!(find(&memory, &habit).map(|(_, seen)| seen.days), Some(3));
    }
}
