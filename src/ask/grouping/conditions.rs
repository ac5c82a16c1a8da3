//! The conditions of a SELECT, as far as a scan knows them.
//!
//! Refuses one that compares otherwise than the scan does: its whole SELECT is SQLite's.

use super::Reader;
use crate::ask::files::earliest;
use crate::ask::schema::Table;
use crate::ask::tokens::Token;
use crate::base::{Span, Time};
use crate::history::Kind;
use crate::history::read::scan::Filter;

/// How much of a time a text may show so that all times that begin so are one span: up to its year,
/// month, day, hour, minute, second.
const WHOLE_PARTS: [usize; 6] = [4, 7, 10, 13, 16, 19];
/// The least span between two times.
const MOMENT: Span = Span(1);

impl<'s> Reader<'s, '_> {
    pub(super) fn filter(&mut self, table: &Table) -> Option<Filter> {
        let mut filter = Filter::default();
        loop {
            let column = &table.columns[self.column(table)?];
            if column.kind == Kind::Time {
                (column.name == "time").then_some(())?;
                self.time(&mut filter)?;
            } else {
                let values = self.values()?;
                let texts = values.iter().map(|value| {
                    if let Token::Text(text) = value {
                        Some(text.clone())
                    } else {
                        None
                    }
                });
                let numbers = values.iter().map(|value| {
                    if let Token::Number(n) = value {
                        Some(*n)
                    } else {
                        None
                    }
                });
                match column.kind {
                    Kind::Text => filter
                        .texts
                        .push((column.name, texts.collect::<Option<_>>()?)),
                    Kind::Int => filter
                        .numbers
                        .push((column.name, numbers.collect::<Option<_>>()?)),
                    Kind::Time | Kind::Flag => return None,
                }
            }
            if !self.is_word("AND") {
                return Some(filter);
            }
        }
    }

    /// `= value` or `IN (value, ...)`.
    fn values(&mut self) -> Option<Vec<Token<'s>>> {
        let is_list = self.is_word("IN") && self.is_sign("(");
        if !is_list && !self.is_sign("=") {
            return None;
        }
        let mut values = Vec::new();
        loop {
            values.push(self.peek(0)?.clone());
            self.at += 1;
            if !is_list || !self.is_sign(",") {
                break;
            }
        }
        (!is_list || self.is_sign(")")).then_some(values)
    }

    /// Times compare as the texts that they are shown as.
    fn time(&mut self, filter: &mut Filter) -> Option<()> {
        let (Some(Token::Sign(sign)), Some(Token::Text(text))) = (self.peek(0), self.peek(1))
        else {
            return None;
        };
        let moment = Time::parse(text).filter(|time| time.to_string() == *text);
        let (from, until) = match (*sign, moment) {
            (">=", Some(moment)) => (Some(moment), None),
            (">", Some(moment)) => (Some(moment + MOMENT), None),
            ("<=", Some(moment)) => (None, Some(moment)),
            ("<", Some(moment)) => (None, Some(moment - MOMENT)),
            (sign, None) => {
                let begins = earliest(text).filter(|time| {
                    WHOLE_PARTS.contains(&text.len()) && time.to_string().starts_with(text)
                })?;
                match sign {
                    ">=" | ">" => (Some(begins), None),
                    "<=" | "<" => (None, Some(begins - MOMENT)),
                    _ => return None,
                }
            }
            _ => return None,
        };
        filter.from = from.max(filter.from);
        filter.until = match (until, filter.until) {
            (Some(new), Some(old)) => Some(new.min(old)),
            (new, old) => new.or(old),
        };
        self.at += 2;
        Some(())
    }
}
