//! The pure floors touch no world: the same ban as `clippy.toml`, for those who run only the tests.

use super::floors::Floors;
use super::rust::{self, File};

/// Paths that lead out of the program; everything below them is meant too.
const BANNED: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "thread::spawn",
    "notify",
    "rand",
    "tokio",
    "tracing",
];
const BANNED_MACROS: &[&str] = &[
    "print",
    "println",
    "eprint",
    "eprintln",
    "dbg",
    "todo",
    "unimplemented",
];

fn stains(file: &File) -> Vec<String> {
    let tokens = rust::shipped(&rust::tokens(&file.text));
    let mut found = Vec::new();
    for named in rust::paths(&tokens) {
        let path = named.path.join("::");
        let leads_out = |ban: &&&str| path == **ban || path.starts_with(&format!("{ban}::"));
        if let Some(ban) = BANNED.iter().find(leads_out) {
            found.push(format!("{}:{}: {ban}", file.path, named.line));
        }
    }
    for three in tokens.windows(3) {
        let [a, b, c] = three else { continue };
        let text = (a.text.as_str(), b.text.as_str(), c.text.as_str());
        let fails = matches!(text, (".", "unwrap" | "expect", "("));
        let prints = text.1 == "!" && BANNED_MACROS.contains(&text.0);
        if fails || prints {
            found.push(format!("{}:{}: {}{}", file.path, a.line, a.text, b.text));
        }
    }
    found
}

#[test]
fn pure_floors_touch_no_world_and_cannot_fail() {
    let floors = Floors::of_the_house();
    let pure = rust::sources()
        .into_iter()
        .filter(|file| floors.is_pure(file.room()) && !file.is_test());
    let found: Vec<String> = pure.flat_map(|file| stains(&file)).collect();
    assert!(
        found.is_empty(),
        "not on a pure floor:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_stain_is_seen() {
    let count = |text: &str| {
        stains(&File {
            path: "src/base/x.rs".into(),
            text: text.into(),
        })
        .len()
    };
    assert_eq!(count("use std::{fs, net::IpAddr};"), 1);
    assert_eq!(count("fn f() { let _ = std::time::Instant::now(); }"), 1);
    assert_eq!(
        count("fn f() { println!(\"x\"); x.unwrap(); y.expect(\"z\") }"),
        3
    );
    assert_eq!(
        count("fn f() { x.unwrap_or(1); /* std::fs */ } #[cfg(test)] mod t { use std::fs; }"),
        0
    );
}
