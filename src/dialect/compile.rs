//! From the written form of a dialect to what it means, with errors that name file, line and key.

use std::sync::Arc;
use std::time::Duration;

use super::catalogue::Catalogue;
use super::channels::Channels;
use super::duration::duration;
use super::error::{DialectError, Fault};
use super::redact::Redactor;
use super::spec::{KindSpec, Spec, StatusSpec, UnknownSpec, WrapSpec};
use super::state::KeptState;
use super::telling::Telling;
use super::template::Template;
use super::{
    Auth, Dialect, JobIdType, Kind, Opens, Source, Status, Unknown, Wrap, decode, locate, status, view,
};

/// What every relay serves beneath this: publishing over HTTP.
const PUBLISH: &str = "/publish/";

/// How long a job may take to become somebody's, where its dialect does not say how long it may take to appear: clients
/// connect right after they submit.
const OWNER_GRACE: Duration = Duration::from_secs(5);

pub(super) fn compile(text: &str, origin: &str) -> Result<Dialect, DialectError> {
    let spec: Spec = toml::from_str(text).map_err(|error| {
        let span = error.span();
        let at = span.as_ref().map(|span| span.start);
        let key = span.map(|span| locate::key_at(text, &span)).unwrap_or_default().join(".");
        let said = error.message();
        DialectError {
            origin: origin.to_owned(),
            line: at.map(|at| locate::line_at(text, at)),
            message: if key.is_empty() { said.to_owned() } else { format!("{key}: {said}") },
        }
    })?;
    build(&spec).map_err(|fault| fault.locate(text, origin))
}

fn build(spec: &Spec) -> Result<Dialect, Fault> {
    let named = !spec.name.is_empty()
        && spec.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if !named || ["channel", "room", "all"].contains(&spec.name.as_str()) {
        return Err(Fault::at(
            &["name"],
            "a name is lower-case letters, digits, '-' and '_', and not channel, room or all",
        ));
    }
    let channels = spec.channels.as_ref().map(|channels| Channels::compile(spec, channels)).transpose()?;
    let source = if let Some(channels) = &channels {
        Source::Channels(channels.redis_names())
    } else {
        check_route(&spec.route, &["route"])?;
        source(spec)?
    };
    if matches!(source, Source::Channel(_)) && spec.job.pointer.is_none() {
        return Err(Fault::at(&["job"], "needs a pointer: the channel does not name the job"));
    }
    let (kinds, has_jobs) = (kinds(spec)?, channels.is_none());
    if spec.auth == Auth::Owner && channels.is_some() {
        return Err(Fault::at(&["auth"], "channels and rooms belong to nobody; none or token"));
    }
    if spec.auth == Auth::Owner && spec.pointers.owner.is_none() {
        return Err(Fault::at(&["auth"], "needs `pointers.owner`: whose a job is must stand somewhere"));
    }
    let unknown = spec.unknown.as_ref().map(unknown).transpose()?;
    Ok(Dialect {
        name: spec.name.as_str().into(),
        about: spec.about.clone(),
        route: spec.route.clone(),
        catalogue: Catalogue::compile(spec, &source)?,
        streams: matches!(source, Source::Queues { .. }),
        source,
        channels,
        auth: spec.auth,
        lifetime: spec.lifetime.as_deref().map(|text| parse_duration(text, &["lifetime"])).transpose()?,
        job_id: spec.job.id,
        slash: spec.job.slash,
        owner_grace: owner_grace(unknown.as_ref()),
        unknown,
        status: spec.status.as_ref().map(|status| status_of(spec, status)).transpose()?,
        wrap: spec.wrap.as_ref().map(wrap),
        publisher: spec.publisher.clone(),
        replaceable: spec.replaceable,
        undecodable: spec.undecodable.clone(),
        state: spec.state.as_ref().map(|state| KeptState::compile(state, has_jobs)).transpose()?,
        redactor: Redactor::compile(&spec.redact)?,
        telling: Telling::compile(spec)?,
        stages: spec.stages.iter().map(|stage| (stage.from, stage.text.clone())).collect(),
        decoder: decode::Decoder::compile(spec)?,
        viewer: view::Viewer::compile(spec)?,
        kinds,
    })
}

/// How long a job may take to become somebody's: as long as it may take to appear, where the file says that.
fn owner_grace(unknown: Option<&Unknown>) -> Duration {
    let after = unknown.map(|unknown| unknown.after);
    after.filter(|after| !after.is_zero()).unwrap_or(OWNER_GRACE)
}

fn kinds(spec: &Spec) -> Result<Vec<Kind>, Fault> {
    let kinds: Vec<Kind> =
        spec.kinds.iter().map(|(name, kind)| kind_of(&Arc::from(name.as_str()), kind)).collect();
    let variants = |kind: &Kind| kind.variants.iter().map(|(_, variant)| variant.clone()).collect::<Vec<_>>();
    let all = || kinds.iter().flat_map(|kind| variants(kind).into_iter().chain([kind.clone()]));
    if let Some(kind) = all().find(|kind| kind.ends.is_some() && kind.conflatable) {
        return Err(Fault::at(&["kinds", &kind.name], "an ending is never conflated"));
    }
    check_logs(spec, all())?;
    if let Some(kind) = kinds.iter().find(|kind| !kind.variants.is_empty() && spec.pointers.variant.is_none())
    {
        let message = "needs `pointers.variant`: the word of a variant must stand somewhere";
        return Err(Fault::at(&["kinds", &kind.name, "variants"], message));
    }
    if let Some(kind) = all().find(|kind| kind.variants.iter().any(|(_, kind)| !kind.variants.is_empty())) {
        return Err(Fault::at(&["kinds", &kind.name, "variants"], "a variant has no variants"));
    }
    let is_pattern = |name: &str| name.contains('*') && name != super::EVERY_OTHER;
    if let Some(kind) = kinds.iter().find(|kind| is_pattern(&kind.name) && spec.channels.is_none()) {
        let message = "a star alone stands for every other kind; others are for dialects with [channels]";
        return Err(Fault::at(&["kinds", &kind.name], message));
    }
    if kinds.iter().all(|kind| kind.ends.is_none()) {
        return Err(Fault::at(&["kinds"], "no kind ends a job; give one `ends = \"succeeded\"`"));
    }
    Ok(kinds)
}

/// Refuses a kind of log line that has no place for its text, and one that changes the state of a job.
fn check_logs(spec: &Spec, mut kinds: impl Iterator<Item = Kind>) -> Result<(), Fault> {
    let Some(kind) = kinds.find(|kind| {
        let does_more = kind.conflatable || kind.notice || kind.queued || kind.hidden || kind.unless_ended;
        let changes = kind.ends.is_some() || kind.entity.is_some() || kind.opens != Opens::Never;
        kind.log && (does_more || changes || spec.channels.is_some() || spec.pointers.line.is_none())
    }) else {
        return Ok(());
    };
    let message = if spec.channels.is_some() {
        "a line of a log is a job's, and a dialect with [channels] has none"
    } else if spec.pointers.line.is_none() {
        "needs `pointers.line`: the text of a line must stand somewhere"
    } else {
        "a line of a log is nothing else: it is not conflated and changes no state"
    };
    Err(Fault::at(&["kinds", &kind.name, "log"], message))
}

fn kind_of(name: &Arc<str>, spec: &KindSpec) -> Kind {
    let variant = |(word, spec): (&String, &KindSpec)| (word.as_str().into(), kind_of(name, spec));
    Kind {
        name: Arc::clone(name),
        conflatable: spec.conflatable,
        opens: spec.opens,
        ends: spec.ends,
        entity: spec.entity,
        notice: spec.notice,
        log: spec.log,
        queued: spec.queued,
        hidden: spec.hidden,
        unless_ended: spec.unless_ended,
        says: spec.says.as_deref().map(Arc::from),
        again: spec.again.as_deref().map(Arc::from),
        variants: spec.variants.iter().map(variant).collect(),
    }
}

fn source(spec: &Spec) -> Result<Source, Fault> {
    let channel = spec.channel.as_str();
    if spec.queues {
        let prefix = channel.strip_suffix(":{job}").filter(|prefix| !prefix.is_empty());
        let prefix = prefix.filter(|prefix| !prefix.contains("{job}")).ok_or_else(|| {
            Fault::at(&["channel"], "that of queues is their prefix and {job}, as in \"bull:{job}\"")
        })?;
        if spec.job.id != JobIdType::String {
            return Err(Fault::at(&["job", "type"], "a job of a queue has a text for an id, QUEUE:ID"));
        }
        return Ok(Source::Queues { prefix: prefix.to_owned(), names: None });
    }
    match channel.split_once("{job}") {
        _ if channel.is_empty() => Err(Fault::at(&["channel"], "a channel has a name")),
        None => Ok(Source::Channel(channel.to_owned())),
        Some((prefix, "")) if !prefix.is_empty() => Ok(Source::PerJob(prefix.to_owned())),
        Some(_) => {
            Err(Fault::at(&["channel"], "{job} stands at the end, after a prefix, as in \"updates:{job}\""))
        }
    }
}

fn check_route(route: &str, path: &[&str]) -> Result<(), Fault> {
    let segments: Vec<&str> = route.split('/').collect();
    let braces = |segment: &&&str| segment.contains(['{', '}']);
    let valid = route.starts_with('/')
        && segments.iter().filter(braces).collect::<Vec<_>>() == [&"{job}"]
        && segments[1..].iter().all(|segment| !segment.is_empty() && !segment.starts_with(':'))
        && route.bytes().all(|byte| byte.is_ascii_graphic())
        && !route.contains(['?', '#', '*']);
    if route.starts_with(PUBLISH) {
        return Err(Fault::at(path, format!("the paths beneath {PUBLISH} are the relay's own")));
    }
    if valid {
        return Ok(());
    }
    Err(Fault::at(
        path,
        format!(
            "a route is a path with {{job}} as one whole segment, as in \"/ws/jobs/{{job}}\"; got {route:?}"
        ),
    ))
}

fn unknown(spec: &UnknownSpec) -> Result<Unknown, Fault> {
    let frame = spec.frame.as_deref().map(Template::parse).transpose();
    Ok(Unknown {
        after: parse_duration(&spec.after, &["unknown", "after"])?,
        frame: frame.map_err(|error| Fault::at(&["unknown", "frame"], error))?,
    })
}

fn parse_duration(text: &str, path: &[&str]) -> Result<Duration, Fault> {
    duration(text).map_err(|error| Fault::at(path, format!("{error}; got {text:?}")))
}

fn wrap(spec: &WrapSpec) -> Wrap {
    let (kind, field) = (serde_json::Value::from(&*spec.kind), serde_json::Value::from(&*spec.field));
    Wrap { field: spec.field.clone(), before: format!("{{\"type\":{kind},{field}:") }
}

fn status_of(spec: &Spec, status: &StatusSpec) -> Result<Status, Fault> {
    check_route(&status.route, &["status", "route"])?;
    if status.route == spec.route {
        return Err(Fault::at(&["status", "route"], "is the path of the socket already"));
    }
    Ok(Status {
        route: status.route.clone(),
        echo: status.echo,
        body: status::Body::compile(status)?,
        read: view::StatusReader::compile(spec, status)?,
    })
}

/// Refuses a dialect whose name, paths or channels another one has, and a second one with channels and rooms: targets,
/// statistics and the prefix of channels do not say whose they are.
pub(super) fn check_clash(others: &[Arc<Dialect>], new: &Dialect, origin: &str) -> Result<(), DialectError> {
    let fail = |message: String| Err(DialectError { origin: origin.to_owned(), line: None, message });
    if others.len() >= usize::from(u8::MAX) {
        return fail("too many dialects".to_owned());
    }
    for other in others {
        if other.name == new.name {
            return fail(format!("name: there is a dialect called {} already", new.name));
        }
        if other.channels.is_some() && new.channels.is_some() {
            return fail(format!(
                "channels: the dialect {} has channels, and only one can; a dialect of jobs has {{job}} in its route",
                other.name
            ));
        }
        if overlap(&other.source, &new.source) {
            let way_out = if other.replaceable {
                format!("; a file with `name = \"{}\"` replaces it", other.name)
            } else {
                String::new()
            };
            return fail(format!("channel: the dialect {} listens there already{way_out}", other.name));
        }
        for (key, route) in routes(new) {
            if routes(other).iter().any(|(_, taken)| *taken == route) {
                return fail(format!("{key}: the dialect {} has that path already", other.name));
            }
        }
    }
    Ok(())
}

/// Whether a channel can belong to both.
fn overlap(one: &Source, other: &Source) -> bool {
    let covers = |prefix: &str, channel: &str| channel.len() > prefix.len() && channel.starts_with(prefix);
    match (one, other) {
        (Source::Queues { prefix: a, .. }, Source::Queues { prefix: b, .. })
        | (Source::Channel(a), Source::Channel(b)) => a == b,
        // Streams are no channels, whatever they are called.
        (Source::Queues { .. }, _) | (_, Source::Queues { .. }) => false,
        (Source::Channels(names), other) | (other, Source::Channels(names)) => {
            names.iter().any(|name| overlap(&Source::Channel(name.clone()), other))
        }
        (Source::PerJob(prefix), Source::Channel(channel))
        | (Source::Channel(channel), Source::PerJob(prefix)) => covers(prefix, channel),
        (Source::PerJob(a), Source::PerJob(b)) => a.starts_with(b.as_str()) || b.starts_with(a.as_str()),
    }
}

fn routes(dialect: &Dialect) -> Vec<(&'static str, &str)> {
    let status = dialect.status.as_ref().map(|status| ("status.route", status.route.as_str()));
    let channels = dialect.channels.iter().flat_map(|channels| &channels.routes);
    let own = channels.map(|(route, _)| ("channels.routes", route.as_str()));
    let route = std::iter::once(("route", dialect.route.as_str()));
    route.chain(status).chain(own.filter(|(_, route)| *route != dialect.route)).collect()
}
