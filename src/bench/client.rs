//! Whether this client was the bottleneck, measured: its lag, its CPU, and how late it is woken up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::numbers::as_f64;
use super::summary::{Mode, Publish, Summary};
use super::timing::Timing;

/// How often the sampler asks to be woken up.
const SAMPLE_EVERY: Duration = Duration::from_millis(5);

/// A thread that did not wait for the network for this share of the time had no time left.
const BUSY: f64 = 0.9;

/// A thread that was ready and got no processor for this share of the time reads late.
const STARVED: f64 = 0.25;

/// Lag and delay are of no account below this, in microseconds.
const SLIGHT_MICROS: u64 = 5_000;

/// Lag and delay explain a latency if they are at least this share of it.
const EXPLAINS: f64 = 0.5;

/// Events that waited for their endpoint for this share of the time were late for its sake.
const NOTABLE: f64 = 0.01;

/// A thread that sleeps and looks how late it wakes up.
pub struct Sampler {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Timing>,
}

impl Sampler {
    /// Begins.
    pub fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut late = Timing::new();
            while !flag.load(Ordering::Acquire) {
                let asleep = Instant::now();
                std::thread::sleep(SAMPLE_EVERY);
                late.record(asleep.elapsed().saturating_sub(SAMPLE_EVERY));
            }
            late
        });
        Self { over, thread }
    }

    /// Ends; how late it was each time.
    pub fn finish(self) -> Timing {
        self.over.store(true, Ordering::Release);
        self.thread.join().unwrap_or_default()
    }
}

/// Every reason for which the client may have been the bottleneck. `busy` is the share of the time that its busiest
/// thread did not wait, `starved` the share for which one was ready and got no processor.
pub fn bound(summary: &Summary, busy: f64, starved: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    let is_partial = summary.partial.is_some();
    if is_partial && summary.publish.as_ref().is_some_and(|publish| publish.sent == 0) {
        // It ended before anything was measured.
        return reasons;
    }
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    if busy >= BUSY {
        reasons.push(format!("a thread of this client had work for {} of the time", percent(busy)));
    } else if summary.client.busiest_thread_share >= BUSY {
        let share = percent(summary.client.busiest_thread_share);
        reasons.push(format!("a thread of this client used {share} of a core"));
    }
    reasons.extend(hosts(summary).iter().flat_map(|host| host.bound(summary.workers.is_empty())));
    let measured = [
        summary.healthy().map(|cohort| &cohort.delivery),
        summary.round_trip.as_ref().map(|trip| &trip.time),
        (summary.mode == Mode::Connect).then_some(&summary.connect_time.total),
    ];
    let latency = measured.into_iter().flatten().map(|timing| timing.micros_at(99.0)).max().unwrap_or(0);
    if starved >= STARVED && latency >= SLIGHT_MICROS {
        reasons.push(format!(
            "a thread of this client waited for a processor for {} of the time",
            percent(starved)
        ));
    }
    let explains = |what: &str, timing: &Timing| {
        let late = timing.micros_at(99.0);
        let is_much = latency > 0 && late >= SLIGHT_MICROS && as_f64(late) >= as_f64(latency) * EXPLAINS;
        is_much.then(|| format!("{what} by {:.1} ms at the 99th percentile", as_f64(late) / 1e3))
    };
    // An event that waited while its endpoint was away left late for that.
    if let Some(publish) = summary.publish.as_ref().filter(|publish| publish.outages == 0) {
        let whose =
            if waited_for_endpoint(publish) { "the endpoint of the events did not keep up: " } else { "" };
        reasons.extend(explains(&format!("{whose}events left later than intended"), &publish.send_lag));
        // Where the run was ended, or the endpoint was lost, that is the reason.
        if publish.rate < publish.intended_rate * 0.98 && !is_partial {
            let (is, was) = (publish.rate, publish.intended_rate);
            reasons.push(format!("{whose}{is:.0} events a second were sent where {was:.0} were intended"));
        }
    }
    reasons.extend(explains("threads were woken up late", &summary.client.loop_delay));
    reasons
}

/// Whether it was for the endpoint's sake that events left late: they waited for it for a notable share of the time, and
/// for long enough to explain their lag.
fn waited_for_endpoint(publish: &Publish) -> bool {
    let waited = publish.endpoint_wait_seconds;
    let took = if publish.rate > 0.0 { as_f64(publish.sent) / publish.rate } else { 0.0 };
    let lag = as_f64(publish.send_lag.micros_at(99.0)) / 1e6;
    waited > 0.0 && waited >= took * NOTABLE && waited >= lag * EXPLAINS
}

/// What the processes of a client use on one host, and what that has.
struct Host {
    name: String,
    cores: f64,
    cpu_share: f64,
    memory_bytes: u64,
    rss_bytes: u64,
}

/// The hosts of a run: this one first, with what the process itself used that sums up.
fn hosts(summary: &Summary) -> Vec<Host> {
    let (machine, workers, client) = (&summary.setup.machine, &summary.workers, &summary.client);
    let theirs: f64 = workers.iter().map(|worker| worker.cpu_share).sum();
    let mut hosts = vec![Host {
        name: machine.host.clone(),
        cores: f64::from(machine.cores.max(1)),
        cpu_share: client.cpu_share - theirs,
        memory_bytes: machine.memory_bytes,
        rss_bytes: if workers.is_empty() { client.rss_bytes } else { 0 },
    }];
    for worker in workers {
        let at = hosts.iter().position(|host| host.name == worker.host).unwrap_or_else(|| {
            hosts.push(Host {
                name: worker.host.clone(),
                cores: f64::from(worker.cores.max(1)),
                cpu_share: 0.0,
                memory_bytes: worker.memory_bytes,
                rss_bytes: 0,
            });
            hosts.len() - 1
        });
        hosts[at].cpu_share += worker.cpu_share;
        hosts[at].rss_bytes += worker.rss_bytes;
    }
    hosts
}

impl Host {
    /// Why it may have been the bottleneck; it has no name where there is no other.
    fn bound(&self, alone: bool) -> Vec<String> {
        let mut reasons = Vec::new();
        let name = if alone { "machine".to_owned() } else { format!("machine {}", self.name) };
        let cpu = self.cpu_share / self.cores;
        if cpu >= BUSY {
            reasons.push(format!("this client used {:.0} % of the whole {name}'s CPU", cpu * 100.0));
        }
        let memory = as_f64(self.rss_bytes) / as_f64(self.memory_bytes.max(1));
        if self.memory_bytes > 0 && memory >= BUSY {
            reasons.push(format!("this client held {:.0} % of the whole {name}'s memory", memory * 100.0));
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::summary::Worker;

    #[test]
    fn a_client_with_time_left_is_not_the_bottleneck() {
        assert_eq!(bound(&Summary::example(), 0.4, 0.1), Vec::<String>::new());
    }

    #[test]
    fn lag_cpu_and_delay_are_named() {
        let mut summary = Summary::example();
        summary.client.cpu_share = 1.9;
        summary.client.loop_delay = Timing::of_micros([30_000; 10]);
        let publish = summary.publish.as_mut().unwrap();
        publish.send_lag = Timing::of_micros([20_000; 10]);
        publish.rate = 300.0;
        let reasons = bound(&summary, 0.97, 0.3).join("; ");
        for word in [
            "97 % of the time",
            "95 % of the whole",
            "left later",
            "woken up late by 30.0 ms",
            "processor for 30 %",
            "300 events",
        ] {
            assert!(reasons.contains(word), "{word} is missing in {reasons}");
        }
        // A latency that is far longer has another reason.
        summary.publish.as_mut().unwrap().rate = 500.0;
        summary.cohorts[0].delivery = Timing::of_micros([900_000; 10]);
        summary.client.cpu_share = 0.1;
        assert!(bound(&summary, 0.1, 0.1).is_empty());
    }

    #[test]
    fn an_endpoint_that_does_not_keep_up_is_named() {
        let mut summary = Summary::example();
        let publish = summary.publish.as_mut().unwrap();
        publish.send_lag = Timing::of_micros([1_000_000; 10]);
        publish.rate = 300.0;
        let named = |summary: &Summary| bound(summary, 0.1, 0.1).join("; ").matches("endpoint").count();
        assert_eq!(named(&summary), 0);
        // It may have waited and yet been late for another reason.
        for (waited, times) in [(0.1, 0), (0.4, 0), (0.6, 2), (7.0, 2)] {
            summary.publish.as_mut().unwrap().endpoint_wait_seconds = waited;
            assert_eq!(named(&summary), times, "{waited} s: {:?}", bound(&summary, 0.1, 0.1));
        }
    }

    #[test]
    fn every_host_is_judged_by_its_own_cores_and_memory() {
        let mut summary = Summary::example();
        let worker = |host: &str, cpu_share, rss_bytes| Worker {
            host: host.into(),
            cores: 4,
            memory_bytes: 16 << 30,
            cpu_share,
            rss_bytes,
            ..Worker::default()
        };
        // The coordinator's own 0.2 and a worker beside it on two cores; two workers on another host of four.
        summary.workers = vec![
            worker("build-1", 0.8, 1 << 30),
            worker("build-2", 1.9, 9 << 30),
            worker("build-2", 1.5, 1 << 30),
        ];
        summary.client.cpu_share = 0.2 + 0.8 + 1.9 + 1.5;
        assert_eq!(bound(&summary, 0.1, 0.1), [""; 0]);
        summary.workers[2] = worker("build-2", 1.8, 6 << 30);
        summary.client.cpu_share += 0.3;
        let reasons = bound(&summary, 0.1, 0.1).join("; ");
        assert!(reasons.contains("92 % of the whole machine build-2's CPU"), "{reasons}");
        assert!(reasons.contains("94 % of the whole machine build-2's memory"), "{reasons}");
        assert!(!reasons.contains("build-1"), "{reasons}");
    }

    #[test]
    fn the_sampler_measures() {
        let sampler = Sampler::start();
        std::thread::sleep(Duration::from_millis(60));
        assert!(sampler.finish().count() > 0);
    }
}
