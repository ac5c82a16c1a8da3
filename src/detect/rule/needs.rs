//! What an event has to say for a condition to hold, read off the condition.
//!
//! Refuses to guess: it may find less than a condition needs, never more, and nothing where the
//! condition could run out of steps before it says no. `!`, functions and arithmetic say nothing.

use super::eval::{BYTES_A_STEP, COST_MAX};
use super::expr::{Compare, Expr, Type};
use super::fields::{self, Field};
use crate::detect::View;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// A field that rules are looked up by, and how it is read.
pub(super) struct Key {
    pub name: &'static str,
    pub read: for<'v> fn(&'v View<'_>) -> &'v str,
}

/// Those that most conditions name. Each costs a look into a table at every event, where a rule
/// names it.
pub(super) const KEYS: [Key; 5] = [
    Key {
        name: "event.resource",
        read: |v| v.event.operation.resource,
    },
    Key {
        name: "event.verb",
        read: |v| v.event.operation.verb,
    },
    Key {
        name: "event.subresource",
        read: |v| v.event.operation.subresource,
    },
    Key {
        name: "event.namespace",
        read: |v| v.event.operation.namespace,
    },
    Key {
        name: "event.user_kind",
        read: |v| fields::kind(v),
    },
];

/// One of these words for each key, in lower case; `None` where any will do.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Needs(pub [Option<BTreeSet<SmolStr>>; KEYS.len()]);

impl Needs {
    /// What a condition needs; nothing, where that is not known.
    pub(super) fn of(condition: &Expr) -> Needs {
        let known = refusal(condition).filter(|r| r.steps <= COST_MAX);
        known.map_or_else(Needs::default, |r| r.needs)
    }

    fn word(field: Field, words: &[SmolStr]) -> Option<Needs> {
        let at = KEYS.iter().position(|key| key.name == field.info().name)?;
        let mut needs = Needs::default();
        needs.0[at] = Some(
            words
                .iter()
                .map(|word| word.to_ascii_lowercase().into())
                .collect(),
        );
        Some(needs)
    }

    /// Both are needed.
    fn narrow(&mut self, other: Needs) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            match (own, other) {
                (_, None) => {}
                (own @ None, some) => *own = some,
                (Some(own), Some(other)) => own.retain(|word| other.contains(word)),
            }
        }
    }

    /// One of the two is needed.
    fn widen(&mut self, other: Needs) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            match (own.as_mut(), other) {
                (Some(words), Some(more)) => words.extend(more),
                _ => *own = None,
            }
        }
    }
}

/// An event that lacks one of `needs` gets a no, in `steps` at most.
struct Refusal {
    needs: Needs,
    steps: u32,
}

fn refusal(expr: &Expr) -> Option<Refusal> {
    let needs = match expr {
        Expr::Bool(false) => Needs(std::array::from_fn(|_| Some(BTreeSet::new()))),
        Expr::Compare(Compare::Equal, sides) => match &**sides {
            [Expr::Field(field), Expr::Text(word)] | [Expr::Text(word), Expr::Field(field)] => {
                Needs::word(*field, std::slice::from_ref(word))?
            }
            _ => return None,
        },
        Expr::In(sides) => match &**sides {
            [Expr::Field(field), Expr::Texts(words)] => Needs::word(*field, words)?,
            _ => return None,
        },
        Expr::SameFolded(of, word) => match &**of {
            Expr::Field(field) => Needs::word(*field, std::slice::from_ref(word))?,
            _ => return None,
        },
        Expr::And(parts) => return of_all(parts),
        Expr::Or(parts) => return of_any(parts),
        _ => return None,
    };
    Some(Refusal {
        needs,
        steps: steps(expr)?,
    })
}

/// A part says no for all, if the parts before it leave it the steps to do so; whether they have an
/// answer is no matter.
fn of_all(parts: &[Expr]) -> Option<Refusal> {
    let (mut found, mut before): (Option<Refusal>, u32) = (None, 1);
    for part in parts {
        if let Some(more) = refusal(part) {
            let steps = before.saturating_add(more.steps);
            if steps > COST_MAX {
                break;
            }
            let found = found.get_or_insert_with(|| Refusal {
                needs: Needs::default(),
                steps,
            });
            found.needs.narrow(more.needs);
            found.steps = steps;
        }
        let Some(steps) = steps(part) else { break };
        before = before.saturating_add(steps);
    }
    found
}

/// All parts have to say no.
fn of_any(parts: &[Expr]) -> Option<Refusal> {
    let mut refusals = parts.iter().map(refusal);
    let mut found = refusals.next()??;
    found.steps = found.steps.saturating_add(1);
    for more in refusals {
        let more = more?;
        found.needs.widen(more.needs);
        found.steps = found.steps.saturating_add(more.steps);
    }
    Some(found)
}

/// The most steps that an expression takes at any event; `None` where that depends on the event.
fn steps(expr: &Expr) -> Option<u32> {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let sum = |parts: &[Expr]| {
        parts
            .iter()
            .try_fold(0u32, |sum, part| Some(sum.saturating_add(steps(part)?)))
    };
    let inside = match expr {
        Expr::Bool(_) | Expr::Int(_) | Expr::Text(_) | Expr::Ints(_) => 0,
        Expr::Texts(texts) => count(texts.len()),
        Expr::Field(field) => match field.info().kind {
            Type::Bool | Type::Int | Type::Text => 0,
            Type::Texts | Type::Ints => return None,
        },
        Expr::Not(of) => steps(of)?,
        Expr::And(parts) | Expr::Or(parts) => sum(parts)?,
        Expr::Compare(_, sides) => {
            // Of two texts the shorter one counts.
            let looked_at = match &**sides {
                [Expr::Text(text), _] | [_, Expr::Text(text)] => count(text.len() / BYTES_A_STEP),
                [Expr::Field(field), Expr::Field(_)] if field.info().kind == Type::Text => {
                    return None;
                }
                _ => 0,
            };
            sum(&**sides)?.saturating_add(looked_at)
        }
        Expr::In(sides) => match &**sides {
            [needle, Expr::Texts(texts)] => steps(needle)?.saturating_add(count(texts.len())),
            _ => return None,
        },
        Expr::SameFolded(text, other) => {
            steps(text)?.saturating_add(count(other.len() / BYTES_A_STEP))
        }
        Expr::Item(_)
        | Expr::If(_)
        | Expr::Test(..)
        | Expr::Matches(..)
        | Expr::Size(_)
        | Expr::Lower(_)
        | Expr::Arithmetic(..)
        | Expr::Each(..) => return None,
    };
    Some(inside.saturating_add(1))
}

/// The same condition, with what costs little before what may cost much wherever `&&` leaves the
/// order open: then what it needs can be read off it, and it is decided sooner.
pub(super) fn cheap_first(expr: Expr) -> Expr {
    let each = |parts: Vec<Expr>| parts.into_iter().map(cheap_first).collect::<Vec<Expr>>();
    match expr {
        Expr::And(parts) => {
            let (mut cheap, rest): (Vec<Expr>, Vec<Expr>) = each(parts)
                .into_iter()
                .partition(|part| steps(part).is_some());
            cheap.extend(rest);
            Expr::And(cheap)
        }
        Expr::Or(parts) => Expr::Or(each(parts)),
        Expr::Not(of) => Expr::Not(Box::new(cheap_first(*of))),
        other => other,
    }
}

#[cfg(test)]
mod tests;
