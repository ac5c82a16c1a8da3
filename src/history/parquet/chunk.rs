//! One column chunk of a Parquet file while it is written: pages, where they lie, what they hold.
//!
//! Refuses to know how values are encoded: `pages.rs` does, and this counts.

use super::{delta, rle};
use crate::history::parquet::parquet_io;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, Type, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::io;

/// Rows of a data page: what a reader with a page index skips or reads at once.
pub(in crate::history) const PAGE_ROWS: usize = 8 << 10;
/// Bytes of a data page of texts, before compression.
const PAGE_BYTES: usize = 1 << 20;
/// Texts longer than this are not written into statistics.
const STATISTICS_BYTES: usize = 64;
/// Texts stand in a dictionary, ids are random: a longer search finds nothing more.
pub(in crate::history) const LEVEL: i32 = 1;

/// Room for pages, used again for the next.
#[derive(Default)]
pub(in crate::history) struct Room {
    pub page: Vec<u8>,
    pub levels: Vec<u32>,
    lengths: Vec<i64>,
    bytes: Vec<u8>,
}

/// An encoded chunk, to be appended to a row group.
pub(in crate::history) type Chunk = (Bytes, ColumnCloseResult);

/// A chunk that is being written.
pub(in crate::history) struct Open {
    column: ColumnDescPtr,
    sink: TrackedWrite<Vec<u8>>,
    rows: usize,
    pub nulls: usize,
    compressed: usize,
    uncompressed: usize,
    dictionary_offset: Option<i64>,
    data_offset: Option<i64>,
    offsets: OffsetIndexBuilder,
    encodings: Vec<PageEncodingStats>,
    pub statistics: Option<Statistics>,
    pub page_bounds: Option<ColumnIndexBuilder>,
    pub bloom: Option<parquet::bloom_filter::Sbbf>,
}

impl Open {
    pub fn new(column: ColumnDescPtr, rows: usize) -> Open {
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
            page_bounds: None,
            bloom: None,
        }
    }

    /// Pages of the texts that `row` says, their lengths before all of them; an empty one is NULL.
    /// `each` sees every text on its way.
    pub fn texts<'t>(
        &mut self,
        rows: usize,
        row: impl Fn(usize) -> &'t [u8],
        each: &mut dyn FnMut(&'t [u8]),
        room: &mut Room,
        zstd: &mut zstd::bulk::Compressor<'_>,
    ) -> io::Result<()> {
        let Room {
            page,
            levels,
            lengths,
            bytes,
        } = room;
        let mut from = 0;
        while from < rows {
            let mut until = from;
            lengths.clear();
            bytes.clear();
            while until < rows && until - from < PAGE_ROWS && bytes.len() < PAGE_BYTES {
                let text = row(until);
                if !text.is_empty() {
                    each(text);
                    lengths.push(text.len() as i64);
                    bytes.extend_from_slice(text);
                }
                until += 1;
            }
            let nulls = until - from - lengths.len();
            page.clear();
            put_levels(
                until - from,
                nulls,
                |n| !row(from + n).is_empty(),
                levels,
                page,
            );
            delta::encode(lengths, page);
            page.extend_from_slice(bytes);
            self.write_page(
                page,
                until - from,
                nulls,
                Encoding::DELTA_LENGTH_BYTE_ARRAY,
                zstd,
            )?;
            from = until;
        }
        Ok(())
    }

    pub fn write_dictionary(
        &mut self,
        page: &[u8],
        words: usize,
        zstd: &mut zstd::bulk::Compressor<'_>,
    ) -> io::Result<()> {
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

    pub fn write_page(
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

    fn write(
        &mut self,
        page: Page,
        uncompressed: usize,
        page_type: PageType,
    ) -> io::Result<(i64, usize)> {
        let encoding = page.encoding();
        match self
            .encodings
            .iter_mut()
            .find(|e| e.page_type == page_type && e.encoding == encoding)
        {
            Some(known) => known.count += 1,
            None => self.encodings.push(PageEncodingStats {
                page_type,
                encoding,
                count: 1,
            }),
        }
        let written = SerializedPageWriter::new(&mut self.sink)
            .write_page(CompressedPage::new(page, uncompressed));
        let written = written.map_err(parquet_io)?;
        self.compressed += written.compressed_size;
        self.uncompressed += written.uncompressed_size;
        Ok((written.offset as i64, written.compressed_size))
    }

    /// Says of the page written last what its numbers lie between.
    pub fn number_bounds(&mut self, bounds: Option<(i64, i64)>, nulls: usize) {
        let pages = self
            .page_bounds
            .get_or_insert_with(|| ColumnIndexBuilder::new(Type::INT64));
        match bounds {
            Some((min, max)) => {
                pages.append(
                    false,
                    min.to_le_bytes().to_vec(),
                    max.to_le_bytes().to_vec(),
                    nulls as i64,
                    None,
                );
            }
            None => pages.append(true, Vec::new(), Vec::new(), nulls as i64, None),
        }
    }

    /// The least and the greatest, if all are short.
    pub fn text_statistics<'t>(&mut self, mut texts: impl Iterator<Item = &'t [u8]>) {
        let Some(first) = texts.next() else { return };
        let (mut min, mut max) = (first, first);
        for text in texts {
            min = min.min(text);
            max = max.max(text);
        }
        if min.len().max(max.len()) <= STATISTICS_BYTES {
            let (min, max) = (min.to_vec().into(), max.to_vec().into());
            self.statistics = Some(Statistics::byte_array(
                Some(min),
                Some(max),
                None,
                Some(self.nulls as u64),
                false,
            ));
        }
    }

    pub fn close(self) -> io::Result<Chunk> {
        let nulls = || Statistics::byte_array(None, None, None, Some(self.nulls as u64), false);
        let page_bounds = self
            .page_bounds
            .filter(ColumnIndexBuilder::valid)
            .map(ColumnIndexBuilder::build);
        let encodings = self
            .encodings
            .iter()
            .map(|e| e.encoding)
            .chain([Encoding::RLE])
            .collect();
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(
                ZstdLevel::try_new(LEVEL).map_err(parquet_io)?,
            ))
            .set_encodings(encodings)
            .set_page_encoding_stats(self.encodings)
            .set_total_compressed_size(self.compressed as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(self.data_offset.unwrap_or_default())
            .set_dictionary_page_offset(self.dictionary_offset)
            .set_statistics(self.statistics.unwrap_or_else(nulls))
            .build()
            .map_err(parquet_io)?;
        let bytes = self.sink.into_inner().map_err(parquet_io)?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: self.bloom,
            column_index: page_bounds.transpose().map_err(parquet_io)?,
            offset_index: Some(self.offsets.build()),
        };
        Ok((bytes.into(), close))
    }
}

/// A text of a dictionary: its length before it.
pub(in crate::history) fn put_text(text: &[u8], page: &mut Vec<u8>) {
    page.extend_from_slice(&(text.len() as u32).to_le_bytes());
    page.extend_from_slice(text);
}

/// Definition levels: 1 where there is a value.
pub(in crate::history) fn put_levels(
    rows: usize,
    nulls: usize,
    is_there: impl Fn(usize) -> bool,
    levels: &mut Vec<u32>,
    page: &mut Vec<u8>,
) {
    let at = page.len();
    page.extend_from_slice(&[0; 4]);
    if nulls == 0 || nulls == rows {
        rle::encode_run(u32::from(nulls == 0), rows, 1, page);
    } else {
        levels.clear();
        levels.extend((0..rows).map(|n| u32::from(is_there(n))));
        rle::encode(levels, 1, page);
    }
    let length = (page.len() - at - 4) as u32;
    page[at..at + 4].copy_from_slice(&length.to_le_bytes());
}
