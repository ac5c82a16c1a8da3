//! Text columns as the pages of a Parquet column chunk: the dictionary written once, rows as numbers into it.
//!
//! The writer of the `parquet` crate hashes each value of each row again; here a row's number is known. Refuses
//! numbers: those go through that writer.

use super::dictionary::{Dictionary, NONE};
use super::parquet::parquet_io;
use super::table::Texts;
use super::{bloom, hybrid};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::io;

/// Rows of a data page: what a reader with a page index skips or reads at once.
pub(super) const PAGE_ROWS: usize = 8 << 10;
/// Bytes of a data page of plain texts, before compression.
const PAGE_BYTES: usize = 1 << 20;
/// Texts longer than this are not written into statistics.
const STATISTICS_BYTES: usize = 64;
/// Level 3 where texts repeat; texts that do not repeat gain nothing from a longer search.
const LEVEL: i32 = 3;
const UNIQUE_LEVEL: i32 = 1;

/// Encodes column after column, with the room of the one before.
pub(super) struct Pages {
    zstd: zstd::bulk::Compressor<'static>,
    unique_zstd: zstd::bulk::Compressor<'static>,
    /// Of each row, its number in the chunk's dictionary.
    numbers: Vec<u32>,
    local: Vec<u32>,
    used: Vec<u32>,
    page: Vec<u8>,
    levels: Vec<u32>,
    present: Vec<u32>,
}

/// An encoded chunk, to be appended to a row group.
pub(super) type Chunk = (Bytes, ColumnCloseResult);

impl Pages {
    pub fn new() -> io::Result<Pages> {
        let compressor = |level| -> io::Result<_> { zstd::bulk::Compressor::new(level) };
        Ok(Pages {
            zstd: compressor(LEVEL)?,
            unique_zstd: compressor(UNIQUE_LEVEL)?,
            numbers: Vec::new(),
            local: Vec::new(),
            used: Vec::new(),
            page: Vec::new(),
            levels: Vec::new(),
            present: Vec::new(),
        })
    }

    /// The given rows of a column of words.
    pub fn words(
        &mut self,
        column: ColumnDescPtr,
        (values, words): (&[u32], &Dictionary),
        rows: &[u32],
        is_looked_up: bool,
    ) -> io::Result<Chunk> {
        self.renumber(values, words, rows);
        let mut chunk = Open::new(column, rows.len());
        let is_plain = self.used.len() * 2 > rows.len() && self.used.len() > PAGE_ROWS;
        let text = |number: u32| words.get(number);
        if is_plain {
            let row = |n: usize| match self.numbers[n] {
                NONE => &[][..],
                number => text(self.used[number as usize]),
            };
            chunk.texts(rows.len(), row, &mut self.page, &mut self.levels, &mut self.zstd)?;
        } else {
            self.dictionary_pages(&mut chunk, words)?;
        }
        chunk.statistics(self.used.iter().map(|n| text(*n)));
        if is_looked_up && !self.used.is_empty() {
            chunk.bloom = Some(bloom::of(self.used.len(), self.used.iter().map(|n| text(*n))).map_err(parquet_io)?);
        }
        chunk.close()
    }

    /// The given rows of a column of texts that hardly repeat.
    pub fn texts(
        &mut self,
        column: ColumnDescPtr,
        texts: &Texts,
        rows: &[u32],
        is_looked_up: bool,
    ) -> io::Result<Chunk> {
        let mut chunk = Open::new(column, rows.len());
        let row = |n: usize| texts.get(rows[n]);
        chunk.texts(rows.len(), row, &mut self.page, &mut self.levels, &mut self.unique_zstd)?;
        let present = || rows.iter().map(|row| texts.get(*row)).filter(|text| !text.is_empty());
        chunk.statistics(present());
        if is_looked_up && chunk.nulls < rows.len() {
            chunk.bloom = Some(bloom::of(rows.len() - chunk.nulls, present()).map_err(parquet_io)?);
        }
        chunk.close()
    }

    /// Numbers the words that these rows use, in the order of their appearance.
    fn renumber(&mut self, values: &[u32], words: &Dictionary, rows: &[u32]) {
        let Pages { numbers, local, used, .. } = self;
        used.clear();
        local.clear();
        local.resize(words.len(), NONE);
        numbers.clear();
        numbers.extend(rows.iter().map(|row| match values[*row as usize] {
            NONE => NONE,
            value => {
                let number = &mut local[value as usize];
                if *number == NONE {
                    *number = used.len() as u32;
                    used.push(value);
                }
                *number
            }
        }));
    }

    fn dictionary_pages(&mut self, chunk: &mut Open, words: &Dictionary) -> io::Result<()> {
        let Pages { zstd, numbers, used, page, levels, present, .. } = self;
        page.clear();
        used.iter().for_each(|number| put_text(words.get(*number), page));
        chunk.write_dictionary(page, used.len(), zstd)?;
        let width = hybrid::width(used.len().saturating_sub(1) as u32);
        for numbers in numbers.chunks(PAGE_ROWS) {
            page.clear();
            present.clear();
            present.extend(numbers.iter().copied().filter(|n| *n != NONE));
            put_levels(numbers.len(), numbers.len() - present.len(), |n| numbers[n] != NONE, levels, page);
            page.push(width as u8);
            hybrid::encode(present, width, page);
            chunk.write_page(page, numbers.len(), numbers.len() - present.len(), Encoding::RLE_DICTIONARY, zstd)?;
        }
        Ok(())
    }
}

/// A chunk that is being written.
struct Open {
    column: ColumnDescPtr,
    sink: TrackedWrite<Vec<u8>>,
    rows: usize,
    nulls: usize,
    compressed: usize,
    uncompressed: usize,
    dictionary_offset: Option<i64>,
    data_offset: Option<i64>,
    offsets: OffsetIndexBuilder,
    encodings: Vec<PageEncodingStats>,
    statistics: Option<(ByteArray, ByteArray)>,
    bloom: Option<parquet::bloom_filter::Sbbf>,
}

impl Open {
    fn new(column: ColumnDescPtr, rows: usize) -> Open {
        Open {
            column,
            sink: TrackedWrite::new(Vec::new()),
            rows,
            nulls: 0,
            compressed: 0,
            uncompressed: 0,
            dictionary_offset: None,
            data_offset: None,
            offsets: OffsetIndexBuilder::new(),
            encodings: Vec::new(),
            statistics: None,
            bloom: None,
        }
    }

    /// Plain pages of the texts that `row` says; an empty one is NULL.
    fn texts<'t>(
        &mut self,
        rows: usize,
        row: impl Fn(usize) -> &'t [u8],
        page: &mut Vec<u8>,
        levels: &mut Vec<u32>,
        zstd: &mut zstd::bulk::Compressor<'_>,
    ) -> io::Result<()> {
        let mut from = 0;
        while from < rows {
            let (mut until, mut bytes, mut nulls) = (from, 0, 0);
            while until < rows && until - from < PAGE_ROWS && bytes < PAGE_BYTES {
                bytes += row(until).len();
                nulls += usize::from(row(until).is_empty());
                until += 1;
            }
            page.clear();
            put_levels(until - from, nulls, |n| !row(from + n).is_empty(), levels, page);
            (from..until).map(&row).filter(|text| !text.is_empty()).for_each(|text| put_text(text, page));
            self.write_page(page, until - from, nulls, Encoding::PLAIN, zstd)?;
            from = until;
        }
        Ok(())
    }

    fn write_dictionary(&mut self, page: &[u8], words: usize, zstd: &mut zstd::bulk::Compressor<'_>) -> io::Result<()> {
        let dictionary = Page::DictionaryPage {
            buf: zstd.compress(page)?.into(),
            num_values: words as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let (offset, _) = self.write(dictionary, page.len(), PageType::DICTIONARY_PAGE)?;
        self.dictionary_offset = Some(offset);
        Ok(())
    }

    fn write_page(
        &mut self,
        page: &[u8],
        rows: usize,
        nulls: usize,
        encoding: Encoding,
        zstd: &mut zstd::bulk::Compressor<'_>,
    ) -> io::Result<()> {
        let data = Page::DataPage {
            buf: zstd.compress(page)?.into(),
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let (offset, size) = self.write(data, page.len(), PageType::DATA_PAGE)?;
        self.nulls += nulls;
        self.data_offset.get_or_insert(offset);
        self.offsets.append_row_count(rows as i64);
        self.offsets.append_offset_and_size(offset, size as i32);
        Ok(())
    }

    fn write(&mut self, page: Page, uncompressed: usize, page_type: PageType) -> io::Result<(i64, usize)> {
        let encoding = page.encoding();
        match self.encodings.iter_mut().find(|e| e.page_type == page_type && e.encoding == encoding) {
            Some(known) => known.count += 1,
            None => self.encodings.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
        let written = SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(page, uncompressed));
        let written = written.map_err(parquet_io)?;
        self.compressed += written.compressed_size;
        self.uncompressed += written.uncompressed_size;
        Ok((written.offset as i64, written.compressed_size))
    }

    /// The least and the greatest, if all are short.
    fn statistics<'t>(&mut self, mut texts: impl Iterator<Item = &'t [u8]>) {
        let Some(first) = texts.next() else { return };
        let (mut min, mut max) = (first, first);
        for text in texts {
            min = min.min(text);
            max = max.max(text);
        }
        if min.len().max(max.len()) <= STATISTICS_BYTES {
            self.statistics = Some((min.to_vec().into(), max.to_vec().into()));
        }
    }

    fn close(self) -> io::Result<Chunk> {
        let (min, max) = self.statistics.unzip();
        let encodings = self.encodings.iter().map(|e| e.encoding).chain([Encoding::RLE]).collect();
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL).map_err(parquet_io)?))
            .set_encodings(encodings)
            .set_page_encoding_stats(self.encodings)
            .set_total_compressed_size(self.compressed as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(self.data_offset.unwrap_or_default())
            .set_dictionary_page_offset(self.dictionary_offset)
            .set_statistics(Statistics::byte_array(min, max, None, Some(self.nulls as u64), false))
            .build()
            .map_err(parquet_io)?;
        let bytes = self.sink.into_inner().map_err(parquet_io)?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: self.bloom,
            column_index: None,
            offset_index: Some(self.offsets.build()),
        };
        Ok((bytes.into(), close))
    }
}

/// A text of a plain page: its length before it.
fn put_text(text: &[u8], page: &mut Vec<u8>) {
    page.extend_from_slice(&(text.len() as u32).to_le_bytes());
    page.extend_from_slice(text);
}

/// Definition levels: 1 where there is a value.
fn put_levels(rows: usize, nulls: usize, is_there: impl Fn(usize) -> bool, levels: &mut Vec<u32>, page: &mut Vec<u8>) {
    let at = page.len();
    page.extend_from_slice(&[0; 4]);
    if nulls == 0 || nulls == rows {
        hybrid::encode_run(u32::from(nulls == 0), rows, 1, page);
    } else {
        levels.clear();
        levels.extend((0..rows).map(|n| u32::from(is_there(n))));
        hybrid::encode(levels, 1, page);
    }
    let length = (page.len() - at - 4) as u32;
    page[at..at + 4].copy_from_slice(&length.to_le_bytes());
}
