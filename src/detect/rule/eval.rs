//! Evaluating a condition: pure, bounded, and never more than a fault when it goes wrong.
//!
//! Refuses unbounded work: every step costs, texts and lists by their length. As CEL says, `&&` and
//! `||` take the answer of the other side where one side has none.

use super::expr::{Arithmetic, Compare, Expr, Quantifier, TextTest};
use super::fields::Subject;
use super::value::Value;
use std::borrow::Cow;

/// Steps that one condition may take at one event: a list of a thousand items with a comparison
/// each, twice over.
pub const COST_MAX: u32 = 10_000;
/// Bytes of text that a step may look at.
pub(super) const BYTES_A_STEP: usize = 64;

/// Why a condition has no answer at an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    TooCostly,
    Overflow,
    DivisionByZero,
    /// The expression was not checked.
    Type,
}

impl Fault {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Fault::TooCostly => "it takes too many steps",
            Fault::Overflow => "a number is too large",
            Fault::DivisionByZero => "it divides by zero",
            Fault::Type => "a value has another type than was checked",
        }
    }
}

pub(super) fn truth(expr: &Expr, subject: &Subject<'_>) -> Result<bool, Fault> {
    Evaluation {
        subject,
        left: COST_MAX,
        items: Vec::new(),
    }
    .truth(expr)
}

struct Evaluation<'s, 'a> {
    subject: &'s Subject<'a>,
    left: u32,
    /// Items of the quantifiers around, the outermost first.
    items: Vec<Value<'s>>,
}

impl<'s> Evaluation<'s, '_> {
    fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let left = self.left.checked_sub(steps);
        // What was too much stays too much: a cheaper neighbour does not go on.
        self.left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Fault::TooCostly)
    }

    fn truth(&mut self, expr: &'s Expr) -> Result<bool, Fault> {
        match self.value(expr)? {
            Value::Bool(yes) => Ok(yes),
            _ => Err(Fault::Type),
        }
    }

    fn text(&mut self, expr: &'s Expr) -> Result<Cow<'s, str>, Fault> {
        let Value::Text(text) = self.value(expr)? else {
            return Err(Fault::Type);
        };
        self.spend(text.len() / BYTES_A_STEP)?;
        Ok(text)
    }

    fn int(&mut self, expr: &'s Expr) -> Result<i64, Fault> {
        match self.value(expr)? {
            Value::Int(n) => Ok(n),
            _ => Err(Fault::Type),
        }
    }

    fn value(&mut self, expr: &'s Expr) -> Result<Value<'s>, Fault> {
        self.spend(1)?;
        Ok(match expr {
            Expr::Bool(yes) => Value::Bool(*yes),
            Expr::Int(n) => Value::Int(*n),
            Expr::Text(text) => Value::from(text.as_str()),
            Expr::Texts(texts) => {
                self.spend(texts.len())?;
                Value::from(texts.as_slice())
            }
            Expr::Ints(ints) => Value::Ints(ints),
            Expr::Field(field) => {
                let value = self.subject.read(*field).ok_or(Fault::Type)?;
                if let Value::Texts(texts) = &value {
                    self.spend(texts.len())?;
                }
                value
            }
            Expr::Item(depth) => self
                .items
                .get(usize::from(*depth))
                .cloned()
                .ok_or(Fault::Type)?,
            Expr::Not(inner) => Value::Bool(!self.truth(inner)?),
            Expr::And(all) => Value::Bool(self.junction(all, false)?),
            Expr::Or(any) => Value::Bool(self.junction(any, true)?),
            Expr::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let chosen = if self.truth(condition)? {
                    then
                } else {
                    otherwise
                };
                self.value(chosen)?
            }
            Expr::Compare(how, sides) => Value::Bool(self.compare(*how, &sides[0], &sides[1])?),
            Expr::In(sides) => Value::Bool(self.is_in(&sides[0], &sides[1])?),
            Expr::Test(how, sides) => {
                let (text, part) = (self.text(&sides[0])?, self.text(&sides[1])?);
                Value::Bool(match how {
                    TextTest::Contains => text.contains(&*part),
                    TextTest::StartsWith => text.starts_with(&*part),
                    TextTest::EndsWith => text.ends_with(&*part),
                })
            }
            Expr::Matches(text, pattern) => Value::Bool(pattern.is_match(&self.text(text)?)),
            Expr::SameFolded(text, other) => {
                let Value::Text(text) = self.value(text)? else {
                    return Err(Fault::Type);
                };
                // Texts of another length are not looked at.
                self.spend(other.len() / BYTES_A_STEP)?;
                Value::Bool(text.eq_ignore_ascii_case(other))
            }
            Expr::Size(of) => self.size(of)?,
            Expr::Lower(text) => Value::from(self.text(text)?.to_ascii_lowercase()),
            Expr::Arithmetic(how, sides) => Value::Int(arithmetic(
                *how,
                self.int(&sides[0])?,
                self.int(&sides[1])?,
            )?),
            Expr::Each(how, parts) => Value::Bool(self.each(*how, &parts[0], &parts[1])?),
        })
    }

    /// `stop` ends it: true for `||`, false for `&&`. A fault counts only if no part decides.
    fn junction(&mut self, parts: &'s [Expr], stop: bool) -> Result<bool, Fault> {
        let mut fault = None;
        for part in parts {
            match self.truth(part) {
                Ok(yes) if yes == stop => return Ok(stop),
                Ok(_) => {}
                Err(why) => fault = fault.or(Some(why)),
            }
        }
        fault.map_or(Ok(!stop), Err)
    }

    fn compare(&mut self, how: Compare, left: &'s Expr, right: &'s Expr) -> Result<bool, Fault> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        let order = match (&left, &right) {
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => {
                self.spend(a.len().min(b.len()) / BYTES_A_STEP)?;
                a.cmp(b)
            }
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Texts(a), Value::Texts(b)) => a.cmp(b),
            (Value::Ints(a), Value::Ints(b)) => a.cmp(b),
            _ => return Err(Fault::Type),
        };
        Ok(match how {
            Compare::Equal => order.is_eq(),
            Compare::NotEqual => order.is_ne(),
            Compare::Less => order.is_lt(),
            Compare::LessOrEqual => order.is_le(),
            Compare::Greater => order.is_gt(),
            Compare::GreaterOrEqual => order.is_ge(),
        })
    }

    fn is_in(&mut self, needle: &'s Expr, list: &'s Expr) -> Result<bool, Fault> {
        let needle = self.value(needle)?;
        // The commonest form costs no list.
        if let (Value::Text(needle), Expr::Texts(texts)) = (&needle, list) {
            self.spend(texts.len())?;
            return Ok(texts.iter().any(|t| t.as_str() == needle.as_ref()));
        }
        match (needle, self.value(list)?) {
            (Value::Text(needle), Value::Texts(list)) => Ok(list.contains(&needle)),
            (Value::Int(needle), Value::Ints(list)) => Ok(list.contains(&needle)),
            _ => Err(Fault::Type),
        }
    }

    fn size(&mut self, of: &'s Expr) -> Result<Value<'s>, Fault> {
        let n = match self.value(of)? {
            Value::Text(text) => {
                self.spend(text.len() / BYTES_A_STEP)?;
                text.chars().count()
            }
            Value::Texts(list) => list.len(),
            Value::Ints(list) => list.len(),
            Value::Bool(_) | Value::Int(_) => return Err(Fault::Type),
        };
        Ok(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)))
    }

    fn each(
        &mut self,
        how: Quantifier,
        list: &'s Expr,
        condition: &'s Expr,
    ) -> Result<bool, Fault> {
        let items: Vec<Value<'s>> = match self.value(list)? {
            Value::Texts(texts) => texts.into_iter().map(Value::Text).collect(),
            Value::Ints(ints) => ints.iter().map(|n| Value::Int(*n)).collect(),
            Value::Bool(_) | Value::Int(_) | Value::Text(_) => return Err(Fault::Type),
        };
        let stop = how == Quantifier::Exists;
        let mut fault = None;
        for item in items {
            self.items.push(item);
            let holds = self.truth(condition);
            self.items.pop();
            match holds {
                Ok(yes) if yes == stop => return Ok(stop),
                Ok(_) => {}
                Err(why) => fault = fault.or(Some(why)),
            }
        }
        fault.map_or(Ok(!stop), Err)
    }
}

fn arithmetic(how: Arithmetic, a: i64, b: i64) -> Result<i64, Fault> {
    let answer = match how {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide | Arithmetic::Modulo if b == 0 => return Err(Fault::DivisionByZero),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Modulo => a.checked_rem(b),
    };
    answer.ok_or(Fault::Overflow)
}
