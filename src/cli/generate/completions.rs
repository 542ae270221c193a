//! Shell completions: what clap generates of the flags, and what it cannot know of targets, events and their fields.
//!
//! Both come from one place each, the command line and the dialects' catalogues, so that neither can go stale.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueEnum};

use crate::bench::verdict::metrics;
use crate::check::Trial;
use crate::dialect::{Dialect, Dialects, EventDef, FieldDef};
use crate::publish::scenario::{ALL, SCENARIOS};
use crate::telemetry::LEVELS;

/// The part of a script that is written here, for each shell.
const BASH: &str = include_str!("targets.bash");
const ZSH: &str = include_str!("targets.zsh");
const FISH: &str = include_str!("targets.fish");

/// A shell whose completions can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    /// GNU bash, 4.4 or later for the best of it.
    Bash,
    /// The Z shell.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// The whole script.
    pub(super) fn script(self, command: Command, dialects: &Dialects) -> String {
        let shell = match self {
            Self::Bash => clap_complete::Shell::Bash,
            Self::Zsh => clap_complete::Shell::Zsh,
            Self::Fish => clap_complete::Shell::Fish,
        };
        let mut command = with_values(command, dialects);
        // Into memory: the generator panics where it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "jobwire", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        let own = self.own(&command, dialects);
        match self {
            Self::Bash | Self::Fish => format!("{script}\n{own}"),
            // What is autoloaded runs to its end at the first completion, which is asked for in its last lines.
            Self::Zsh => match script.rfind("if [ \"$funcstack[1]\"") {
                Some(end) => format!("{}{own}\n{}", zsh_targets(&script[..end]), &script[end..]),
                None => script,
            },
        }
    }

    /// What is added to clap's script.
    fn own(self, command: &Command, dialects: &Dialects) -> String {
        let template = match self {
            Self::Bash => BASH,
            Self::Zsh => ZSH,
            Self::Fish => FISH,
        };
        let valued = self.alternatives(valued_flags(command).iter().map(String::as_str));
        let targets: Vec<String> = dialects.iter().flat_map(|(_, dialect)| watched(dialect)).collect();
        let published: Vec<String> = dialects.iter().map(|(_, dialect)| published(dialect)).collect();
        template
            .replace("@VALUED@", &valued)
            .replace("@TARGETS@", &self.words(&targets))
            .replace("@PUBLISHED@", &self.words(&published))
            .replace("@LOADED@", &self.words(&loaded(dialects)))
            .replace("@MODES@", &self.words(&MODES))
            .replace("@METRICS@", &self.words(&metrics()))
            .replace("@EVENTS@\n", &self.events(dialects))
            .replace("@FIELDS@\n", &self.fields(dialects))
    }

    /// The branches that offer the events of a target's dialect.
    fn events(self, dialects: &Dialects) -> String {
        let mut out = String::new();
        for (_, dialect) in dialects.iter() {
            let events: Vec<&str> =
                dialect.catalogue.events.iter().map(|event| event.name.as_str()).collect();
            let patterns = [dialect.name.to_string(), format!("{}/*", dialect.name)];
            self.branch(&mut out, &patterns, &self.words(&events));
        }
        out
    }

    /// The branches that offer the fields of an event of a target's dialect, both as one word with a blank between.
    fn fields(self, dialects: &Dialects) -> String {
        let mut out = String::new();
        for (_, dialect) in dialects.iter() {
            for event in &dialect.catalogue.events {
                let name = &event.name;
                let patterns = [format!("{} {name}", dialect.name), format!("{}/* {name}", dialect.name)];
                self.branch(&mut out, &patterns, &self.words(&assignments(event)));
            }
        }
        out
    }

    fn branch(self, out: &mut String, patterns: &[String], words: &str) {
        let patterns = self.alternatives(patterns.iter().map(String::as_str));
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Bash | Self::Zsh => writeln!(out, "        {patterns}) words=({words}) ;;"),
            Self::Fish => writeln!(out, "        case {patterns}\n            printf '%s\\n' {words}"),
        };
    }

    /// Patterns of a `case`, any of which will do.
    fn alternatives<'a>(self, patterns: impl Iterator<Item = &'a str>) -> String {
        let quoted: Vec<String> = patterns
            .map(|pattern| match (self, pattern.split_once('*')) {
                // In fish a quoted asterisk is a wildcard still; elsewhere it has to stand outside of the quotes.
                (Self::Bash | Self::Zsh, Some((before, after))) => {
                    format!("{}*{}", self.quoted(before), self.quoted(after))
                }
                _ => self.quoted(pattern),
            })
            .collect();
        quoted.join(if self == Self::Fish { " " } else { " | " })
    }

    fn words<T: AsRef<str>>(self, words: &[T]) -> String {
        words.iter().map(|word| self.quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
    }

    /// A word that means itself to the shell, whatever a user's dialect calls its events.
    fn quoted(self, word: &str) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=".contains(c);
        if word.chars().all(is_plain) {
            return word.to_owned();
        }
        match self {
            Self::Fish => format!("'{}'", word.replace('\\', "\\\\").replace('\'', "\\'")),
            Self::Bash | Self::Zsh => format!("'{}'", word.replace('\'', "'\\''")),
        }
    }
}

/// Gives flags the values that only the dialects know, so that clap's own generator offers them.
fn with_values(command: Command, dialects: &Dialects) -> Command {
    let kinds = |dialect: &Dialect| -> Vec<String> {
        let kinds = dialect.kinds().iter().filter(|kind| !kind.hidden).map(|kind| kind.name.to_string());
        kinds.chain(dialect.catalogue.events.iter().map(|event| event.name.clone())).collect()
    };
    let kinds: BTreeSet<String> = dialects.iter().flat_map(|(_, dialect)| kinds(dialect)).collect();
    let kinds = kinds.into_iter().filter(|kind| !kind.contains('*')).collect();
    let own = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    // Of every verb, or of one: the events of bench are a number.
    let values: [(&str, Option<&str>, Vec<String>); 6] = [
        ("dialect", None, dialects.names().map(str::to_owned).collect()),
        ("scenario", None, own(&[&SCENARIOS[..], &[ALL]].concat())),
        ("events", Some("attach"), kinds),
        ("only", Some("check"), own(&Trial::ALL.map(Trial::as_str))),
        ("ramp", Some("bench"), own(&["flat", "linear", "steps:2"])),
        ("log-level", None, own(&LEVELS)),
    ];
    let offer = |verb: &str, arg: Arg| {
        let found = values
            .iter()
            .find(|(flag, of, _)| arg.get_long() == Some(flag) && of.is_none_or(|of| of == verb));
        match found {
            Some((_, _, values)) => arg.value_parser(PossibleValuesParser::new(values.clone())),
            None => arg,
        }
    };
    let of_verb = |verb: Command| {
        let name = verb.get_name().to_owned();
        verb.mut_args(|arg| offer(&name, arg))
    };
    command.mut_args(|arg| offer("", arg)).mut_subcommands(of_verb)
}

/// Every flag that is followed by its value.
fn valued_flags(command: &Command) -> BTreeSet<String> {
    let all = command.get_subcommands().flat_map(Command::get_arguments).chain(command.get_arguments());
    let takes = |action: &ArgAction| matches!(action, ArgAction::Set | ArgAction::Append);
    let names = |arg: &Arg| {
        let long = arg.get_long().map(|long| format!("--{long}"));
        long.into_iter().chain(arg.get_short().map(|short| format!("-{short}"))).collect::<Vec<_>>()
    };
    all.filter(|arg| takes(arg.get_action())).flat_map(names).collect()
}

/// What `attach` can be pointed at, as far as it is known: the job is the user's.
fn watched(dialect: &Dialect) -> Vec<String> {
    let Some(channels) = &dialect.channels else { return vec![published(dialect)] };
    let names = channels.names.iter().map(|name| format!("channel:{name}"));
    names.chain(channels.rooms.iter().map(|(kind, _)| format!("room:{kind}:"))).collect()
}

/// The same for `publish`; the events of channels name their resources themselves.
fn published(dialect: &Dialect) -> String {
    let slash = if dialect.channels.is_some() { "" } else { "/" };
    format!("{}{slash}", dialect.name)
}

/// What `bench` can be pointed at: a dialect whose jobs it makes up, or what attach takes.
fn loaded(dialects: &Dialects) -> Vec<String> {
    let jobs = |dialect: &Dialect| dialect.channels.is_none().then(|| dialect.name.to_string());
    dialects.iter().flat_map(|(_, dialect)| jobs(dialect).into_iter().chain(watched(dialect))).collect()
}

/// What else may stand first behind `bench`.
const MODES: [&str; 7] = ["fanout", "connect", "idle", "echo", "storm", "worker", "compare"];

/// The fields of an event as they are begun, or whole where only some values are right.
fn assignments(event: &EventDef) -> Vec<String> {
    let begun = |field: &FieldDef| match field.values.as_slice() {
        [] => vec![format!("{}=", field.name)],
        values => values.iter().map(|value| format!("{}={value}", field.name)).collect(),
    };
    // Where one of some values is the default of the event, it is the right one.
    let is_open = |field: &&FieldDef| field.values.is_empty() || field.default.is_none();
    event.settable().filter(is_open).flat_map(begun).collect()
}

/// Puts the functions below in the places of arguments that clap completes as files, and `bench compare` before the flags
/// of `bench`, behind which clap leaves no place for a verb.
fn zsh_targets(script: &str) -> String {
    const ACTIONS: [(&str, &str); 7] = [
        ("'::what -- ", "_jobwire_load"),
        ("'*--assert=", "_jobwire_metrics"),
        ("'--within=", "_jobwire_metrics"),
        ("'::target -- ", "_jobwire_published"),
        ("'::event -- ", "_jobwire_events"),
        ("'*::fields -- ", "_jobwire_fields"),
        ("'*::targets -- ", "_jobwire_targets"),
    ];
    let line = |line: &str| {
        let action = ACTIONS.iter().find(|(start, _)| line.starts_with(start));
        match (action, line.strip_suffix(":_default' \\")) {
            (Some((_, action)), Some(spec)) => format!("{spec}:{action}' \\\n"),
            _ => format!("{line}\n"),
        }
    };
    let script: String = script.lines().map(line).collect();
    let script = script.replacen(
        "_jobwire() {\n",
        "_jobwire() {\n    local -a jobwire_line=(\"${(@)words[1,CURRENT]}\")\n",
        1,
    );
    let compare = between(&script, "(compare)\n", "&& ret=0\n").unwrap_or_default();
    let before = format!(
        "(bench)\nif [[ $words[2] == compare ]] && (( CURRENT > 2 )); then\nshift words\n(( CURRENT -= 1 ))\n\
         {compare}&& ret=0\nreturn ret\nfi\n_arguments"
    );
    script.replacen("(bench)\n_arguments", &before, 1).replacen(
        "\":: :_jobwire__subcmd__bench_commands\" \\\n\"*::: :->bench\" \\\n",
        "'::and -- What to watch:_jobwire_loaded' \\\n",
        1,
    )
}

/// What stands between two marks, the first time.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = &text[text.find(start)? + start.len()..];
    Some(&rest[..rest.find(end)?])
}
