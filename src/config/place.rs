//! Where in the text a setting stands, and which setting stands at a line.
//!
//! Refuses to understand YAML: it goes by the indentation of block style, and is only used to word
//! errors.

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
        let Some((key, rest)) = line.trim_start().split_once(':') else {
            continue;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '"' | '\'');
        let is_key = !key.is_empty() && !key.starts_with("- ") && key.chars().all(plain);
        if !is_key || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
            continue;
        }
        above.retain(|(i, _)| *i < indent);
        above.push((indent, key.trim_matches(['"', '\'']).to_owned()));
        let path = above
            .iter()
            .map(|(_, k)| k.as_str())
            .collect::<Vec<_>>()
            .join(".");
        found.push(Key {
            line: number + 1,
            column: indent + 1,
            path: path.clone(),
        });
        if rest.trim_start().starts_with('{') {
            in_flow(
                rest,
                number + 1,
                line.chars().count() - rest.chars().count(),
                path,
                &mut found,
            );
        }
    }
    found
}

/// The keys of `{a: 1, b: {c: 2}}`, which begins after `before` characters of its line and is that
/// of `section`.
fn in_flow(text: &str, line: usize, before: usize, section: String, found: &mut Vec<Key>) {
    let mut above: Vec<String> = Vec::new();
    let mut last = section;
    let mut quote = None;
    let mut begin = 0;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => {
                above.push(last.clone());
                begin = at + 1;
            }
            (None, '}') => drop(above.pop()),
            (None, ',') => begin = at + 1,
            (None, ':') if text[at + 1..].starts_with([' ', '\t']) => {
                let key = &text[begin.min(at)..at];
                let column =
                    before + text[..at].chars().count() - key.trim_start().chars().count() + 1;
                let section = above.last().map_or("", String::as_str);
                last = format!("{section}.{}", key.trim().trim_matches(['"', '\'']));
                found.push(Key {
                    line,
                    column,
                    path: last.clone(),
                });
            }
            _ => {}
        }
    }
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

/// The setting at or before a place: a value may begin on the line after its key.
pub(super) fn at(text: &str, line: usize, column: usize) -> Option<String> {
    keys(text)
        .into_iter()
        .take_while(|k| (k.line, k.column) <= (line, column))
        .last()
        .map(|k| k.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_in_flow_style_has_its_own_name_and_place() {
        let text = "learning: {min_days: 3, a: {b: 1}, \"c\": \"x, y: z\", d: 4}\nlimits:\n  accounts: 5\n";
        let found: Vec<(usize, usize, String)> = keys(text)
            .into_iter()
            .map(|k| (k.line, k.column, k.path))
            .collect();
        let paths: Vec<&str> = found.iter().map(|(.., path)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "learning",
                "learning.min_days",
                "learning.a",
                "learning.a.b",
                "learning.c",
                "learning.d",
                "limits",
                "limits.accounts"
            ]
        );
        assert_eq!(found[1].1, 12);
        assert_eq!(at(text, 1, 22).as_deref(), Some("learning.min_days"));
        assert_eq!(at(text, 3, 13).as_deref(), Some("limits.accounts"));
    }
}
