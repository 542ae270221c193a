//! How a run ends: what is printed of an error, and the exit code.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::builder::styling::{AnsiColor, Style};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory};

use super::{Cli, config, help};
use crate::child;
use crate::dialect::masked;
use crate::exit::{Exit, Failure};
use crate::telemetry;
use crate::text::printable_lines;

const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Text in place of a secret.
const HIDDEN: &str = "…";
const HINT: Style = AnsiColor::Green.on_default();

/// Prints the error, if any, and returns the exit code once all output is written. Does not return where the process has to end
/// by a signal.
pub fn exit_code(result: Result<Exit>) -> ExitCode {
    let exit = end(result);
    telemetry::flush();
    if exit == Exit::InterruptedCommand {
        child::end_by_interrupt();
    }
    exit.into()
}

fn end(result: Result<Exit>) -> Exit {
    let error = match result {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        print_usage(usage);
        return if usage.use_stderr() { Exit::Usage } else { Exit::Success };
    }
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    let exit = failure.map_or(Exit::Failure, |failure| failure.exit);
    if exit != Exit::Success {
        telemetry::say(&format!("{ERROR}error:{ERROR:#} {}\n", printable_lines(&format!("{error:#}"))));
        hint(failure.and_then(|failure| failure.hint.as_deref()));
    }
    exit
}

/// Prints what clap has to say. Where it refuses a value that comes from the environment it names only the flag, and the
/// value, which may be a secret; this names the variable, and no secret.
fn print_usage(usage: &clap::Error) {
    let command = Cli::command();
    let secrets = secrets(usage, &command);
    let plain = help::printed(&usage.render().to_string());
    let safe = printable_lines(&plain);
    if !secrets.is_empty() {
        let mut text = plain.clone();
        for (secret, shown) in secrets {
            // A secret stands there once, as clap repeats it; what is said of it may hold a part that is none.
            text = if shown == HIDDEN {
                text.replacen(&format!("'{secret}'"), &format!("'{HIDDEN}'"), 1)
            } else {
                text.replace(&secret, &shown)
            };
        }
        // Without colours, which would stand between the quotes and the value.
        telemetry::say(&printable_lines(&text));
    } else if safe != plain {
        // The message repeats an argument that holds control characters. They are removed, and the colours with them.
        telemetry::say(&safe);
    } else if usage.kind() == ErrorKind::DisplayHelp {
        // Help is cut short where its reader has gone; that is no failure.
        let _ = anstream::stdout().write_all(help::printed(&usage.render().ansi().to_string()).as_bytes());
    } else {
        drop(usage.print());
    }
    let refused = from_environment(usage, &command);
    hint(refused.as_deref().or_else(|| elsewhere(usage)).or_else(|| before_dashes(usage, &plain)));
}

/// Hint for a command of `run` that is not placed after `--`.
fn before_dashes(error: &clap::Error, usage: &str) -> Option<&'static str> {
    let is_slip = matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::UnknownArgument);
    (is_slip && usage.contains("Usage: jobwire run "))
        .then_some("the command and its flags stand after --, as in `jobwire run -- make -j8`")
}

/// Hint for a flag that other programs have and that has another name here.
fn elsewhere(error: &clap::Error) -> Option<&'static str> {
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(flag) if error.kind() == ErrorKind::UnknownArgument => match flag.as_str() {
            "--port" | "--host" | "--bind" | "--address" | "-p" => Some(
                "`jobwire serve --listen HOST:PORT` sets where it listens, and --server URL whom others connect to",
            ),
            "--url" => Some("--server names a relay, and --redis a Redis"),
            _ => None,
        },
        _ => None,
    }
}

fn hint(text: Option<&str>) {
    if let Some(text) = text {
        telemetry::say(&format!("{HINT}hint:{HINT:#} {}\n", printable_lines(text)));
    }
}

/// Texts of an error that must not be printed, each with its replacement: values of flags with secrets, tokens in the wrong
/// place, and anything that looks like a URL with a user or a password.
fn secrets(error: &clap::Error, command: &Command) -> Vec<(String, String)> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg).and_then(|flag| named(flag, command));
    let mut all = Vec::new();
    if let Some(value) = text(ContextKind::InvalidValue).filter(|value| !value.is_empty()) {
        let is_secret = flag.as_ref().is_some_and(Arg::is_hide_env_values_set);
        all.push((value.to_owned(), if is_secret { HIDDEN.to_owned() } else { masked(value) }));
    }
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        let shown = |value: &str| if is_token(value) { HIDDEN.to_owned() } else { masked(value) };
        all.extend(text(kind).map(|value| (value.to_owned(), shown(value))));
    }
    all.retain(|(value, shown)| value != shown);
    all
}

/// Whether a word looks like a token or its beginning. The header of every token is a JSON object in base64url.
fn is_token(word: &str) -> bool {
    word.starts_with("eyJ")
}

/// The flag of that name, of whatever verb.
fn named(flag: &str, command: &Command) -> Option<Arg> {
    let long = flag.strip_prefix("--")?.split([' ', '=', '.', '[']).next()?;
    args(command).find(|arg| arg.get_long() == Some(long) && arg.get_env().is_some()).cloned()
}

/// Hint that names the environment variable of a refused value; `None` if the value came from elsewhere.
fn from_environment(error: &clap::Error, command: &Command) -> Option<String> {
    let hint = |variable: &OsStr| {
        let variable = variable.to_string_lossy();
        format!("the value comes from the environment variable {}", variable.escape_debug())
    };
    if error.kind() == ErrorKind::InvalidUtf8 {
        // clap does not name the flag, so the first variable that is no text is taken.
        let variable = args(command)
            .find_map(|arg| config::variable_of(arg).filter(|name| !is_given(arg) && !is_text(name)))?;
        return Some(hint(&variable));
    }
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg)?;
    text(ContextKind::InvalidValue)?;
    let long = flag.strip_prefix("--")?.split([' ', '=', '.', '[']).next()?;
    let mut named = args(command).filter(|arg| arg.get_long() == Some(long) && !is_given(arg));
    named.find_map(config::variable_of).map(|variable| hint(&variable))
}

/// The arguments of a command and of all below it.
fn args(command: &Command) -> Box<dyn Iterator<Item = &Arg> + '_> {
    Box::new(command.get_arguments().chain(command.get_subcommands().flat_map(args)))
}

/// Whether the flag stands on the command line, which then is where its value is from.
fn is_given(arg: &Arg) -> bool {
    let names = arg.get_long().into_iter().chain(arg.get_all_aliases().into_iter().flatten());
    let flags: Vec<String> = names.map(|name| format!("--{name}")).collect();
    std::env::args_os().any(|word| {
        let word = word.to_string_lossy();
        flags.iter().any(|flag| {
            word.strip_prefix(flag.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    })
}

fn is_text(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_none_or(|value| value.to_str().is_some())
}
