//! The command line: clap types, one file a verb, and their conversion into options.
//!
//! A verb is a file with a `XArgs` (flags: syntax) whose `run` converts them into the feature's `XOptions` (meaning) and
//! returns an [`Exit`]. Every flag has an environment variable `JOBWIRE_<FLAG>` and a key of the same name in the
//! configuration file; a test holds every verb to that.

mod asked;
mod attach;
mod bearer;
mod bench;
mod check;
mod complete;
mod config;
mod demo;
mod dialect_files;
mod errors;
mod generate;
mod globals;
mod help;
mod keys;
mod locale;
mod publish;
mod recording;
mod run;
mod schema;
mod serve;
mod sink;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod top;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit::Exit;
use config::Effective;
use globals::{GlobalArgs, Globals};

pub use errors::exit_code;

const EXAMPLES: &str = "\
Examples:
  jobwire demo                                       see it, with nothing to install
  jobwire serve --redis redis://127.0.0.1:6379       relay what workers PUBLISH there
  jobwire run build-42 -- make                       run a command as a job
  jobwire attach build-42                            watch a job; its result is the exit code
  jobwire attach                                     pick from the jobs that run
  jobwire attach celery/6b1f0c5e                     watch a Celery task
  jobwire publish build-42 progress percent=45       report from a script
  jobwire publish --list                             every dialect's events and their fields
  jobwire check --wait 30s                           does a relay do what it should?
  jobwire top                                        what a relay is doing, live
  jobwire serve -- ./smoke.sh                        a relay for as long as a command takes

Every flag can stand in the environment (JOBWIRE_ and its name) and in the TOML file of --config; the flag beats the \
environment, which beats the file. `jobwire VERB --help` has examples; the manual page jobwire-protocol(7) is about the \
wire.";

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 a job or a step failed, or any other failure; 2 bad usage or configuration; 3 unreachable; 4 refused; 8 \
still running when the time was up; 98 the client was the bottleneck of a measurement; 99 an assertion failed; 126 a command \
cannot be run; 127 there is no such command; 130 interrupted; 143 terminated. A verb that runs a command exits with the \
command's own code, or with 128 and the number of the signal that ended it.";

/// A parsed command line.
#[derive(Debug, Parser)]
#[command(
    name = "jobwire",
    version,
    about = "Live job progress on one wire: from a plain Redis PUBLISH to bars in a terminal",
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 110,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    after_help = EXIT_CODES
)]
pub struct Cli {
    #[command(flatten)]
    globals: GlobalArgs,
    #[command(subcommand)]
    verb: Verb,
    #[arg(skip)]
    invocation: Invocation,
}

/// What the program was called with, and what that came to.
#[derive(Clone, Default)]
pub(crate) struct Invocation {
    /// The command line, the program's name included.
    args: Vec<OsString>,
    /// Every setting of the verb, and where it is from.
    effective: Effective,
}

impl Invocation {
    /// The long names of the verb's own flags that were given, without what is from elsewhere.
    pub(crate) fn given(&self) -> impl Iterator<Item = &str> {
        self.effective.on_command_line()
    }
}

impl fmt::Debug for Invocation {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation").field("effective", &self.effective).finish_non_exhaustive()
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    Serve(Box<serve::ServeArgs>),
    Publish(Box<publish::PublishArgs>),
    Attach(Box<attach::AttachArgs>),
    Run(Box<run::RunArgs>),
    Bench(Box<bench::BenchArgs>),
    Check(Box<check::CheckArgs>),
    Top(Box<top::TopArgs>),
    Token(Box<token::TokenArgs>),
    Demo(Box<demo::DemoArgs>),
    Schema(schema::SchemaArgs),
    /// Hidden verb. Clap does not know it, so completions do not show it.
    #[command(skip)]
    Complete(complete::Completing),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

impl Verb {
    /// Default level of the log. The log is the output of a relay; elsewhere, and beside a command's output, it would disturb.
    const fn log_level(&self) -> &'static str {
        match self {
            Self::Serve(args) if !args.has_command() => "info",
            _ => "warn",
        }
    }

    fn run(self, globals: &Globals) -> Result<Exit> {
        match self {
            Self::Serve(args) => args.run(globals),
            Self::Publish(args) => args.run(globals),
            Self::Attach(args) => args.run(globals),
            Self::Run(args) => args.run(globals),
            Self::Bench(args) => args.run(globals),
            Self::Check(args) => args.run(globals),
            Self::Top(args) => args.run(globals),
            Self::Token(args) => args.run(),
            Self::Demo(args) => args.run(globals),
            Self::Schema(args) => args.run(globals),
            Self::Complete(args) => args.run(globals),
            Self::Completions(args) => args.run(globals),
            Self::Man(args) => args.run(globals),
        }
    }
}

/// Runs the program to its end. `args` begin with the program's name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // The leader of a command's session has no flags and ends as the command does.
    if let Some(exit) = crate::run::lead(&args) {
        return exit.into();
    }
    exit_code(parse(args).and_then(Cli::dispatch))
}

/// Parses a command line; what it leaves open comes from the environment, the configuration file and the defaults, in
/// that order. Help and version come back as errors, which [`exit_code`] prints to stdout.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli> {
    let args: Vec<OsString> = args.into_iter().collect();
    let Some(completing) = complete::Completing::of(&args) else { return read(args, globals::apply_color) };
    // Completion uses the global settings of `schema`, a verb without required flags.
    let cli = read(["jobwire", "schema"].map(OsString::from).to_vec(), globals::apply_color)?;
    Ok(Cli { verb: Verb::Complete(completing), ..cli })
}

/// [`parse`]; `observe` sees the matches before anything can fail, and again when all is known.
fn read(args: Vec<OsString>, observe: fn(&ArgMatches)) -> Result<Cli> {
    let command = help::with_whole_examples(config::with_environment(Cli::command()));
    let command = if args.iter().any(|arg| arg == "-h") { briefly(command) } else { command };
    // Errors wait for the second parse, whose defaults the file may have changed; help and version come at once, so that
    // they work with a file that does not.
    let early = command.clone().ignore_errors(true).try_get_matches_from(&args)?;
    observe(&early);
    let called = config::Called::of(&early);
    let environment = |name: &str| std::env::var_os(name);
    let read = |path| config::read(&command, path, called, &environment);
    let file = globals::config_file(&early).map(read).transpose()?;
    let mut applied = file.as_ref().map_or_else(|| command.clone(), |file| file.apply(command.clone()));
    let matches = applied.try_get_matches_from_mut(&args)?;
    observe(&matches);
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut applied))?;
    cli.invocation = Invocation { args, effective: Effective::of(&command, &matches, file.as_ref()) };
    Ok(cli)
}

/// `-h` is for a look: it leaves out the variables, whose names follow from the flags', and what few will ever set.
fn briefly(command: Command) -> Command {
    let brief = |arg: Arg| {
        let rare = arg.get_help_heading() == Some(serve::LIMITS);
        arg.hide_env(true).hide_short_help(rare)
    };
    command.mut_args(brief).mut_subcommands(|verb| verb.mut_args(brief))
}

/// Names what in the environment sets nothing, although somebody meant it to.
fn warn_of_slips(verb: &str) {
    // A local worker of bench has the environment of the process that started it, which has said it all.
    if crate::bench::workers::run_of_parent().is_some() {
        return;
    }
    let text = |(name, value): (OsString, OsString)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    };
    let environment: Vec<_> = std::env::vars_os().map(text).collect();
    for slip in config::slips(&Cli::command(), verb, &environment) {
        tracing::warn!("{slip}");
    }
}

impl Cli {
    /// What is logged.
    fn log_level(&self) -> &str {
        self.globals.log_level(self.verb.log_level())
    }

    /// Runs the verb.
    pub fn dispatch(self) -> Result<Exit> {
        let globals = self.globals.resolve(self.log_level(), self.invocation.clone())?;
        if !matches!(self.verb, Verb::Schema(_) | Verb::Complete(_) | Verb::Completions(_) | Verb::Man(_)) {
            warn_of_slips(self.invocation.effective.verb());
        }
        self.verb.run(&globals)
    }
}
