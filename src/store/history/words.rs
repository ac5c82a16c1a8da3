//! A column of texts that repeat, while it is gathered: the row holds a number, each distinct text is looked at once.
//!
//! Refuses to clean a text twice: what it costs to redact one is paid for each distinct text, not for each row.

use super::dictionary::{Dictionary, NONE};
use arrow_array::types::Int16Type;
use arrow_array::{DictionaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::ArrowError;
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Words {
    rows: Vec<u32>,
    /// What a row came with.
    keys: Dictionary,
    /// What is shown for the key of this number; the key itself where nothing stands.
    shown: Vec<Option<Box<str>>>,
}

impl Words {
    /// Adds a text as it is; an empty one is NULL.
    pub fn put(&mut self, text: &str) -> u32 {
        self.put_shown(text, Cow::Borrowed)
    }

    /// Adds what `show` makes of a text.
    pub fn put_shown<'t>(&mut self, text: &'t str, show: impl FnOnce(&'t str) -> Cow<'t, str>) -> u32 {
        if text.is_empty() {
            return self.put_number(NONE);
        }
        let (number, is_new) = self.keys.number(text.as_bytes());
        if is_new {
            let shown = show(text);
            self.shown.push((*shown != *text).then(|| shown.into()));
        }
        self.put_number(number)
    }

    /// Adds what `show` says, where the key stands for it.
    pub fn put_key(&mut self, key: &[u8], show: impl FnOnce() -> String) -> u32 {
        let (number, is_new) = self.keys.number(key);
        if is_new {
            self.shown.push(Some(show().into()));
        }
        self.put_number(number)
    }

    /// The number of a text that was put before; `NONE` if it was not.
    pub fn find(&self, text: &str) -> u32 {
        self.keys.find(text.as_bytes())
    }

    /// Adds the number of a text that is known.
    pub fn put_number(&mut self, number: u32) -> u32 {
        self.rows.push(number);
        number
    }

    /// As [`Words::put_shown`], after a look at what stood there in the row before that is mostly alike.
    pub fn put_like<'t>(&mut self, before: &mut u32, text: &'t str, show: impl FnOnce(&'t str) -> Cow<'t, str>) {
        if self.keys.is(*before, text.as_bytes()) {
            self.rows.push(*before);
        } else {
            *before = self.put_shown(text, show);
        }
    }

    /// As [`Words::put_key`], after such a look.
    pub fn put_key_like(&mut self, before: &mut u32, key: &[u8], show: impl FnOnce() -> String) {
        if self.keys.is(*before, key) {
            self.rows.push(*before);
        } else {
            *before = self.put_key(key, show);
        }
    }

    /// What was gathered; empty afterwards.
    pub fn finish(&mut self) -> Result<DictionaryArray<Int16Type>, ArrowError> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(self.keys.len() + 1));
        ends.push(0);
        for (key, shown) in self.keys.iter().zip(&self.shown) {
            bytes.extend_from_slice(shown.as_ref().map_or(key, |text| text.as_bytes()));
            ends.push(i32::try_from(bytes.len()).map_err(|_| ArrowError::OffsetOverflowError(bytes.len()))?);
        }
        // A batch has no more rows than there are numbers.
        let numbers: Vec<i16> = self.rows.iter().map(|n| if *n == NONE { 0 } else { *n as i16 }).collect();
        let nulls = match self.keys.len() {
            0 => Some(NullBuffer::new_null(numbers.len())),
            _ if self.rows.contains(&NONE) => Some(self.rows.iter().map(|n| *n != NONE).collect()),
            _ => None,
        };
        let rows = PrimitiveArray::new(numbers.into(), nulls);
        let texts = StringArray::try_new(OffsetBuffer::new(ends.into()), bytes.into(), None)?;
        self.rows.clear();
        self.keys.clear();
        self.shown.clear();
        DictionaryArray::try_new(rows, Arc::new(texts))
    }
}
