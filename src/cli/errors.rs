//! How a run ends: what is printed of an error, and the exit code.

use std::process::ExitCode;

use anyhow::Result;
use clap::builder::styling::{AnsiColor, Style};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use super::{Cli, config};
use crate::exit::{Exit, Failure};
use crate::telemetry;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Green.on_default();

/// Prints what went wrong, if anything did, and gives the code to exit with, once all that was said is written.
pub fn exit_code(result: Result<Exit>) -> ExitCode {
    let exit = end(result);
    telemetry::flush();
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
        telemetry::say(&format!("{ERROR}error:{ERROR:#} {error:#}\n"));
        hint(failure.and_then(|failure| failure.hint.as_deref()));
    }
    exit
}

/// Prints what clap has to say. Where it refuses a value that comes from the environment it names only the flag, and the
/// value, which may be a secret; this names the variable, and no secret.
fn print_usage(usage: &clap::Error) {
    let refused = from_environment(usage, &Cli::command());
    match &refused {
        Some(refused) if refused.is_secret => {
            let text = usage.render().ansi().to_string().replace(&refused.value, "…");
            telemetry::say(&text);
        }
        // Help is cut short where its reader has gone; that is no failure.
        _ => drop(usage.print()),
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
        telemetry::say(&format!("{HINT}hint:{HINT:#} {text}\n"));
    }
}

/// A value of the environment that a flag's parser refused.
struct Refused {
    value: String,
    hint: String,
    is_secret: bool,
}

fn from_environment(error: &clap::Error, command: &Command) -> Option<Refused> {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (flag, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let long = flag.strip_prefix("--")?.split([' ', '=', '.']).next()?;
    if value.is_empty() || std::env::args_os().any(|arg| arg.to_string_lossy().contains(value)) {
        return None;
    }
    let args = command.get_arguments().chain(command.get_subcommands().flat_map(Command::get_arguments));
    let named = args.filter(|arg| arg.get_long() == Some(long));
    let (arg, variable) = named.into_iter().find_map(|arg| Some((arg, config::variable_of(arg)?)))?;
    Some(Refused {
        value: value.to_owned(),
        hint: format!("the value comes from the environment variable {}", variable.display()),
        is_secret: arg.is_hide_env_values_set(),
    })
}
