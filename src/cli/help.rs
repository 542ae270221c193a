//! Examples in the help: each stays on one line, however narrow the terminal, so that it can be copied.

use clap::Command;

/// Stands for a blank at which no line is broken, until the help is printed.
const UNBROKEN: char = '\u{a0}';

/// Keeps the indented lines of the long help, which are the examples, whole.
pub(super) fn with_whole_examples(command: Command) -> Command {
    let whole = |line: &str| match line.strip_prefix("  ") {
        Some(example) => format!("  {}", example.replace(' ', &UNBROKEN.to_string())),
        None => line.to_owned(),
    };
    let text = command.get_after_long_help().map(ToString::to_string);
    let command = match text {
        Some(text) => command.after_long_help(text.lines().map(whole).collect::<Vec<_>>().join("\n")),
        None => command,
    };
    command.mut_subcommands(with_whole_examples)
}

/// The help as it is printed.
pub(super) fn printed(text: &str) -> String {
    text.replace(UNBROKEN, " ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn no_example_is_broken_in_a_narrow_terminal_and_all_else_is() {
        let command = with_whole_examples(Cli::command().term_width(60));
        for verb in ["serve", "publish", "attach", "bench", "demo"] {
            let error = command.clone().try_get_matches_from(["jobwire", verb, "--help"]).unwrap_err();
            let help = printed(&error.render().to_string());
            let plain =
                Cli::command().find_subcommand(verb).unwrap().get_after_long_help().unwrap().to_string();
            for line in plain.lines().filter(|line| line.starts_with("  ")) {
                assert!(help.lines().any(|shown| shown == line), "{verb}: {line}");
            }
            let indented = |line: &&str| line.starts_with("  ") || line.starts_with("Usage");
            let wide = help.lines().filter(|line| !indented(line)).find(|line| line.chars().count() > 60);
            assert_eq!(wide, None, "{verb}");
        }
    }
}
