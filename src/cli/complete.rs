//! `complete`: the parts of shell completions that have to be asked for, such as jobs. Hidden: the completion scripts call it
//! at the press of a key.
//!
//! Errors are not printed, since they would appear in the middle of a command line. The relay has [`DEADLINE`] to answer, since
//! the user is waiting.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::{ArgMatches, CommandFactory, FromArgMatches as _};
use hyper::Method;

use super::asked::Asked;
use super::attach::AttachArgs;
use super::publish::PublishArgs;
use super::{Cli, Globals, config, globals};
use crate::dialect::{Dialects, Target};
use crate::exit::{Exit, Failure};
use crate::lists::{JobList, JobRow};
use crate::net::{http, http_url};
use crate::text::brief;

/// Longest wait for a relay's answer. A slower completion would disturb the user.
const DEADLINE: Duration = Duration::from_millis(250);

/// Most jobs that the relay is asked for, the newest first.
const MOST: usize = 1_000;

/// Name of the verb. No help shows it.
const VERB: &str = "complete";

/// An unfinished command line, passed as `jobwire complete -- WORD…`.
#[derive(Debug)]
pub(super) struct Completing {
    /// Words after the program's name. The last word is the one under the cursor.
    words: Vec<OsString>,
}

impl Completing {
    /// Command line to complete, where these arguments call the verb.
    pub(super) fn of(args: &[OsString]) -> Option<Self> {
        let (verb, rest) = args.get(1..)?.split_first()?;
        let words = rest.split_first().filter(|(dashes, _)| *dashes == "--").map_or(rest, |(_, words)| words);
        (verb == VERB).then(|| Self { words: words.to_vec() })
    }

    pub(super) fn run(self, globals: &Globals) -> Result<Exit> {
        let current = self.words.last().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
        let Some(found) = self.jobs() else { return Ok(Exit::Success) };
        let text = offers(&found.jobs, &current, &globals.dialects);
        io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::stdout(&error))?;
        Ok(Exit::Success)
    }

    /// Answer of the command line's relay; `None` without an answer in time.
    fn jobs(&self) -> Option<JobList> {
        let asked = asked(&settings(&self.words)?)?;
        let mut url = http_url(&asked.server, "/jobs");
        url.query_pairs_mut().append_pair("limit", &MOST.to_string());
        let bearer = asked.bearer.map(|bearer| format!("Bearer {bearer}"));
        let headers: Vec<(&str, &str)> =
            bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let answer =
            runtime.block_on(http::request(Method::GET, &url, &headers, Bytes::new(), &asked.tls, DEADLINE));
        // The runtime must not wait for a look-up of a name that is still going on.
        runtime.shutdown_background();
        JobList::read(&answer.ok()?.success(&url).ok()?)
    }
}

/// Settings of a verb, from a command line that may be unfinished or invalid.
fn settings(words: &[OsString]) -> Option<ArgMatches> {
    let line = || std::iter::once(OsString::from("jobwire")).chain(words.iter().cloned());
    let command = config::with_environment(Cli::command()).ignore_errors(true);
    let early = command.clone().try_get_matches_from(line()).ok()?;
    let environment = |name: &str| std::env::var_os(name);
    let read = |path| config::read(&command, path, config::Called::of(&early), &environment).ok();
    let file = globals::config_file(&early).and_then(read);
    file.map_or(command.clone(), |file| file.apply(command)).try_get_matches_from(line()).ok()
}

fn asked(matches: &ArgMatches) -> Option<Asked> {
    match matches.subcommand()? {
        ("attach", matches) => AttachArgs::from_arg_matches(matches).ok()?.asked(),
        ("publish", matches) => PublishArgs::from_arg_matches(matches).ok()?.asked(),
        _ => None,
    }
}

/// Lines of the jobs that begin with the word: the target, a tab, and its state.
///
/// The target without its dialect is offered only where it means the same job. Targets with control characters are left out,
/// since they cannot be typed. Quotes and backslashes are ignored, since they may belong to the shell.
fn offers(rows: &[JobRow], current: &str, dialects: &Dialects) -> String {
    let bare = |text: &str| text.replace(['\'', '"', '\\'], "");
    let current = bare(current);
    let mut out = String::new();
    let mut offered = BTreeSet::new();
    for row in rows {
        let plain = row.target.split_once('/').filter(|_| !current.is_empty() && !current.contains('/'));
        let plain = plain.map(|(_, job)| job).filter(|job| is_same(job, &row.target, dialects));
        for target in [Some(row.target.as_str()), plain].into_iter().flatten() {
            let can_be_typed = !target.chars().any(char::is_control);
            if can_be_typed && bare(target).starts_with(&current) && offered.insert(target.to_owned()) {
                // Writing to a string cannot fail.
                let _ = writeln!(out, "{target}\t{}", state(row));
            }
        }
    }
    out
}

/// Whether two texts name the same job.
fn is_same(one: &str, other: &str, dialects: &Dialects) -> bool {
    let job = |text: &str| match Target::parse(text, dialects, None) {
        Ok(Target::Job { dialect, job }) => Some((dialect.name.to_string(), job)),
        _ => None,
    };
    job(one).is_some_and(|one| Some(one) == job(other))
}

/// State of a job in a few words.
fn state(row: &JobRow) -> String {
    let percent = row.percent.map(|percent| format!("{percent:.0}%"));
    let words = [Some(row.state.as_str().to_owned()), percent, row.message.clone()];
    let words: Vec<String> = words.into_iter().flatten().map(|word| brief(&word).into_owned()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::JobState;

    fn row(target: &str, percent: Option<f64>) -> JobRow {
        JobRow {
            target: target.to_owned(),
            state: JobState::Running,
            percent,
            message: Some("a\nb\u{1b}[1m".to_owned()),
            started: None,
            updated: None,
            watchers: 0,
        }
    }

    #[test]
    fn jobs_that_begin_with_the_word_are_offered_with_their_state_on_one_line() {
        let rows = [
            row("scraping/12", Some(45.4)),
            row("scraping/2", None),
            row("celery/it's $x", None),
            row("celery/a\nb", None),
        ];
        let offers = |current| offers(&rows, current, &Dialects::builtin());
        assert_eq!(offers("scraping/1"), "scraping/12\trunning 45% a b\n");
        assert_eq!(offers("cel"), "celery/it's $x\trunning a b\n");
        assert_eq!(offers("").lines().count(), 3);
        assert_eq!(offers("'celery/its"), offers("cel"));
        assert_eq!(offers("downloads/"), "");
    }
}
