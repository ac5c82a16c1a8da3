//! What one request brought: lines, and the digest by which it is known when it comes again.
//!
//! Refuses lines that could be taken for a mark of the spool.

use super::marks::SIGN;
use crate::base::Digest;
use memchr::memchr_iter;

/// Lines in the order of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Each with its line end.
    lines: Vec<u8>,
    count: u32,
    digest: Digest,
}

impl Batch {
    /// Makes one line of each document: line ends inside become spaces, which changes
    /// no JSON. Blank ones are left out.
    pub fn of<'a>(documents: impl IntoIterator<Item = &'a [u8]>) -> Batch {
        let (mut lines, mut count) = (Vec::new(), 0);
        for document in documents {
            let document = document.trim_ascii();
            if document.is_empty() {
                continue;
            }
            if document.starts_with(SIGN) {
                lines.push(b' ');
            }
            let from = lines.len();
            lines.extend_from_slice(document);
            lines[from..]
                .iter_mut()
                .filter(|byte| matches!(byte, b'\n' | b'\r'))
                .for_each(|byte| *byte = b' ');
            lines.push(b'\n');
            count += 1;
        }
        let digest = Digest::of(&lines);
        Batch {
            lines,
            count,
            digest,
        }
    }

    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many lines it has.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All lines.
    #[must_use]
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The lines after the first `n`.
    #[must_use]
    pub fn lines_from(&self, n: u32) -> &[u8] {
        let Some(last) = n.checked_sub(1) else {
            return &self.lines;
        };
        let end = memchr_iter(b'\n', &self.lines).nth(last as usize);
        end.map_or(&[], |end| &self.lines[end + 1..])
    }
}
