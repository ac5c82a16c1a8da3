//! The shape of files: each says what it is for, fits in a head, and is made of functions that fit
//! on a screen.

use super::rust::{self, File, Token};

const MEDIAN_LINES_MAX: usize = 200;
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 69;

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = rust::sources()
        .into_iter()
        .filter(|f| !f.text.starts_with("//!"))
        .map(|f| f.path)
        .collect();
    assert!(
        silent.is_empty(),
        "these do not begin with `//!`: {silent:#?}"
    );
}

#[test]
fn files_fit_in_a_head() {
    let mut sizes: Vec<(usize, String)> = rust::sources()
        .into_iter()
        .filter(|file| !file.is_test())
        .map(|file| (file.text.lines().count(), file.path))
        .collect();
    sizes.sort();
    let median = sizes[sizes.len() / 2].0;
    println!(
        "{} files, median {median} lines, longest {:?}",
        sizes.len(),
        sizes.last()
    );
    assert!(
        median <= MEDIAN_LINES_MAX,
        "the median file has {median} lines"
    );
    let long: Vec<_> = sizes
        .iter()
        .filter(|(lines, _)| *lines > FILE_LINES_MAX)
        .collect();
    assert!(long.is_empty(), "over {FILE_LINES_MAX} lines: {long:#?}");
}

/// A fragment that begins with "Of" leaves its noun to the reader.
#[test]
fn a_comment_begins_with_a_noun_or_a_verb() {
    let fragments: Vec<String> = rust::sources()
        .iter()
        .flat_map(|file| {
            let lines = file.text.lines().enumerate();
            let begins = |line: &str| line.trim_start().starts_with("/// Of ");
            lines
                .filter(move |(_, line)| begins(line))
                .map(|(n, line)| format!("{}:{}: {}", file.path, n + 1, line.trim()))
        })
        .collect();
    assert!(fragments.is_empty(), "{}", fragments.join("\n"));
}

/// Functions with a body: name, first line, lines.
fn functions(tokens: &[Token]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        let [keyword, name] = pair else { continue };
        if keyword.text != "fn" || name.text == "(" {
            continue;
        }
        let mut depth = 0_i32;
        for token in &tokens[at..] {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            let bodiless = token.text == ";" && depth == 0;
            if bodiless || depth < 0 {
                break;
            }
            if token.text == "}" && depth == 0 {
                found.push((
                    name.text.clone(),
                    keyword.line,
                    token.line + 1 - keyword.line,
                ));
                break;
            }
        }
    }
    found
}

fn long_functions(file: &File) -> Vec<String> {
    let tokens = rust::shipped(&rust::tokens(&file.text));
    let long = functions(&tokens)
        .into_iter()
        .filter(|(_, _, lines)| *lines > FUNCTION_LINES_MAX);
    long.map(|(name, line, lines)| format!("{}:{line}: fn {name} has {lines} lines", file.path))
        .collect()
}

#[test]
fn functions_fit_on_a_screen() {
    let files = rust::sources().into_iter().filter(|file| !file.is_test());
    let long: Vec<String> = files.flat_map(|file| long_functions(&file)).collect();
    assert!(
        long.is_empty(),
        "over {FUNCTION_LINES_MAX} lines:\n{}",
        long.join("\n")
    );
}

#[test]
fn a_long_function_is_seen() {
    let file = |lines: usize| File {
        path: "src/x.rs".into(),
        text: format!("fn f() {{\n{}}}", "x;\n".repeat(lines)),
    };
    assert_eq!(long_functions(&file(67)).len(), 0);
    assert_eq!(long_functions(&file(68)).len(), 1);
}
