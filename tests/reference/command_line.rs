//! The help of every command.

use std::fmt::Write;

pub fn page() -> String {
    let mut command = lazarus::cli::command();
    command.build();
    let mut text = String::from(
        "# Command line\n\n\
         One program, `lazarus`. It ends with 0 on success, with 1 and a message on stderr on failure, and with 2 where the \
         arguments are wrong.\n\n",
    );
    describe(&mut text, &mut command);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn describe(text: &mut String, command: &mut clap::Command) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    writeln!(text, "## {name}\n\n```text\n{}\n```\n", lines.join("\n")).unwrap();
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        describe(text, inner);
    }
}
