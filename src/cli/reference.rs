//! The reference page of the command line, from the commands themselves.

use super::Cli;
use clap::CommandFactory;
use std::fmt::Write;

const HEAD: &str = "# Command line\n\n\
<!-- Generated from the commands: UPDATE_REFERENCE=1 cargo test --test reference -->\n";
/// Independent of the terminal that runs the test.
const WIDTH: usize = 110;

/// `docs/reference/cli.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut root = Cli::command().term_width(WIDTH);
    root.build();
    let mut section = |name: &str, help: String| {
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(
            page,
            "\n## {name}\n\n```text\n{}\n```\n",
            help.join("\n").trim()
        );
    };
    section("tokentrail", root.render_help().to_string());
    for command in root
        .get_subcommands_mut()
        .filter(|c| c.get_name() != "help")
    {
        let name = format!("tokentrail {}", command.get_name());
        section(&name, command.render_help().to_string());
        for below in command
            .get_subcommands_mut()
            .filter(|c| c.get_name() != "help")
        {
            section(
                &format!("{name} {}", below.get_name()),
                below.render_help().to_string(),
            );
        }
    }
    page
}
