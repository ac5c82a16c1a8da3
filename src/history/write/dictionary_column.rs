//! A column of texts that repeat, while it is gathered: numbers into one dictionary, which lasts
//! until the rows are rolled.
//!
//! Refuses to clean a text: what is put here is what a file shows.

use crate::history::dictionary::{Dictionary, NONE};
use crate::history::write::column_view::View;

#[derive(Default)]
pub(in crate::history) struct DictionaryColumn {
    numbers: Vec<u32>,
    texts: Dictionary,
}

impl DictionaryColumn {
    /// Adds a text.
    pub fn put(&mut self, text: &str) {
        let number = self.texts.number(text.as_bytes()).0;
        self.numbers.push(number);
    }

    /// Adds what `show` makes of a text; of an empty one, NULL.
    pub fn put_shown<'t, T: AsRef<str>>(&mut self, text: &'t str, show: impl FnOnce(&'t str) -> T) {
        if text.is_empty() {
            self.put_null();
        } else {
            self.put(show(text).as_ref());
        }
    }

    pub fn put_null(&mut self) {
        self.numbers.push(NONE);
    }

    pub fn view(&self) -> View<'_> {
        View::Words(&self.numbers, &self.texts)
    }

    pub fn clear(&mut self) {
        self.numbers.clear();
        self.texts.clear();
    }
}
