//! Where in the text a setting stands, and which setting stands at a line.
//!
//! Refuses to understand YAML: it goes by the indentation of block style, and is only used to word errors.

/// One `key:` of the file.
pub(super) struct Key {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The keys above it and itself, joined by dots.
    pub path: String,
}

/// Nothing, a comment or a document marker.
pub(super) fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "---"
}

/// Every key in the order of the file.
pub(super) fn keys(text: &str) -> Vec<Key> {
    let mut above: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some((key, rest)) = line.trim_start().split_once(':') else { continue };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '"' | '\'');
        let is_key = !key.is_empty() && !key.starts_with("- ") && key.chars().all(plain);
        if !is_key || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
            continue;
        }
        above.retain(|(i, _)| *i < indent);
        above.push((indent, key.trim_matches(['"', '\'']).to_owned()));
        let path = above.iter().map(|(_, k)| k.as_str()).collect::<Vec<_>>().join(".");
        found.push(Key { line: number + 1, column: indent + 1, path });
    }
    found
}

/// Line and column of the setting, or of the nearest section above it that the file has.
pub(super) fn of(text: &str, path: &str) -> Option<(usize, usize)> {
    let keys = keys(text);
    let mut path = path;
    loop {
        if let Some(key) = keys.iter().find(|k| k.path == path) {
            return Some((key.line, key.column));
        }
        path = path.rsplit_once('.')?.0;
    }
}

/// The setting at or above a line: a value may begin on the line after its key.
pub(super) fn at(text: &str, line: usize) -> Option<String> {
    keys(text).into_iter().take_while(|k| k.line <= line).last().map(|k| k.path)
}
