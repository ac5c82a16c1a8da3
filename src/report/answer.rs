//! The answer to a statement as people and programs read it: a table, JSON lines, CSV.
//!
//! Refuses to print what a log could have smuggled in: control characters are escaped everywhere,
//! and a CSV cell does not begin as a formula does.

use crate::ask::{Answer, Value};
use crate::base::text;
use std::borrow::Cow;
use std::io::{Result, Write};

/// On a terminal a column is not made narrower than this (a time to the second); what does not fit
/// then is left out.
const COLUMN_MIN: usize = 20;
/// Rows that widths are measured on; later ones may stand out.
const MEASURED: usize = 1_000;

/// Aligned columns; the first thousand rows decide the widths. All of everything, but on a terminal
/// what fits.
pub struct TableOfRows<'w> {
    out: &'w mut dyn Write,
    terminal: Option<usize>,
    names: Vec<String>,
    rows: Vec<Vec<String>>,
    /// How wide each column is shown; `None` for one that is not.
    widths: Vec<Option<usize>>,
    begun: bool,
}

impl<'w> TableOfRows<'w> {
    /// `terminal` is how many characters a line of it has; `None` for a file or a pipe.
    pub fn new(out: &'w mut dyn Write, terminal: Option<usize>) -> TableOfRows<'w> {
        TableOfRows {
            out,
            terminal,
            names: Vec::new(),
            rows: Vec::new(),
            widths: Vec::new(),
            begun: false,
        }
    }

    fn print(&mut self) -> Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.widths = widths(&self.names, &self.rows, self.terminal);
            self.rows.insert(0, self.names.clone());
        }
        for cells in self.rows.drain(..) {
            let shown = cells
                .iter()
                .zip(&self.widths)
                .filter_map(|(cell, width)| Some((cell, (*width)?)));
            let padded = shown.map(|(cell, width)| match self.terminal {
                Some(_) => format!("{:<width$}", fitted(cell, width)),
                None => format!("{cell:<width$}"),
            });
            writeln!(
                self.out,
                "{}",
                padded.collect::<Vec<_>>().join("  ").trim_end()
            )?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.print()?;
        let left_out = self
            .names
            .iter()
            .zip(&self.widths)
            .filter(|(_, width)| width.is_none());
        let left_out: Vec<&str> = left_out.map(|(name, _)| name.as_str()).collect();
        if !left_out.is_empty() {
            writeln!(
                self.out,
                "(not shown: {}; all of it with -o json, or | less -S)",
                left_out.join(", ")
            )?;
        }
        Ok(())
    }
}

/// As the cells need. On a terminal columns without a value go, then the last, until the others
/// have room enough to be read; then the widest give way.
fn widths(names: &[String], rows: &[Vec<String>], terminal: Option<usize>) -> Vec<Option<usize>> {
    let longest = |column: usize| {
        rows.iter()
            .map(|cells| cells[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let need = |column: usize| names[column].chars().count().max(longest(column));
    let Some(room) = terminal else {
        return (0..names.len()).map(|column| Some(need(column))).collect();
    };
    let is_used = |column: &usize| rows.is_empty() || longest(*column) > 0;
    let mut widths: Vec<Option<usize>> = (0..names.len())
        .map(|column| is_used(&column).then(|| need(column)))
        .collect();
    let line = |widths: &[Option<usize>], most: usize| {
        widths
            .iter()
            .flatten()
            .map(|width| (*width).min(most) + 2)
            .sum::<usize>()
            .saturating_sub(2)
    };
    while line(&widths, COLUMN_MIN) > room
        && widths.iter().flatten().count() > 1
        && let Some(last) = widths.iter_mut().rev().find(|width| width.is_some())
    {
        *last = None;
    }
    while line(&widths, usize::MAX) > room
        && let Some(widest) = widths
            .iter_mut()
            .flatten()
            .max()
            .filter(|width| **width > 1)
    {
        *widest -= 1;
    }
    widths
}

fn fitted(cell: &str, width: usize) -> Cow<'_, str> {
    match cell.char_indices().nth(width) {
        Some(_) => {
            let end = cell
                .char_indices()
                .nth(width.saturating_sub(1))
                .map_or(0, |(end, _)| end);
            Cow::Owned(format!("{}\u{2026}", &cell[..end]))
        }
        None => Cow::Borrowed(cell),
    }
}

impl Drop for TableOfRows<'_> {
    fn drop(&mut self) {
        // Whoever reads the output sees that it ended early.
        let _ = self.print();
    }
}

impl Answer for TableOfRows<'_> {
    fn columns(&mut self, names: &[&str]) -> Result<()> {
        self.names = names
            .iter()
            .map(|name| text::name(name).into_owned())
            .collect();
        Ok(())
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<()> {
        self.rows.push(
            values
                .iter()
                .map(|value| plain(value).unwrap_or_default())
                .collect(),
        );
        if self.rows.len() >= MEASURED {
            self.print()
        } else {
            Ok(())
        }
    }

    fn end(&mut self) -> Result<()> {
        TableOfRows::end(self)
    }
}

/// One JSON object a line.
pub struct JsonLines<'w> {
    out: &'w mut dyn Write,
    names: Vec<String>,
}

impl<'w> JsonLines<'w> {
    pub fn new(out: &'w mut dyn Write) -> JsonLines<'w> {
        JsonLines {
            out,
            names: Vec::new(),
        }
    }
}

impl Answer for JsonLines<'_> {
    fn columns(&mut self, names: &[&str]) -> Result<()> {
        self.names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(())
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<()> {
        let json = |value: &Value<'_>| match value {
            Value::Integer(n) => (*n).into(),
            Value::Real(x) => (*x).into(),
            other => plain(other).into(),
        };
        let object: serde_json::Map<_, _> = self
            .names
            .iter()
            .cloned()
            .zip(values.iter().map(json))
            .collect();
        writeln!(self.out, "{}", serde_json::Value::Object(object))
    }
}

/// RFC 4180, with a header.
pub struct Csv<'w> {
    out: &'w mut dyn Write,
}

impl<'w> Csv<'w> {
    pub fn new(out: &'w mut dyn Write) -> Csv<'w> {
        Csv { out }
    }

    fn line(&mut self, cells: impl Iterator<Item = String>) -> Result<()> {
        let quoted = cells.map(|cell| match cell.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell,
        });
        write!(self.out, "{}\r\n", quoted.collect::<Vec<_>>().join(","))
    }
}

impl Answer for Csv<'_> {
    fn columns(&mut self, names: &[&str]) -> Result<()> {
        self.line(names.iter().map(|name| harmless((*name).to_owned())))
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<()> {
        let cell = |value: &Value<'_>| match value {
            Value::Text(_) => harmless(plain(value).unwrap_or_default()),
            other => plain(other).unwrap_or_default(),
        };
        self.line(values.iter().map(cell))
    }
}

/// Spreadsheets run what begins so (OWASP, CSV injection); an apostrophe makes it text.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t']) {
        format!("'{cell}")
    } else {
        cell
    }
}

/// `None` for NULL.
fn plain(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Integer(n) => Some(n.to_string()),
        Value::Real(x) => Some(x.to_string()),
        Value::Text(shown) => Some(text::name(shown).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "=cmd\u{1b}[2J,\"x\"\u{202e}";

    fn shown(make: impl for<'w> Fn(&'w mut Vec<u8>) -> Box<dyn Answer + 'w>) -> String {
        let mut out = Vec::new();
        {
            let mut answer = make(&mut out);
            answer.columns(&["who", "n", "none"]).unwrap();
            answer
                .row(&[Value::Text(HOSTILE.into()), Value::Integer(-7), Value::Null])
                .unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hostile_cells_are_shown_and_do_nothing() {
        let csv = shown(|out| Box::new(Csv::new(out)));
        assert_eq!(
            csv,
            "who,n,none\r\n\"'=cmd\\u{1b}[2J,\"\"x\"\"\\u{202e}\",-7,\r\n"
        );
        let table = shown(|out| Box::new(TableOfRows::new(out, None)));
        assert_eq!(
            table,
            "who                        n   none\n=cmd\\u{1b}[2J,\"x\"\\u{202e}  -7\n"
        );
        let json = shown(|out| Box::new(JsonLines::new(out)));
        assert_eq!(
            json,
            "{\"who\":\"=cmd\\\\u{1b}[2J,\\\"x\\\"\\\\u{202e}\",\"n\":-7,\"none\":null}\n"
        );
    }

    #[test]
    fn a_terminal_gets_what_fits_and_a_pipe_gets_all() {
        let uri = format!(
            "/api/v1/namespaces/n/pods/p/exec?command={}",
            "x".repeat(100)
        );
        let table = |terminal| {
            let mut out = Vec::new();
            let mut answer = TableOfRows::new(&mut out, terminal);
            answer.columns(&["who", "none", "uri", "audit_id"]).unwrap();
            let text = |text: &'static str| Value::Text(text.into());
            answer
                .row(&[
                    text("a"),
                    Value::Null,
                    Value::Text(uri.as_str().into()),
                    text("0f9d"),
                ])
                .unwrap();
            Answer::end(&mut answer).unwrap();
            drop(answer);
            String::from_utf8(out).unwrap()
        };
        assert!(table(None).contains(&uri) && table(None).contains("none"));
        let narrow = table(Some(40));
        assert!(
            narrow
                .lines()
                .take(2)
                .all(|line| line.chars().count() <= 40),
            "{narrow}"
        );
        assert!(
            narrow.contains("0f9d")
                && narrow.contains("\u{2026}")
                && narrow.contains("(not shown: none;")
        );
        let narrower = table(Some(26));
        assert!(
            narrower.contains("(not shown: none, audit_id;"),
            "{narrower}"
        );
    }
}
