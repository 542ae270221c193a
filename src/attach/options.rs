//! What to watch and how to show it, resolved.

use std::time::Duration;

use url::Url;

use super::follow::Place;
use crate::dialect::{Target, with_nearest};
use crate::exit::Failure;
use crate::net::{address, http_url, socket_url};

/// How what happens is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bars on the terminal behind stderr.
    Bars,
    /// A plain line per change on stdout.
    Plain,
    /// NDJSON on stdout.
    Json,
    /// Not at all.
    Quiet,
}

/// Settings of [`super::run`].
#[derive(Debug, Clone)]
pub struct AttachOptions {
    /// What to watch, a socket each.
    pub targets: Vec<Target>,
    /// The server of targets that are no URL: ws, wss, http or https.
    pub server: Url,
    /// How it is shown.
    pub progress: Progress,
    /// Whether to paint.
    pub color: bool,
    /// Kinds of event that lines and JSON show; empty: all. The exit code takes all of them into account.
    pub events: Vec<String>,
    /// End with the first job that fails.
    pub fail_fast: bool,
    /// Wait for a new run of a job that has ended.
    pub new: bool,
    /// When to stop waiting.
    pub timeout: Option<Duration>,
    /// How many failed attempts in a row are followed by another.
    pub retries: u32,
}

impl AttachOptions {
    /// Settings for these targets on this server: plain lines without colour, no limits, ten retries.
    pub fn new(targets: Vec<Target>, server: Url) -> Self {
        Self {
            targets,
            server,
            progress: Progress::Plain,
            color: false,
            events: Vec::new(),
            fail_fast: false,
            new: false,
            timeout: None,
            retries: 10,
        }
    }

    /// Refuses kinds of event that no target's dialect has.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let kinds = || self.targets.iter().flat_map(|target| target.dialect().kinds());
        for name in &self.events {
            if !kinds().any(|kind| *kind.name == **name) {
                let mut known: Vec<&str> = kinds().map(|kind| &*kind.name).collect();
                known.sort_unstable();
                known.dedup();
                let message = format!("there is no event '{}'", name.escape_debug());
                return Err(Failure::usage(with_nearest(&message, name, known)));
            }
        }
        Ok(())
    }

    /// For each target its name, its short name, and where it is found.
    pub(super) fn places(&self) -> Vec<(String, String, Place)> {
        self.targets.iter().map(|target| self.place(target)).collect()
    }

    fn place(&self, target: &Target) -> (String, String, Place) {
        let dialect = target.dialect().clone();
        match target {
            Target::Job { job, .. } => {
                let name = target.to_string();
                let socket = socket_url(&self.server, &dialect.socket_path(job));
                // Who waits for a new run does not care how the last one went.
                let first = if self.new { socket.clone() } else { replayed(&socket) };
                let place = Place {
                    socket,
                    first,
                    status: dialect.status_path(job).map(|path| http_url(&self.server, &path)),
                    dialect,
                };
                (name.clone(), name, place)
            }
            Target::Channel { .. } | Target::Room { .. } => {
                let socket = socket_url(&self.server, &dialect.route);
                let place = Place { first: socket.clone(), socket, status: None, dialect };
                (target.to_string(), target.to_string(), place)
            }
            Target::Url { url, job, .. } => {
                // Neither a query nor a user's name is shown: they may be secrets.
                let name = format!("{}://{}{}", url.scheme(), address(url), url.path());
                let label = match job {
                    Some(job) => format!("{}/{job}", dialect.name),
                    None => format!("{}{}", address(url), url.path()),
                };
                let status = job.as_deref().and_then(|job| dialect.status_path(job)).map(|path| {
                    let mut server = url.clone();
                    server.set_path("");
                    http_url(&server, &path)
                });
                // Somebody else's server gets the URL as the user wrote it.
                (name, label, Place { socket: url.clone(), first: url.clone(), status, dialect })
            }
        }
    }
}

/// The socket, asked for the run so far: the last event of each kind and part, oldest first. A server that knows no such
/// thing sends what it always sends.
fn replayed(socket: &Url) -> Url {
    let mut url = socket.clone();
    url.query_pairs_mut().append_pair("replay", "1");
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    fn options(targets: &[&str]) -> AttachOptions {
        let all = Dialects::builtin();
        let targets = targets.iter().map(|text| Target::parse(text, &all, None).unwrap()).collect();
        AttachOptions::new(targets, Url::parse("https://h/relay").unwrap())
    }

    #[test]
    fn a_target_has_a_socket_and_is_polled_on_the_same_server() {
        let options = options(&["scraping/1", "ws://me:pw@other:9/ws/download/a%20b?token=secret"]);
        let [(name, label, here), (other, short, there)] = &options.places()[..] else { panic!() };
        assert_eq!((name.as_str(), label.as_str()), ("scraping/1", "scraping/1"));
        assert_eq!(here.socket.as_str(), "wss://h/relay/ws/scraping/1");
        assert_eq!(here.first.as_str(), "wss://h/relay/ws/scraping/1?replay=1");
        assert_eq!(here.status.as_ref().unwrap().as_str(), "https://h/relay/ws/scraping/1/status");
        assert_eq!((other.as_str(), short.as_str()), ("ws://other:9/ws/download/a%20b", "downloads/a b"));
        assert!(there.socket.as_str().ends_with("?token=secret"));
        assert_eq!(there.first, there.socket);
        assert!(there.status.as_ref().unwrap().as_str().contains("other:9/api/status/a%20b?token=secret"));
    }

    #[test]
    fn the_run_so_far_is_asked_for_beside_the_server_s_own_query_and_not_with_new() {
        let options =
            AttachOptions { server: Url::parse("ws://h?key=k").unwrap(), ..options(&["scraping/1"]) };
        assert_eq!(options.places()[0].2.first.as_str(), "ws://h/ws/scraping/1?key=k&replay=1");
        let options = AttachOptions { new: true, ..options };
        assert_eq!(options.places()[0].2.first.as_str(), "ws://h/ws/scraping/1?key=k");
    }

    #[test]
    fn an_unknown_kind_of_event_names_the_nearest() {
        let mut options = options(&["scraping/1"]);
        options.events = vec!["job_progres".into()];
        let failure = options.check().unwrap_err();
        assert_eq!(failure.message, "there is no event 'job_progres'; did you mean 'job_progress'?");
        options.events = vec!["job_progress".into(), "error".into()];
        assert!(options.check().is_ok());
    }
}
