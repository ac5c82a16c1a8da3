//! Commands that incidents suggest are copied into a shell: it reads back what was quoted.

use std::process::Command;
use tokentrail::base::text::shell_quote;

#[test]
fn the_shell_reads_back_what_was_quoted() {
    for text in [
        "",
        "a b",
        "it's",
        "$(id) `id` \\ \"x\" ;&|<>*?!~#",
        "'",
        "--",
        "-n",
        "M\u{fc}ller",
    ] {
        let script = format!("printf %s {}", shell_quote(text));
        let out = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap(), text);
    }
}

#[test]
fn a_character_that_moves_the_cursor_is_spelled_out() {
    assert_eq!(shell_quote("a\u{1b}[2Jb"), "'a\\u{1b}[2Jb'");
}
