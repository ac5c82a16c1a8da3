//! Conditions that no event can ever meet, and why.
//!
//! Refuses to prove: it finds impossible values and contradictions that stand there openly, no
//! more.

use super::expr::{Compare, Expr, Pattern};
use super::fields::{Domain, Field};

/// Why the condition can never hold; `None` where nothing says so.
#[must_use]
pub fn never(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Bool(false) => Some("it is never true".to_owned()),
        Expr::And(parts) => parts
            .iter()
            .find_map(never)
            .or_else(|| contradiction(parts)),
        Expr::Or(parts) => {
            let reasons: Option<Vec<String>> = parts.iter().map(never).collect();
            reasons.map(|mut reasons| {
                reasons.dedup();
                reasons.join("; ")
            })
        }
        Expr::Compare(Compare::Equal, sides) => match &**sides {
            [Expr::Field(field), other] | [other, Expr::Field(field)] => impossible(*field, other),
            _ => None,
        },
        Expr::In(sides) => match &**sides {
            [Expr::Field(field), Expr::Texts(texts)] => {
                all_impossible(*field, texts.iter().cloned().map(Expr::Text))
            }
            [Expr::Field(field), Expr::Ints(ints)] => {
                all_impossible(*field, ints.iter().map(|n| Expr::Int(*n)))
            }
            _ => None,
        },
        Expr::SameFolded(of, text) => match &**of {
            // Names in Kubernetes are lower case, and the comparison does not mind.
            Expr::Field(field) => impossible(*field, &Expr::Text(text.to_ascii_lowercase().into()))
                .filter(|_| !folds_into(*field, text)),
            _ => None,
        },
        Expr::Matches(of, pattern) => match &**of {
            Expr::Field(field) => unmatched(*field, pattern),
            _ => None,
        },
        _ => None,
    }
}

fn all_impossible(field: Field, values: impl Iterator<Item = Expr>) -> Option<String> {
    let reasons: Vec<String> = values
        .map(|value| impossible(field, &value))
        .collect::<Option<_>>()?;
    Some(if reasons.is_empty() {
        "the list is empty".to_owned()
    } else {
        reasons.join("; ")
    })
}

fn folds_into(field: Field, text: &str) -> bool {
    matches!(field.info().domain, Domain::OneOf(values) if values.iter().any(|v| v.eq_ignore_ascii_case(text)))
}

fn impossible(field: Field, value: &Expr) -> Option<String> {
    let info = field.info();
    match (info.domain, value) {
        (Domain::OneOf(values), Expr::Text(text)) if !values.contains(&text.as_str()) => {
            Some(format!(
                "{} is never {text:?}; it is one of {}",
                info.name,
                listed(values)
            ))
        }
        (Domain::Shaped(fits, demands), Expr::Text(text)) if !fits(text) => {
            Some(format!("{} is never {text:?}; it is {demands}", info.name))
        }
        (Domain::Within(first, last), Expr::Int(n)) if !(first..=last).contains(n) => {
            Some(format!(
                "{} is never {n}; it is at least {first} and at most {last}",
                info.name
            ))
        }
        _ => None,
    }
}

fn unmatched(field: Field, pattern: &Pattern) -> Option<String> {
    let info = field.info();
    let Domain::OneOf(values) = info.domain else {
        return None;
    };
    (!values.iter().any(|v| pattern.is_match(v))).then(|| {
        format!(
            "no value of {} matches {:?}; it is one of {}",
            info.name,
            pattern.text(),
            listed(values)
        )
    })
}

fn listed(values: &[&str]) -> String {
    values
        .iter()
        .map(|v| if v.is_empty() { "\"\"" } else { v })
        .collect::<Vec<_>>()
        .join(", ")
}

/// One field that has to be two things at once.
fn contradiction(parts: &[Expr]) -> Option<String> {
    let demands: Vec<(Field, &Expr)> = parts
        .iter()
        .filter_map(|part| match part {
            Expr::Compare(Compare::Equal, sides) => match &**sides {
                [Expr::Field(field), other @ (Expr::Text(_) | Expr::Int(_))]
                | [other @ (Expr::Text(_) | Expr::Int(_)), Expr::Field(field)] => {
                    Some((*field, other))
                }
                _ => None,
            },
            _ => None,
        })
        .collect();
    let clash = demands
        .iter()
        .enumerate()
        .find_map(|(at, (field, value))| {
            let other = demands[at + 1..]
                .iter()
                .find(|(f, v)| f == field && v != value);
            other.map(|_| *field)
        })?;
    Some(format!(
        "{} cannot have two values at once",
        clash.info().name
    ))
}
