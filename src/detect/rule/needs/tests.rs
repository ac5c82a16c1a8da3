//! What conditions need, read off them.

use super::*;
use crate::detect::rule::{Pattern, TextTest};

fn field(name: &str) -> Expr {
    Expr::Field(Field::named(name).unwrap())
}

fn is(name: &str, word: &str) -> Expr {
    Expr::Compare(
        Compare::Equal,
        Box::new([field(name), Expr::Text(word.into())]),
    )
}

fn any_of(name: &str, words: &[String]) -> Expr {
    Expr::In(Box::new([
        field(name),
        Expr::Texts(words.iter().map(SmolStr::from).collect()),
    ]))
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

/// The words of a length that only the event decides.
fn dear() -> Expr {
    Expr::Test(
        TextTest::Contains,
        Box::new([field("event.uri"), Expr::Text("x".into())]),
    )
}

/// What is needed, as `resource=pods verb=get,list`.
fn needed(expr: &Expr) -> String {
    let words = |words: &BTreeSet<SmolStr>| {
        words
            .iter()
            .map(SmolStr::as_str)
            .collect::<Vec<_>>()
            .join(",")
    };
    let needs = Needs::of(expr);
    let some = KEYS
        .iter()
        .zip(&needs.0)
        .filter_map(|(key, of)| Some((key.name, words(of.as_ref()?))));
    some.map(|(name, words)| format!("{}={words}", name.trim_start_matches("event.")))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_key_reads_as_its_field() {
    assert!(
        KEYS.iter()
            .all(|key| Field::named(key.name).is_some_and(|f| f.info().kind == Type::Text))
    );
}

#[test]
fn what_all_parts_and_each_alternative_need_is_needed() {
    let (get, list) = (is("event.verb", "GET"), is("event.verb", "list"));
    let pods = Expr::SameFolded(Box::new(field("event.resource")), "Pods".into());
    assert_eq!(
        needed(&Expr::And(vec![get.clone(), pods.clone()])),
        "resource=pods verb=get"
    );
    assert_eq!(
        needed(&Expr::Or(vec![get.clone(), list.clone()])),
        "verb=get,list"
    );
    assert_eq!(
        needed(&Expr::Or(vec![
            get.clone(),
            Expr::And(vec![list.clone(), pods.clone()])
        ])),
        "verb=get,list"
    );
    assert_eq!(
        needed(&Expr::And(vec![get.clone(), list.clone()])),
        "verb=",
        "never"
    );
    assert_eq!(
        needed(&Expr::Or(vec![get.clone(), pods])),
        "",
        "either may be lacking"
    );
    assert_eq!(
        needed(&Expr::Or(vec![get.clone(), Expr::Bool(false)])),
        "verb=get"
    );
    for open in [
        not(get.clone()),
        Expr::Or(vec![get, dear()]),
        is("event.name", "x"),
        Expr::Or(Vec::new()),
    ] {
        assert_eq!(needed(&open), "");
    }
}

#[test]
fn what_may_come_too_late_is_not_needed() {
    let get = is("event.verb", "get");
    let words = |n: usize| (0..n).map(|n| format!("w{n}")).collect::<Vec<_>>();
    let costly = |n| any_of("event.name", &words(n));
    assert_eq!(needed(&Expr::And(vec![get.clone(), dear()])), "verb=get");
    assert_eq!(needed(&Expr::And(vec![dear(), get.clone()])), "");
    assert_eq!(
        needed(&Expr::And(vec![costly(5_000), get.clone()])),
        "verb=get"
    );
    assert_eq!(
        needed(&Expr::And(vec![costly(5_000), costly(5_000), get.clone()])),
        ""
    );
    assert_eq!(needed(&any_of("event.verb", &words(COST_MAX as usize))), "");
    let in_both = Expr::And(vec![
        Expr::Or(vec![get.clone(), get.clone()]),
        is("event.resource", "pods"),
    ]);
    assert_eq!(needed(&in_both), "resource=pods verb=get");
}

#[test]
fn cheap_parts_come_first_and_the_rest_stays_in_order() {
    let get = is("event.verb", "get");
    let matches = Expr::Matches(Box::new(field("event.name")), Pattern::new("^x").unwrap());
    let written = Expr::And(vec![dear(), get.clone(), matches.clone(), not(get.clone())]);
    let sorted = Expr::And(vec![get.clone(), not(get), dear(), matches]);
    assert_eq!(cheap_first(written.clone()), sorted);
    assert_eq!(
        cheap_first(not(Expr::Or(vec![written]))),
        not(Expr::Or(vec![sorted]))
    );
}
