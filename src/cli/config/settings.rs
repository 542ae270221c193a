//! Tables and keys of a configuration file, checked against the flags.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, ValueHint};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reference::Reference;
use super::{Called, flags, takes_several};
use crate::dialect::{masked, nearest, with_nearest};

/// Fault in a configuration file, and its position if that is known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: Option<Range<usize>>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Fault {
    fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at: Some(at), message: message.into(), hint: None }
    }
}

/// One value of the file: the default of a flag of a verb, or of a global flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) verb: Option<String>,
    pub(super) arg: String,
    /// Values as they would stand on the command line; empty until `reference` is resolved.
    pub(super) values: Vec<String>,
    /// Variable or file that holds the value, if the configuration file names one.
    pub(super) reference: Option<Reference>,
    pub(super) line: usize,
    at: Range<usize>,
}

impl Setting {
    pub(super) fn apply(&self, command: Command) -> Command {
        let set = |arg: Arg| arg.default_values(&self.values).required(false);
        match &self.verb {
            Some(verb) => command.mut_subcommand(verb, |verb| verb.mut_arg(&self.arg, set)),
            None => command.mut_arg(&self.arg, set),
        }
    }

    fn is_of_the_flag_of(&self, other: &Self) -> bool {
        (&self.verb, &self.arg) == (&other.verb, &other.arg)
    }
}

/// The settings in a file, checked; one a flag, where a verb's table wins over what verbs share.
pub(super) fn read(command: &Command, text: &str, folder: &Path) -> Result<Vec<Setting>, Fault> {
    let document = DeTable::parse(text).map_err(|error| Fault {
        at: error.span(),
        message: format!("not TOML: {}", error.message()),
        hint: None,
    })?;
    let setting = |verb, arg, value: &Spanned<DeValue<'_>>| {
        let line = crate::dialect::line_at(text, value.span().start);
        Ok::<_, Fault>(Setting { line, ..setting(verb, arg, value, folder)? })
    };
    let (mut shared, mut own) = (Vec::new(), Vec::new());
    for (key, value) in document.get_ref() {
        let name = key.get_ref().as_ref();
        if let Some(verb) = command.find_subcommand(name) {
            let DeValue::Table(table) = value.get_ref() else {
                return Err(Fault::new(key.span(), format!("{name}: a verb is a table, [{name}]")));
            };
            for (key, value) in table {
                let arg =
                    flag(verb, key.get_ref()).ok_or_else(|| unknown_in_verb(command, verb, key, value))?;
                own.push(setting(Some(verb), arg, value)?);
            }
            continue;
        }
        if let Some(table) = table_of(value) {
            return Err(unknown_table(command, key, table));
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
    let borrowed = borrowed(command, &own);
    own.extend(borrowed);
    shared.retain(|setting: &Setting| !own.iter().any(|own| setting.is_of_the_flag_of(own)));
    shared.append(&mut own);
    // In the order of the file, so that its first fault is the one that is told.
    shared.sort_by_key(|setting| setting.at.start);
    Ok(shared)
}

/// Settings of `serve` that `token` uses too, unless `token` has a setting of its own: `token` signs tokens for the relay.
fn borrowed(command: &Command, own: &[Setting]) -> Vec<Setting> {
    const LENDER: &str = "serve";
    const BORROWER: &str = "token";
    let has = |arg: &str| {
        let verb = command.find_subcommand(BORROWER);
        verb.is_some_and(|verb| flags(verb).any(|(_, flag)| flag.get_id() == arg))
    };
    let is_own = |setting: &Setting| own.iter().any(|own| own.is_of_the_flag_of(setting));
    let lent = own.iter().filter(|setting| setting.verb.as_deref() == Some(LENDER) && has(&setting.arg));
    let copies = lent.map(|setting| Setting { verb: Some(BORROWER.to_owned()), ..setting.clone() });
    copies.filter(|setting| !is_own(setting)).collect()
}

/// Fetches the values that stand elsewhere, as far as the verb that was called needs them; the others are left out.
pub(super) fn resolve(
    settings: Vec<Setting>,
    command: &Command,
    called: Called<'_>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<Setting>, Fault> {
    let mut resolved = Vec::with_capacity(settings.len());
    for mut setting in settings {
        if let Some(reference) = &setting.reference {
            if !called.needs(&setting) {
                continue;
            }
            let verb = setting.verb.as_deref().and_then(|verb| command.find_subcommand(verb));
            let owner = verb.unwrap_or(command);
            let Some(arg) = owner.get_arguments().find(|arg| arg.get_id() == setting.arg.as_str()) else {
                continue;
            };
            let key = key(verb, arg);
            let value = reference.value(environment).map_err(|(message, hint)| Fault {
                hint: Some(hint),
                ..Fault::new(setting.at.clone(), format!("{key}: {message}"))
            })?;
            check(arg, &value).map_err(|message| {
                Fault::new(setting.at.clone(), format!("{key}: {message}, from {reference}"))
            })?;
            setting.values = vec![value];
        }
        resolved.push(setting);
    }
    Ok(resolved)
}

/// The table that a value is, or the first of several; a reference to a value is none.
fn table_of<'a, 'b>(value: &'a Spanned<DeValue<'b>>) -> Option<&'a DeTable<'b>> {
    match value.get_ref() {
        DeValue::Table(table) if !Reference::is_like(table) => Some(table),
        DeValue::Array(items) => items.iter().find_map(table_of),
        _ => None,
    }
}

fn flag<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    flags(command).find(|(long, _)| *long == name).map(|(_, arg)| arg)
}

/// The verbs that have a flag of that name.
fn owners<'a>(command: &'a Command, name: &str) -> Vec<(&'a Command, &'a Arg)> {
    command.get_subcommands().filter_map(|verb| Some((verb, flag(verb, name)?))).collect()
}

/// Names the table that was meant: the verb with the nearest name, or the one that has all of its keys.
fn unknown_table(command: &Command, key: &Spanned<Cow<'_, str>>, table: &DeTable<'_>) -> Fault {
    let name = key.get_ref().as_ref();
    let shown = name.escape_debug();
    let has_all = |verb: &&Command| {
        !table.is_empty() && table.iter().all(|(key, _)| flag(verb, key.get_ref()).is_some())
    };
    let by_name = nearest(name, verbs(command));
    let by_keys = || command.get_subcommands().find(has_all).map(Command::get_name);
    let message = if flag(command, name).is_some() || !owners(command, name).is_empty() {
        format!("{shown} is a key and no table")
    } else {
        format!("unknown table [{shown}]")
    };
    let message = match by_name.or_else(by_keys) {
        Some(verb) => format!("{message}; did you mean [{verb}]?"),
        None => {
            format!("{message}; there is one a verb: [{}]", verbs(command).collect::<Vec<_>>().join("], ["))
        }
    };
    Fault::new(key.span(), message)
}

/// The verbs that have a table.
fn verbs(command: &Command) -> impl Iterator<Item = &str> {
    command.get_subcommands().filter(|verb| flags(verb).next().is_some()).map(Command::get_name)
}

fn unknown_at_top(command: &Command, key: &Spanned<Cow<'_, str>>) -> Fault {
    let name = key.get_ref().as_ref();
    let flags = command.get_subcommands().flat_map(flags).chain(flags(command)).map(|(flag, _)| flag);
    // A set: what several verbs share is listed once.
    let known: BTreeSet<&str> = flags.chain(command.get_subcommands().map(Command::get_name)).collect();
    Fault::new(key.span(), with_nearest(&format!("unknown key '{}'", name.escape_debug()), name, known))
}

fn unknown_in_verb(
    command: &Command,
    verb: &Command,
    key: &Spanned<Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> Fault {
    let name = key.get_ref().as_ref();
    let message = format!("unknown key '{}.{}'", verb.get_name(), name.escape_debug());
    let owners = owners(command, name);
    let message = if flag(command, name).is_some() {
        format!("{message}; it belongs at the top of the file, before any table")
    } else if !owners.is_empty() {
        let tables: Vec<String> = owners.iter().map(|(verb, _)| format!("[{}]", verb.get_name())).collect();
        format!("{message}; it belongs in {}", tables.join(" or "))
    } else if table_of(value).is_some() {
        format!("{message}; [{}] has keys alone and no tables", verb.get_name())
    } else {
        with_nearest(&message, name, flags(verb).map(|(flag, _)| flag))
    };
    Fault::new(key.span(), message)
}

/// A flag's key, as messages name it.
fn key(verb: Option<&Command>, arg: &Arg) -> String {
    let flag = arg.get_long().unwrap_or_default();
    verb.map_or_else(|| flag.to_owned(), |verb| format!("{}.{flag}", verb.get_name()))
}

/// The value of a key, checked by the flag's own parser; its line is the caller's business.
fn setting(
    verb: Option<&Command>,
    arg: &Arg,
    value: &Spanned<DeValue<'_>>,
    folder: &Path,
) -> Result<Setting, Fault> {
    let key = key(verb, arg);
    let fault = |at, message: String| Fault::new(at, format!("{key}: {message}"));
    let mut setting = Setting {
        verb: verb.map(|verb| verb.get_name().to_owned()),
        arg: arg.get_id().to_string(),
        values: Vec::new(),
        reference: None,
        line: 0,
        at: value.span(),
    };
    let items = match value.get_ref() {
        DeValue::Table(table) if Reference::is_like(table) => {
            let reference =
                Reference::parse(table, folder).map_err(|message| fault(value.span(), message))?;
            setting.reference = Some(reference);
            return Ok(setting);
        }
        DeValue::Array(items) if items.is_empty() && takes_several(arg) => {
            let message = "an empty list; leave the key out for the default".to_owned();
            return Err(fault(value.span(), message));
        }
        DeValue::Array(items) if takes_several(arg) => items.iter().collect(),
        DeValue::Array(_) => return Err(fault(value.span(), "takes one value, not a list".to_owned())),
        _ => vec![value],
    };
    for item in items {
        let text = text(item.get_ref())
            .ok_or_else(|| fault(item.span(), "takes text, a number or true or false".to_owned()))?;
        let text = beside(arg, text, folder);
        check(arg, &text).map_err(|message| fault(item.span(), message))?;
        setting.values.push(text);
    }
    Ok(setting)
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
pub(super) fn check(arg: &Arg, value: &str) -> Result<(), String> {
    let mut probe = Arg::new("value").long("value").value_parser(arg.get_value_parser().clone());
    if let Some(delimiter) = arg.get_value_delimiter() {
        probe = probe.value_delimiter(delimiter).action(ArgAction::Append);
    }
    let command = Command::new("probe").no_binary_name(true).arg(probe);
    let Err(error) = command.try_get_matches_from([format!("--value={value}")]) else { return Ok(()) };
    // A secret that is refused is not printed either, nor one in a URL.
    let shown = if arg.is_hide_env_values_set() {
        String::new()
    } else {
        format!(" '{}'", masked(value).escape_debug())
    };
    let message = format!("invalid value{shown}");
    Err(match (std::error::Error::source(&error), error.get(ContextKind::ValidValue)) {
        (Some(reason), _) => format!("{message}: {reason}"),
        (None, Some(ContextValue::Strings(known))) => {
            with_nearest(&message, value, known.iter().map(String::as_str))
        }
        (None, _) => message,
    })
}
