//! What a worker is to do: those options of a run that concern whoever holds connections, resolved, as they travel.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::bench::aim::Place;
use crate::bench::manner::Manner;
use crate::bench::options::{BenchOptions, EchoBy};
use crate::bench::plan::Ramp;
use crate::bench::summary::Mode;
use crate::dialect::{Dialect, Dialects};
use crate::exit::{Exit, Failure};
use crate::net::tls::Tls;

/// The part of [`BenchOptions`] that a worker needs. No `Debug`: it may hold a token.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Orders {
    mode: Mode,
    server: String,
    place: Where,
    headers: Vec<(String, String)>,
    tokens: Vec<String>,
    manner: Manner,
    /// Certificates that are trusted, as PEM.
    authorities: Option<String>,
    insecure: bool,
    connections: u64,
    connect_rate: Option<f64>,
    jobs: u64,
    rate: f64,
    duration: Duration,
    warm_up: Duration,
    ramp: Ramp,
    limit: Option<u64>,
    payload_size: Option<usize>,
    milestones: f64,
    slow: f64,
    slow_rate: Option<u64>,
    stalled: f64,
    churn: f64,
    cut: f64,
    echo: EchoBy,
    sources: Vec<IpAddr>,
    threads: Option<usize>,
}

/// A [`Place`] whose dialect is a name.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Where {
    Jobs { dialect: String },
    Job { dialect: String, job: String },
    Channel { dialect: String, name: String },
    Room { dialect: String, room: String },
    Url { url: String, job: Option<(String, String)> },
    Each { url: String, dialect: Option<String> },
}

impl Orders {
    pub(super) fn of(options: &BenchOptions) -> Self {
        Self {
            mode: options.mode,
            server: options.server.to_string(),
            place: Where::of(&options.place),
            headers: options.headers.clone(),
            tokens: options.tokens.to_vec(),
            manner: options.manner,
            authorities: options.tls.authorities().map(str::to_owned),
            insecure: options.tls.is_insecure(),
            connections: options.connections,
            connect_rate: options.connect_rate,
            jobs: options.jobs,
            rate: options.rate,
            duration: options.duration,
            warm_up: options.warm_up,
            ramp: options.ramp,
            limit: options.limit,
            payload_size: options.payload_size,
            milestones: options.milestones,
            slow: options.slow,
            slow_rate: options.slow_rate,
            stalled: options.stalled,
            churn: options.churn,
            cut: options.cut,
            echo: options.echo,
            sources: options.sources.clone(),
            threads: options.threads,
        }
    }

    /// The options of one of `of` workers, with its own dialects. Refuses what it does not know.
    pub(super) fn options(self, of: u32, dialects: &Dialects) -> Result<BenchOptions, Failure> {
        Ok(BenchOptions {
            mode: self.mode,
            server: url(&self.server)?,
            place: self.place.place(dialects)?,
            headers: self.headers,
            tokens: self.tokens.into(),
            manner: self.manner,
            tls: Tls::trusting(self.authorities, self.insecure),
            connections: self.connections,
            connect_rate: self.connect_rate,
            jobs: self.jobs,
            rate: self.rate,
            duration: self.duration,
            warm_up: self.warm_up,
            ramp: self.ramp,
            limit: self.limit,
            payload_size: self.payload_size,
            milestones: self.milestones,
            slow: self.slow,
            slow_rate: self.slow_rate,
            stalled: self.stalled,
            churn: self.churn,
            cut: self.cut,
            echo: self.echo,
            sources: self.sources,
            threads: self.threads,
            // Of itself a worker knows one, which it is.
            workers: 1,
            remote_workers: of.saturating_sub(1),
            // All else is the coordinator's business.
            owner: None,
            via: None,
            coordination: None,
            dialect_files: Vec::new(),
            server_pids: Vec::new(),
            demands: Vec::new(),
            allow_client_bound: false,
            find: None,
            max_clock_error: Duration::ZERO,
            described: BTreeMap::new(),
        })
    }
}

impl Where {
    fn of(place: &Place) -> Self {
        let name = |dialect: &Dialect| dialect.name.to_string();
        match place {
            Place::Jobs(dialect) => Self::Jobs { dialect: name(dialect) },
            Place::Job(dialect, job) => Self::Job { dialect: name(dialect), job: job.clone() },
            Place::Channel(dialect, channel) => {
                Self::Channel { dialect: name(dialect), name: channel.to_string() }
            }
            Place::Room(dialect, room) => Self::Room { dialect: name(dialect), room: room.clone() },
            Place::Url(url, job) => Self::Url {
                url: url.to_string(),
                job: job.as_ref().map(|(dialect, job)| (name(dialect), job.clone())),
            },
            Place::Each(url, dialect) => {
                Self::Each { url: url.to_string(), dialect: dialect.as_deref().map(name) }
            }
        }
    }

    fn place(self, dialects: &Dialects) -> Result<Place, Failure> {
        let named = |name: &str| {
            dialects.named(name).map(|(_, dialect)| Arc::clone(dialect)).ok_or_else(|| {
                let name = name.escape_debug();
                let message = format!("it knows no dialect '{name}': start it with the --dialect-file too");
                Failure::new(Exit::Usage, message)
            })
        };
        Ok(match self {
            Self::Jobs { dialect } => Place::Jobs(named(&dialect)?),
            Self::Job { dialect, job } => Place::Job(named(&dialect)?, job),
            Self::Channel { dialect, name } => Place::Channel(named(&dialect)?, name.into()),
            Self::Room { dialect, room } => Place::Room(named(&dialect)?, room),
            Self::Url { url: text, job } => {
                let job = job.map(|(dialect, job)| Ok::<_, Failure>((named(&dialect)?, job))).transpose()?;
                Place::Url(url(&text)?, job)
            }
            Self::Each { url: text, dialect } => {
                Place::Each(url(&text)?, dialect.as_deref().map(named).transpose()?)
            }
        })
    }
}

/// Not repeated where it is none, since it may hold a password.
fn url(text: &str) -> Result<Url, Failure> {
    Url::parse(text).map_err(|error| {
        Failure::new(Exit::Failure, format!("the call has a server that is no URL: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_travel_by_the_names_of_their_dialects() {
        let dialects = Dialects::builtin();
        let named = |name: &str| Arc::clone(dialects.named(name).unwrap().1);
        let url = Url::parse("ws://h:1/ws/scraping/7?x=1").unwrap();
        for place in [
            Place::Jobs(named("downloads")),
            Place::Job(named("scraping"), "7".into()),
            Place::Channel(named("channels"), "campaigns".into()),
            Place::Room(named("channels"), "campaign:1".into()),
            Place::Url(url.clone(), Some((named("scraping"), "7".into()))),
            Place::Url(url.clone(), None),
            Place::Each(url.clone(), Some(named("downloads"))),
            Place::Each(url, None),
        ] {
            let text = serde_json::to_string(&Where::of(&place)).unwrap();
            let there: Where = serde_json::from_str(&text).unwrap();
            assert_eq!(format!("{:?}", there.place(&dialects).unwrap()), format!("{place:?}"));
        }
    }

    #[test]
    fn an_unknown_dialect_is_refused_by_its_name() {
        let refused = Where::Jobs { dialect: "builds".into() }.place(&Dialects::builtin()).unwrap_err();
        assert!(refused.message.contains("'builds'") && refused.message.contains("--dialect-file"));
    }
}
