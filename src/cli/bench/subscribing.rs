//! `bench`: how connections subscribe, and what each of them says of itself.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum, ValueHint};

use crate::bench::aim::{Place, Visit};
use crate::bench::manner::{Manner, Transport};
use crate::bench::options::{BenchOptions, EchoBy};
use crate::bench::placeholders;
use crate::bench::summary::Mode;
use crate::exit::Failure;
use crate::net::token;
use crate::wire::watch::MAX_TARGETS;

/// The longest file of tokens that is read, in bytes.
const MAX_TOKENS: u64 = 64 << 20;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Subscribing")]
#[expect(clippy::struct_excessive_bools, reason = "they are flags")]
pub(super) struct SubscribeArgs {
    /// What connections speak: WebSocket, or Server-Sent Events.
    #[arg(long, value_enum, value_name = "HOW", env = "JOBWIRE_TRANSPORT", default_value_t)]
    transport: TransportChoice,

    /// Offer permessage-deflate; the report says how many connections got it.
    #[arg(long, env = "JOBWIRE_DEFLATE")]
    deflate: bool,

    /// Ask for MessagePack by the subprotocol jobwire.msgpack; a server without it is refused.
    #[arg(long, env = "JOBWIRE_MSGPACK")]
    msgpack: bool,

    /// Subscribe through /watch, rather than by the route of the target's contract.
    #[arg(long, env = "JOBWIRE_WATCH")]
    watch: bool,

    /// With --watch: so many jobs a connection, 1000 at most.
    #[arg(long, value_name = "N", env = "JOBWIRE_TARGETS_PER_CONNECTION", value_parser = clap::value_parser!(u64).range(1..=MAX_TARGETS as u64), requires = "watch")]
    targets_per_connection: Option<u64>,

    /// Connections that a storm, --churn or the server ends come back with their last cursor, and what they then miss is
    /// lost. Where events go is waited for while it is away.
    #[arg(long, env = "JOBWIRE_RESUME")]
    resume: bool,

    /// A file with a token a line, which connections take in turns.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_TOKEN_FILE", value_hint = ValueHint::FilePath, conflicts_with = "token")]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum TransportChoice {
    /// WebSocket.
    #[default]
    Ws,
    /// Server-Sent Events.
    Sse,
}

impl SubscribeArgs {
    pub(super) fn manner(&self) -> Manner {
        Manner {
            transport: match self.transport {
                TransportChoice::Ws => Transport::Ws,
                TransportChoice::Sse => Transport::Sse,
            },
            deflate: self.deflate,
            msgpack: self.msgpack,
            watch: self.watch.then(|| self.targets_per_connection.unwrap_or(1)),
            resume: self.resume,
        }
    }

    /// The tokens of the file, otherwise the one that was given.
    pub(super) fn tokens(&self, given: Option<&str>) -> Result<Arc<[String]>, Failure> {
        let Some(path) = &self.token_file else {
            return Ok(given.map(|text| token::bare(text).to_owned()).into_iter().collect());
        };
        let shown = path.display();
        let failed = |why: &dyn std::fmt::Display| {
            Failure::usage(format!("could not read the token file {shown}: {why}"))
        };
        let length = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
        if length > MAX_TOKENS {
            return Err(failed(&format!("it has over {MAX_TOKENS} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
        read_tokens(&text).map_err(|why| Failure::usage(format!("token file {shown}: {why}")))
    }

    /// What shaped the run, for the report.
    pub(super) fn described(&self, tokens: usize) -> Vec<(&'static str, String)> {
        let manner = self.manner();
        let yes = |is: bool| is.then(|| "yes".to_owned());
        [
            ("transport", (!manner.transport.is_ws()).then(|| manner.transport.as_str().to_owned())),
            ("deflate", yes(manner.deflate)),
            ("msgpack", yes(manner.msgpack)),
            ("watch", yes(manner.watch.is_some())),
            ("targets-per-connection", self.targets_per_connection.map(|targets| targets.to_string())),
            ("resume", yes(manner.resume)),
            ("token-file", self.token_file.as_ref().map(|_| format!("{tokens} tokens"))),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// A token a line; blank lines are none. Errors repeat nothing of the text, which is secret.
fn read_tokens(text: &str) -> Result<Arc<[String]>, String> {
    let mut tokens = Vec::new();
    for (nth, line) in (1..).zip(text.lines()) {
        let token = token::bare(line);
        if token.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("line {nth} has a blank or a control character, which no token has"));
        }
        tokens.extend((!token.is_empty()).then(|| token.to_owned()));
    }
    if tokens.is_empty() {
        return Err("there is no token in it; it has one a line".to_owned());
    }
    Ok(tokens.into())
}

/// Refuses what does not go together, before anything is opened.
pub(super) fn check(options: &BenchOptions) -> Result<(), Failure> {
    placeholders_are_known(options)?;
    let manner = options.manner;
    if !manner.transport.is_ws() {
        one_way(options)?;
    }
    if manner.deflate && has_header(options, "sec-websocket-extensions") {
        let message = "--deflate and a --header Sec-WebSocket-Extensions both offer extensions";
        return Err(Failure::usage(message).hint("leave one of them out"));
    }
    let echoes_text = options.mode == Mode::Echo && options.echo == EchoBy::Text;
    if echoes_text && (manner.msgpack || manner.watch.is_some()) {
        let flag = if manner.msgpack { "--msgpack" } else { "--watch" };
        let message = format!("--echo text and {flag} cannot be used together: no relay sends texts back");
        return Err(Failure::usage(message).hint("round trips by ping, which is the default, can"));
    }
    if manner.watch.is_some() {
        watchable(options)?;
    }
    Ok(())
}

/// Refuses what takes messages of a client, which an event stream has none of.
fn one_way(options: &BenchOptions) -> Result<(), Failure> {
    let manner = options.manner;
    let (what, hint) = match options.mode {
        _ if manner.deflate => ("--deflate", "an event stream is never compressed; leave it out"),
        _ if manner.msgpack => ("--msgpack", "an event stream is text; leave it out"),
        Mode::Echo => ("the mode echo", "round trips take a WebSocket: leave --transport out"),
        _ if matches!(options.place, Place::Room(..)) && manner.watch.is_none() => (
            "a room by the route of channels, where clients join rooms by a message",
            "with --watch the request names the room",
        ),
        _ if has_header(options, "accept") => {
            ("a --header Accept", "it is what asks for an event stream; leave it out")
        }
        _ => return Ok(()),
    };
    Err(Failure::usage(format!("--transport sse does not go with {what}")).hint(hint))
}

fn watchable(options: &BenchOptions) -> Result<(), Failure> {
    let targets = options.manner.targets();
    if options.place.server().is_some() {
        return Err(Failure::usage("--watch has a route of its own, and the target is a URL")
            .hint("name the target as in scraping or channel:campaigns, and its relay with --server"));
    }
    let aim = options.aim();
    if targets > aim.jobs() {
        let message = format!(
            "--targets-per-connection {targets} is more than there is to watch: {} in this run",
            aim.jobs()
        );
        return Err(Failure::usage(message).hint(if options.place.is_spread() {
            "raise --jobs; a connection watches a job once"
        } else {
            "a dialect has as many jobs as --jobs says; this target is one"
        }));
    }
    // Ids and tokens are of different lengths; a margin is left to them.
    let last = Visit { conn: options.connections.saturating_sub(1), job: aim.jobs() - targets, since: None };
    if !options.manner.transport.is_ws() && !aim.fits_request(last) {
        let message = format!("{targets} targets are more than a request has room for");
        return Err(Failure::usage(message).hint(
            "an event stream has no messages that name further ones: watch fewer, or use --transport ws",
        ));
    }
    Ok(())
}

fn has_header(options: &BenchOptions, wanted: &str) -> bool {
    options.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
}

/// Values of headers are not repeated, since they may be secret; nor are URLs.
fn placeholders_are_known(options: &BenchOptions) -> Result<(), Failure> {
    let url = options.place.server().unwrap_or(&options.server);
    let headers = options.headers.iter().map(|(name, value)| (format!("--header {name}"), value.as_str()));
    let all = headers.chain([("the URL".to_owned(), url.as_str())]);
    for (place, text) in all {
        if let Some(word) = placeholders::unknown(text) {
            let message = format!("{place} has an unknown placeholder {{{}}}", word.escape_debug());
            return Err(
                Failure::usage(message).hint("{conn} is the number of a connection, {job} the id of its job")
            );
        }
        if options.manner.targets() > 1 && placeholders::has(text, "job") {
            let message = format!("{place} has {{job}}, and a connection has several jobs");
            return Err(Failure::usage(message).hint("{conn} is the number of a connection"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_has_a_token_a_line() {
        let read = |text| read_tokens(text).map(|all| all.join("|"));
        assert_eq!(read("a.b.c\r\n\n Bearer d.e.f \n\"g\"").as_deref(), Ok("a.b.c|d.e.f|g"));
        assert_eq!(read("only").as_deref(), Ok("only"));
        assert!(read("\n \n").unwrap_err().contains("no token"));
        let odd = read("a\nmy secret").unwrap_err();
        assert!(odd.starts_with("line 2 ") && !odd.contains("secret"), "{odd}");
    }
}
