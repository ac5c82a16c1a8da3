//! What follows a SELECT that is the whole statement: an order by what it gives, and a limit.
//!
//! Refuses to order: SQLite does, over the groups that can come first.

use super::{Item, Reader, name_of};
use crate::ask::schema::Table;
use crate::ask::tokens::Token;
use crate::history::read::groups::Top;

impl<'s, 't> Reader<'s, 't> {
    /// Whether nothing else follows, and the groups that alone are wanted then. Nothing of it is
    /// taken.
    pub(super) fn tail(
        &self,
        table: &Table,
        items: &[(Item<'s>, Option<&'s str>)],
    ) -> Option<Option<Top>> {
        let mut tail = Reader {
            statement: self.statement,
            tokens: self.tokens,
            at: self.at,
        };
        let mut first = None;
        if tail.is_word("ORDER") {
            tail.is_word("BY").then_some(())?;
            first = Some(tail.order_term(table, items)?);
            while tail.is_sign(",") {
                tail.order_term(table, items)?;
            }
        }
        let limit = tail.number_after("LIMIT")?;
        let offset = tail.number_after("OFFSET")?;
        let _ = tail.is_sign(";");
        tail.peek(0).is_none().then_some(())?;
        let wanted = limit
            .and_then(|limit| limit.checked_add(offset.unwrap_or(0)))
            .map(usize::try_from);
        let (Some((Some(aggregate), is_descending)), Some(Ok(count))) = (first, wanted) else {
            return Some(None);
        };
        Some(Some(Top {
            aggregate,
            is_descending,
            count,
        }))
    }

    /// What is ordered by, if it is an aggregate which of them, and whether the greatest comes
    /// first.
    fn order_term(
        &mut self,
        table: &Table,
        items: &[(Item<'s>, Option<&'s str>)],
    ) -> Option<(Option<usize>, bool)> {
        let at = match self.peek(0)? {
            Token::Number(place) => usize::try_from(*place)
                .ok()?
                .checked_sub(1)
                .filter(|at| *at < items.len())?,
            word @ Token::Word(_) => items
                .iter()
                .position(|(item, alias)| word.is(name_of(table, item, *alias)))?,
            _ => return None,
        };
        self.at += 1;
        let is_aggregate =
            |(item, _): &(Item<'_>, Option<&str>)| matches!(item, Item::Aggregate(..));
        let aggregate = is_aggregate(&items[at])
            .then(|| items[..at].iter().filter(|item| is_aggregate(item)).count());
        let is_descending = !self.is_word("ASC") && self.is_word("DESC");
        Some((aggregate, is_descending))
    }

    /// `None`: the word is there without a number.
    fn number_after(&mut self, word: &str) -> Option<Option<i64>> {
        if !self.is_word(word) {
            return Some(None);
        }
        let Token::Number(number) = self.peek(0)? else {
            return None;
        };
        self.at += 1;
        Some(Some(*number))
    }
}
