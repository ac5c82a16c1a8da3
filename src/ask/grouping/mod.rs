//! Which SELECTs of a statement group the rows of one table of files, so that the scan can do it:
//! SQLite would take row by row, and sort all of them first.
//!
//! Refuses to guess: what it does not know word for word is SQLite's. Known is `SELECT column or
//! aggregate, ... FROM table [WHERE condition AND ...] GROUP BY column, ...`, in brackets, or as
//! the whole statement with ORDER BY and LIMIT after it.

mod conditions;
mod tail;

use super::schema::{TABLES, Table};
use super::tokens::{Placed, Token, tokens};
use crate::history::Kind;
use crate::history::read::groups::{Aggregate, Top};
use crate::history::read::scan::Filter;

/// The tables of files.
const OF_FILES: usize = 2;
/// Most bytes of a statement that is looked through: each SELECT looks at all of it.
const LOOKED_THROUGH_MAX: usize = 64 << 10;

/// One such SELECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grouping {
    /// Whether of `operations_daily`, not of `events`.
    pub rollup: bool,
    pub filter: Filter,
    /// Columns of the table.
    pub by: Vec<usize>,
    pub aggregates: Vec<Aggregate>,
    /// Where only some of the groups can be in the answer.
    pub top: Option<Top>,
}

/// What a SELECT gives.
enum Item<'s> {
    Column(usize),
    Aggregate(Aggregate, &'s str),
}

/// The statement with a table `grouped_N` in the place of its N-th such SELECT: columns `k0`, ...
/// for what it groups by, `a0`, ... for its aggregates.
pub(super) fn take_out(statement: &str) -> (String, Vec<Grouping>) {
    let (mut rest, mut groupings, mut from) = (String::new(), Vec::new(), 0);
    let is_looked_through = statement.len() <= LOOKED_THROUGH_MAX;
    let tokens = is_looked_through
        .then(|| tokens(statement))
        .flatten()
        .unwrap_or_default();
    for start in 0..tokens.len() {
        let is_bracketed = start > 0 && tokens[start - 1].0 == Token::Sign("(");
        if !tokens[start].0.is("SELECT") || !(start == 0 || is_bracketed) {
            continue;
        }
        let mut reader = Reader {
            statement,
            tokens: &tokens,
            at: start + 1,
        };
        if let Some((select, grouping)) = reader.select(groupings.len(), is_bracketed) {
            rest.push_str(&statement[from..tokens[start].1]);
            rest.push_str(&select);
            from = tokens[reader.at - 1].2;
            groupings.push(grouping);
        }
    }
    rest.push_str(&statement[from..]);
    (rest, groupings)
}

struct Reader<'s, 't> {
    statement: &'s str,
    tokens: &'t [Placed<'s>],
    at: usize,
}

impl<'s, 't> Reader<'s, 't> {
    fn select(&mut self, number: usize, is_bracketed: bool) -> Option<(String, Grouping)> {
        let from = self.tokens[self.at..]
            .iter()
            .position(|(token, ..)| token.is("FROM"))?
            + self.at;
        let (rollup, table) = self.table(from + 1)?;
        let mut items = Vec::new();
        while items.is_empty() || self.is_sign(",") {
            items.push(self.item(table)?);
        }
        if self.at != from {
            return None;
        }
        self.at += 2;
        let filter = if self.is_word("WHERE") {
            self.filter(table)?
        } else {
            Filter::default()
        };
        let by = self.group_by(table, &items)?;
        let top = match is_bracketed {
            true => matches!(self.peek(0), Some(Token::Sign(")"))).then_some(None),
            false => self.tail(table, &items),
        }?;
        let is_grouped = |item: &(Item<'_>, Option<&str>)| !matches!(item.0, Item::Column(c) if !by.contains(&c));
        let names: Vec<String> = items
            .iter()
            .map(|(item, alias)| name_of(table, item, *alias).to_ascii_lowercase())
            .collect();
        let is_twice = (1..names.len()).any(|at| names[..at].contains(&names[at]));
        // SQLite takes conditions around a SELECT into it, where they leave files closed.
        let is_narrowed = is_bracketed && filter == Filter::default() && self.is_narrowed();
        if is_twice || is_narrowed || !items.iter().all(is_grouped) {
            return None;
        }
        let (mut aggregates, mut columns) = (Vec::new(), Vec::new());
        for (item, alias) in &items {
            let place = match item {
                Item::Column(column) => format!("k{}", by.iter().position(|by| by == column)?),
                Item::Aggregate(aggregate, _) => {
                    aggregates.push(*aggregate);
                    // The sign takes the affinity of a column away: an aggregate has none.
                    format!("+a{}", aggregates.len() - 1)
                }
            };
            columns.push(format!(
                "{place} AS \"{}\"",
                name_of(table, item, *alias).replace('"', "\"\"")
            ));
        }
        // A table of a WITH has no schema: it is not taken for this one.
        let select = format!("SELECT {} FROM main.grouped_{number}", columns.join(", "));
        Some((
            select,
            Grouping {
                rollup,
                filter,
                by,
                aggregates,
                top,
            },
        ))
    }

    /// Whether a condition follows that may be of what this SELECT gives.
    fn is_narrowed(&self) -> bool {
        let conditions = ["WHERE", "ON", "USING", "HAVING"];
        self.tokens[self.at..]
            .iter()
            .any(|(token, ..)| conditions.iter().any(|word| token.is(word)))
    }

    /// The table of files that is named there, and that nothing else in the statement is named
    /// like.
    fn table(&self, at: usize) -> Option<(bool, &'static Table)> {
        let (name, ..) = self.tokens.get(at)?;
        let (index, table) = TABLES[..OF_FILES]
            .iter()
            .enumerate()
            .find(|(_, table)| name.is(table.name))?;
        // A table of a WITH may have the name, in quotes too.
        let is_name = |token: &Token<'_>| match token {
            Token::Word(name) => name.eq_ignore_ascii_case(table.name),
            Token::Text(name) => name.eq_ignore_ascii_case(table.name),
            Token::Sign(name) => name
                .get(1..name.len() - 1)
                .is_some_and(|name| name.eq_ignore_ascii_case(table.name)),
            Token::Number(_) => false,
        };
        let redefines = |pair: &[Placed<'_>]| {
            is_name(&pair[0].0) && (pair[1].0.is("AS") || matches!(pair[1].0, Token::Sign("(")))
        };
        (!self.tokens.windows(2).any(redefines)).then_some((index == 1, table))
    }

    fn item(&mut self, table: &Table) -> Option<(Item<'s>, Option<&'s str>)> {
        let begins = self.tokens.get(self.at)?.1;
        let item = match self.peek(1) {
            Some(Token::Sign("(")) => {
                let aggregate = self.aggregate(table)?;
                Item::Aggregate(
                    aggregate,
                    &self.statement[begins..self.tokens[self.at - 1].2],
                )
            }
            _ => Item::Column(self.column(table)?),
        };
        let is_named = self.is_word("AS");
        let alias = match self.peek(0) {
            Some(Token::Word(word)) if is_named || !word.eq_ignore_ascii_case("FROM") => {
                self.at += 1;
                Some(*word)
            }
            _ if is_named => return None,
            _ => None,
        };
        Some((item, alias))
    }

    fn aggregate(&mut self, table: &Table) -> Option<Aggregate> {
        let Some(Token::Word(function)) = self.peek(0) else {
            return None;
        };
        let function = function.to_ascii_lowercase();
        self.at += 2;
        let aggregate = if self.is_sign("*") {
            (function == "count").then_some(Aggregate::Count)?
        } else {
            let column = self.column(table)?;
            match (function.as_str(), table.columns[column].kind) {
                ("min", _) => Aggregate::Min(column),
                ("max", _) => Aggregate::Max(column),
                ("sum", Kind::Int) => Aggregate::Sum(column),
                _ => return None,
            }
        };
        self.is_sign(")").then_some(aggregate)
    }

    /// Columns, or places of columns in the list before.
    fn group_by(
        &mut self,
        table: &Table,
        items: &[(Item<'s>, Option<&'s str>)],
    ) -> Option<Vec<usize>> {
        (self.is_word("GROUP") && self.is_word("BY")).then_some(())?;
        let mut by = Vec::new();
        while by.is_empty() || self.is_sign(",") {
            let column = match self.peek(0)? {
                Token::Number(place) => {
                    match &items.get(usize::try_from(*place).ok()?.checked_sub(1)?)?.0 {
                        Item::Column(column) => {
                            self.at += 1;
                            *column
                        }
                        Item::Aggregate(..) => return None,
                    }
                }
                _ => self.column(table)?,
            };
            by.push(column);
        }
        Some(by)
    }

    fn column(&mut self, table: &Table) -> Option<usize> {
        let word = self.peek(0)?;
        let column = table
            .columns
            .iter()
            .position(|column| word.is(column.name))?;
        self.at += 1;
        Some(column)
    }

    fn peek(&self, ahead: usize) -> Option<&'t Token<'s>> {
        self.tokens.get(self.at + ahead).map(|(token, ..)| token)
    }

    /// Takes this keyword, if it comes next.
    fn is_word(&mut self, word: &str) -> bool {
        let is_next = self.peek(0).is_some_and(|token| token.is(word));
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes this sign, if it comes next.
    fn is_sign(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.peek(0), Some(Token::Sign(own)) if *own == sign);
        self.at += usize::from(is_next);
        is_next
    }
}

/// As SQLite names it.
fn name_of<'n>(table: &'n Table, item: &Item<'n>, alias: Option<&'n str>) -> &'n str {
    alias.unwrap_or(match item {
        Item::Column(column) => table.columns[*column].name,
        Item::Aggregate(_, text) => text,
    })
}

#[cfg(test)]
mod tests;
