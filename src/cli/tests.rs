use clap::{Arg, Command, ValueHint};

use super::*;

/// Every flag with the verb it belongs to, as a user would write it.
fn flags(command: &Command) -> Vec<(String, Arg)> {
    let of = |owner: &str, command: &Command| -> Vec<(String, Arg)> {
        let named = |arg: &Arg| Some((format!("{owner} --{}", arg.get_long()?), arg.clone()));
        command.get_arguments().filter_map(named).collect()
    };
    let below = command.get_subcommands().flat_map(flags);
    of(command.get_name(), command).into_iter().chain(below).collect()
}

#[test]
fn clap_finds_nothing_wrong() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_has_its_variable() {
    for (flag, arg) in flags(&Cli::command()) {
        let long = arg.get_long().unwrap();
        let expected = format!("JOBWIRE_{}", long.replace('-', "_").to_uppercase());
        let actual = arg.get_env().map(|name| name.to_string_lossy().into_owned());
        assert_eq!(actual, Some(expected), "{flag}");
    }
}

#[test]
fn no_flag_that_holds_a_secret_shows_it_in_help() {
    for (flag, arg) in flags(&Cli::command()) {
        let long = arg.get_long().unwrap();
        // Files, and whether anybody is trusted.
        let is_place = ["redis-ca", "redis-cert", "redis-key", "redis-insecure"].contains(&long);
        let secret = ["redis", "key", "secret", "token", "password"].iter().any(|word| long.contains(word));
        // The name of a file is none.
        let is_path = arg.get_value_hint() == ValueHint::FilePath;
        assert!(
            !secret || is_place || is_path || arg.is_hide_env_values_set(),
            "{flag} needs hide_env_values"
        );
    }
}

#[test]
fn every_flag_and_verb_is_explained() {
    for (flag, arg) in flags(&Cli::command()) {
        assert!(arg.get_help().is_some(), "{flag}");
    }
    for verb in Cli::command().get_subcommands() {
        assert!(verb.get_about().is_some(), "{}", verb.get_name());
    }
}

#[test]
fn help_is_wrapped_by_the_terminal_alone() {
    fn check(command: &Command) {
        let text = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2) {
            let broken = is_prose(pair[0]) && is_prose(pair[1]);
            assert!(!broken, "a line break within a paragraph of {}: {}", command.get_name(), pair[0]);
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
    let publish =
        Cli::command().find_subcommand("publish").unwrap().get_after_long_help().unwrap().to_string();
    let examples: Vec<&str> = publish.lines().filter(|line| line.starts_with("  ")).collect();
    assert!(examples.len() > 8 && examples.iter().all(|line| line.len() <= 78), "{examples:#?}");
}
