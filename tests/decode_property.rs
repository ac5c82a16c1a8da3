//! Whatever is done to a real line, the scanner and serde_json agree about it.

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/oracle.rs"]
mod oracle;

use proptest::prelude::*;

const CLUSTER: &str = include_str!("fixtures/audit/cluster.jsonl");
const PUBLIC: &str = include_str!("fixtures/audit/public.jsonl");
const LIST: &str = include_str!("fixtures/audit/list.jsonl");

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wounded_lines_read_the_same(which in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let lines: Vec<&str> = CLUSTER.lines().chain(PUBLIC.lines()).chain(LIST.lines()).collect();
        oracle::agree(&mutate::wound(which.get(&lines).as_bytes(), &mut mutate::Dice(seed)));
    }

    #[test]
    fn any_bytes_read_the_same(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        oracle::agree(&bytes);
    }

    #[test]
    fn anything_like_json_reads_the_same(text in r#"\{("(kind|user|extra|code|stage)":(null|"a|b"|\[\]|\{\}|-?[0-9]{1,12}|"\\u[d0-9a-f]{4}"),?){0,6}\}"#) {
        oracle::agree(text.as_bytes());
    }
}
