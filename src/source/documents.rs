//! JSON over several lines as one document a line, every byte at its own place: positions are those
//! of the file.
//!
//! Line ends inside a document become spaces, and what parts the elements of an array a line end.
//! Refuses to look at what the documents say.

use std::io::{self, Read};

/// A stream of JSON documents, or of arrays of them.
pub(super) struct Documents<R> {
    input: R,
    in_string: bool,
    is_escaped: bool,
    /// Open braces and brackets.
    depth: u64,
    /// The outermost of them is the bracket of an array, whose elements are the documents.
    in_array: bool,
}

/// Whether a file that begins so has documents over several lines: an array, or a brace alone on
/// its line. A torn line of the API server has more than a brace.
pub(super) fn is_spread(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let head = head.trim_ascii_start();
    match head.first() {
        Some(b'[') => head[1..].trim_ascii_start().starts_with(b"{"),
        Some(b'{') => {
            let line = head.split(|byte| *byte == b'\n').next();
            line.is_some_and(|line| line.len() < head.len() && line.trim_ascii() == b"{")
        }
        _ => false,
    }
}

impl<R: Read> Documents<R> {
    pub fn new(input: R) -> Documents<R> {
        Documents {
            input,
            in_string: false,
            is_escaped: false,
            depth: 0,
            in_array: false,
        }
    }

    fn place(&mut self, byte: u8) -> u8 {
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return byte;
        }
        let between = u64::from(self.in_array);
        match byte {
            b'"' => self.in_string = true,
            b'[' if self.depth == 0 => {
                (self.depth, self.in_array) = (1, true);
                return b' ';
            }
            b']' if self.in_array && self.depth == 1 => {
                (self.depth, self.in_array) = (0, false);
                return b'\n';
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1).max(between),
            b',' if self.in_array && self.depth == 1 => return b'\n',
            b'\n' | b'\r' if self.depth > 0 => return b' ',
            _ => {}
        }
        byte
    }
}

impl<R: Read> Read for Documents<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buf)?;
        for byte in &mut buf[..read] {
            *byte = self.place(*byte);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn laid_out(text: &str) -> String {
        let mut out = String::new();
        Documents::new(text.as_bytes())
            .read_to_string(&mut out)
            .unwrap();
        assert_eq!(out.len(), text.len());
        out
    }

    #[test]
    fn each_document_is_a_line() {
        let lines = |text: &str| -> Vec<String> {
            let out = laid_out(text);
            let lines = out.lines().map(|line| line.replace(' ', ""));
            lines.filter(|line| !line.is_empty()).collect()
        };
        assert_eq!(
            lines("{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n"),
            ["{\"a\":1}", "{\"a\":2}"]
        );
        assert_eq!(
            lines("[\n{\"a\":[1,\n2]},\n{\"b\":2}\n]\n"),
            ["{\"a\":[1,2]}", "{\"b\":2}"]
        );
        assert_eq!(
            lines("[{\"a\":\"],[\\\"\"},{}]"),
            ["{\"a\":\"],[\\\"\"}", "{}"]
        );
    }

    #[test]
    fn what_begins_like_a_log_of_the_api_server_is_none_of_these() {
        for head in [
            "{\"kind\":\"Event\"}\n",
            "{\"kind\"\n{\"kind\":\"Event\"}",
            "",
            "x [",
            "{",
        ] {
            assert!(!is_spread(head.as_bytes()), "{head}");
        }
        for head in ["\u{feff}{\r\n  \"kind\"", "[{\"kind\"", " [\n {"] {
            assert!(is_spread(head.as_bytes()), "{head}");
        }
    }

    proptest! {
        #[test]
        fn pretty_printing_changes_nothing(values in proptest::collection::vec(
            proptest::collection::hash_map("[a-z\"\\\\\\[{,]{0,4}", "[\n\\[\\]{}\",a]{0,6}", 0..4),
            1..6,
        )) {
            let values: Vec<serde_json::Value> = values
                .into_iter()
                .map(|map| map.into_iter().collect())
                .collect();
            let array = serde_json::to_string_pretty(&values).unwrap();
            let stream: String = values
                .iter()
                .map(|value| serde_json::to_string_pretty(value).unwrap() + "\n")
                .collect();
            for text in [array, stream] {
                let read: Vec<serde_json::Value> = laid_out(&text)
                    .lines()
                    .filter(|line| !line.trim().is_empty())
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect();
                prop_assert_eq!(&read, &values);
            }
        }
    }
}
