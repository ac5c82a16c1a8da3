//! One record of a GeoIP file, in the field names of those who publish such files.
//!
//! Refuses to trust what stands there: a country is a code of two letters or nothing, a name is
//! short and safe to show.

use crate::base::text;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Longest name of a network kept, in bytes: with number and country it fits into a value of a
/// baseline.
const NAME_BYTES_MAX: usize = 64;
/// What is looked at of a longer one.
const RAW_BYTES_MAX: usize = 256;

/// MaxMind and DB-IP nest the code (`country.iso_code`), and their Enterprise files the network
/// (`traits`); IPinfo and others are flat, with the code in `country_code`, or in `country` where
/// they have no such field.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    country: Cell<'a>,
    #[serde(borrow)]
    registered_country: Cell<'a>,
    #[serde(borrow)]
    country_code: Cell<'a>,
    #[serde(borrow)]
    autonomous_system_number: Cell<'a>,
    #[serde(borrow)]
    autonomous_system_organization: Cell<'a>,
    #[serde(borrow)]
    asn: Cell<'a>,
    #[serde(borrow)]
    as_name: Cell<'a>,
    #[serde(borrow)]
    name: Cell<'a>,
    #[serde(borrow)]
    traits: Traits<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Traits<'a> {
    #[serde(borrow)]
    autonomous_system_number: Cell<'a>,
    #[serde(borrow)]
    autonomous_system_organization: Cell<'a>,
}

impl<'a> Record<'a> {
    /// ISO 3166-1 alpha-2; empty where there is none.
    pub fn country(&self) -> &'a str {
        let is_code = |text: &&str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
        let all = [
            self.country_code.text,
            self.country.text,
            self.registered_country.text,
        ];
        all.into_iter().find(is_code).unwrap_or_default()
    }

    /// 0 where there is none.
    pub fn asn(&self) -> u32 {
        let flat = self.asn.text.trim_start_matches("AS").parse().unwrap_or(0);
        let all = [
            self.autonomous_system_number.number,
            self.traits.autonomous_system_number.number,
            flat,
            self.asn.number,
        ];
        all.into_iter().find(|number| *number != 0).unwrap_or(0)
    }

    /// The name of the network: without commas, which part it from the country, and safe to show.
    pub fn network(&self) -> String {
        let nested = self.traits.autonomous_system_organization;
        let all = [
            self.autonomous_system_organization,
            nested,
            self.as_name,
            self.name,
        ];
        let raw = all
            .iter()
            .map(|cell| cell.text)
            .find(|text| !text.is_empty())
            .unwrap_or_default();
        let bare = text::cut(raw, RAW_BYTES_MAX).replace(',', "");
        text::cut(&text::name(&bare), NAME_BYTES_MAX)
            .trim()
            .to_owned()
    }
}

/// A value of any type, of which text, whole numbers and the code of a nested country mean
/// something.
#[derive(Clone, Copy, Default)]
struct Cell<'a> {
    text: &'a str,
    number: u32,
}

impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell { text, number: 0 })
    }

    fn visit_str<E>(self, _: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::default())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Cell<'de>, E> {
        Ok(Cell {
            text: "",
            number: u32::try_from(number).unwrap_or(0),
        })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::default())
    }

    fn visit_u128<E>(self, _: u128) -> Result<Cell<'de>, E> {
        Ok(Cell::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Cell<'de>, E> {
        Ok(Cell::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Cell<'de>, E> {
        Ok(Cell::default())
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Cell<'de>, E> {
        Ok(Cell::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Cell<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Cell<'de>, A::Error> {
        let mut found = Cell::default();
        while let Some(key) = members.next_key::<&str>()? {
            if key == "iso_code" {
                found = members.next_value()?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}
