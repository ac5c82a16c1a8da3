//! The names, networks and versions of a random cluster.
//!
//! Refuses to change what happens: the same requests in other words.

use super::super::chance::Chance;
use super::super::world::{DAY, HOUR};
use super::network::{Network, Wiring};
use regex::{Captures, Regex};
use std::collections::BTreeMap;

/// Every line of a cluster in its own words, and then as its API server sees it.
pub struct Setting {
    pub words: Words,
    pub wiring: Wiring,
    /// When the control plane, and an hour later the nodes, become the next version.
    pub upgrade: Option<i64>,
    /// Its controllers and kubelets are parts of one program of this name.
    embedded: Option<String>,
}

#[derive(Clone)]
pub struct Words {
    names: BTreeMap<&'static str, String>,
    words: Regex,
}

const SYLLABLES: &[&str] = &[
    "ba", "ko", "ri", "ne", "tu", "sa", "lo", "mi", "va", "du", "pe", "ga", "zi", "ho",
];

/// A name of six letters.
pub fn word(chance: &mut Chance) -> String {
    (0..3).map(|_| *chance.pick(SYLLABLES)).collect()
}

impl Setting {
    pub fn new(network: Network, days: i64, chance: &mut Chance) -> Setting {
        let mut names = BTreeMap::new();
        for word in [
            "orchard", "press", "cider", "builds", "runner", "cellar", "mill", "barn", "quay",
            "forge", "ann", "node",
        ] {
            let name = self::word(chance);
            names.insert(word, format!("{name}{}", chance.below(9)));
        }
        let (a, b) = (chance.below(90), chance.below(90));
        names.insert("10.60.0.", format!("10.{}.{b}.", 100 + a));
        names.insert("10.61.", format!("10.{}.", 10 + a));
        names.insert(
            "198.51.100.",
            (*chance.pick(&["198.51.100.", "172.29.4.", "192.168.77."])).to_owned(),
        );
        let own_networks = [names["10.60.0."].clone(), names["10.61."].clone()];
        let words = r"\b(?:(?:orchard|press|cider|builds|runner|cellar|mill|barn|quay|forge|ann|node(?P<which>-[a-f]))\b|(?:10\.60\.0|10\.61|198\.51\.100)\.)";
        let upgrade = chance
            .percent(25)
            .then(|| (5 + chance.below((days - 6) as u64) as i64) * DAY + 9 * HOUR);
        Setting {
            words: Words {
                names,
                words: Regex::new(words).expect("a regex"),
            },
            wiring: Wiring::new(network, own_networks, days, chance),
            upgrade,
            embedded: chance.percent(12).then(|| word(chance)),
        }
    }

    /// A line in this cluster's words as its API server wrote it at this time.
    pub fn seen(&self, line: &str, at: i64) -> String {
        let line = self.wiring.as_seen(line, at);
        let is_kubelets = line.contains(r#""userAgent":"kubelet/"#);
        let is_next = self
            .upgrade
            .is_some_and(|since| at >= since + if is_kubelets { HOUR } else { 0 });
        let line = if is_next {
            line.replace(
                "/v1.36.2 (linux/amd64) kubernetes/98b3519",
                "/v1.37.0 (linux/amd64) kubernetes/6c2f0a1",
            )
        } else {
            line
        };
        let Some(program) = &self.embedded else {
            return line;
        };
        let own = format!(r#""userAgent":"{program}/"#);
        line.replace(r#""userAgent":"kubelet/"#, &own)
            .replace(r#""userAgent":"kube-controller-manager/"#, &own)
    }
}

impl Words {
    /// The line in this cluster's words.
    pub fn line(&self, line: &str) -> String {
        let line = self.words.replace_all(line, |found: &Captures<'_>| {
            let (word, which) = (&found[0], found.name("which").map_or("", |m| m.as_str()));
            let name = self
                .names
                .get(word.strip_suffix(which).unwrap_or(word))
                .map_or(word, String::as_str);
            format!("{name}{which}")
        });
        line.into_owned()
    }
}
