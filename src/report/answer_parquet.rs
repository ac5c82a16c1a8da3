//! The answer to a statement as one Parquet file, for notebooks and warehouses.
//!
//! Refuses columns of mixed types: SQLite would let them pass, and no reader of the file would.

use crate::ask::{Answer, Value};
use arrow_array::builder::{Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::{Error, Result, Write};
use std::sync::Arc;

/// Rows that decide the types, and that are written at once.
const BATCH_ROWS: usize = 8_192;

/// Numbers and text as they come; a column without any value is text.
pub struct ParquetFile<W: Write + Send> {
    out: Option<W>,
    writer: Option<(ArrowWriter<W>, Arc<Schema>)>,
    names: Vec<String>,
    rows: Vec<Vec<Value<'static>>>,
}

impl<W: Write + Send> ParquetFile<W> {
    pub fn new(out: W) -> ParquetFile<W> {
        ParquetFile {
            out: Some(out),
            writer: None,
            names: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(out) = self.out.take() {
            let fields: Vec<Field> = (0..self.names.len())
                .map(|i| Field::new(&self.names[i], self.kind(i), true))
                .collect();
            let schema = Arc::new(Schema::new(fields));
            let zstd = Compression::ZSTD(ZstdLevel::try_new(3).map_err(Error::other)?);
            let properties = WriterProperties::builder().set_compression(zstd).build();
            let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))
                .map_err(Error::other)?;
            self.writer = Some((writer, schema));
        }
        let Some((writer, schema)) = &mut self.writer else {
            return Ok(());
        };
        let rows = std::mem::take(&mut self.rows);
        let column =
            |(i, field): (usize, &Arc<Field>)| array(field, rows.iter().map(|row| &row[i]));
        let columns = schema
            .fields()
            .iter()
            .enumerate()
            .map(column)
            .collect::<Result<Vec<_>>>()?;
        if rows.is_empty() || columns.is_empty() {
            return Ok(());
        }
        let batch = RecordBatch::try_new(schema.clone(), columns).map_err(Error::other)?;
        writer.write(&batch).map_err(Error::other)
    }

    fn kind(&self, column: usize) -> DataType {
        let values = || {
            self.rows
                .iter()
                .map(|row| &row[column])
                .filter(|value| **value != Value::Null)
        };
        let is_number = |value: &Value<'_>| matches!(value, Value::Integer(_) | Value::Real(_));
        if values().next().is_none() || !values().all(is_number) {
            DataType::Utf8
        } else if values().all(|value| matches!(value, Value::Integer(_))) {
            DataType::Int64
        } else {
            DataType::Float64
        }
    }
}

fn array<'v>(field: &Field, values: impl Iterator<Item = &'v Value<'v>>) -> Result<ArrayRef> {
    let mixed = || {
        Error::other(format!(
            "the column {:?} has values of several types: CAST it to one",
            field.name()
        ))
    };
    let (mut texts, mut ints, mut reals) = (
        StringBuilder::new(),
        Int64Builder::new(),
        Float64Builder::new(),
    );
    for value in values {
        match (field.data_type(), value) {
            (DataType::Int64, Value::Null) => ints.append_null(),
            (DataType::Int64, Value::Integer(n)) => ints.append_value(*n),
            (DataType::Float64, Value::Null) => reals.append_null(),
            (DataType::Float64, Value::Integer(n)) => reals.append_value(*n as f64),
            (DataType::Float64, Value::Real(x)) => reals.append_value(*x),
            (DataType::Utf8, Value::Null) => texts.append_null(),
            (DataType::Utf8, Value::Text(text)) => texts.append_value(text),
            _ => return Err(mixed()),
        }
    }
    Ok(match field.data_type() {
        DataType::Int64 => Arc::new(ints.finish()),
        DataType::Float64 => Arc::new(reals.finish()),
        _ => Arc::new(texts.finish()),
    })
}

impl<W: Write + Send> Answer for ParquetFile<W> {
    fn columns(&mut self, names: &[&str]) -> Result<()> {
        self.names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(())
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<()> {
        self.rows
            .push(values.iter().cloned().map(Value::into_owned).collect());
        if self.rows.len() >= BATCH_ROWS {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn end(&mut self) -> Result<()> {
        self.flush()?;
        match self.writer.take() {
            Some((writer, _)) => writer.into_inner().map_err(Error::other)?.flush(),
            None => Ok(()),
        }
    }
}
