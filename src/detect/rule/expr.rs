//! The compiled form of a condition: every field resolved, every type known.
//!
//! Refuses floats and time stamps: nothing that is judged needs them.

use super::fields::Field;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

/// Most bytes of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 256 << 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    Bool,
    Int,
    Text,
    Texts,
    Ints,
}

impl Type {
    /// CEL's own name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Text => "string",
            Type::Texts => "list(string)",
            Type::Ints => "list(int)",
        }
    }

    /// What a list of this type holds.
    #[must_use]
    pub fn item(self) -> Option<Type> {
        match self {
            Type::Texts => Some(Type::Text),
            Type::Ints => Some(Type::Int),
            Type::Bool | Type::Int | Type::Text => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Quantifier {
    Exists,
    All,
}

/// Checked by whoever made it: an operand of another type than its place takes is a
/// [`super::Fault`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Expr {
    Bool(bool),
    Int(i64),
    Text(SmolStr),
    Texts(Vec<SmolStr>),
    Ints(Vec<i64>),
    Field(Field),
    /// The variable of a quantifier, counted from the outermost.
    Item(u8),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    /// Condition, then, otherwise.
    If(Box<[Expr; 3]>),
    Compare(Compare, Box<[Expr; 2]>),
    /// Needle, list.
    In(Box<[Expr; 2]>),
    Test(TextTest, Box<[Expr; 2]>),
    Matches(Box<Expr>, Pattern),
    /// Equal but for the case of ASCII letters.
    SameFolded(Box<Expr>, SmolStr),
    /// Characters of a text, items of a list.
    Size(Box<Expr>),
    Lower(Box<Expr>),
    Arithmetic(Arithmetic, Box<[Expr; 2]>),
    /// List, condition on each item.
    Each(Quantifier, Box<[Expr; 2]>),
}

/// A regular expression; two of the same text are equal.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// What is wrong with the pattern, in a sentence; or it is too large.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let built = RegexBuilder::new(text)
            .size_limit(PATTERN_BYTES_MAX)
            .build();
        built.map(Pattern).map_err(|e| match e {
            regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
            other => other
                .to_string()
                .lines()
                .last()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })
    }

    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    #[must_use]
    pub fn text(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text() == other.text()
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        let text = String::deserialize(deserializer)?;
        Pattern::new(&text).map_err(serde::de::Error::custom)
    }
}
