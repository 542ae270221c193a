//! What the flags, the environment, a file and the defaults come to: every value, and where it is from.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, ValueHint, parser::ValueSource};
use url::Url;

use super::{File, Reference, flags, is_switch, quoted, takes_several, variable_of};
use crate::cli::values::switch;

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
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Entry {
    key: String,
    /// It stands at the top of a file, above the verbs' tables.
    global: bool,
    /// As written; empty: not set.
    values: Vec<String>,
    /// One of them is no text, and what is kept of it another.
    lossy: bool,
    form: Form,
    secret: bool,
    origin: Origin,
    /// Variable or file that the value was read from. For a secret that was read from neither: the variable that it
    /// should move to.
    reference: Option<Reference>,
    /// Whether the value was read from `reference`.
    is_referred: bool,
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

    /// The verb that was called.
    pub(in crate::cli) fn verb(&self) -> &str {
        &self.verb
    }

    /// The key of a value that no file could hold, if there is one: it is not UTF-8.
    pub(in crate::cli) fn unprintable(&self) -> Option<&str> {
        self.entries.iter().find(|entry| entry.lossy).map(|entry| entry.key.as_str())
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
        self.entry(key).map(Entry::shown).unwrap_or_default()
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl fmt::Display for Effective {
    /// TOML that `--config` reads as the same configuration; in place of a secret stands where it is read from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# The effective configuration of `jobwire {}`, and where each value is from.",
            self.verb
        )?;
        if self.entries.iter().any(Entry::is_masked) {
            writeln!(
                f,
                "# Secrets are not printed: {{ env = \"NAME\" }} reads one from that environment variable,"
            )?;
            writeln!(f, "# and a start without it fails.")?;
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
                writeln!(f, "{:width$}  # {}{}", entry.setting(), entry.origin, entry.remark())?;
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
        let raw: Vec<&OsStr> = found.get_raw(id).into_iter().flatten().collect();
        let values = raw.iter().map(|value| written(arg, value)).collect();
        let stands = file.and_then(|file| Some((&file.path, file.setting(verb, id)?)));
        let origin = match found.value_source(id) {
            Some(ValueSource::CommandLine) => Origin::Flag,
            Some(ValueSource::EnvVariable) => Origin::Variable(
                variable_of(arg).map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            ),
            _ => stands.map_or(Origin::Default, |(path, setting)| Origin::File(path.clone(), setting.line)),
        };
        let form = match arg {
            arg if is_switch(arg) => Form::Switch,
            arg if takes_several(arg) => Form::List,
            _ => Form::One,
        };
        let reference = match &origin {
            Origin::Variable(name) => Some(Reference::Variable(name.clone())),
            Origin::File(..) => stands.and_then(|(_, setting)| setting.reference.clone()),
            Origin::Flag | Origin::Default => None,
        };
        let own = || Reference::Variable(super::variables::own_variable(arg).unwrap_or_default());
        Self {
            key: arg.get_long().unwrap_or_default().to_owned(),
            global,
            values,
            lossy: raw.iter().any(|value| value.to_str().is_none()),
            form,
            secret: arg.is_hide_env_values_set(),
            origin,
            is_referred: reference.is_some(),
            reference: reference.or_else(|| arg.is_hide_env_values_set().then(own)),
            unset: unset(arg),
        }
    }

    fn is_masked(&self) -> bool {
        self.secret && self.values.iter().any(|value| masked(value).is_some())
    }

    /// `key = value`, in TOML; as a comment where nothing is set.
    fn setting(&self) -> String {
        match &self.reference {
            Some(reference) if self.is_masked() => format!("{} = {}", self.key, reference.toml()),
            _ => self.shown(),
        }
    }

    /// `key = value` for people: the secret part of a value is masked.
    fn shown(&self) -> String {
        let key = &self.key;
        if self.values.is_empty() {
            return format!("# {key}: {}", self.unset);
        }
        let show = |value: &String| match masked(value).filter(|_| self.secret) {
            Some(masked) => quoted(&masked),
            None => self.plain(value),
        };
        let values: Vec<String> = self.values.iter().map(show).collect();
        match self.form {
            Form::List => format!("{key} = [{}]", values.join(", ")),
            Form::One | Form::Switch => format!("{key} = {}", values.concat()),
        }
    }

    /// Remark on a secret, to print behind its origin: the part that may be seen, and the variable that the secret
    /// should move to. Empty where there is neither.
    fn remark(&self) -> String {
        let Some(reference) = self.reference.as_ref().filter(|_| self.is_masked()) else {
            return String::new();
        };
        let seen = self.values.iter().filter_map(|value| masked(value)).find(|seen| seen != MASK);
        let seen = seen.map(|seen| format!(", {}", seen.escape_debug())).unwrap_or_default();
        match reference {
            Reference::Variable(name) if !self.is_referred => format!("{seen}; put it into {name}"),
            _ => seen,
        }
    }

    fn plain(&self, value: &str) -> String {
        // What is read back is the text, so that a number looks like one and stays the same.
        let is_number = value.len() <= 18 && value.parse::<u64>().is_ok_and(|n| n.to_string() == value);
        match self.form {
            Form::Switch => switch(value).unwrap_or_default().to_string(),
            _ if is_number => value.to_owned(),
            _ => quoted(value),
        }
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

/// A secret without what is secret of it; `None` for a URL that holds no password, and for nothing at all: a variable that is
/// empty counts as unset, so that it could not be read from there.
fn masked(value: &str) -> Option<String> {
    if value.is_empty() {
        return None;
    }
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
