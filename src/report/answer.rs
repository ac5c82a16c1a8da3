//! The answer to a statement as people and programs read it: a table, JSON lines, CSV.
//!
//! Refuses to print what a log could have smuggled in: control characters are escaped everywhere, and a CSV cell does
//! not begin as a formula does.

use crate::base::text;
use crate::store::sql::Answer;
use rusqlite::types::ValueRef;
use std::io::{Result, Write};

/// A table is as wide as its cells need; longer ones are cut.
const CELL_MAX: usize = 60;
/// Rows that widths are measured on; later ones may stand out.
const MEASURED: usize = 1_000;

/// Aligned columns; the first thousand rows decide the widths.
pub struct TableOfRows<'w> {
    out: &'w mut dyn Write,
    rows: Vec<Vec<String>>,
    widths: Vec<usize>,
}

impl<'w> TableOfRows<'w> {
    pub fn new(out: &'w mut dyn Write) -> TableOfRows<'w> {
        TableOfRows { out, rows: Vec::new(), widths: Vec::new() }
    }

    fn take(&mut self, cells: Vec<String>) -> Result<()> {
        self.widths.resize(cells.len(), 0);
        self.widths.iter_mut().zip(&cells).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
        self.rows.push(cells);
        if self.rows.len() >= MEASURED { self.print() } else { Ok(()) }
    }

    fn print(&mut self) -> Result<()> {
        for cells in self.rows.drain(..) {
            let padded = cells.iter().zip(&self.widths).map(|(cell, &width)| format!("{cell:<width$}"));
            writeln!(self.out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
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
        self.take(names.iter().map(|name| text::name(name).into_owned()).collect())
    }

    fn row(&mut self, values: &[ValueRef<'_>]) -> Result<()> {
        let cell = |value: &ValueRef<'_>| {
            let whole = plain(*value).unwrap_or_default();
            match whole.char_indices().nth(CELL_MAX) {
                Some((end, _)) => format!("{}...", &whole[..end]),
                None => whole,
            }
        };
        self.take(values.iter().map(cell).collect())
    }
}

/// One JSON object a line.
pub struct JsonLines<'w> {
    out: &'w mut dyn Write,
    names: Vec<String>,
}

impl<'w> JsonLines<'w> {
    pub fn new(out: &'w mut dyn Write) -> JsonLines<'w> {
        JsonLines { out, names: Vec::new() }
    }
}

impl Answer for JsonLines<'_> {
    fn columns(&mut self, names: &[&str]) -> Result<()> {
        self.names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(())
    }

    fn row(&mut self, values: &[ValueRef<'_>]) -> Result<()> {
        let json = |value: &ValueRef<'_>| match *value {
            ValueRef::Integer(n) => n.into(),
            ValueRef::Real(x) => x.into(),
            other => plain(other).into(),
        };
        let object: serde_json::Map<_, _> = self.names.iter().cloned().zip(values.iter().map(json)).collect();
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

    fn row(&mut self, values: &[ValueRef<'_>]) -> Result<()> {
        let cell = |value: &ValueRef<'_>| match *value {
            ValueRef::Text(_) => harmless(plain(*value).unwrap_or_default()),
            other => plain(other).unwrap_or_default(),
        };
        self.line(values.iter().map(cell))
    }
}

/// Spreadsheets run what begins so (OWASP, CSV injection); an apostrophe makes it text.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t']) { format!("'{cell}") } else { cell }
}

/// `None` for NULL.
fn plain(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(n) => Some(n.to_string()),
        ValueRef::Real(x) => Some(x.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(text::name(&String::from_utf8_lossy(bytes)).into_owned()),
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
            answer.row(&[ValueRef::Text(HOSTILE.as_bytes()), ValueRef::Integer(-7), ValueRef::Null]).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hostile_cells_are_shown_and_do_nothing() {
        let csv = shown(|out| Box::new(Csv::new(out)));
        assert_eq!(csv, "who,n,none\r\n\"'=cmd\\u{1b}[2J,\"\"x\"\"\\u{202e}\",-7,\r\n");
        let table = shown(|out| Box::new(TableOfRows::new(out)));
        assert_eq!(table, "who                        n   none\n=cmd\\u{1b}[2J,\"x\"\\u{202e}  -7\n");
        let json = shown(|out| Box::new(JsonLines::new(out)));
        assert_eq!(json, "{\"who\":\"=cmd\\\\u{1b}[2J,\\\"x\\\"\\\\u{202e}\",\"n\":-7,\"none\":null}\n");
    }
}
