//! A Sigma selection: fields with modifiers, values with wildcards.
//!
//! Texts are compared without regard to case, as Sigma says, unless `cased` is asked for. Refuses
//! key words without a field: the raw line is not kept.

use super::sigma::Wrong;
use super::sigma_condition::one_or;
use crate::detect::rule::{Compare, Expr, FIELDS, Field, Pattern, Quantifier, Type, never};
use serde_json::{Map, Value};
use std::fmt::Write;

/// A test that no event meets.
pub(super) struct Note {
    /// As it stands in the file.
    pub key: String,
    pub what: String,
}

/// Fields of an audit event that are not kept of it.
const NOT_KEPT: &[&str] = &[
    "requestObject",
    "responseObject",
    "user.extra",
    "user.uid",
    "objectRef.uid",
    "objectRef.apiVersion",
    "objectRef.resourceVersion",
    "responseStatus",
    "impersonatedUser",
    "annotations",
    "requestReceivedTimestamp",
    "stageTimestamp",
    "apiVersion",
    "kind",
];

pub(super) fn selection(name: &str, value: &Value, notes: &mut Vec<Note>) -> Result<Expr, Wrong> {
    match value {
        Value::Object(fields) => all_of(fields, notes),
        Value::Array(any) if any.iter().all(Value::is_object) && !any.is_empty() => {
            let maps = any.iter().filter_map(Value::as_object);
            Ok(one_or(
                maps.map(|fields| all_of(fields, notes))
                    .collect::<Result<_, _>>()?,
                Expr::Or,
            ))
        }
        _ => {
            let what = "key words without a field look at the raw line, which is not kept";
            Err(Wrong::new(name, what, "name a field of the audit event"))
        }
    }
}

fn all_of(fields: &Map<String, Value>, notes: &mut Vec<Note>) -> Result<Expr, Wrong> {
    let parts = fields
        .iter()
        .map(|(key, value)| field(key, value, notes))
        .collect::<Result<_, _>>()?;
    Ok(one_or(parts, Expr::And))
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
    Regex,
    Exists,
    Order(Compare),
}

struct Modifiers {
    how: How,
    all: bool,
    cased: bool,
}

fn modifiers(key: &str) -> Result<(&str, Modifiers), Wrong> {
    let mut parts = key.split('|');
    let name = parts.next().unwrap_or_default();
    let mut found = Modifiers {
        how: How::Equals,
        all: false,
        cased: false,
    };
    for part in parts {
        match part {
            "contains" => found.how = How::Contains,
            "startswith" => found.how = How::StartsWith,
            "endswith" => found.how = How::EndsWith,
            "re" => (found.how, found.cased) = (How::Regex, true),
            "i" if found.how == How::Regex => found.cased = false,
            "exists" => found.how = How::Exists,
            "lt" => found.how = How::Order(Compare::Less),
            "lte" => found.how = How::Order(Compare::LessOrEqual),
            "gt" => found.how = How::Order(Compare::Greater),
            "gte" => found.how = How::Order(Compare::GreaterOrEqual),
            "all" => found.all = true,
            "cased" => found.cased = true,
            _ => {
                let remedy =
                    "use contains, startswith, endswith, re, exists, lt, lte, gt, gte, all, cased";
                return Err(Wrong::new(
                    key,
                    format!("the modifier {part} is not supported"),
                    remedy,
                ));
            }
        }
    }
    Ok((name, found))
}

fn field(key: &str, value: &Value, notes: &mut Vec<Note>) -> Result<Expr, Wrong> {
    let (name, modifiers) = modifiers(key)?;
    let Some(field) = Field::wired(name) else {
        notes.push(Note {
            key: key.to_owned(),
            what: unknown(name),
        });
        return Ok(Expr::Bool(false));
    };
    let values = match value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut parts = Vec::new();
    for value in values {
        let part = test(key, field, value, &modifiers, notes)?;
        if part != Expr::Bool(false)
            && let Some(what) = never(&part)
        {
            notes.push(Note {
                key: key.to_owned(),
                what,
            });
        }
        parts.push(part);
    }
    Ok(one_or(
        parts,
        if modifiers.all { Expr::And } else { Expr::Or },
    ))
}

fn unknown(name: &str) -> String {
    let last = |text: &str| {
        text.rsplit('.')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let near = FIELDS
        .iter()
        .find(|f| !f.wire.is_empty() && last(f.wire) == last(name));
    if let Some(near) = near {
        return format!(
            "no audit event has a field {name}; it is spelled {}",
            near.wire
        );
    }
    if NOT_KEPT.iter().any(|kept| {
        name == *kept
            || name
                .strip_prefix(kept)
                .is_some_and(|rest| rest.starts_with('.'))
    }) {
        return format!("{name} is not kept of an event");
    }
    match last(name).as_str() {
        "hostpath" => format!(
            "no audit event has a field {name}; a rule of your own can ask event.host_paths"
        ),
        "capabilities" => format!(
            "no audit event has a field {name}; a rule of your own can ask event.capabilities"
        ),
        _ => format!("no audit event has a field {name}"),
    }
}

fn test(
    key: &str,
    field: Field,
    value: &Value,
    how: &Modifiers,
    notes: &mut Vec<Note>,
) -> Result<Expr, Wrong> {
    let of = Expr::Field(field);
    let absent = |of: Expr| match field.info().kind {
        Type::Int => compare(Compare::Equal, of, Expr::Int(0)),
        Type::Texts | Type::Ints => compare(Compare::Equal, Expr::Size(Box::new(of)), Expr::Int(0)),
        Type::Text | Type::Bool => compare(Compare::Equal, of, Expr::Text("".into())),
    };
    if value.is_null() {
        return Ok(absent(of));
    }
    if how.how == How::Exists {
        let is_absent = absent(of);
        return Ok(if *value == Value::Bool(false) {
            is_absent
        } else {
            Expr::Not(Box::new(is_absent))
        });
    }
    if field.info().kind == Type::Int {
        return number(key, field, value, how, notes);
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => {
            return Err(Wrong::new(
                key,
                "the value is no text",
                "write a text or a list of texts",
            ));
        }
    };
    if how.how == How::Equals && text == "*" {
        return Ok(Expr::Not(Box::new(absent(of))));
    }
    if field.info().kind == Type::Texts {
        let each = texts(key, Expr::Item(0), &text, how)?;
        return Ok(Expr::Each(Quantifier::Exists, Box::new([of, each])));
    }
    texts(key, of, &text, how)
}

fn compare(how: Compare, left: Expr, right: Expr) -> Expr {
    Expr::Compare(how, Box::new([left, right]))
}

fn number(
    key: &str,
    field: Field,
    value: &Value,
    how: &Modifiers,
    notes: &mut Vec<Note>,
) -> Result<Expr, Wrong> {
    let order = match how.how {
        How::Equals => Compare::Equal,
        How::Order(order) => order,
        _ => {
            return Err(Wrong::new(
                key,
                "the field is a number",
                "compare it with numbers",
            ));
        }
    };
    let number = value
        .as_i64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    let Some(number) = number else {
        let what = format!("{} is a number, never {value}", field.info().wire);
        notes.push(Note {
            key: key.to_owned(),
            what,
        });
        return Ok(Expr::Bool(false));
    };
    Ok(compare(order, Expr::Field(field), Expr::Int(number)))
}

fn texts(key: &str, of: Expr, text: &str, how: &Modifiers) -> Result<Expr, Wrong> {
    let plain = !text.contains(['*', '?', '\\']);
    let pattern = match how.how {
        How::Equals if plain && how.cased => {
            return Ok(compare(Compare::Equal, of, Expr::Text(text.into())));
        }
        How::Equals if plain => return Ok(Expr::SameFolded(Box::new(of), text.into())),
        How::Equals => format!("^{}$", wild(text)),
        How::Contains => wild(text),
        How::StartsWith => format!("^{}", wild(text)),
        How::EndsWith => format!("{}$", wild(text)),
        How::Regex => text.to_owned(),
        How::Exists | How::Order(_) => {
            return Err(Wrong::new(
                key,
                "the field is a text",
                "compare it with texts",
            ));
        }
    };
    let flags = match (how.how, how.cased) {
        (How::Regex, true) => "",
        (How::Regex, false) => "(?i)",
        (_, true) => "(?s)",
        (_, false) => "(?is)",
    };
    let compiled = Pattern::new(&format!("{flags}{pattern}")).map_err(|why| {
        Wrong::new(
            key,
            format!("the pattern cannot be used: {why}"),
            "see docs.rs/regex",
        )
    })?;
    Ok(Expr::Matches(Box::new(of), compiled))
}

/// `*` and `?`, unless a backslash stands before them.
fn wild(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '\\' if chars
                .peek()
                .is_some_and(|next| matches!(next, '*' | '?' | '\\')) =>
            {
                let escaped = chars.next().map(String::from).unwrap_or_default();
                out.push_str(&regex::escape(&escaped));
            }
            other => {
                let _ = write!(out, "{}", regex::escape(&other.to_string()));
            }
        }
    }
    out
}
