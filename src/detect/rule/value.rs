//! What an expression is worth at one event.

use smol_str::SmolStr;
use std::borrow::Cow;

#[derive(Clone, PartialEq, Debug)]
pub enum Value<'a> {
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
    Texts(Vec<Cow<'a, str>>),
    Ints(&'a [i64]),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(Cow::Owned(text))
    }
}

impl From<bool> for Value<'_> {
    fn from(yes: bool) -> Self {
        Value::Bool(yes)
    }
}

impl From<i64> for Value<'_> {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}

impl From<u16> for Value<'_> {
    fn from(n: u16) -> Self {
        Value::Int(i64::from(n))
    }
}

impl From<u32> for Value<'_> {
    fn from(n: u32) -> Self {
        Value::Int(i64::from(n))
    }
}

impl From<u64> for Value<'_> {
    fn from(n: u64) -> Self {
        Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl<'a> From<&'a [SmolStr]> for Value<'a> {
    fn from(texts: &'a [SmolStr]) -> Value<'a> {
        Value::Texts(texts.iter().map(|t| Cow::Borrowed(t.as_str())).collect())
    }
}

impl<'a> From<&'a [Cow<'a, str>]> for Value<'a> {
    fn from(texts: &'a [Cow<'a, str>]) -> Value<'a> {
        Value::Texts(texts.iter().map(|t| Cow::Borrowed(&**t)).collect())
    }
}

impl<'a> FromIterator<Cow<'a, str>> for Value<'a> {
    fn from_iter<I: IntoIterator<Item = Cow<'a, str>>>(texts: I) -> Value<'a> {
        Value::Texts(texts.into_iter().collect())
    }
}
