//! `jobwire-protocol.7` is written by hand; these tests hold it to what the program knows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jobwire::dialect::{Dialects, MAX_JOB_BYTES, Source};
use jobwire::relay::RelayOptions;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source(file: &str) -> String {
    fs::read_to_string(root().join("src").join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The page as it is read: hyphens that are meant as such are hyphens.
fn page() -> String {
    fs::read_to_string(root().join("man/jobwire-protocol.7")).unwrap().replace("\\-", "-")
}

#[track_caller]
fn assert_told<T: AsRef<str>>(what: &str, known: impl IntoIterator<Item = T>) {
    let page = page();
    let known: Vec<T> = known.into_iter().collect();
    assert!(!known.is_empty(), "no {what} were found at all");
    // A word on its own: `/ws` is not told by `/ws/ai`.
    let inside = |c: char| c.is_ascii_alphanumeric() || "_/*".contains(c);
    let is_told = |text: &str| {
        page.match_indices(text).any(|(at, _)| {
            !page[..at].ends_with(|c: char| inside(c) && !text.starts_with('/'))
                && !page[at + text.len()..].starts_with(inside)
        })
    };
    let missing: Vec<&str> = known.iter().map(AsRef::as_ref).filter(|text| !is_told(text)).collect();
    assert!(missing.is_empty(), "man/jobwire-protocol.7 tells nothing of these {what}: {missing:?}");
}

#[test]
fn it_tells_every_route_channel_kind_event_and_required_field() {
    let dialects = Dialects::builtin();
    let (mut routes, mut redis, mut kinds) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut events, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (_, dialect) in dialects.iter() {
        names.insert(format!(".SH {}", dialect.name.to_uppercase()));
        routes.insert(dialect.route.clone());
        routes.extend(dialect.status.iter().map(|status| status.route.clone()));
        match &dialect.source {
            Source::Channel(channel) => drop(redis.insert(channel.clone())),
            Source::PerJob(prefix) => drop(redis.insert(format!("{prefix}{{job}}"))),
            Source::Channels(channels) => redis.extend(channels.iter().cloned()),
            Source::Queues { prefix, .. } => drop(redis.insert(format!("{prefix}:{{queue}}:events"))),
        }
        if let Some(channels) = &dialect.channels {
            routes.extend(channels.routes.iter().map(|(route, _)| route.clone()));
            names.extend(channels.rooms.iter().map(|(kind, _)| kind.clone()));
        }
        kinds.extend(dialect.kinds().iter().map(|kind| kind.name.to_string()));
        for event in &dialect.catalogue.events {
            events.insert(event.name.clone());
            events.extend(event.settable().filter(|field| field.required).map(|field| field.name.clone()));
        }
    }
    assert_told("routes", routes);
    assert_told("Redis channels", redis);
    assert_told("kinds", kinds);
    assert_told("events and fields", events);
    assert_told("dialects and rooms", names);
}

#[test]
fn it_tells_every_close_code_with_its_reasons() {
    let close = source("dialect/close.rs");
    let values = close.lines().filter_map(|line| line.split_once("=> ")).map(|(_, value)| value);
    let values: Vec<&str> = values.map(|value| value.trim_end_matches(',').trim_matches('"')).collect();
    assert!(values.len() > 20, "the close codes are written in another way now: {values:?}");
    assert_told("close codes and reasons", values.iter().filter(|value| !value.is_empty()));
}

#[test]
fn it_tells_every_exit_code() {
    let exit = source("exit.rs");
    let codes = exit.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" => "));
    let codes = codes.filter_map(|(_, code)| code.parse::<u8>().ok());
    assert_told("exit codes", codes.map(|code| format!(".B {code}")));
}

#[test]
fn it_tells_the_limits() {
    let options = RelayOptions::default();
    let size = |bytes: usize| match bytes {
        bytes if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes => format!("{} KiB", bytes >> 10),
    };
    let jobs = options.job_log.jobs;
    assert_told(
        "limits",
        [
            size(options.max_payload),
            size(options.max_frame),
            size(options.max_header),
            size(options.outbox),
            size(options.job_log.bytes),
            format!("{},{:03}", jobs / 1000, jobs % 1000),
            format!("{} s", options.header_timeout.as_secs()),
            format!("{} s", options.ping_interval.as_secs()),
            format!("{} h", options.job_log.ended.as_secs() / 3600),
            format!("{MAX_JOB_BYTES} bytes"),
            format!(
                "more than {} channels",
                constant("relay/session/channel/subscriptions.rs", "MAX_SUBSCRIPTIONS")
            ),
            format!("{} commands a second", constant("relay/session/allowance.rs", "PER_SECOND")),
            format!("{} at once", constant("relay/session/allowance.rs", "BURST")),
        ],
    );
}

/// A number that is nobody's business outside of its module.
fn constant(file: &str, name: &str) -> String {
    let text = source(file);
    let (_, rest) =
        text.split_once(&format!("const {name}: ")).unwrap_or_else(|| panic!("no {name} in {file}"));
    rest.split_once("= ").unwrap().1.split(';').next().unwrap().to_owned()
}

#[test]
fn it_tells_every_error_code_of_http_and_of_commands() {
    let mut folders = vec![root().join("src/relay")];
    let mut codes = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                codes.extend(error_codes(&fs::read_to_string(path).unwrap()));
            }
        }
    }
    codes.extend(jobwire::dialect::Undecodable::ALL.map(|reason| reason.key().to_owned()));
    assert!(codes.len() > 15, "{codes:?}");
    assert_told("error codes", codes);
}

/// What stands behind a status, as in `StatusCode::NOT_FOUND, "not_found"`, or a code of a complaint.
fn error_codes(text: &str) -> Vec<String> {
    let quoted = |rest: &str| Some(rest.trim_start().strip_prefix('"')?.split('"').next()?.to_owned());
    let of_http = text.split("StatusCode::").skip(1).filter_map(|rest| quoted(rest.split_once(',')?.1));
    let complaints = text.contains("enum Code {").then(|| text.split("Self::").skip(1));
    let of_commands = complaints.into_iter().flatten().filter_map(|rest| {
        let (name, rest) = rest.split_once("=>")?;
        name.trim().chars().all(char::is_alphanumeric).then(|| quoted(rest)).flatten()
    });
    let is_code = |code: &String| code.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    of_http.chain(of_commands).filter(is_code).collect()
}

#[test]
fn the_pages_refer_to_each_other_and_are_of_this_version() {
    let page = page();
    assert!(page.contains(concat!("\"jobwire ", env!("CARGO_PKG_VERSION"), "\"")), "{page}");
    for verb in ["serve", "publish", "attach"] {
        assert!(page.contains(&format!(".BR jobwire-{verb} (1)")), "{verb}");
        let other = fs::read_to_string(root().join(format!("man/jobwire-{verb}.1"))).unwrap();
        assert!(other.replace("\\-", "-").contains(".BR jobwire-protocol (7)"), "{verb}");
    }
}
