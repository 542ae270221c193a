//! The client: questions to a relay, with its key and token.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::answer::{ClientList, JobList, JobRow, RelayStats, object};
use super::failure::{no_relay, of_error};
use crate::dialect::JobState;
use crate::exit::Failure;
use crate::net::http::get_at_most;
use crate::net::tls::Tls;
use crate::net::token_source::TokenSource;
use crate::net::websocket::{Limits, WebSocket, connect_with};
use crate::net::{NetError, address, http_url, publish_key, socket_url};

/// Jobs that one question is answered with at most: more is refused by relays of version 0.1.
pub(crate) const MOST_JOBS: usize = 10_000;

/// Limit of the jobs in one answer of an old relay.
const MOST_OF_OLD: usize = 1_000;

/// The longest answer that is read: 10,000 jobs of which each has a name of 256 bytes and a message of a kilobyte or more. An
/// answer that is longer is asked for again with fewer jobs.
const MAX_LIST: usize = 16 << 20;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clients that are asked for.
const CLIENTS: usize = 100;

/// A relay to ask, and what proves who asks.
#[derive(Debug, Clone)]
pub(crate) struct ListClient {
    /// URL of the relay.
    pub server: Url,
    /// TLS settings of the connections.
    pub tls: Tls,
    /// The token, read again for each question.
    pub token: Option<TokenSource>,
    /// The publish key that was given; else the one that a relay of this user left is looked for at each question.
    pub publish_key: Option<String>,
}

/// Which jobs to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobQuery {
    /// States; empty: all.
    pub states: Vec<JobState>,
    /// Name of the dialect; absent: all.
    pub dialect: Option<String>,
    /// Jobs at most, [`MOST_JOBS`] of them or fewer.
    pub limit: usize,
}

/// Answer to the question for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clients {
    /// The list.
    Known(ClientList),
    /// An old relay has no such list.
    Unknown,
    /// The list is for who has the publish key.
    Refused,
}

/// Whether the relay gets events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Events can come.
    Ready,
    /// No events can come, for this reason.
    Not(String),
}

/// Answers of a relay at one moment.
#[derive(Debug, Clone)]
pub(crate) struct RelaySample {
    /// When the counters were read.
    pub at: Instant,
    /// Its jobs.
    pub jobs: JobList,
    /// Its counters.
    pub stats: RelayStats,
    /// Its clients.
    pub clients: Clients,
    /// Whether the relay gets events.
    pub ready: Readiness,
}

impl ListClient {
    /// Asks all four questions at once.
    ///
    /// # Errors
    /// The relay is away, is none, or refuses its list of jobs.
    pub(crate) async fn sample(&self, query: &JobQuery) -> Result<RelaySample, Failure> {
        let (jobs, stats, clients, ready) =
            tokio::join!(self.jobs(query), self.stats(), self.clients(), self.ready());
        let (at, stats) = stats?;
        Ok(RelaySample { at, jobs: jobs?, stats, clients: clients?, ready: ready? })
    }

    /// Takes a sample like [`ListClient::sample`]. Where the relay has more jobs than the query gets, the queued and running
    /// ones among the others are asked for as well, so that no old job that still runs is missing.
    ///
    /// # Errors
    /// The relay is away, is none, or refuses its list of jobs.
    pub(crate) async fn sample_with_unfinished(&self, query: &JobQuery) -> Result<RelaySample, Failure> {
        let mut sample = self.sample(query).await?;
        let jobs = &mut sample.jobs;
        if query.states.is_empty() && jobs.is_cut() {
            let states = vec![JobState::Running, JobState::Queued];
            jobs.add(self.jobs(&JobQuery { states, ..query.clone() }).await?.jobs);
        }
        Ok(sample)
    }

    /// Lists jobs. Of a relay that does not know this query, more are asked for and others left out here.
    ///
    /// # Errors
    /// The relay is away, is none, or refuses.
    pub(crate) async fn jobs(&self, query: &JobQuery) -> Result<JobList, Failure> {
        let mut asked = Cow::Borrowed(query);
        loop {
            let error = match self.jobs_once(&asked).await {
                Ok(list) => return Ok(list.filtered(query)),
                Err(error) => error,
            };
            match error {
                NetError::TooBig { .. } if asked.limit > 1 => asked.to_mut().limit /= 4,
                // An old relay takes one state and 1,000 jobs.
                NetError::Status { status: 400, .. }
                    if asked.states.len() > 1 || asked.limit > MOST_OF_OLD =>
                {
                    let asked = asked.to_mut();
                    asked.limit = asked.limit.min(MOST_OF_OLD);
                    if asked.states.len() > 1 {
                        (asked.states, asked.limit) = (Vec::new(), MOST_OF_OLD);
                    }
                }
                // A dialect that the relay no longer has has no jobs.
                NetError::Status { status: 404, code: Some(code), .. } if code == "unknown_dialect" => {
                    return Ok(JobList { total: Some(0), ..JobList::default() });
                }
                error => return Err(of_error(&error)),
            }
        }
    }

    async fn jobs_once(&self, query: &JobQuery) -> Result<JobList, NetError> {
        let mut url = http_url(&self.server, "/jobs");
        {
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("limit", &query.limit.clamp(1, MOST_JOBS).to_string());
            if !query.states.is_empty() {
                let states: Vec<&str> = query.states.iter().map(|state| state.as_str()).collect();
                pairs.append_pair("state", &states.join(","));
            }
            if let Some(dialect) = &query.dialect {
                pairs.append_pair("dialect", dialect);
            }
        }
        let body = self.get(&url).await?;
        JobList::read(&body).ok_or_else(|| other(&url))
    }

    async fn stats(&self) -> Result<(Instant, RelayStats), Failure> {
        let url = http_url(&self.server, "/ws/stats");
        let body = self.get(&url).await.map_err(|error| of_error(&error))?;
        // The counters are those of the moment at which the answer came.
        let at = Instant::now();
        let stats = object(&body).ok_or_else(|| no_relay(&address(&url)))?;
        Ok((at, stats))
    }

    async fn clients(&self) -> Result<Clients, Failure> {
        let mut url = http_url(&self.server, "/clients");
        url.query_pairs_mut().append_pair("limit", &CLIENTS.to_string());
        match self.get(&url).await {
            Ok(body) => Ok(object(&body).map_or(Clients::Unknown, Clients::Known)),
            Err(NetError::Status { status: 401 | 403, .. }) => Ok(Clients::Refused),
            Err(NetError::Status { .. }) => Ok(Clients::Unknown),
            Err(error) => Err(of_error(&error)),
        }
    }

    async fn ready(&self) -> Result<Readiness, Failure> {
        match self.get(&http_url(&self.server, "/ready")).await {
            // A server without this route is as ready as its other answers.
            Ok(_) | Err(NetError::Status { status: 404, .. }) => Ok(Readiness::Ready),
            Err(NetError::Status { status, message, .. }) => {
                Ok(Readiness::Not(message.unwrap_or_else(|| format!("it answers {status}"))))
            }
            Err(error) => Err(of_error(&error)),
        }
    }

    /// Body of an answer to this question.
    async fn get(&self, url: &Url) -> Result<bytes::Bytes, NetError> {
        let (url, header) = self.credentials(url);
        let headers: Vec<(&str, &str)> =
            header.iter().map(|header| ("authorization", header.as_str())).collect();
        // Boxed, since four of them are under way at once.
        let answer = Box::pin(get_at_most(MAX_LIST, &url, &headers, &self.tls, PATIENCE)).await?;
        answer.success(&url)
    }

    /// The URL and the value of the header `Authorization` for a question. The key opens lists and has no other place than the
    /// header, so that a token beside it goes into the URL.
    fn credentials(&self, url: &Url) -> (Url, Option<String>) {
        // A file that cannot be read just now may be about to be written: the relay says what it misses.
        let token = self.token.as_ref().and_then(|source| source.read().ok());
        let key = publish_key::given_or_left(self.publish_key.as_deref(), &self.server);
        match (key, token) {
            (Some(key), Some(token)) => (token.in_query(url), Some(format!("Bearer {key}"))),
            (Some(key), None) => (url.clone(), Some(format!("Bearer {key}"))),
            (None, Some(token)) => {
                let (url, header) = token.in_header(url);
                (url, Some(header))
            }
            (None, None) => (url.clone(), None),
        }
    }

    /// Opens a socket that watches one target: from this cursor on, or with all that the relay still has of it.
    ///
    /// # Errors
    /// The relay is away, or refuses.
    pub(crate) async fn watch(&self, target: &str, since: Option<&str>) -> Result<WebSocket, Failure> {
        let mut url = socket_url(&self.server, "/watch");
        url.query_pairs_mut()
            .append_pair("target", target)
            .append_pair("view", "1")
            .append_pair("since", since.unwrap_or("0"));
        let (url, header) = self.credentials(&url);
        let opened = connect_with(&url, header.as_deref(), &self.tls, Limits::default(), PATIENCE).await;
        opened.map_err(|error| of_error(&error))
    }

    /// Checks that the token can be read.
    ///
    /// # Errors
    /// Its file cannot be read, or holds none.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.token.as_ref().map_or(Ok(()), |source| source.read().map(drop))
    }
}

impl JobList {
    /// Tells whether the relay has more jobs of this query than are listed. `false` where an old relay does not say.
    pub(crate) fn is_cut(&self) -> bool {
        self.total.is_some_and(|total| total > self.jobs.len() as u64)
    }

    /// Adds the jobs that are not listed yet.
    fn add(&mut self, jobs: Vec<JobRow>) {
        let listed: HashSet<String> = self.jobs.iter().map(|job| job.target.clone()).collect();
        self.jobs.extend(jobs.into_iter().filter(|job| !listed.contains(&job.target)));
    }

    /// Leaves out the jobs that a relay listed although they were not asked for.
    fn filtered(mut self, query: &JobQuery) -> Self {
        if !query.states.is_empty() {
            self.jobs.retain(|job| query.states.contains(&job.state));
        }
        self.jobs.truncate(query.limit);
        self
    }
}

/// An answer of 200 that is no list.
fn other(url: &Url) -> NetError {
    NetError::Status {
        address: address(url),
        status: 404,
        code: None,
        message: None,
        redirect: None,
        retry_after: None,
    }
}
