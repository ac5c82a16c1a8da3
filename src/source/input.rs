//! Plain, gzip, zstd or a pipe: one `Read`, told apart by the first bytes, never by the name.
//!
//! Refuses to write, to seek in a compressed stream, and to remember anything.

use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Compressed bytes read at once.
const PACKED_CHUNK: usize = 128 << 10;

type Pipe = Box<dyn Read + Send>;

/// An opened log, standing at its beginning.
pub(super) enum Input {
    Plain(File),
    Gzip(Box<MultiGzDecoder<BufReader<File>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<File>>>),
    Stream(Pipe),
}

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(head: &[u8]) -> Packing {
        match head {
            _ if head.starts_with(GZIP) => Packing::Gzip,
            _ if head.starts_with(ZSTD) => Packing::Zstd,
            _ => Packing::Plain,
        }
    }

    pub fn of_file(file: &File) -> io::Result<Packing> {
        use std::os::unix::fs::FileExt;
        let mut head = [0; 4];
        let read = file.read_at(&mut head, 0)?;
        Ok(Packing::of(&head[..read]))
    }
}

impl Input {
    /// A regular file, from its beginning.
    pub fn of_file(mut file: File) -> io::Result<Input> {
        file.seek(SeekFrom::Start(0))?;
        Ok(match Packing::of_file(&file)? {
            Packing::Plain => Input::Plain(file),
            Packing::Gzip => Input::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(PACKED_CHUNK, file)))),
            Packing::Zstd => {
                let packed = BufReader::with_capacity(PACKED_CHUNK, file);
                Input::Zstd(Box::new(zstd::Decoder::with_buffer(packed)?))
            }
        })
    }

    /// Something that cannot be sought: standard input, a named pipe.
    pub fn of_stream(mut stream: Pipe) -> io::Result<Input> {
        let mut head = Vec::with_capacity(4);
        stream.by_ref().take(4).read_to_end(&mut head)?;
        let packing = Packing::of(&head);
        let whole = Cursor::new(head).chain(stream);
        Ok(Input::Stream(match packing {
            Packing::Plain => Box::new(whole),
            Packing::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(PACKED_CHUNK, whole))),
            Packing::Zstd => Box::new(zstd::Decoder::new(whole)?),
        }))
    }

    /// Bytes of the file consumed so far, as it lies on the disk; 0 for a pipe.
    pub fn packed_position(&self) -> u64 {
        let mut file = match self {
            Input::Plain(file) => file,
            Input::Gzip(decoder) => decoder.get_ref().get_ref(),
            Input::Zstd(decoder) => decoder.get_ref().get_ref(),
            Input::Stream(_) => return 0,
        };
        file.stream_position().unwrap_or(0)
    }
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::Plain(file) => file.read(buf),
            Input::Gzip(decoder) => decoder.read(buf),
            Input::Zstd(decoder) => decoder.read(buf),
            Input::Stream(stream) => stream.read(buf),
        }
    }
}
