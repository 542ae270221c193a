//! What is loaded, and how events get there.

use std::sync::Arc;

use url::Url;

use super::BenchArgs;
use crate::bench::aim::{Aim, Place};
use crate::bench::options::Via;
use crate::bench::placeholders;
use crate::bench::summary::Mode;
use crate::dialect::{Dialects, Target, masked, slip_of, with_nearest};
use crate::exit::Failure;
use crate::net::{self, publish_key};

const MODES: [Mode; 5] = [Mode::Fanout, Mode::Connect, Mode::Idle, Mode::Echo, Mode::Storm];

/// What is a mode on the command line, and none of a run.
pub(super) const WORKER: &str = "worker";

/// The mode and the place in what stands on the command line.
pub(super) fn parse(
    what: &[String],
    dialects: &Dialects,
    dialect: Option<&str>,
) -> Result<(Mode, Place), Failure> {
    let named = |text: &str| MODES.into_iter().find(|mode| mode.as_str() == text);
    let is_mode = |text: &str| named(text).is_some() || text == WORKER;
    let one_each = "a run has one mode and one target: a dialect, JOB or DIALECT/JOB, channel:NAME, room:KIND:ID or a URL";
    let (mode, target) = match what {
        [] => (Mode::Fanout, None),
        [one] => match named(one) {
            Some(mode) => (mode, None),
            None => (Mode::Fanout, Some(one)),
        },
        [mode, target, ..] if is_mode(mode) && is_mode(target) && dialects.named(target).is_none() => {
            let message = format!("two modes were given, '{mode}' and '{target}'");
            return Err(Failure::usage(message).hint(one_each));
        }
        [target, mode, ..] if is_mode(mode) && !is_mode(target) => {
            let message = format!("the mode comes first, as in: {mode} {}", masked(target).escape_debug());
            return Err(Failure::usage(message).hint(one_each));
        }
        [mode, target, ..] => {
            let modes = MODES.iter().map(|mode| mode.as_str());
            let message = format!("there is no mode '{}'", mode.escape_debug());
            let found = named(mode).ok_or_else(|| Failure::usage(with_nearest(&message, mode, modes)))?;
            (found, Some(target))
        }
    };
    let target = target.map_or_else(|| dialect.unwrap_or(&dialects.unnamed().name), String::as_str);
    Ok((mode, place(target, mode, dialects, dialect)?))
}

fn place(text: &str, mode: Mode, dialects: &Dialects, dialect: Option<&str>) -> Result<Place, Failure> {
    let usage = |error: crate::dialect::TargetError| Failure::usage(error.to_string());
    if text.contains("://") {
        return url(text, mode, dialects, dialect);
    }
    if let Some((_, found)) = dialects.named(text) {
        if found.channels.is_some() {
            return Err(Failure::usage(format!("{text} has no jobs"))
                .hint("name a channel or a room, as in channel:campaigns or room:campaign:1"));
        }
        return Ok(Place::Jobs(Arc::clone(found)));
    }
    let modes = MODES.iter().map(|mode| mode.as_str()).chain(dialects.names());
    if let Some(near) = slip_of(text, modes).filter(|_| !text.contains(['/', ':'])) {
        let text = text.escape_debug();
        return Err(Failure::usage(format!(
            "'{text}' is neither a mode nor a dialect; did you mean '{near}'?"
        ))
        .hint(format!("{}/{text} is the job", dialects.unnamed().name)));
    }
    Ok(match Target::parse(text, dialects, dialect).map_err(usage)? {
        Target::Job { dialect, job } => Place::Job(dialect, job),
        Target::Every { dialect } => {
            return Err(Failure::usage(format!(
                "bench loads jobs of its own with {}, or one job",
                dialect.name
            ))
            .hint("attach takes DIALECT/* and watches every job"));
        }
        Target::Channel { dialect, name } => Place::Channel(dialect, name),
        Target::Room { dialect, room } => Place::Room(dialect, room),
        Target::Url { url, dialect, job } => Place::Url(url, job.map(|job| (dialect, job))),
    })
}

/// A socket need not be of any dialect where nothing is published.
fn url(text: &str, mode: Mode, dialects: &Dialects, dialect: Option<&str>) -> Result<Place, Failure> {
    let publishes = matches!(mode, Mode::Fanout | Mode::Storm);
    if placeholders::has(text, "job") {
        return each(text, publishes, dialects, dialect);
    }
    match Target::parse(text, dialects, dialect) {
        Ok(Target::Url { job: Some(job), .. }) if publishes && placeholders::has(&job, "conn") => {
            Err(Failure::usage("{conn} stands where the URL names its job, which connections share")
                .hint("{job} is the id of a connection's job"))
        }
        Ok(Target::Url { url, dialect, job: Some(job) }) => Ok(Place::Url(url, Some((dialect, job)))),
        Err(error) if publishes => Err(Failure::usage(error.to_string())),
        Ok(_) if publishes => Err(Failure::usage("the path of that URL names no job to publish events of")
            .hint("name the target, as in scraping/1 or channel:campaigns, and the server with --server")),
        _ => Ok(Place::Url(socket(text)?, None)),
    }
}

/// The URL of a socket. An error does not repeat it: it may hold a password.
fn socket(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).map_err(|error| Failure::usage(format!("the target is no URL: {error}")))?;
    if !matches!(url.scheme(), "ws" | "wss" | "http" | "https") || url.host().is_none() {
        let message = format!("the target's scheme is {}, not ws, wss, http or https", url.scheme());
        return Err(Failure::usage(message));
    }
    Ok(net::socket_url(&url, ""))
}

/// A URL with `{job}` in it. Its dialect is that of the URL with the ids of jobs.
fn each(text: &str, publishes: bool, dialects: &Dialects, dialect: Option<&str>) -> Result<Place, Failure> {
    let url = socket(text)?;
    if !publishes {
        return Ok(Place::Each(url, None));
    }
    // Every dialect takes these as ids.
    let [one, two] =
        ["1", "2"].map(|id| match Target::parse(&text.replace("{job}", id), dialects, dialect) {
            Ok(Target::Url { dialect, job: Some(job), .. }) => Ok((dialect, job)),
            Err(error) => Err(Failure::usage(error.to_string())),
            Ok(_) => Err(Failure::usage("the path of that URL names no job to publish events of")
                .hint("{job} stands for the job's id, as in ws://host/ws/scraping/{job}")),
        });
    let ((dialect, one), (_, two)) = (one?, two?);
    match (one.as_str(), two.as_str()) {
        ("1", "2") => Ok(Place::Each(url, Some(dialect))),
        // It stands elsewhere, and the job is the same for all.
        (one, two) if one == two => Ok(Place::Url(url, Some((dialect, one.to_owned())))),
        _ => Err(Failure::usage("{job} stands for a job's whole id, and the URL has more of it")
            .hint("as in ws://host/ws/scraping/{job}")),
    }
}

/// How events reach the server: by a URL where one is named, or by Redis, otherwise through the relay itself.
pub(super) fn via(args: &BenchArgs, place: &Place) -> Result<Via, Failure> {
    let bearer = |key: &str| ("Authorization".to_owned(), format!("Bearer {key}"));
    if args.durable && (args.redis.is_none() || args.publish_url.is_some()) {
        let message = "--durable appends to streams in Redis, and events of this run go over HTTP";
        return Err(Failure::usage(message)
            .hint("name the Redis of the relay with --redis or REDIS_URL, and no --publish-url"));
    }
    if let Some(url) = &args.publish_url {
        let headers = args.publish_key.as_deref().map(bearer).into_iter().collect();
        return Ok(Via::Http { url: url.clone(), headers, name: "http" });
    }
    if let Some(url) = &args.redis {
        let url = url.clone();
        return Ok(if args.durable { Via::Streams(url) } else { Via::Redis(url) });
    }
    let server = match place {
        Place::Url(url, _) | Place::Each(url, _) => url.join("/").unwrap_or_else(|_| url.clone()),
        _ => args.server.clone(),
    };
    let aim = Aim::new(server.clone(), place.clone(), 1);
    // No key helps where there is nothing to publish.
    aim.events(None).map_err(|error| error.failure(&aim))?;
    let is_near = server.host_str().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
    let found = || server.port_or_known_default().filter(|_| is_near).and_then(publish_key::find);
    let key = args.publish_key.clone().or_else(found).ok_or_else(|| {
        Failure::usage("nothing says how to publish events")
            .hint("name the Redis of the server with --redis, or its publish key with --publish-key")
    })?;
    let url = net::http_url(&server, "/publish/{channel}");
    Ok(Via::Http { url, headers: vec![bearer(&key)], name: "relay" })
}

/// Headers as written, checked.
pub(super) fn headers(all: &[String]) -> Result<Vec<(String, String)>, Failure> {
    all.iter()
        .map(|text| {
            let parts = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
            let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'".contains(c);
            parts
                .filter(|(name, value)| {
                    !name.is_empty() && name.chars().all(is_token) && !value.contains(char::is_control)
                })
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                // Not repeated: it may hold a token.
                .ok_or_else(|| Failure::usage("--header takes 'Name: value'"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(what: &[&str]) -> Result<(Mode, Place), String> {
        let what: Vec<String> = what.iter().map(ToString::to_string).collect();
        parse(&what, &Dialects::builtin(), None).map_err(|failure| failure.message)
    }

    #[test]
    fn mode_and_target_may_be_left_out() {
        for (what, mode) in [(&[][..], Mode::Fanout), (&["storm"], Mode::Storm), (&["idle"], Mode::Idle)] {
            let (found, place) = parsed(what).unwrap();
            assert!(found == mode && matches!(place, Place::Jobs(dialect) if &*dialect.name == "jobs"));
        }
        assert!(matches!(parsed(&["downloads"]), Ok((Mode::Fanout, Place::Jobs(_)))));
        assert!(matches!(parsed(&["idle", "channel:campaigns"]), Ok((Mode::Idle, Place::Channel(..)))));
        assert!(matches!(parsed(&["fanout", "scraping/7"]), Ok((Mode::Fanout, Place::Job(..)))));
        for what in [&["build-42"][..], &["fanout", "build-42"], &["jobs/storm"]] {
            assert!(matches!(parsed(what), Ok((_, Place::Job(dialect, _))) if &*dialect.name == "jobs"));
        }
        assert!(matches!(parsed(&["ws://h/ws/scraping/7"]), Ok((Mode::Fanout, Place::Url(_, Some(_))))));
        assert!(matches!(parsed(&["echo", "ws://h/a/b/c?x=1"]), Ok((Mode::Echo, Place::Url(_, None)))));
    }

    #[test]
    fn a_url_may_have_a_socket_for_each_job() {
        assert!(matches!(parsed(&["ws://h/ws/scraping/{job}"]), Ok((_, Place::Each(_, Some(_))))));
        assert!(matches!(parsed(&["idle", "ws://h/a/b/{job}"]), Ok((_, Place::Each(_, None)))));
        let elsewhere = parsed(&["ws://h/ws/scraping/7?of={job}&c={conn}"]);
        assert!(matches!(&elsewhere, Ok((_, Place::Url(_, Some((_, job))))) if job == "7"), "{elsewhere:?}");
        for (url, why) in [
            ("ws://h/ws/download/x-{job}", "whole id"),
            ("ws://h/ws/scraping/{conn}", "connections share"),
            ("ws://h/ws?channels={job}", "names no job"),
        ] {
            let refused = parsed(&[url]).unwrap_err();
            assert!(refused.contains(why), "{url}: {refused}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(parsed(&["strom"]).unwrap_err().contains("storm"));
        assert!(parsed(&["fan-out", "scraping"]).unwrap_err().contains("fanout"));
        assert!(parsed(&["fanout", "ws://h/a/b/c"]).is_err());
        assert!(parsed(&["echo", "ftp://h/a"]).is_err());
        assert_eq!(parsed(&["fanout", "echo"]).unwrap_err(), "two modes were given, 'fanout' and 'echo'");
        assert!(parsed(&["idle", "worker"]).unwrap_err().contains("two modes"));
        assert!(parsed(&["scraping", "storm"]).unwrap_err().contains("storm scraping"));
        assert!(parsed(&["channels"]).unwrap_err().contains("no jobs"));
        assert!(headers(&["X-A: b".into()]).is_ok());
        assert!(headers(&["nonsense".into()]).is_err() && headers(&["A: b\r\nC: d".into()]).is_err());
    }
}
