//! That lines are cut alike however the bytes arrive.

use super::*;
use proptest::prelude::*;

/// Gives out at most `step` bytes a read.
struct Slow<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.step.min(buf.len()).min(self.bytes.len());
        buf[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes = &self.bytes[n..];
        Ok(n)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    from: u64,
    to: u64,
    what: String,
}

fn read(bytes: &[u8], step: usize, limits: Limits, finish: bool) -> Vec<Got> {
    let mut input = Slow { bytes, step };
    let mut lines = Lines::new(limits, 0);
    let mut got = Vec::new();
    let name = |lines: &Lines, piece: Piece| Got {
        from: piece.from,
        to: piece.to,
        what: match &piece.what {
            What::Line(line) => format!("line {}", lines.bytes(line).escape_ascii()),
            other => format!("{other:?}"),
        },
    };
    loop {
        let read = lines.fill(&mut input).unwrap();
        while let Some(piece) = lines.next_piece() {
            let piece = name(&lines, piece);
            got.push(piece);
        }
        if read == 0 {
            break;
        }
    }
    if finish && let Some(piece) = lines.finish() {
        let piece = name(&lines, piece);
        got.push(piece);
    }
    got
}

fn words(got: &[Got]) -> Vec<&str> {
    got.iter().map(|got| got.what.as_str()).collect()
}

#[test]
fn lines_with_both_ends_and_blank_ones() {
    let got = read(b"one\ntwo\r\n\nhalf", 3, Limits::default(), false);
    assert_eq!(words(&got), ["line one", "line two", "line "]);
    assert_eq!((got[1].from, got[1].to), (4, 9));
}

#[test]
fn an_unfinished_last_line_is_torn_unless_it_is_whole_json() {
    let torn = read(b"{}\n{\"a\":", 64, Limits::default(), true);
    assert_eq!(
        torn[1].what,
        format!("{:?}", What::Torn(LineHasher::digest(b"{\"a\":")))
    );
    let whole = read(b"{}\n[1]", 64, Limits::default(), true);
    assert_eq!(words(&whole), ["line {}", "line [1]"]);
}

#[test]
fn nul_runs_are_set_apart() {
    let got = read(b"a\n\0\0\0b\nc\0\0d\n\0", 2, Limits::default(), true);
    let torn = format!("{:?}", What::Torn(LineHasher::digest(b"c")));
    assert_eq!(
        words(&got),
        ["line a", "Nul", "line b", &torn, "Nul", "line d", "Nul"]
    );
    assert_eq!((got[1].from, got[1].to), (2, 5));
}

#[test]
fn a_line_over_the_limit_is_named_by_its_digest() {
    let limits = Limits {
        max_line: 4,
        chunk: 3,
    };
    let got = read(b"1234\n12345\n123456789012\nx\n", 5, limits, true);
    let long = |line: &[u8]| format!("{:?}", What::TooLong(LineHasher::digest(line)));
    assert_eq!(
        words(&got),
        [
            "line 1234",
            &long(b"12345"),
            &long(b"123456789012"),
            "line x"
        ]
    );
}

#[test]
fn a_position_is_reached_in_a_stream_that_cannot_seek() {
    let mut input = Slow {
        bytes: b"one\ntwo\nthree\n",
        step: 3,
    };
    let mut lines = Lines::skipping_to(Limits::default(), 4);
    let mut got = Vec::new();
    while lines.fill(&mut input).unwrap() > 0 {
        while let Some(piece) = lines.next_piece() {
            got.push((piece.from, piece.to));
        }
    }
    assert_eq!(got, [(4, 8), (8, 14)]);
}

proptest! {
    #[test]
    fn the_pieces_cover_every_byte_and_do_not_depend_on_chunks(
        bytes in proptest::collection::vec(proptest::sample::select(b"ab{}\r\n\n\0\0".to_vec()), 0..200),
        steps in (1usize..9, 1usize..300),
        chunk in 1usize..40,
        max_line in 1usize..20,
    ) {
        let limits = Limits { max_line, chunk };
        let got = read(&bytes, steps.0, limits, true);
        let other = read(&bytes, steps.1, Limits { max_line, chunk: 64 }, true);
        prop_assert_eq!(&got, &other);
        let mut at = 0;
        for piece in &got {
            prop_assert!(piece.from == at && piece.to > at);
            at = piece.to;
        }
        prop_assert_eq!(at, bytes.len() as u64);
    }
}
