//! Columns as the pages of a Parquet column chunk: a dictionary written once, rows as numbers into
//! it; numbers as differences.
//!
//! The writer of the `parquet` crate hashes each value of each row again, and makes a compressor
//! for each page; here a row's number is known. Refuses to choose by trial: how a column is written
//! follows from what it is.

use super::{bloom, delta, rle};
use crate::history::columns::Kind;
use crate::history::dictionary::{Dictionary, NONE};
use crate::history::parquet::chunk::{Chunk, LEVEL, Open, PAGE_ROWS, Room, put_levels, put_text};
use crate::history::parquet::parquet_io;
use crate::history::write::column_view::NULL;
use crate::history::write::distinct_rows::DistinctRows;
use crate::history::write::plain_column::PlainColumn;
use parquet::basic::Encoding;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;
use std::io;

/// Encodes column after column, with the room of the one before.
pub(in crate::history) struct Pages {
    zstd: zstd::bulk::Compressor<'static>,
    /// The number of each row in the chunk's dictionary.
    numbers: Vec<u32>,
    local: Vec<u32>,
    used: Vec<u32>,
    room: Room,
    present: Vec<u32>,
    gathered: Vec<i64>,
    gathered_present: Vec<i64>,
}

impl Pages {
    pub fn new() -> io::Result<Pages> {
        Ok(Pages {
            zstd: zstd::bulk::Compressor::new(LEVEL)?,
            numbers: Vec::new(),
            local: Vec::new(),
            used: Vec::new(),
            room: Room::default(),
            present: Vec::new(),
            gathered: Vec::new(),
            gathered_present: Vec::new(),
        })
    }

    /// A column of words, by the places of its rows.
    pub fn words(
        &mut self,
        column: ColumnDescPtr,
        (values, words): (&[u32], &Dictionary),
        kinds: &DistinctRows<'_>,
        is_looked_up: bool,
    ) -> io::Result<Chunk> {
        self.renumber(values, words, kinds);
        let rows = kinds.row_count();
        let mut chunk = Open::new(column, rows);
        let is_plain = self.used.len() * 2 > rows && self.used.len() > PAGE_ROWS;
        let text = |number: u32| words.get(number);
        if is_plain {
            let row = |n: usize| match self.numbers[n] {
                NONE => &[][..],
                number => text(self.used[number as usize]),
            };
            chunk.texts(rows, row, &mut |_| {}, &mut self.room, &mut self.zstd)?;
        } else {
            self.dictionary_pages(&mut chunk, words)?;
        }
        chunk.text_statistics(self.used.iter().map(|n| text(*n)));
        if is_looked_up && !self.used.is_empty() {
            let bloom = chunk
                .bloom
                .insert(bloom::with_room_for(self.used.len()).map_err(parquet_io)?);
            self.used
                .iter()
                .for_each(|number| bloom.insert(text(*number)));
        }
        chunk.close()
    }

    /// The given rows of a column of texts that hardly repeat. The least and the greatest of many
    /// ids would pass over nothing: they are not looked for.
    pub fn texts(
        &mut self,
        column: ColumnDescPtr,
        texts: &PlainColumn,
        rows: &[u32],
        is_looked_up: bool,
    ) -> io::Result<Chunk> {
        let mut chunk = Open::new(column, rows.len());
        let row = |n: usize| texts.get(rows[n]);
        let mut bloom = bloom::with_room_for(rows.len()).map_err(parquet_io)?;
        let mut each = |text: &[u8]| {
            if is_looked_up {
                bloom.insert(text);
            }
        };
        chunk.texts(rows.len(), row, &mut each, &mut self.room, &mut self.zstd)?;
        chunk.bloom = (is_looked_up && chunk.nulls < rows.len()).then_some(bloom);
        chunk.close()
    }

    /// A column of numbers, times or flags, by the places of its rows.
    pub fn numbers(
        &mut self,
        column: ColumnDescPtr,
        kind: Kind,
        numbers: &[i64],
        kinds: &DistinctRows<'_>,
    ) -> io::Result<Chunk> {
        let Pages {
            zstd,
            room: Room { page, levels, .. },
            gathered,
            gathered_present,
            ..
        } = self;
        let mut chunk = Open::new(column, kinds.row_count());
        kinds.spread(|place| numbers[place as usize], gathered);
        let mut whole: Option<(i64, i64)> = None;
        for rows in gathered.chunks(PAGE_ROWS) {
            let mut present = rows;
            if rows.contains(&NULL) {
                gathered_present.clear();
                gathered_present.extend(rows.iter().copied().filter(|n| *n != NULL));
                present = gathered_present;
            }
            let nulls = rows.len() - present.len();
            page.clear();
            put_levels(rows.len(), nulls, |n| rows[n] != NULL, levels, page);
            let encoding = match kind {
                Kind::Flag => {
                    rle::pack_flags(present.iter().map(|n| *n != 0), page);
                    Encoding::PLAIN
                }
                Kind::Text | Kind::Int | Kind::Time => {
                    delta::encode(present, page);
                    Encoding::DELTA_BINARY_PACKED
                }
            };
            chunk.write_page(page, rows.len(), nulls, encoding, zstd)?;
            if kind != Kind::Flag {
                let bounds = present
                    .iter()
                    .copied()
                    .min()
                    .zip(present.iter().copied().max());
                chunk.number_bounds(bounds, nulls);
                whole = match (whole, bounds) {
                    (Some((min, max)), Some((least, greatest))) => {
                        Some((min.min(least), max.max(greatest)))
                    }
                    (known, new) => known.or(new),
                };
            }
        }
        let (min, max) = whole.unzip();
        let nulls = Some(chunk.nulls as u64);
        chunk.statistics = Some(match kind {
            Kind::Flag => Statistics::boolean(None, None, None, nulls, false),
            Kind::Text | Kind::Int | Kind::Time => Statistics::int64(min, max, None, nulls, false),
        });
        chunk.close()
    }

    /// Numbers the words that these rows use, in the order of their appearance.
    fn renumber(&mut self, values: &[u32], words: &Dictionary, kinds: &DistinctRows<'_>) {
        let Pages {
            numbers,
            local,
            used,
            ..
        } = self;
        used.clear();
        local.clear();
        local.resize(words.len(), NONE);
        let number = |place: u32| match values[place as usize] {
            NONE => NONE,
            value => {
                let number = &mut local[value as usize];
                if *number == NONE {
                    *number = used.len() as u32;
                    used.push(value);
                }
                *number
            }
        };
        kinds.spread(number, numbers);
    }

    fn dictionary_pages(&mut self, chunk: &mut Open, words: &Dictionary) -> io::Result<()> {
        let Pages {
            zstd,
            numbers,
            used,
            room: Room { page, levels, .. },
            present,
            ..
        } = self;
        page.clear();
        used.iter()
            .for_each(|number| put_text(words.get(*number), page));
        chunk.write_dictionary(page, used.len(), zstd)?;
        let width = rle::width(used.len().saturating_sub(1) as u32);
        for numbers in numbers.chunks(PAGE_ROWS) {
            page.clear();
            let nulls = numbers.iter().filter(|n| **n == NONE).count();
            put_levels(numbers.len(), nulls, |n| numbers[n] != NONE, levels, page);
            page.push(width as u8);
            if nulls == 0 {
                rle::encode(numbers, width, page);
            } else if nulls < numbers.len() {
                present.clear();
                present.extend(numbers.iter().copied().filter(|n| *n != NONE));
                rle::encode(present, width, page);
            }
            chunk.write_page(page, numbers.len(), nulls, Encoding::RLE_DICTIONARY, zstd)?;
        }
        Ok(())
    }
}
