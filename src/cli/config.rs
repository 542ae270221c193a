//! Where a flag's value comes from when the command line is silent: environment, then file, then default.
//!
//! Both are put into the clap command before it parses, so that a value from anywhere is checked, converted and
//! documented as the flag itself is. The environment is clap's own; the file's values become defaults.

mod effective;
mod reference;
mod settings;
mod variables;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::values::switch;
use crate::dialect::line_at;
use crate::exit::Failure;
use reference::Reference;
use settings::Setting;

pub(super) use effective::Effective;
pub(super) use variables::slips;

/// Variables that other systems use for a flag. They rank below `JOBWIRE_<FLAG>` and above the file.
const ALIASES: [(&str, &str); 5] = [
    ("redis", "REDIS_URL"),
    ("allowed-origins", "ALLOWED_ORIGINS"),
    ("jwt-secret", "SUPABASE_JWT_SECRET"),
    ("ping-interval", "WEBSOCKET_PING_INTERVAL"),
    ("log-level", LOG),
];

/// Variable of two flags: a level for `--log-level`, or a switch for `--log` of run.
const LOG: &str = "JOBWIRE_LOG";

/// Lets every flag read the variable that is set for it, if any, and every switch take the same words. An empty variable
/// counts as unset, which is what a compose file makes of one that it passes on without a value.
pub(super) fn with_environment(command: Command) -> Command {
    let choose = |arg: Arg| {
        let arg = match is_switch(&arg) {
            true if arg.get_long() == Some("log") => arg.value_parser(log_switch),
            true => arg.value_parser(switch),
            false => arg,
        };
        match (variable_of(&arg), arg.get_env()) {
            (Some(variable), _) => arg.env(variable),
            (None, Some(own)) if env::var_os(own).is_some() => arg.env(Resettable::Reset),
            (None, _) => arg,
        }
    };
    command.mut_args(choose).mut_subcommands(with_environment)
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

/// The variable that sets this flag in the present environment.
pub(super) fn variable_of(arg: &Arg) -> Option<OsString> {
    let is_set = |name: &OsStr| env::var_os(name).is_some_and(|value| !value.is_empty());
    let own = arg.get_env()?;
    let alias = alias_of(arg).map(OsStr::new).filter(|name| *name != LOG || !is_switched_on());
    [Some(own), alias].into_iter().flatten().find(|name| is_set(name)).map(OsStr::to_os_string)
}

/// Whether [`LOG`] is the switch `--log` of run, rather than a level.
fn is_switched_on() -> bool {
    env::var(LOG).is_ok_and(|text| switch(&text) == Ok(true))
}

/// Reads the switch `--log` of run, whose variable may hold a level instead.
fn log_switch(text: &str) -> Result<bool, &'static str> {
    let is_level = crate::telemetry::parse_filter(text).is_ok();
    if is_level { Ok(false) } else { switch(text) }
}

fn alias_of(arg: &Arg) -> Option<&'static str> {
    ALIASES.iter().find(|(flag, _)| arg.get_long() == Some(flag)).map(|(_, name)| *name)
}

/// A configuration file, read and checked.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    settings: Vec<Setting>,
}

impl File {
    /// Makes its values the defaults of their flags.
    pub(super) fn apply(&self, command: Command) -> Command {
        self.settings.iter().fold(command, |command, setting| setting.apply(command))
    }

    /// The file's setting for a flag of this verb or for a global flag.
    fn setting(&self, verb: &str, arg: &str) -> Option<&Setting> {
        let is_of = |of: Option<&str>| of.is_none_or(|of| of == verb);
        self.settings.iter().find(|setting| setting.arg == arg && is_of(setting.verb.as_deref()))
    }
}

/// The verb that was called, as far as its command line could be read without the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Called<'a> {
    verb: &'a str,
    matches: Option<&'a ArgMatches>,
}

impl<'a> Called<'a> {
    pub(super) fn of(matches: &'a ArgMatches) -> Self {
        let (verb, matches) = matches.subcommand().map_or(("", None), |(verb, found)| (verb, Some(found)));
        Self { verb, matches }
    }

    /// Whether the file's word counts for a flag: the verb has it, and neither command line nor environment sets it.
    fn needs(self, setting: &Setting) -> bool {
        let Some(matches) = self.matches else { return false };
        let is_mine = setting.verb.as_deref().is_none_or(|verb| verb == self.verb);
        let given = |source| matches!(source, ValueSource::CommandLine | ValueSource::EnvVariable);
        is_mine && !matches.value_source(&setting.arg).is_some_and(given)
    }
}

/// Reads a configuration file for a command. `environment` is asked for the variables that the file names in place of
/// values; one that is needed and not set is an error.
pub(super) fn read(
    command: &Command,
    path: &Path,
    called: Called<'_>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<File> {
    let origin = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("could not read the configuration {origin}: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let settings = settings::read(command, &text, folder)
        .and_then(|settings| settings::resolve(settings, command, called, environment));
    let settings = settings.map_err(|fault| {
        let line = fault.at.map(|span| format!(":{}", line_at(&text, span.start))).unwrap_or_default();
        let failure = Failure::usage(format!("{origin}{line}: {}", fault.message));
        match fault.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    Ok(File { path: path.to_owned(), settings })
}

/// The flags that a file may set: all with a long name, but for the one that names the file and those that do something
/// else instead of the verb.
fn flags(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_long()?, arg)))
        .filter(|(name, _)| !["config", "help", "version", "print-config"].contains(name))
}

/// Whether a flag takes more than one value.
fn takes_several(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append) || arg.get_value_delimiter().is_some()
}

/// A TOML string on one line, whatever is in it.
fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's too; DEL, which JSON does not escape, TOML wants escaped.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests;
