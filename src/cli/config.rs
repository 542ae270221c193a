//! Where a flag's value comes from when the command line is silent: environment, then file, then default.
//!
//! Both are put into the clap command before it parses, so that a value from anywhere is checked, converted and
//! documented as the flag itself is. The environment is clap's own; the file's values become defaults.

mod effective;

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, ValueHint};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::dialect::{line_at, with_nearest};
use crate::exit::Failure;

pub(super) use effective::Effective;

/// Variables that other systems use for a flag. They rank below `JOBWIRE_<FLAG>` and above the file.
const ALIASES: [(&str, &str); 5] = [
    ("redis", "REDIS_URL"),
    ("allowed-origins", "ALLOWED_ORIGINS"),
    ("jwt-secret", "SUPABASE_JWT_SECRET"),
    ("ping-interval", "WEBSOCKET_PING_INTERVAL"),
    ("log-level", "JOBWIRE_LOG"),
];

/// Lets every flag read the variable that is set for it, if any. An empty variable counts as unset, which is what a
/// compose file makes of one that it passes on without a value.
pub(super) fn with_environment(command: Command) -> Command {
    let choose = |arg: Arg| match (variable_of(&arg), arg.get_env()) {
        (Some(variable), _) => arg.env(variable),
        (None, Some(own)) if env::var_os(own).is_some() => arg.env(Resettable::Reset),
        (None, _) => arg,
    };
    command.mut_args(choose).mut_subcommands(with_environment)
}

/// The variable that sets this flag in the present environment.
pub(super) fn variable_of(arg: &Arg) -> Option<OsString> {
    let is_set = |name: &OsStr| env::var_os(name).is_some_and(|value| !value.is_empty());
    let own = arg.get_env()?;
    let alias =
        ALIASES.iter().find(|(flag, _)| arg.get_long() == Some(flag)).map(|(_, name)| OsStr::new(name));
    [Some(own), alias].into_iter().flatten().find(|name| is_set(name)).map(OsStr::to_os_string)
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

    /// The line with the value that a flag of this verb gets.
    fn line_of(&self, verb: &str, arg: &str) -> Option<usize> {
        let of_verb = |setting: &&Setting| setting.verb.as_deref().is_none_or(|of| of == verb);
        self.settings.iter().rev().filter(of_verb).find(|setting| setting.arg == arg).map(|found| found.line)
    }
}

/// Reads a configuration file for a command.
pub(super) fn read(command: &Command, path: &Path) -> Result<File> {
    let origin = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("could not read the configuration {origin}: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let settings = settings(command, &text, folder).map_err(|fault| {
        let line = fault.at.map(|span| format!(":{}", line_at(&text, span.start))).unwrap_or_default();
        Failure::usage(format!("{origin}{line}: {}", fault.message))
    })?;
    Ok(File { path: path.to_owned(), settings })
}

/// What is wrong in a file, and where.
#[derive(Debug)]
struct Fault {
    at: Option<Range<usize>>,
    message: String,
}

impl Fault {
    fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at: Some(at), message: message.into() }
    }
}

/// One value of the file: the default of a flag of a verb, or of a global flag.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    verb: Option<String>,
    arg: String,
    values: Vec<String>,
    line: usize,
}

impl Setting {
    fn apply(&self, command: Command) -> Command {
        let set = |arg: Arg| arg.default_values(&self.values).required(false);
        match &self.verb {
            Some(verb) => command.mut_subcommand(verb, |verb| verb.mut_arg(&self.arg, set)),
            None => command.mut_arg(&self.arg, set),
        }
    }
}

/// The settings in a file, checked, those of a verb's table last: they win over shared ones.
fn settings(command: &Command, text: &str, folder: &Path) -> Result<Vec<Setting>, Fault> {
    let document = DeTable::parse(text)
        .map_err(|error| Fault { at: error.span(), message: format!("not TOML: {}", error.message()) })?;
    let setting = |verb, arg, value: &Spanned<DeValue<'_>>| {
        let line = line_at(text, value.span().start);
        Ok(Setting { line, ..setting(verb, arg, value, folder)? })
    };
    let (mut shared, mut own) = (Vec::new(), Vec::new());
    for (key, value) in document.get_ref() {
        let name = key.get_ref().as_ref();
        if let Some(verb) = command.find_subcommand(name) {
            let DeValue::Table(table) = value.get_ref() else {
                return Err(Fault::new(key.span(), format!("{name}: a verb is a table, [{name}]")));
            };
            for (key, value) in table {
                let arg = flag(verb, key.get_ref()).ok_or_else(|| unknown_in_verb(command, verb, key))?;
                own.push(setting(Some(verb), arg, value)?);
            }
            continue;
        }
        let owners = owners(command, name);
        match (flag(command, name), owners.as_slice()) {
            (Some(arg), _) => shared.push(setting(None, arg, value)?),
            (None, []) => return Err(unknown_at_top(command, key)),
            (None, [(verb, _)]) => {
                let message = format!("{name}: belongs in the table [{}]", verb.get_name());
                return Err(Fault::new(key.span(), message));
            }
            (None, owners) => {
                for (verb, arg) in owners {
                    shared.push(setting(Some(verb), arg, value)?);
                }
            }
        }
    }
    shared.append(&mut own);
    Ok(shared)
}

/// The flags that a file may set: all with a long name, but for the one that names the file and those that do something
/// else instead of the verb.
fn flags(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_long()?, arg)))
        .filter(|(name, _)| !["config", "help", "version", "print-config"].contains(name))
}

fn flag<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    flags(command).find(|(long, _)| *long == name).map(|(_, arg)| arg)
}

/// The verbs that have a flag of that name.
fn owners<'a>(command: &'a Command, name: &str) -> Vec<(&'a Command, &'a Arg)> {
    command.get_subcommands().filter_map(|verb| Some((verb, flag(verb, name)?))).collect()
}

fn unknown_at_top(command: &Command, key: &Spanned<impl AsRef<str>>) -> Fault {
    let name = key.get_ref().as_ref();
    let flags = command.get_subcommands().flat_map(flags).chain(flags(command)).map(|(flag, _)| flag);
    // A set: what several verbs share is listed once.
    let known: BTreeSet<&str> = flags.chain(command.get_subcommands().map(Command::get_name)).collect();
    Fault::new(key.span(), with_nearest(&format!("unknown key '{}'", name.escape_debug()), name, known))
}

fn unknown_in_verb(command: &Command, verb: &Command, key: &Spanned<impl AsRef<str>>) -> Fault {
    let name = key.get_ref().as_ref();
    let message = format!("unknown key '{}.{}'", verb.get_name(), name.escape_debug());
    let owners = owners(command, name);
    let message = if flag(command, name).is_some() {
        format!("{message}; it belongs at the top of the file, before any table")
    } else if owners.is_empty() {
        with_nearest(&message, name, flags(verb).map(|(flag, _)| flag))
    } else {
        let tables: Vec<String> = owners.iter().map(|(verb, _)| format!("[{}]", verb.get_name())).collect();
        format!("{message}; it belongs in {}", tables.join(" or "))
    };
    Fault::new(key.span(), message)
}

/// Whether a flag takes more than one value.
fn takes_several(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append) || arg.get_value_delimiter().is_some()
}

/// The value of a key, checked by the flag's own parser; its line is the caller's business.
fn setting(
    verb: Option<&Command>,
    arg: &Arg,
    value: &Spanned<DeValue<'_>>,
    folder: &Path,
) -> Result<Setting, Fault> {
    let flag = arg.get_long().unwrap_or_default();
    let key = verb.map_or_else(|| flag.to_owned(), |verb| format!("{}.{flag}", verb.get_name()));
    let fault = |at, message: String| Fault::new(at, format!("{key}: {message}"));
    let items = match value.get_ref() {
        DeValue::Array(items) if takes_several(arg) => items.iter().collect(),
        DeValue::Array(_) => return Err(fault(value.span(), "takes one value, not a list".to_owned())),
        _ => vec![value],
    };
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        let text = text(item.get_ref())
            .ok_or_else(|| fault(item.span(), "takes text, a number or true or false".to_owned()))?;
        let text = beside(arg, text, folder);
        check(arg, &text).map_err(|message| fault(item.span(), message))?;
        values.push(text);
    }
    let verb = verb.map(|verb| verb.get_name().to_owned());
    Ok(Setting { verb, arg: arg.get_id().to_string(), values, line: 0 })
}

/// A value as it would be written on the command line.
fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A relative path means beside the file that names it, wherever the program is started.
fn beside(arg: &Arg, value: String, folder: &Path) -> String {
    let is_path =
        matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath);
    if is_path { folder.join(value).to_string_lossy().into_owned() } else { value }
}

/// Asks the flag's parser; clap itself takes a default that does not parse for a programmer's error.
fn check(arg: &Arg, value: &str) -> Result<(), String> {
    let mut probe = Arg::new("value").long("value").value_parser(arg.get_value_parser().clone());
    if let Some(delimiter) = arg.get_value_delimiter() {
        probe = probe.value_delimiter(delimiter).action(ArgAction::Append);
    }
    let command = Command::new("probe").no_binary_name(true).arg(probe);
    let Err(error) = command.try_get_matches_from([format!("--value={value}")]) else { return Ok(()) };
    // A secret that is refused is not printed either.
    let shown =
        if arg.is_hide_env_values_set() { String::new() } else { format!(" '{}'", value.escape_debug()) };
    let message = format!("invalid value{shown}");
    Err(match (std::error::Error::source(&error), error.get(ContextKind::ValidValue)) {
        (Some(reason), _) => format!("{message}: {reason}"),
        (None, Some(ContextValue::Strings(known))) => {
            with_nearest(&message, value, known.iter().map(String::as_str))
        }
        (None, _) => message,
    })
}

#[cfg(test)]
mod tests;
