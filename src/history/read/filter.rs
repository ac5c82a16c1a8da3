//! What a row must be, and which row groups can hold such a row.
//!
//! Refuses to decide by a truncated maximum, and to read a column of a row that another one has
//! already ruled out.

use crate::base::Time;
use crate::history::parquet::parquet_io;
use crate::history::read::cells::Texts;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::SchemaDescriptor;
use std::fs::File;
use std::io;

/// What a row must be. Everything is `and`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Text columns by name, and the values of which they must have one.
    pub texts: Vec<(&'static str, Vec<String>)>,
    /// Number columns by name, and the values of which they must have one.
    pub numbers: Vec<(&'static str, Vec<i64>)>,
    /// Bounds of the column `time`: not before, not after.
    pub from: Option<Time>,
    pub until: Option<Time>,
}

/// One condition of a filter.
#[derive(Clone)]
enum Condition {
    Text(&'static str, Vec<String>),
    Number(&'static str, Vec<i64>),
    Time(Option<Time>, Option<Time>),
}

impl Filter {
    fn conditions(&self) -> impl Iterator<Item = Condition> {
        let time = (self.from.is_some() || self.until.is_some())
            .then_some(Condition::Time(self.from, self.until));
        let texts = self
            .texts
            .iter()
            .cloned()
            .map(|(name, values)| Condition::Text(name, values));
        let numbers = self
            .numbers
            .iter()
            .cloned()
            .map(|(name, values)| Condition::Number(name, values));
        texts.chain(time).chain(numbers)
    }

    /// Condition after condition, so that a later column is read only where the earlier ones hold.
    /// `None`: every row matches.
    pub(in crate::history) fn of_file(&self, columns: &SchemaDescriptor) -> Option<RowFilter> {
        let predicate = |condition: Condition| -> Box<dyn ArrowPredicate> {
            let needed = ProjectionMask::columns(columns, [condition.column()]);
            Box::new(ArrowPredicateFn::new(needed, move |batch: RecordBatch| {
                condition.holds(&batch).map(BooleanArray::from)
            }))
        };
        let predicates: Vec<_> = self.conditions().map(predicate).collect();
        (!predicates.is_empty()).then(|| RowFilter::new(predicates))
    }

    /// Which rows of a batch match.
    pub(in crate::history) fn matches(
        &self,
        batch: &RecordBatch,
    ) -> Result<BooleanArray, ArrowError> {
        let mut wanted = vec![true; batch.num_rows()];
        for condition in self.conditions() {
            let holds = condition.holds(batch)?;
            wanted
                .iter_mut()
                .zip(holds)
                .for_each(|(wanted, holds)| *wanted &= holds);
        }
        Ok(BooleanArray::from(wanted))
    }

    /// Whether a row group can hold a matching row, by its statistics and bloom filters.
    pub(in crate::history) fn may_match(
        &self,
        file: &ParquetRecordBatchReaderBuilder<File>,
        index: usize,
    ) -> io::Result<bool> {
        let group = file.metadata().row_group(index);
        if !self.may_match_statistics(group) {
            return Ok(false);
        }
        for (name, values) in &self.texts {
            let Some(column) = group
                .columns()
                .iter()
                .position(|c| c.column_descr().name() == *name)
            else {
                continue;
            };
            let bloom = file
                .get_row_group_column_bloom_filter(index, column)
                .map_err(parquet_io)?;
            if bloom.is_some_and(|bloom| !values.iter().any(|value| bloom.check(&value.as_str()))) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn may_match_statistics(&self, group: &RowGroupMetaData) -> bool {
        let statistics = |name: &str| {
            let column = group
                .columns()
                .iter()
                .find(|c| c.column_descr().name() == name)?;
            column.statistics()
        };
        let text_fits = |(name, values): &(&str, Vec<String>)| match statistics(name) {
            Some(Statistics::ByteArray(s)) => values.iter().any(|value| {
                s.min_opt().is_none_or(|min| min.data() <= value.as_bytes())
                    && s.max_opt()
                        .is_none_or(|max| value.as_bytes() <= max.data() || !s.max_is_exact())
            }),
            _ => true,
        };
        let number_fits = |(name, values): &(&str, Vec<i64>)| match statistics(name) {
            Some(Statistics::Int64(s)) => values.iter().any(|value| {
                s.min_opt().is_none_or(|min| min <= value)
                    && s.max_opt().is_none_or(|max| value <= max)
            }),
            _ => true,
        };
        let time_fits = match statistics("time") {
            Some(Statistics::Int64(s)) => {
                self.from
                    .is_none_or(|from| s.max_opt().is_none_or(|max| *max >= from.0))
                    && self
                        .until
                        .is_none_or(|until| s.min_opt().is_none_or(|min| *min <= until.0))
            }
            _ => true,
        };
        time_fits && self.texts.iter().all(text_fits) && self.numbers.iter().all(number_fits)
    }
}

impl Condition {
    fn column(&self) -> &'static str {
        match self {
            Condition::Text(name, _) | Condition::Number(name, _) => name,
            Condition::Time(..) => "time",
        }
    }

    /// By row. A column that an older file does not have is NULL, which equals nothing.
    fn holds(&self, batch: &RecordBatch) -> Result<Vec<bool>, ArrowError> {
        let name = self.column();
        let Some(array) = batch.column_by_name(name) else {
            return Ok(vec![false; batch.num_rows()]);
        };
        let wrong = || ArrowError::SchemaError(format!("the column {name} is of another type"));
        match self {
            Condition::Text(_, values) => Ok(Texts::of(array).ok_or_else(wrong)?.is_one_of(values)),
            Condition::Number(_, values) => {
                let numbers = array.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
                Ok(numbers
                    .iter()
                    .map(|n| n.is_some_and(|n| values.contains(&n)))
                    .collect())
            }
            Condition::Time(from, until) => {
                let times = array
                    .as_primitive_opt::<TimestampMicrosecondType>()
                    .ok_or_else(wrong)?;
                let (from, until) = (
                    from.map_or(i64::MIN, |t| t.0),
                    until.map_or(i64::MAX, |t| t.0),
                );
                Ok(times
                    .iter()
                    .map(|time| time.is_some_and(|time| (from..=until).contains(&time)))
                    .collect())
            }
        }
    }
}
