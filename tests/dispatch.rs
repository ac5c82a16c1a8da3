//! Rules that are looked up by what they need find what they would find if each were evaluated at
//! each event.

#[expect(dead_code, reason = "the tests share more than each of them uses")]
mod common;

use common::{DAY, Request, SECOND, json, run};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use smol_str::SmolStr;
use std::sync::Arc;
use tokentrail::detect::rule::{
    Arithmetic, Compare, Condition, Expr, Field, Pattern, Quantifier, Rule, Rules, TextTest,
};
use tokentrail::detect::{Policy, Severity, Tactic};

const VERBS: [&str; 4] = ["get", "GET", "list", "create"];
const KINDS: [&str; 4] = ["pods", "pods/exec", "secrets", "Secrets"];
const NAMESPACES: [&str; 3] = ["shop", "vault", ""];

fn field(name: &str) -> Expr {
    Expr::Field(Field::named(name).unwrap_or_else(|| panic!("no field {name}")))
}

/// A field that rules are looked up by, and a word that some event says there, or none does.
fn named() -> impl Strategy<Value = (Expr, SmolStr)> {
    let words: [(&str, &[&str]); 6] = [
        (
            "event.verb",
            &["get", "GET", "Get", "list", "create", "watch"],
        ),
        (
            "event.resource",
            &["pods", "secrets", "Secrets", "SECRETS", "nodes", ""],
        ),
        ("event.subresource", &["exec", "Exec", "log", ""]),
        ("event.namespace", &["shop", "Shop", "vault", "other", ""]),
        (
            "event.user_kind",
            &["service account", "node", "user", "nobody"],
        ),
        ("event.agent", &["stock", "kubelet", "x"]),
    ];
    select(words.to_vec()).prop_flat_map(|(name, words)| {
        (
            Just(field(name)),
            select(words.to_vec()).prop_map(SmolStr::from),
        )
    })
}

/// So many words that two such lists are more than a condition may look at, with a last one that
/// may be said.
fn long_list(last: SmolStr, many: usize) -> Expr {
    Expr::Texts(
        (0..many)
            .map(|n| format!("word-{n}").into())
            .chain([last])
            .collect(),
    )
}

fn test() -> impl Strategy<Value = Expr> {
    let both = |how, a, b| Expr::Compare(how, Box::new([a, b]));
    let code = || field("event.code");
    let fraction = move |n| {
        let less = Expr::Arithmetic(Arithmetic::Subtract, Box::new([code(), Expr::Int(n)]));
        both(
            Compare::Equal,
            Expr::Arithmetic(Arithmetic::Divide, Box::new([Expr::Int(1), less])),
            Expr::Int(1),
        )
    };
    let size = Expr::Compare(
        Compare::Less,
        Box::new([Expr::Size(Box::new(Expr::Item(0))), Expr::Int(9)]),
    );
    prop_oneof![
        6 => named().prop_map(move |(field, word)| both(Compare::Equal, field, Expr::Text(word))),
        2 => named().prop_map(move |(field, word)| both(Compare::Equal, Expr::Text(word), field)),
        2 => named().prop_map(move |(field, word)| both(Compare::NotEqual, field, Expr::Text(word))),
        3 => (named(), vec(named(), 0..3)).prop_map(|((field, word), more)| {
            let words = more.into_iter().map(|(_, word)| word).chain([word]).collect();
            Expr::In(Box::new([field, Expr::Texts(words)]))
        }),
        3 => named().prop_map(|(field, word)| Expr::SameFolded(Box::new(field), word)),
        1 => named().prop_map(|(field, word)| Expr::Test(TextTest::StartsWith, Box::new([field, Expr::Text(word)]))),
        1 => named().prop_map(|(field, word)| Expr::Matches(Box::new(field), Pattern::new(&word).expect("a pattern"))),
        1 => any::<bool>().prop_map(Expr::Bool),
        // Without an answer: at some events, always, and where there is too much to do.
        1 => select(vec![200, 403, 0]).prop_map(fraction),
        1 => Just(Expr::Int(1)),
        1 => (named(), select(vec![100, 4_000, 6_000, 11_000]))
            .prop_map(|((field, word), many)| Expr::In(Box::new([field, long_list(word, many)]))),
        1 => Just(Expr::Each(Quantifier::All, Box::new([field("baseline.operations"), size]))),
    ]
}

fn condition() -> impl Strategy<Value = Expr> {
    test().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            4 => vec(inner.clone(), 0..5).prop_map(Expr::And),
            3 => vec(inner.clone(), 0..4).prop_map(Expr::Or),
            1 => inner.clone().prop_map(|e| Expr::Not(Box::new(e))),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| Expr::If(Box::new([a, b, c]))),
        ]
    })
}

fn line() -> impl Strategy<Value = String> {
    let actors = select(vec![0, 0, 1, 2]);
    let codes = select(vec![200, 403, 404]);
    (
        actors,
        select(VERBS.to_vec()),
        select(KINDS.to_vec()),
        select(NAMESPACES.to_vec()),
        codes,
        0..DAY / SECOND,
    )
        .prop_map(|(actor, verb, kind, namespace, code, second)| {
            let who = match actor {
                0 => Request {
                    code,
                    ..Request::of_pod("shop:web", "web-1", "10.0.1.5")
                },
                1 => Request {
                    code,
                    ..Request::of_node("node-a", "10.0.0.1")
                },
                _ => Request::of_nobody("203.0.113.9"),
            };
            who.does(verb, kind, namespace, "x")
                .line(7 * DAY + second * SECOND)
        })
}

fn policy(conditions: impl Iterator<Item = Expr>) -> Policy {
    let rule = |(n, condition): (usize, Expr)| {
        Arc::new(Rule {
            id: format!("rule-{n}").into(),
            title: "T".into(),
            severity: Severity::Low,
            tactic: Tactic::Unnamed,
            techniques: Vec::new(),
            respond: Vec::new(),
            condition: Condition(condition),
        })
    };
    let rules = Rules {
        rules: conditions.enumerate().map(rule).collect(),
        ..Rules::default()
    };
    Policy {
        rules: Arc::new(rules),
        ..Policy::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    /// A `!` says nothing of what is needed, so that twice `!` is evaluated everywhere, in as many
    /// steps as two `&&`.
    #[test]
    fn a_rule_that_is_not_looked_at_would_have_said_no(
        conditions in vec(condition(), 1..90),
        lines in vec(line(), 1..12),
    ) {
        let judged = |wrap: fn(Expr) -> Expr| {
            run(&policy(conditions.iter().cloned().map(|e| wrap(wrap(e)))), lines.iter().map(String::as_str))
        };
        let looked_up = judged(|e| Expr::And(vec![e]));
        let evaluated = judged(|e| Expr::Not(Box::new(e)));
        prop_assert_eq!(&looked_up.findings, &evaluated.findings);
        prop_assert_eq!(&looked_up.troubles, &evaluated.troubles);
        prop_assert_eq!(json(&looked_up), json(&evaluated));
    }
}
