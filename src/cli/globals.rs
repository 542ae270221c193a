//! Flags of every verb, and what they resolve to.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::{ArgMatches, Args, ValueEnum};

use super::Invocation;
use crate::dialect::{Dialect, Dialects};
use crate::exit::Failure;
use crate::telemetry::{self, LogFilter};

/// Flags of every verb, as written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalArgs {
    /// Read defaults for flags from this TOML file.
    #[arg(long, value_name = "FILE", global = true, env = "JOBWIRE_CONFIG")]
    config: Option<PathBuf>,

    /// Load a job dialect of your own; repeatable.
    #[arg(
        long = "dialect-file",
        value_name = "FILE",
        global = true,
        env = "JOBWIRE_DIALECT_FILE",
        value_delimiter = ','
    )]
    dialect_files: Vec<PathBuf>,

    /// When to use colour; auto honours NO_COLOR.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, global = true, env = "JOBWIRE_COLOR")]
    color: ColorChoice,

    /// What to log on stderr: error, warn, info, debug, trace, off, or a filter such as jobwire::relay=debug [default:
    /// info for serve, warn otherwise].
    #[arg(
        long,
        value_name = "LEVEL",
        global = true,
        env = "JOBWIRE_LOG_LEVEL",
        value_parser = telemetry::parse_filter
    )]
    log_level: Option<String>,
}

/// What every verb is given.
#[derive(Debug, Clone)]
pub(crate) struct Globals {
    /// The dialects that are on: the built-in ones, then the user's in the order given.
    pub(crate) dialects: Dialects,
    /// The files of the user's.
    pub(crate) dialect_files: Vec<PathBuf>,
    /// When to use colour.
    pub(crate) color: ColorChoice,
    /// What the verb was called with.
    pub(crate) invocation: Invocation,
    /// The log, which has begun.
    pub(crate) log: LogFilter,
}

impl GlobalArgs {
    /// Loads the user's dialects and starts the log at this level.
    pub(super) fn resolve(&self, log_level: &str, invocation: Invocation) -> Result<Globals> {
        let mut dialects = Dialects::builtin();
        let mut overridden = Vec::new();
        for path in &self.dialect_files {
            let dialect = Dialect::load(path).map_err(|error| Failure::usage(error.to_string()))?;
            let name = Arc::clone(&dialect.name);
            let is_built_in = dialects
                .add(dialect, &path.display().to_string())
                .map_err(|error| Failure::usage(error.to_string()))?;
            if is_built_in {
                overridden.push((name, path));
            }
        }
        let log = telemetry::init(log_level, self.color.on_stderr())?;
        for (name, path) in overridden {
            tracing::info!(dialect = &*name, file = %path.display(), "a file replaces the built-in dialect");
        }
        let dialect_files = self.dialect_files.clone();
        Ok(Globals { dialects, dialect_files, color: self.color, invocation, log })
    }

    /// The log filter: the user's, or the one for this level.
    pub(super) fn log_level<'a>(&'a self, default: &'a str) -> &'a str {
        self.log_level.as_deref().unwrap_or(default)
    }
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Whether text for stdout is coloured.
    pub(crate) fn on_stdout(self) -> bool {
        self.on(&std::io::stdout())
    }

    /// Whether text for stderr is coloured.
    pub(crate) fn on_stderr(self) -> bool {
        self.on(&std::io::stderr())
    }

    fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !unwanted
                    && stream.is_terminal()
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }

    /// Tells the two libraries that colour: `colored` writes to stdout, `anstream` to stderr.
    fn apply(self) {
        colored::control::set_override(self.on_stdout());
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// Applies `--color` to everything that is printed from here on, errors of the command line included.
pub(super) fn apply_color(matches: &ArgMatches) {
    let color = matches.try_get_one("color").ok().flatten().copied();
    color.unwrap_or(ColorChoice::Auto).apply();
}

/// The file that `--config` names.
pub(super) fn config_file(matches: &ArgMatches) -> Option<&Path> {
    matches.try_get_one::<PathBuf>("config").ok().flatten().map(PathBuf::as_path)
}
