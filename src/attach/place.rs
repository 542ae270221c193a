//! Where targets are found: a socket for each job and each URL, and one for all channels and rooms together.

use std::sync::Arc;

use url::{Url, form_urlencoded};

use super::AttachOptions;
use crate::dialect::{Auth, Dialect, Target};
use crate::net::{address, http_url, socket_url};
use crate::wire::channels::ClientMessage;

/// Where something is found that has a socket of its own. Its URLs may hold a token.
#[derive(Clone)]
pub(super) struct Place {
    /// As the user wrote it, without what may be a secret.
    pub(super) name: String,
    /// A shorter name, for bars.
    pub(super) label: String,
    /// Its socket.
    pub(super) socket: Url,
    /// Its socket on the first connection: it may ask for the run so far.
    pub(super) first: Url,
    /// What is sent on every connection, to subscribe to what the URL does not name.
    pub(super) commands: Vec<String>,
    /// Its targets as `/watch` names them; none of a URL, which is a socket of its own wherever it leads.
    pub(super) targets: Vec<String>,
    /// The id of its job, where it is one job's and that is known.
    pub(super) job: Option<String>,
    /// It is every job of its dialect.
    pub(super) is_every: bool,
    /// Where it is polled, if it can be.
    pub(super) status: Option<Url>,
    /// How its messages and polling bodies are read.
    pub(super) dialect: Arc<Dialect>,
    /// The user's token is for its server.
    pub(super) takes_token: bool,
}

impl Place {
    /// Whether it is a stream of many resources or jobs, and no job.
    pub(super) fn is_stream(&self) -> bool {
        self.is_every || self.dialect.channels.is_some()
    }

    /// Whether a token says who may watch.
    pub(super) fn has_owner(&self) -> bool {
        self.dialect.auth == Auth::Owner
    }
}

impl AttachOptions {
    /// For each job and each stream where it is found, in the order of the targets.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        let mut subscribed = false;
        for target in &self.targets {
            match target {
                Target::Job { dialect, job } => places.push(self.job(target.to_string(), dialect, job)),
                Target::Every { dialect } => places.push(self.every(target.to_string(), dialect)),
                Target::Url { url, dialect, job } => places.push(foreign(url, dialect, job.as_deref())),
                Target::Channel { dialect, .. } | Target::Room { dialect, .. } if !subscribed => {
                    subscribed = true;
                    places.push(self.subscriptions(dialect));
                }
                Target::Channel { .. } | Target::Room { .. } => {}
            }
        }
        let trusted = self.trusted();
        for place in &mut places {
            place.takes_token = trusted.as_ref() == Some(&origin(&place.socket));
        }
        places
    }

    /// The one server that the user's token is for, which nobody else may see: the one that targets without a URL are on,
    /// else the one that all URLs name.
    fn trusted(&self) -> Option<(bool, String, Option<u16>)> {
        let urls = || {
            self.targets.iter().filter_map(|target| match target {
                Target::Url { url, .. } => Some(url),
                _ => None,
            })
        };
        if urls().count() < self.targets.len() {
            return Some(origin(&self.server));
        }
        let first = urls().next().map(origin)?;
        urls().all(|url| origin(url) == first).then_some(first)
    }

    fn job(&self, name: String, dialect: &Arc<Dialect>, job: &str) -> Place {
        let socket = socket_url(&self.server, &dialect.socket_path(job));
        // Who waits for a new run does not care how the last one went.
        let first = if self.new { socket.clone() } else { replayed(&socket) };
        Place {
            label: name.clone(),
            targets: vec![name.clone()],
            job: Some(job.to_owned()),
            is_every: false,
            name,
            socket,
            first,
            commands: Vec::new(),
            status: dialect.status_path(job).map(|path| http_url(&self.server, &path)),
            dialect: Arc::clone(dialect),
            takes_token: false,
        }
    }

    /// The one socket of all channels and rooms: the URL names the channels, a command each room.
    fn subscriptions(&self, dialect: &Arc<Dialect>) -> Place {
        let (mut names, mut channels, mut commands) = (Vec::new(), Vec::new(), Vec::new());
        for target in &self.targets {
            let name = target.to_string();
            match target {
                _ if names.contains(&name) => continue,
                Target::Channel { name, .. } => {
                    channels.push(form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>());
                }
                Target::Room { room, .. } => {
                    commands.push(ClientMessage::JoinRoom { room: room.clone() }.to_text());
                }
                Target::Job { .. } | Target::Every { .. } | Target::Url { .. } => continue,
            }
            names.push(name);
        }
        let mut socket = socket_url(&self.server, &dialect.route);
        if !channels.is_empty() {
            let own = socket.query().map(|query| format!("{query}&")).unwrap_or_default();
            socket.set_query(Some(&format!("{own}channels={}", channels.join(","))));
        }
        let name = names.join(" ");
        Place {
            label: name.clone(),
            name,
            targets: names,
            job: None,
            is_every: false,
            first: socket.clone(),
            socket,
            commands,
            status: None,
            dialect: Arc::clone(dialect),
            takes_token: false,
        }
    }

    /// All jobs of a dialect, which only `/watch` has.
    fn every(&self, name: String, dialect: &Arc<Dialect>) -> Place {
        let socket = socket_url(&self.server, "/watch");
        Place {
            label: name.clone(),
            targets: vec![name.clone()],
            job: None,
            is_every: true,
            name,
            first: socket.clone(),
            socket,
            commands: Vec::new(),
            status: None,
            dialect: Arc::clone(dialect),
            takes_token: false,
        }
    }
}

/// Origin of a URL: whether it uses TLS, its host and its port. URLs of one origin name one server.
fn origin(url: &Url) -> (bool, String, Option<u16>) {
    let is_secure = matches!(url.scheme(), "wss" | "https");
    (is_secure, url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default())
}

/// Place of a target that is a URL. The URL stays as the user wrote it.
fn foreign(url: &Url, dialect: &Arc<Dialect>, job: Option<&str>) -> Place {
    let status = job.and_then(|job| dialect.status_path(job)).map(|path| {
        let mut server = url.clone();
        server.set_path("");
        http_url(&server, &path)
    });
    Place {
        // Neither a query nor a user's name is shown: they may be secrets.
        name: format!("{}://{}{}", url.scheme(), address(url), url.path()),
        label: match job {
            Some(job) => format!("{}/{job}", dialect.name),
            None => format!("{}{}", address(url), url.path()),
        },
        socket: url.clone(),
        first: url.clone(),
        commands: Vec::new(),
        targets: Vec::new(),
        job: job.map(str::to_owned),
        is_every: false,
        status,
        dialect: Arc::clone(dialect),
        takes_token: false,
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
    use super::super::options::tests::options;
    use super::*;

    #[test]
    fn a_job_has_a_socket_and_is_polled_on_the_same_server() {
        let options = options(&["scraping/1", "ws://me:pw@other:9/ws/download/a%20b?token=secret"]);
        let [here, there] = &options.places()[..] else { panic!() };
        assert_eq!((here.name.as_str(), here.label.as_str()), ("scraping/1", "scraping/1"));
        assert_eq!(here.socket.as_str(), "wss://h/relay/ws/scraping/1");
        assert_eq!(here.first.as_str(), "wss://h/relay/ws/scraping/1?replay=1");
        assert_eq!(here.status.as_ref().unwrap().as_str(), "https://h/relay/ws/scraping/1/status");
        assert_eq!(
            (there.name.as_str(), there.label.as_str()),
            ("ws://other:9/ws/download/a%20b", "downloads/a b")
        );
        assert!(there.socket.as_str().ends_with("?token=secret"));
        assert_eq!(there.first, there.socket);
        assert!(there.status.as_ref().unwrap().as_str().contains("other:9/api/status/a%20b?token=secret"));
    }

    #[test]
    fn a_token_is_for_one_server_alone() {
        let takes = |targets: &[&str]| {
            let places = options(targets).places();
            places.iter().map(|place| place.takes_token).collect::<Vec<_>>()
        };
        assert_eq!(takes(&["scraping/1", "tasks/a", "channel:leads"]), [true; 3]);
        assert_eq!(takes(&["tasks/a", "wss://h/ws/b", "wss://h:443/ws/scraping/1"]), [true; 3]);
        let mixed = takes(&["tasks/a", "ws://h/ws/b", "wss://h:8443/ws/b", "wss://other/ws/b"]);
        assert_eq!(mixed, [true, false, false, false]);
        assert_eq!(takes(&["ws://other/ws/b", "ws://other:80/ws/scraping/1"]), [true, true]);
        assert_eq!(takes(&["ws://one/ws/b", "ws://two/ws/b"]), [false, false]);
    }

    #[test]
    fn the_run_so_far_is_asked_for_beside_the_server_s_own_query_and_not_with_new() {
        let options =
            AttachOptions { server: Url::parse("ws://h?key=k").unwrap(), ..options(&["scraping/1"]) };
        assert_eq!(options.places()[0].first.as_str(), "ws://h/ws/scraping/1?key=k&replay=1");
        let options = AttachOptions { new: true, ..options };
        assert_eq!(options.places()[0].first.as_str(), "ws://h/ws/scraping/1?key=k");
    }

    #[test]
    fn channels_and_rooms_share_a_socket_and_a_url_has_its_own() {
        let options = options(&[
            "room:campaign:1",
            "channel:campaigns",
            "scraping/1",
            "channel:scrapers",
            "channel:campaigns",
            "ws://other:9/ws/leads",
        ]);
        let places = options.places();
        let [stream, job, there] = &places[..] else { panic!() };
        assert_eq!(stream.name, "room:campaign:1 channel:campaigns channel:scrapers");
        assert_eq!(stream.socket.as_str(), "wss://h/relay/ws?channels=campaigns,scrapers");
        assert_eq!(stream.commands, [r#"{"type":"join_room","room":"campaign:1"}"#]);
        assert!(stream.is_stream() && !job.is_stream() && there.is_stream());
        assert!(stream.status.is_none() && there.commands.is_empty());
        assert_eq!(there.socket.as_str(), "ws://other:9/ws/leads");
    }
}
