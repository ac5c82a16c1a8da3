//! Damage done to real lines, decided by a seed alone so that every failure can be repeated.
//!
//! Shared by the property test and the fuzz run; knows what the scanner might get wrong.

/// SplitMix64: small, seedable, good enough to choose damage.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.get(self.below(from.len())).copied().unwrap_or("")
    }
}

const PIECES: &[&str] = &[
    "\\ud800",
    "\\ud83d\\ude00",
    "\\u0041",
    "\\\"",
    "\\\\",
    "\\x",
    "\\",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " ",
    "\n",
    "\t",
    "\u{1}",
    "\0",
    "null",
    "true",
    "-0",
    "1e9",
    "1.5",
    "99999999999",
    "007",
    "é",
    "\u{202e}",
    "{}",
    "[]",
    "\"\"",
    "\u{7f}",
    "[[[[",
    "{\"a\":1}",
    "\"kind\":\"Event\",",
    "\"user\":null,",
    "\"extra\":{\"x\":[]},",
];
const VALUES: &[&str] = &[
    "null",
    "\"\"",
    "\"x\"",
    "5",
    "-5",
    "5.0",
    "1e2",
    "4294967296",
    "true",
    "[]",
    "{}",
    "[null]",
    "[\"a\",5]",
    "[\"a\",\"b\"]",
    "{\"code\":200}",
    "{\"a\":{\"b\":[1,2,{\"c\":\"\\u00e9\"}]}}",
    "\"\\ud800\"",
    "\"\\u0026\"",
    "[[\"\\ud800\"]]",
];

/// A line with one to four wounds.
pub fn wound(line: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut out = line.to_vec();
    for _ in 0..=dice.below(4) {
        match dice.below(10) {
            0 => flip(&mut out, dice),
            1 => insert(&mut out, dice),
            2 => out.truncate(dice.below(out.len() + 1)),
            3 => drop_span(&mut out, dice),
            4 | 5 => value(&mut out, dice),
            6 => swap_members(&mut out, dice),
            7 => repeat_member(&mut out, dice),
            8 => deepen(&mut out, dice),
            _ => space(&mut out, dice),
        }
    }
    out
}

fn flip(out: &mut [u8], dice: &mut Dice) {
    let at = dice.below(out.len());
    if let Some(byte) = out.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
}

fn insert(out: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(out.len() + 1);
    out.splice(at..at, dice.pick(PIECES).bytes());
}

fn drop_span(out: &mut Vec<u8>, dice: &mut Dice) {
    let from = dice.below(out.len());
    let to = (from + dice.below(12)).min(out.len());
    out.drain(from.min(to)..to);
}

fn space(out: &mut Vec<u8>, dice: &mut Dice) {
    let places = marks(out, b",:{}[]");
    if let Some(&at) = places.get(dice.below(places.len())) {
        out.insert(at + dice.below(2), [b' ', b'\t', b'\r'][dice.below(3)]);
    }
}

/// Puts another value where one begins.
fn value(out: &mut Vec<u8>, dice: &mut Dice) {
    let members = members(out);
    if let Some(&(_, colon, end)) = members.get(dice.below(members.len())) {
        out.splice(colon + 1..end, dice.pick(VALUES).bytes());
    }
}

fn swap_members(out: &mut Vec<u8>, dice: &mut Dice) {
    let members = members(out);
    let (a, b) = (dice.below(members.len()), dice.below(members.len()));
    if let (Some(&(start, _, end)), Some(&(start2, _, end2))) =
        (members.get(a.min(b)), members.get(a.max(b)))
        && end <= start2
    {
        let (first, second) = (out[start..end].to_vec(), out[start2..end2].to_vec());
        out.splice(start2..end2, first);
        out.splice(start..end, second);
    }
}

fn repeat_member(out: &mut Vec<u8>, dice: &mut Dice) {
    let members = members(out);
    let (from, to) = (dice.below(members.len()), dice.below(members.len()));
    if let (Some(&(start, _, end)), Some(&(at, _, _))) = (members.get(from), members.get(to)) {
        let mut copy = out[start..end].to_vec();
        copy.push(b',');
        out.splice(at..at, copy);
    }
}

fn deepen(out: &mut Vec<u8>, dice: &mut Dice) {
    let members = members(out);
    if let Some(&(_, colon, end)) = members.get(dice.below(members.len())) {
        let levels = 110 + dice.below(30);
        let (open, close) = if dice.below(2) == 0 {
            ("[", "]")
        } else {
            ("{\"a\":", "}")
        };
        let inside = out[colon + 1..end].to_vec();
        let mut deep = open.repeat(levels).into_bytes();
        deep.extend(inside);
        deep.extend(close.repeat(levels).bytes());
        out.splice(colon + 1..end, deep);
    }
}

fn marks(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    bytes
        .iter()
        .enumerate()
        .filter(|(_, b)| wanted.contains(b))
        .map(|(at, _)| at)
        .collect()
}

/// (start of key, colon, end of value) of what looks like a member; good enough for damage.
fn members(bytes: &[u8]) -> Vec<(usize, usize, usize)> {
    let mut found = Vec::new();
    for colon in marks(bytes, b":") {
        if colon < 2 || bytes[colon - 1] != b'"' {
            continue;
        }
        let Some(start) = bytes[..colon - 1].iter().rposition(|&b| b == b'"') else {
            continue;
        };
        if let Some(end) = end_of_value(bytes, colon + 1) {
            found.push((start, colon, end));
        }
    }
    found
}

fn end_of_value(bytes: &[u8], from: usize) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, &byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    None
}
