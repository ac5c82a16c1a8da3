//! Plain, packed or a pipe, UTF-8 or UTF-16: one `Read` of UTF-8, told apart by the first bytes,
//! never by the name.
//!
//! Refuses by name what is no log, before it is read as one. Refuses to write, to seek in a packed
//! stream, and to remember anything.

use super::documents::{self, Documents};
use super::utf16::Utf16;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Packed bytes read at once.
const PACKED_CHUNK: usize = 128 << 10;
/// Bytes by which the content is known; tar has its mark at the 257th.
const SNIFFED: usize = 512;

/// Packings around a log: a file can be made that holds itself for ever.
const LAYERS: u32 = 3;

type Pipe = Box<dyn Read + Send>;

/// An opened log, standing at its beginning.
pub(super) struct Input {
    reader: Reader,
    utf16: Arc<AtomicBool>,
}

enum Reader {
    Plain(File),
    /// With a second descriptor of the file, which stands where the packed bytes are read.
    Packed(Pipe, File),
    Stream(Pipe),
}

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
    Lz4,
    /// Little-endian, or big.
    Utf16 {
        big: bool,
    },
    /// JSON documents over several lines, or in an array.
    Documents,
}

/// First bytes of what is no log, and what to do with it.
const REFUSED: [(&[u8], &str); 8] = [
    (
        b"PK\x03\x04",
        "a zip archive; unpack it and name the files in it",
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        "a 7z archive; unpack it and name the files in it",
    ),
    (b"Rar!", "a rar archive; unpack it and name the files in it"),
    (b"\x1f\x9d", "packed by compress; unpack it with gzip -d"),
    (b"LZIP", "packed by lzip; unpack it first"),
    (b"PAR1", "a Parquet file; name the log that it was made of"),
    (b"\xff\xfe\x00\x00", "UTF-32 text; make UTF-8 of it first"),
    (b"\x00\x00\xfe\xff", "UTF-32 text; make UTF-8 of it first"),
];

impl Packing {
    /// # Errors
    /// `InvalidData`, for what is known to be no log.
    fn of(head: &[u8]) -> io::Result<Packing> {
        if let Some((_, what)) = REFUSED.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Err(refused(what));
        }
        if head.get(257..262) == Some(b"ustar") {
            return Err(refused("a tar archive; unpack it and name the files in it"));
        }
        Ok(match head {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Packing::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Packing::Bzip2,
            [0x04, 0x22, 0x4d, 0x18, ..] => Packing::Lz4,
            // A mark of the order of bytes, or the first letters of a log without one.
            [0xff, 0xfe, ..] | [1..=0x7f, 0, 1..=0x7f, 0, ..] => Packing::Utf16 { big: false },
            [0xfe, 0xff, ..] | [0, 1..=0x7f, 0, 1..=0x7f, ..] => Packing::Utf16 { big: true },
            head if documents::is_spread(head) => Packing::Documents,
            _ => Packing::Plain,
        })
    }

    /// # Errors
    /// What reading says; `InvalidData`, for what is known to be no log.
    pub fn of_file(file: &File) -> io::Result<Packing> {
        use std::os::unix::fs::FileExt;
        let mut head = [0; SNIFFED];
        let read = file.read_at(&mut head, 0)?;
        Packing::of(&head[..read])
    }
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is {what}"))
}

impl Input {
    /// A regular file, from its beginning.
    pub fn of_file(mut file: File) -> io::Result<Input> {
        file.seek(SeekFrom::Start(0))?;
        let utf16 = Arc::default();
        let reader = match Packing::of_file(&file)? {
            Packing::Plain => Reader::Plain(file),
            packing => {
                let position = file.try_clone()?;
                let packed = BufReader::with_capacity(PACKED_CHUNK, file);
                Reader::Packed(unpack(packing, packed, 1, &utf16)?, position)
            }
        };
        Ok(Input { reader, utf16 })
    }

    /// Something that cannot be sought: standard input, a named pipe.
    pub fn of_stream(stream: Pipe) -> io::Result<Input> {
        let utf16 = Arc::default();
        Ok(Input {
            reader: Reader::Stream(Box::new(Sniffed::new(stream, 0, &utf16))),
            utf16,
        })
    }

    /// Makes a stream begin with what was read of it.
    pub fn put_back(&mut self, beginning: Vec<u8>) {
        if let Reader::Stream(stream) = &mut self.reader {
            let rest = std::mem::replace(stream, Box::new(io::empty()));
            *stream = Box::new(Cursor::new(beginning).chain(rest));
        }
    }

    /// Bytes of the file consumed so far, as it lies on the disk; 0 for a pipe.
    pub fn packed_position(&self) -> u64 {
        let mut file = match &self.reader {
            Reader::Plain(file) | Reader::Packed(_, file) => file,
            Reader::Stream(_) => return 0,
        };
        file.stream_position().unwrap_or(0)
    }

    /// The plain file, which can be sought.
    pub fn as_plain(&mut self) -> Option<&mut File> {
        match &mut self.reader {
            Reader::Plain(file) => Some(file),
            Reader::Packed(..) | Reader::Stream(_) => None,
        }
    }

    /// Whether UTF-16 was met; known once something was read.
    pub fn is_utf16(&self) -> bool {
        self.utf16.load(Ordering::Relaxed)
    }
}

/// `layers` says how many packings were taken off with this one.
fn unpack(
    packing: Packing,
    packed: impl BufRead + Send + 'static,
    layers: u32,
    utf16: &Arc<AtomicBool>,
) -> io::Result<Pipe> {
    if layers > LAYERS {
        return Err(refused("packed too many times over; unpack it first"));
    }
    let inside: Pipe = match packing {
        Packing::Plain => Box::new(packed),
        Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new(packed, true)),
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
        Packing::Lz4 => Box::new(Frames(lz4_flex::frame::FrameDecoder::new(packed))),
        Packing::Utf16 { big } => {
            utf16.store(true, Ordering::Relaxed);
            return Ok(Box::new(Utf16::new(packed, big)));
        }
        Packing::Documents => return Ok(Box::new(Documents::new(packed))),
    };
    Ok(Box::new(Sniffed::new(inside, layers, utf16)))
}

/// All frames of an lz4 file; the decoder stops after each.
struct Frames<R: Read>(lz4_flex::frame::FrameDecoder<R>);

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(buf)?;
            if read > 0 || buf.is_empty() || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(read);
            }
        }
    }
}

/// A stream that is looked into at the first read: what is packed may be packed again, or be no
/// log.
struct Sniffed {
    stream: Pipe,
    known: bool,
    layers: u32,
    utf16: Arc<AtomicBool>,
}

impl Sniffed {
    fn new(stream: Pipe, layers: u32, utf16: &Arc<AtomicBool>) -> Sniffed {
        Sniffed {
            stream,
            known: false,
            layers,
            utf16: utf16.clone(),
        }
    }

    fn look(&mut self) -> io::Result<()> {
        let mut head = Vec::with_capacity(SNIFFED);
        // What breaks off later breaks off when it is read.
        let read = self
            .stream
            .by_ref()
            .take(SNIFFED as u64)
            .read_to_end(&mut head);
        if head.is_empty() {
            read?;
        }
        let packing = Packing::of(&head)?;
        let rest = std::mem::replace(&mut self.stream, Box::new(io::empty()));
        let whole = BufReader::with_capacity(PACKED_CHUNK, Cursor::new(head).chain(rest));
        self.stream = match packing {
            Packing::Plain => Box::new(whole),
            packing => unpack(packing, whole, self.layers + 1, &self.utf16)?,
        };
        self.known = true;
        Ok(())
    }
}

impl Read for Sniffed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.known {
            self.look()?;
        }
        self.stream.read(buf)
    }
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.reader {
            Reader::Plain(file) => file.read(buf),
            Reader::Packed(stream, _) | Reader::Stream(stream) => stream.read(buf),
        }
    }
}
