//! How a run ends: what is printed of an error, and the exit code.

use std::ffi::OsStr;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::builder::styling::{AnsiColor, Style};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory};

use super::{Cli, config};
use crate::exit::{Exit, Failure};
use crate::text::printable_lines;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Green.on_default();

/// Prints what went wrong, if anything did, and gives the code to exit with.
pub fn exit_code(result: Result<Exit>) -> ExitCode {
    let error = match result {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        print_usage(usage);
        return if usage.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() };
    }
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    let exit = failure.map_or(Exit::Failure, |failure| failure.exit);
    if exit != Exit::Success {
        // A stderr that nobody reads is no reason to panic over an error.
        let message = format!("{error:#}");
        let _ = writeln!(anstream::stderr(), "{ERROR}error:{ERROR:#} {}", printable_lines(&message));
        hint(failure.and_then(|failure| failure.hint.as_deref()));
    }
    exit.into()
}

/// Prints what clap has to say. Where it refuses a value that comes from the environment it names only the flag, and the
/// value, which may be a secret; this names the variable, and no secret.
fn print_usage(usage: &clap::Error) {
    let refused = from_environment(usage, &Cli::command());
    let secret = refused.as_ref().filter(|refused| refused.is_secret).map(|refused| refused.value.as_str());
    let plain = usage.render().to_string();
    let safe = printable_lines(&plain);
    match secret {
        Some(secret) => {
            let text = usage.render().ansi().to_string().replace(&format!("'{secret}'"), "'…'");
            let _ = write!(anstream::stderr(), "{text}");
        }
        // It repeats an argument that would command the terminal; colours are not worth telling apart from it.
        None if safe != plain => drop(write!(anstream::stderr(), "{safe}")),
        // Help is cut short where its reader has gone; that is no failure.
        None => drop(usage.print()),
    }
    hint(refused.map(|refused| refused.hint).as_deref().or_else(|| elsewhere(usage)));
}

/// What a flag that other programs have is called here.
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
        let _ = writeln!(anstream::stderr(), "{HINT}hint:{HINT:#} {}", printable_lines(text));
    }
}

/// A value of the environment that a flag's parser refused.
struct Refused {
    value: String,
    hint: String,
    is_secret: bool,
}

fn from_environment(error: &clap::Error, command: &Command) -> Option<Refused> {
    let hint = |variable: &OsStr| {
        let variable = variable.to_string_lossy();
        format!("the value comes from the environment variable {}", variable.escape_debug())
    };
    if error.kind() == ErrorKind::InvalidUtf8 {
        // Of which flag it is, clap does not say.
        let (_, variable) = args(command).find_map(|arg| {
            let variable = config::variable_of(arg).filter(|name| !is_given(arg) && !is_text(name))?;
            Some((arg, variable))
        })?;
        return Some(Refused { value: String::new(), hint: hint(&variable), is_secret: false });
    }
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (flag, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let long = flag.strip_prefix("--")?.split([' ', '=', '.', '[']).next()?;
    let named = args(command).filter(|arg| arg.get_long() == Some(long) && !is_given(arg));
    let (arg, variable) = named.into_iter().find_map(|arg| Some((arg, config::variable_of(arg)?)))?;
    Some(Refused {
        value: value.to_owned(),
        hint: hint(&variable),
        is_secret: arg.is_hide_env_values_set() && !value.is_empty(),
    })
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
