//! The floor table of `ARCHITECTURE.md`, read from there: who may import whom.

use super::rust::{self, File, Named};
use std::collections::BTreeSet;

/// One row of the table.
struct Floor {
    number: usize,
    rooms: Vec<String>,
    /// The highest floor that may be imported; `None` where nothing may.
    up_to: Option<usize>,
    /// Whether a room may also import those to its left in the row.
    left: bool,
    pure: bool,
}

pub struct Floors(Vec<Floor>);

impl Floors {
    pub fn of_the_house() -> Floors {
        let path = rust::root().join("ARCHITECTURE.md");
        Floors::read(&std::fs::read_to_string(path).expect("ARCHITECTURE.md"))
    }

    fn read(document: &str) -> Floors {
        let rows = document.lines().filter_map(|line| {
            let cells: Vec<String> = line
                .split('|')
                .map(|cell| cell.trim().replace('`', ""))
                .collect();
            let [_, number, rooms, may, pure, _] = cells.as_slice() else {
                return None;
            };
            let number = number.parse().ok()?;
            let up_to = match may.trim_end_matches(", left") {
                "-" => None,
                "all" => Some(usize::MAX),
                range => Some(range.rsplit('-').next()?.parse().expect("a floor, or 0-n")),
            };
            let rooms = rooms
                .split(',')
                .map(|room| room.trim().to_owned())
                .collect();
            Some(Floor {
                number,
                rooms,
                up_to,
                left: may.ends_with(", left"),
                pure: pure == "yes",
            })
        });
        let floors = Floors(rows.collect());
        assert!(
            floors.0.len() >= 10,
            "ARCHITECTURE.md has no floor table that can be read"
        );
        floors
    }

    fn floor(&self, room: &str) -> Option<&Floor> {
        self.0
            .iter()
            .find(|floor| floor.rooms.iter().any(|r| r == room))
    }

    pub fn is_pure(&self, room: &str) -> bool {
        self.floor(room).is_some_and(|floor| floor.pure)
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        if from == to {
            return true;
        }
        let (Some(here), Some(there)) = (self.floor(from), self.floor(to)) else {
            return false;
        };
        if here.number == there.number {
            let place = |room: &str| here.rooms.iter().position(|r| r == room);
            return here.left && place(to) < place(from);
        }
        here.up_to.is_some_and(|most| there.number <= most)
    }
}

/// The room of this crate that a path leads to, if it leaves the file's own.
fn target(file: &File, named: &Named) -> Option<String> {
    let mut path = named.path.as_slice();
    if path.first()? == "crate" {
        return Some(path.get(1)?.clone());
    }
    let supers = path.iter().take_while(|part| *part == "super").count();
    path = &path[supers..];
    let reaches_the_root = supers > 0 && supers == file.depth() + named.nested;
    if reaches_the_root {
        path.first().cloned()
    } else {
        None
    }
}

fn trespasses(floors: &Floors, file: &File) -> Vec<String> {
    if file.room() == "lib" {
        return Vec::new();
    }
    let paths = rust::paths(&rust::tokens(&file.text));
    let seen = paths
        .iter()
        .filter_map(|named| Some((named.line, target(file, named)?)));
    seen.filter(|(_, room)| !floors.allows(file.room(), room))
        .map(|(line, room)| {
            format!(
                "{}:{line}: `{}` may not import `{room}`",
                file.path,
                file.room()
            )
        })
        .collect()
}

#[test]
fn imports_only_go_down() {
    let floors = Floors::of_the_house();
    let wrong: Vec<String> = rust::sources()
        .iter()
        .flat_map(|file| trespasses(&floors, file))
        .collect();
    assert!(
        wrong.is_empty(),
        "see the floor table of ARCHITECTURE.md\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_room_stands_in_the_table_once() {
    let floors = Floors::of_the_house();
    let rooms: BTreeSet<String> = rust::sources()
        .iter()
        .map(|file| file.room().to_owned())
        .collect();
    for room in rooms.iter().filter(|room| *room != "lib") {
        let times = floors
            .0
            .iter()
            .flat_map(|floor| &floor.rooms)
            .filter(|r| *r == room)
            .count();
        assert_eq!(
            times, 1,
            "src/{room} stands {times} times in the floor table of ARCHITECTURE.md"
        );
    }
}

#[test]
fn pure_floors_have_no_shell_below_them() {
    let floors = Floors::of_the_house();
    let first_shell = floors
        .0
        .iter()
        .filter(|floor| !floor.pure)
        .map(|floor| floor.number)
        .min();
    assert!(
        floors
            .0
            .iter()
            .filter(|floor| floor.pure)
            .all(|floor| Some(floor.number) < first_shell)
    );
}

#[test]
fn lib_forbids_the_banned_names_on_every_pure_floor() {
    let floors = Floors::of_the_house();
    let lib = std::fs::read_to_string(rust::root().join("src/lib.rs")).expect("src/lib.rs");
    let deny = lib
        .split_once("#![deny(")
        .and_then(|(_, rest)| rest.split_once(")]"))
        .map_or("", |(lints, _)| lints);
    for lint in [
        "disallowed_methods",
        "disallowed_types",
        "iter_over_hash_type",
        "float_arithmetic",
        "unwrap_used",
    ] {
        assert!(
            deny.contains(lint),
            "src/lib.rs does not deny clippy::{lint} for the whole crate"
        );
    }
    let mut allowed = false;
    for line in lib.lines() {
        if let Some(room) = line
            .strip_prefix("pub mod ")
            .and_then(|rest| rest.strip_suffix(';'))
        {
            assert!(
                !(allowed && floors.is_pure(room)),
                "src/lib.rs: `{room}` is a pure floor and allows itself more"
            );
            allowed = false;
        } else {
            allowed |= line.starts_with("#[allow(");
        }
    }
}

#[test]
fn a_trespass_is_seen() {
    let table = "| 0 | `base` | - | yes |\n| 1 | `event` | 0 | yes |\n| 2 | `a2` | 0-1 | yes |\n| 3 | `a3` | 0-2 | yes |\n\
                 | 4 | `a4` | 0-3 | yes |\n| 5 | `engine` | 0-4 | yes |\n| 6 | `source`, `store` | 0-5 | no |\n\
                 | 7 | `config`, `daemon` | 0-6, left | no |\n| 8 | `api` | 0-7 | no |\n| 9 | `cli`, `main` | all | no |";
    let floors = Floors::read(table);
    let wrong = |path: &str, text: &str| {
        trespasses(
            &floors,
            &File {
                path: path.into(),
                text: text.into(),
            },
        )
        .len()
    };
    assert_eq!(
        wrong(
            "src/event/mod.rs",
            "use crate::base::Time; use super::base::Time;"
        ),
        0
    );
    assert_eq!(wrong("src/event/mod.rs", "use crate::{base,\n engine};"), 1);
    assert_eq!(
        wrong("src/event/wire.rs", "use super::super::engine::Engine;"),
        1
    );
    assert_eq!(
        wrong(
            "src/event/wire.rs",
            "mod tests { use super::super::facts; }"
        ),
        0
    );
    assert_eq!(
        wrong("src/store/commit.rs", "fn f() { crate::source::go() }"),
        1
    );
    assert_eq!(wrong("src/daemon/mod.rs", "use crate::config::Config;"), 0);
    assert_eq!(wrong("src/config/mod.rs", "use crate::daemon::run;"), 1);
    assert_eq!(wrong("src/api/mod.rs", "use crate::nowhere;"), 1);
    assert_eq!(wrong("src/cli/mod.rs", "use crate::api;"), 0);
}
