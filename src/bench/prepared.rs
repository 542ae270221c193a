//! Checks before a run, and everything that a run is given.

use std::net::SocketAddr;

use super::aim::Aim;
use super::meter::Meter;
use super::options::BenchOptions;
use super::plan::Plan;
use super::preflight;
use super::publisher::Publisher;
use super::subscriber;
use super::summary::{Mode, Watcher};
use crate::exit::{Exit, Failure};
use crate::net;

/// What is known before a run.
pub struct Prepared {
    /// What is watched.
    pub aim: Aim,
    /// Where the server is.
    pub address: SocketAddr,
    /// What will be published.
    pub plan: Plan,
    /// Ready to publish.
    pub publisher: Option<Publisher>,
    /// The run's number.
    pub run: u32,
    /// When the run began by the clock of all processes, where there are several.
    pub begin: Option<u64>,
    /// What the server uses, where somebody says it.
    pub meter: Meter,
}

/// Checks everything that can be checked and connects the publisher.
pub(super) fn prepare(options: &BenchOptions, watcher: &mut dyn Watcher) -> Result<Prepared, Failure> {
    let aim = options.aim();
    let address = subscriber::resolve(aim.server(), &options.sources).map_err(|error| {
        Failure::new(Exit::Unreachable, format!("could not resolve {}: {error}", net::address(aim.server())))
    })?;
    for note in preflight::machine(options, address.ip())? {
        watcher.note(&note);
    }
    let publisher = match &options.via {
        Some(via) if options.publishes() => {
            let events = aim.events(options.payload_size).map_err(|error| error.failure(&aim))?;
            let mut publisher = Publisher::connect(via, &options.tls, events)?;
            let registrations = aim.registrations(options.owner.as_deref());
            if !registrations.is_empty() {
                publisher.announce(&registrations)?;
            }
            Some(publisher.outlasting(options.manner.resume))
        }
        _ => None,
    };
    let plan = match options.mode {
        Mode::Echo => Plan::new(&options.load(1)),
        _ => Plan::new(&options.load(aim.jobs())),
    };
    Ok(Prepared { aim, address, plan, publisher, run: rand::random(), begin: None, meter: Meter::default() })
}
