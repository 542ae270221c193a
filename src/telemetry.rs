//! Logging: one compact line an event, on stderr, which never waits for whoever reads it.

mod stderr;

use std::fmt;

use anyhow::{Context, Result, anyhow};
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

pub(crate) use self::stderr::{flush, say};
use crate::dialect::with_nearest;
use crate::text::printable;

/// The levels, from silence to noise.
pub(crate) const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Checks a log level or filter.
///
/// A bare word must be a level: the filter syntax would take a misspelt one for the name of a target, and log nothing.
pub(crate) fn parse_filter(text: &str) -> Result<String, String> {
    let bare = !text.contains(['=', ',', ':', '[']);
    if bare && !LEVELS.contains(&text.to_ascii_lowercase().as_str()) {
        return Err(with_nearest("no such log level", text, LEVELS));
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// A level is this program's own; libraries stay at warnings, whose finer levels are about their insides.
fn directives(filter: &str) -> String {
    match filter.to_ascii_lowercase().as_str() {
        level @ ("info" | "debug" | "trace") => format!("warn,jobwire={level}"),
        _ => filter.to_owned(),
    }
}

/// The filter of a log that is running.
#[derive(Clone)]
pub(crate) struct LogFilter(std::sync::Arc<dyn Fn(EnvFilter) -> Result<()> + Send + Sync>);

impl LogFilter {
    /// Logs by another level or filter from now on.
    pub(crate) fn set(&self, filter: &str) -> Result<()> {
        (self.0)(EnvFilter::try_new(directives(filter))?)
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogFilter")
    }
}

/// Writes a field of an event on one line and fit for a terminal, whatever is in it: much of what is logged came from
/// clients and servers.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    let value = printable(&value);
    match field.name() {
        "message" => write!(writer, "{value}"),
        name if writer.has_ansi_escapes() => {
            write!(writer, "{} {value}", format_args!("\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m"))
        }
        name => write!(writer, "{name}={value}"),
    }
}

/// Starts logging to stderr; once per process.
pub(crate) fn init(filter: &str, color: bool) -> Result<LogFilter> {
    let filter = EnvFilter::try_new(directives(filter))?;
    let log = tracing_subscriber::fmt()
        .compact()
        .fmt_fields(debug_fn(field).delimited(" "))
        .with_env_filter(filter)
        .with_writer(|| stderr::Stderr)
        .with_ansi(color)
        .with_target(false)
        // Complaining about a stderr that is gone would go to stderr, and panic in whichever thread had something to log.
        .log_internal_errors(false)
        // Last, since its type holds that of all that is set before.
        .with_filter_reloading();
    let handle = log.reload_handle();
    stderr::start().context("could not start logging")?;
    log.try_init().map_err(|error| anyhow!("could not start logging: {error}"))?;
    let set =
        move |filter| handle.reload(filter).map_err(|error| anyhow!("could not change the log: {error}"));
    Ok(LogFilter(std::sync::Arc::new(set)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_refused_and_filters_pass() {
        assert_eq!(parse_filter("inof").unwrap_err(), "no such log level; did you mean 'info'?");
        for good in ["warn", "INFO", "off", "jobwire::relay=debug", "warn,hyper=trace"] {
            assert_eq!(parse_filter(good).as_deref(), Ok(good));
        }
        assert!(parse_filter("jobwire=loud").is_err());
    }

    #[test]
    fn a_level_is_ours_and_a_filter_is_taken_as_it_is() {
        assert_eq!(directives("debug"), "warn,jobwire=debug");
        assert_eq!(directives("error"), "error");
        assert_eq!(directives("hyper=trace"), "hyper=trace");
    }
}
