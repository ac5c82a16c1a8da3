//! The names and networks of a random cluster.
//!
//! Refuses to change what happens: the same requests in other words.

use super::super::chance::Chance;
use super::network::{self, Network};
use regex::{Captures, Regex};
use std::collections::BTreeMap;

pub struct Setting {
    pub network: Network,
    names: BTreeMap<&'static str, String>,
    words: Regex,
    own_networks: [String; 2],
}

const SYLLABLES: &[&str] = &["ba", "ko", "ri", "ne", "tu", "sa", "lo", "mi", "va", "du", "pe", "ga", "zi", "ho"];

impl Setting {
    pub fn new(network: Network, chance: &mut Chance) -> Setting {
        let mut names = BTreeMap::new();
        for word in
            ["orchard", "press", "cider", "builds", "runner", "cellar", "mill", "barn", "quay", "forge", "ann", "node"]
        {
            let name: String = (0..3).map(|_| *chance.pick(SYLLABLES)).collect();
            names.insert(word, format!("{name}{}", chance.below(9)));
        }
        let (a, b) = (chance.below(90), chance.below(90));
        names.insert("10.60.0.", format!("10.{}.{b}.", 100 + a));
        names.insert("10.61.", format!("10.{}.", 10 + a));
        names.insert("198.51.100.", (*chance.pick(&["198.51.100.", "172.29.4.", "192.168.77."])).to_owned());
        let own_networks = [names["10.60.0."].clone(), names["10.61."].clone()];
        let words = r"\b(?:(?:orchard|press|cider|builds|runner|cellar|mill|barn|quay|forge|ann|node(?P<which>-[a-f]))\b|(?:10\.60\.0|10\.61|198\.51\.100)\.)";
        Setting { network, names, words: Regex::new(words).expect("a regex"), own_networks }
    }

    /// The line as this cluster's log has it.
    pub fn line(&self, line: &str) -> String {
        let line = self.words.replace_all(line, |found: &Captures<'_>| {
            let (word, which) = (&found[0], found.name("which").map_or("", |m| m.as_str()));
            let name = self.names.get(word.strip_suffix(which).unwrap_or(word)).map_or(word, String::as_str);
            format!("{name}{which}")
        });
        network::as_seen(&line, self.network, &self.own_networks)
    }
}
