//! What the flags, the environment, a file and the defaults come to: every value, and where it is from.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, parser::ValueSource};
use toml::Value;
use url::Url;

use super::{File, flags, takes_several, variable_of};

/// What is shown in place of a secret.
const MASK: &str = "***";

/// The configuration that one verb runs with.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Effective {
    verb: String,
    file: Option<PathBuf>,
    entries: Vec<Entry>,
}

/// One flag.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    key: String,
    /// It stands at the top of a file, above the verbs' tables.
    global: bool,
    /// As written; empty: not set.
    values: Vec<String>,
    form: Form,
    secret: bool,
    origin: Origin,
    /// What holds while it is not set, for people.
    unset: String,
}

/// How a value is written in TOML.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    One,
    List,
    Switch,
}

/// Where a value is from.
#[derive(Clone, PartialEq, Eq)]
enum Origin {
    Flag,
    Variable(String),
    File(PathBuf, usize),
    Default,
}

impl Effective {
    /// Collects it for the verb that was called; `command` is the one that `matches` came of, before the file's values
    /// became its defaults.
    pub(in crate::cli) fn of(command: &Command, matches: &ArgMatches, file: Option<&File>) -> Self {
        let Some((verb, found)) = matches.subcommand() else { return Self::default() };
        let own = command.find_subcommand(verb).into_iter().flat_map(flags).map(|(_, arg)| (false, arg));
        let global = flags(command).map(|(_, arg)| (true, arg));
        let entry = |(global, arg): (bool, &Arg)| Entry::of(arg, global, verb, found, file);
        Self {
            verb: verb.to_owned(),
            file: file.map(|file| file.path.clone()),
            entries: global.chain(own).map(entry).collect(),
        }
    }

    /// The file that was read, if any.
    pub(in crate::cli) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The keys of the verb's own flags that stand on the command line.
    pub(in crate::cli) fn on_command_line(&self) -> impl Iterator<Item = &str> {
        let own = self.entries.iter().filter(|entry| !entry.global);
        own.filter(|entry| matches!(entry.origin, Origin::Flag)).map(|entry| entry.key.as_str())
    }

    /// The keys whose values are others in `new`.
    pub(in crate::cli) fn changed<'a>(&self, new: &'a Self) -> Vec<&'a str> {
        let differs = |entry: &&Entry| self.entry(&entry.key).is_none_or(|old| old.values != entry.values);
        new.entries.iter().filter(differs).map(|entry| entry.key.as_str()).collect()
    }

    /// Takes these keys over from `new`.
    pub(in crate::cli) fn adopt(&mut self, new: &Self, keys: &[&str]) {
        for entry in &mut self.entries {
            if let Some(other) = new.entry(&entry.key).filter(|entry| keys.contains(&entry.key.as_str())) {
                entry.clone_from(other);
            }
        }
    }

    /// A key and its value, for a log.
    pub(in crate::cli) fn shown(&self, key: &str) -> String {
        self.entry(key).map(Entry::setting).unwrap_or_default()
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl fmt::Display for Effective {
    /// TOML that a `--config` can name, but for secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# The effective configuration of `jobwire {}`, and where each value is from.",
            self.verb
        )?;
        if self.entries.iter().any(Entry::is_masked) {
            writeln!(f, "# Lines with *** hold a secret, so they are commented out.")?;
        }
        for global in [true, false] {
            if !global {
                writeln!(f, "\n[{}]", self.verb)?;
            }
            let lines: Vec<_> = self.entries.iter().filter(|entry| entry.global == global).collect();
            let width = lines.iter().map(|entry| entry.setting().chars().count()).max().unwrap_or(0);
            // One long value is no reason to move all the others away from their origins.
            let width = width.min(44);
            for entry in lines {
                writeln!(f, "{:width$}  # {}", entry.setting(), entry.origin)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Effective {
    /// Without values, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effective")
            .field("verb", &self.verb)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn of(arg: &Arg, global: bool, verb: &str, found: &ArgMatches, file: Option<&File>) -> Self {
        let id = arg.get_id().as_str();
        let values = found.get_raw(id).into_iter().flatten().map(|value| written(arg, value)).collect();
        let origin = match found.value_source(id) {
            Some(ValueSource::CommandLine) => Origin::Flag,
            Some(ValueSource::EnvVariable) => Origin::Variable(
                variable_of(arg).map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            ),
            _ => match file.and_then(|file| Some((&file.path, file.line_of(verb, id)?))) {
                Some((path, line)) => Origin::File(path.clone(), line),
                None => Origin::Default,
            },
        };
        let form = match arg.get_action() {
            ArgAction::SetTrue | ArgAction::SetFalse => Form::Switch,
            _ if takes_several(arg) => Form::List,
            _ => Form::One,
        };
        Self {
            key: arg.get_long().unwrap_or_default().to_owned(),
            global,
            values,
            form,
            secret: arg.is_hide_env_values_set(),
            origin,
            unset: unset(arg),
        }
    }

    fn is_masked(&self) -> bool {
        self.secret && self.values.iter().any(|value| masked(value).is_some())
    }

    /// `key = value`; as a comment where the value is not there or not to be seen.
    fn setting(&self) -> String {
        let key = &self.key;
        if self.values.is_empty() {
            return format!("# {key}: {}", self.unset);
        }
        let show = |value: &String| match masked(value).filter(|_| self.secret) {
            Some(masked) => Value::from(masked).to_string(),
            None => self.plain(value),
        };
        let comment = if self.is_masked() { "# " } else { "" };
        let values: Vec<String> = self.values.iter().map(show).collect();
        match self.form {
            Form::List => format!("{comment}{key} = [{}]", values.join(", ")),
            Form::One | Form::Switch => format!("{comment}{key} = {}", values.concat()),
        }
    }

    fn plain(&self, value: &str) -> String {
        // What is read back is the text, so that a number looks like one and stays the same.
        let is_number = value.len() <= 18 && value.parse::<u64>().is_ok_and(|n| n.to_string() == value);
        if is_number || self.form == Form::Switch { value.to_owned() } else { Value::from(value).to_string() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => f.write_str(name),
            Self::File(path, line) => write!(f, "{}:{line}", path.display().to_string().escape_debug()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value as it would be written in a file anywhere.
fn written(arg: &Arg, value: &OsStr) -> String {
    let is_path =
        matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath);
    // Without a current folder there is nothing better than what was given.
    let path = is_path.then(|| std::path::absolute(value).ok()).flatten();
    path.map_or_else(|| value.to_string_lossy().into_owned(), |path| path.to_string_lossy().into_owned())
}

/// What the help says of a flag that is not given.
fn unset(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let said = help.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
    said.map_or_else(|| "not set".to_owned(), |(said, _)| said.to_owned())
}

/// A secret without what is secret of it; `None` for a URL that holds no password.
fn masked(value: &str) -> Option<String> {
    let hidden = || Some(MASK.to_owned());
    let Ok(mut url) = Url::parse(value) else { return hidden() };
    if !value.contains("://") {
        return hidden();
    }
    let has_login = url.password().is_some() || !url.username().is_empty();
    if !has_login && url.query().is_none() && url.fragment().is_none() {
        return None;
    }
    // A name without a password may be a token.
    let user = url.password().map(|_| url.username().to_owned()).unwrap_or_default();
    if has_login && (url.set_username(&user).is_err() || url.set_password(Some(MASK)).is_err()) {
        return hidden();
    }
    let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let query: Vec<String> = names.iter().map(|name| format!("{name}={MASK}")).collect();
    url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
    url.set_fragment(None);
    Some(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_password_is_masked_and_nothing_else() {
        for plain in ["redis://h:6379/0", "unix:///run/redis.sock", "rediss://h"] {
            assert_eq!(masked(plain), None, "{plain}");
        }
        for (secret, shown) in [
            ("hunter2", "***"),
            ("a:b", "***"),
            ("redis://:hunter2@h/1", "redis://:***@h/1"),
            ("redis://user:hunter2@h", "redis://user:***@h"),
            ("redis://hunter2@h", "redis://:***@h"),
            ("redis://h?password=hunter2&db=1", "redis://h?password=***&db=***"),
            ("unix:///s?pass=hunter2", "unix:///s?pass=***"),
            ("redis://h#hunter2", "redis://h"),
        ] {
            assert_eq!(masked(secret).as_deref(), Some(shown), "{secret}");
        }
    }
}
