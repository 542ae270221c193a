//! The command line: clap types, one file a verb, and their conversion into options.
//!
//! A verb is a file with a `XArgs` (flags: syntax) whose `run` converts them into the feature's `XOptions` (meaning) and
//! returns an [`Exit`]. Every flag has an environment variable `JOBWIRE_<FLAG>` and a key of the same name in the
//! configuration file; a test holds every verb to that.

mod attach;
mod config;
mod demo;
mod errors;
mod generate;
mod globals;
mod publish;
mod serve;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit::Exit;
use crate::telemetry;
use globals::{GlobalArgs, Globals};

pub use errors::exit_code;

/// A parsed command line.
#[derive(Debug, Parser)]
#[command(
    name = "jobwire",
    version,
    about = "Live job progress on one wire: from a plain Redis PUBLISH to bars in a terminal",
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 110,
    after_help = "Exit codes: 0 done; 1 a job failed, or any other failure; 2 bad usage or configuration; 3 unreachable; \
                  4 refused; 8 still running when the time was up; 130 interrupted; 143 terminated."
)]
pub struct Cli {
    #[command(flatten)]
    globals: GlobalArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Serve(Box<serve::ServeArgs>),
    Publish(Box<publish::PublishArgs>),
    Attach(Box<attach::AttachArgs>),
    Demo(Box<demo::DemoArgs>),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

impl Verb {
    /// What is logged unless the user says otherwise: a relay's log is its output, elsewhere it would be noise.
    const fn log_level(&self) -> &'static str {
        match self {
            Self::Serve(_) => "info",
            _ => "warn",
        }
    }

    fn run(self, globals: &Globals) -> Result<Exit> {
        match self {
            Self::Serve(args) => args.run(globals),
            Self::Publish(args) => args.run(globals),
            Self::Attach(args) => args.run(globals),
            Self::Demo(args) => args.run(globals),
            Self::Completions(args) => args.run(globals),
            Self::Man(args) => args.run(globals),
        }
    }
}

/// Parses a command line; what it leaves open comes from the environment, the configuration file and the defaults, in
/// that order. Help and version come back as errors, which [`exit_code`] prints to stdout.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli> {
    let args: Vec<OsString> = args.into_iter().collect();
    let command = config::with_environment(Cli::command());
    // Errors wait for the second parse, whose defaults the file may have changed; help and version come at once, so that
    // they work with a file that does not.
    let early = command.clone().ignore_errors(true).try_get_matches_from(&args)?;
    globals::apply_color(&early);
    let mut command = match globals::config_file(&early) {
        Some(path) => config::with_file(command, path)?,
        None => command,
    };
    let matches = command.try_get_matches_from_mut(args)?;
    globals::apply_color(&matches);
    Ok(Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?)
}

impl Cli {
    /// Runs the verb.
    pub fn dispatch(self) -> Result<Exit> {
        let globals = self.globals.resolve()?;
        let level = self.globals.log_level(self.verb.log_level());
        telemetry::init(level, globals.color.on_stderr())?;
        self.verb.run(&globals)
    }
}
