//! Cells of a batch, whether its texts stand in full or as numbers into a dictionary.
//!
//! Refuses to make a dictionary's texts into rows before someone asks for them.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::ArrowError;
use arrow_select::take::take;
use std::sync::Arc;

/// A column of texts: of a head with 16-bit numbers, of a file with 32-bit ones or in full.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a> {
    numbers: Numbers<'a>,
    texts: &'a StringArray,
}

#[derive(Clone, Copy)]
enum Numbers<'a> {
    None,
    Head(&'a arrow_array::Int16Array),
    File(&'a arrow_array::Int32Array),
}

impl<'a> Texts<'a> {
    /// `None`: it is no column of texts.
    pub fn of(array: &'a ArrayRef) -> Option<Texts<'a>> {
        let (numbers, texts) = if let Some(words) = array.as_dictionary_opt::<Int32Type>() {
            (Numbers::File(words.keys()), words.values())
        } else if let Some(words) = array.as_dictionary_opt::<Int16Type>() {
            (Numbers::Head(words.keys()), words.values())
        } else {
            (Numbers::None, array)
        };
        Some(Texts {
            numbers,
            texts: texts.as_string_opt::<i32>()?,
        })
    }

    /// Rows of the same number have the same text, within one batch. `None`: NULL.
    pub fn number(&self, row: usize) -> Option<usize> {
        let number = match self.numbers {
            Numbers::None => Some(row),
            Numbers::Head(numbers) => (!numbers.is_null(row)).then(|| numbers.value(row) as usize),
            Numbers::File(numbers) => (!numbers.is_null(row)).then(|| numbers.value(row) as usize),
        };
        // A head has NULL among its texts.
        number.filter(|number| !self.texts.is_null(*number))
    }

    /// The texts that the numbers of rows are of; `None` if rows have texts of their own.
    pub fn dictionary(&self) -> Option<&'a StringArray> {
        (!matches!(self.numbers, Numbers::None)).then_some(self.texts)
    }

    pub fn text(&self, number: usize) -> &'a str {
        self.texts.value(number)
    }

    pub fn get(&self, row: usize) -> Option<&'a str> {
        self.number(row).map(|number| self.text(number))
    }

    /// Whether a row has one of these texts. Each text of a dictionary is compared once.
    pub fn is_one_of(&self, wanted: &[String]) -> Vec<bool> {
        let texts = self
            .texts
            .iter()
            .map(|text| text.is_some_and(|text| wanted.iter().any(|w| w == text)));
        let of_text: Vec<bool> = texts.collect();
        match self.numbers {
            Numbers::None => of_text,
            Numbers::Head(numbers) => numbers
                .iter()
                .map(|n| n.is_some_and(|n| of_text[n as usize]))
                .collect(),
            Numbers::File(numbers) => numbers
                .iter()
                .map(|n| n.is_some_and(|n| of_text[n as usize]))
                .collect(),
        }
    }
}

/// The column with its texts in full; another one as it is.
pub(in crate::history) fn whole(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if let Some(words) = array.as_dictionary_opt::<Int32Type>() {
        take(words.values(), words.keys(), None)
    } else if let Some(words) = array.as_dictionary_opt::<Int16Type>() {
        take(words.values(), words.keys(), None)
    } else {
        Ok(Arc::clone(array))
    }
}
