//! The end of a run: what it cost, and everything that was seen, in one summary.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Outcome, Run};
use crate::bench::collect::Part;
use crate::bench::manner::Manner;
use crate::bench::numbers::as_f64;
use crate::bench::options::EchoBy;
use crate::bench::subscriber::Cohort;
use crate::bench::summary::{Client, Cohort as CohortCounts, Mode, Reconnect, Subscribing, Watcher};
use crate::bench::{client, exit_of, verdict};
use crate::exit::Exit;
use crate::usage;

impl Run<'_> {
    /// Ends the run and sums it up.
    pub(super) fn finish(mut self, watcher: &mut dyn Watcher) -> Outcome {
        self.summary.client = self.own_cost();
        let part = self.close();
        self.summary.client.rss_per_connection_bytes = self.rss_per_connection(&part);
        watcher.end();
        self.sum_up(part)
    }

    /// By how much this process grew for each of its connections, in bytes.
    pub fn rss_per_connection(&self, part: &Part) -> f64 {
        let growth = self.measure.rss.saturating_sub(self.rss_before);
        as_f64(growth) / as_f64(part.connections.peak.max(1))
    }

    /// What this process has cost so far.
    pub fn own_cost(&mut self) -> Client {
        let events = self.shared.received.load(Ordering::Acquire).saturating_sub(self.measure.received);
        let cpu = usage::own_cpu().saturating_sub(self.measure.cpu).as_secs_f64();
        Client {
            cpu_share: self.measure.share,
            cpu_per_event_micros: (events > 0).then(|| cpu * 1e6 / as_f64(events)),
            rss_bytes: self.measure.rss,
            redraw_share: self.redraw.as_secs_f64() / self.begun.elapsed().as_secs_f64().max(1e-9),
            ..std::mem::take(&mut self.summary.client)
        }
    }

    /// Makes the summary of what all threads, of this process or of several, saw.
    pub fn sum_up(mut self, part: Part) -> Outcome {
        let mut summary = self.summary;
        summary.setup.elapsed_seconds = self.begun.elapsed().as_secs_f64();
        summary.client.busiest_thread_share =
            summary.client.busiest_thread_share.max(part.busiest_thread_share);
        let is_interrupted = self.stop.load(Ordering::Acquire);
        // Whoever is interrupted may not have opened any yet.
        let is_gone = !is_interrupted && part.connections.opened > 0 && part.connections.open_at_end == 0;
        summary.partial = match &self.lost {
            Some(why) => Some(format!("publishing ended early: {why}")),
            None if is_interrupted => Some("interrupted".to_owned()),
            None if is_gone => {
                Some("no connection was left at the end: the server ended all of them, or is gone".to_owned())
            }
            None => summary.partial.take(),
        };
        summary.connections = part.connections;
        summary.connect_time = part.connect_time;
        summary.subscribing = subscribing(self.options.manner, part.subscribing);
        summary.round_trip = (self.options.mode == Mode::Echo).then_some(part.round_trip);
        if let Some(trip) = &mut summary.round_trip {
            trip.by = if self.options.echo == EchoBy::Ping { "ping" } else { "text" }.into();
        }
        summary.reconnect = (part.reconnect.away() > 0).then_some(part.reconnect);
        let is_short = |reconnect: &&mut Reconnect| reconnect.back < reconnect.away();
        if let Some(reconnect) = summary.reconnect.as_mut().filter(is_short) {
            reconnect.all_back_seconds = None;
        }
        if summary.publish.is_some() {
            summary.cohorts = in_order(part.cohorts);
        }
        let start = self.shared.start.load(Ordering::Acquire);
        let in_run = |at: u64| Duration::from_nanos(at.saturating_sub(self.shared.begin)).as_secs_f64();
        let measured = (in_run(start + self.shared.plan.measured_at()), in_run(self.measure.end));
        let log = std::mem::take(&mut self.log);
        summary.intervals = log.finish(in_run(self.ended), (start > 0).then_some(measured));
        // Its CPU is that of the warm-up too, and so are these.
        let received = summary.intervals.iter().map(|interval| interval.received).sum();
        let deliveries = if summary.publish.is_some() { received } else { 0 };
        summary.server = self.meter.report(summary.connections.peak, deliveries);
        summary.client.bound = client::bound(&summary, part.busy, part.starved);
        summary.verdict = verdict::judge(&summary, &self.options.demands, self.options.allow_client_bound);
        let exit = if self.lost.is_some() || (is_gone && summary.verdict.passed) {
            Exit::Unreachable
        } else {
            exit_of(&summary)
        };
        Outcome { summary, exit, is_gone }
    }
}

/// What was seen of how connections subscribed; `None` where they did plainly.
fn subscribing(manner: Manner, seen: Subscribing) -> Option<Subscribing> {
    let Manner { transport, deflate, msgpack, watch, resume } = manner;
    let deflate = deflate.then(|| seen.deflate.unwrap_or_default());
    let asked = Subscribing { transport, msgpack, targets_per_connection: watch, resume, deflate, ..seen };
    (!manner.is_plain()).then_some(asked)
}

fn in_order(cohorts: Vec<CohortCounts>) -> Vec<CohortCounts> {
    let place = |name: &str| Cohort::ALL.iter().position(|cohort| cohort.as_str() == name);
    let mut cohorts = cohorts;
    cohorts.sort_by_key(|cohort| place(&cohort.name));
    cohorts
}
