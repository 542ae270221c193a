//! Whether this client was the bottleneck, measured: its lag, its CPU, and how late it is woken up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::summary::Summary;
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
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    if busy >= BUSY {
        reasons.push(format!("a thread of this client had work for {} of the time", percent(busy)));
    } else if summary.client.busiest_thread_share >= BUSY {
        let share = percent(summary.client.busiest_thread_share);
        reasons.push(format!("a thread of this client used {share} of a core"));
    }
    let cores = f64::from(summary.setup.machine.cores.max(1));
    if summary.client.cpu_share >= BUSY * cores {
        let share = percent(summary.client.cpu_share / cores);
        reasons.push(format!("this client used {share} of the whole machine's CPU"));
    }
    let measured = [
        summary.healthy().map(|cohort| &cohort.delivery),
        summary.round_trip.as_ref().map(|trip| &trip.time),
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
        let is_much = latency > 0 && late >= SLIGHT_MICROS && float(late) >= float(latency) * EXPLAINS;
        is_much.then(|| format!("{what} by {:.1} ms at the 99th percentile", float(late) / 1e3))
    };
    if let Some(publish) = &summary.publish {
        reasons.extend(explains("events left later than intended", &publish.send_lag));
        if publish.rate < publish.intended_rate * 0.98 {
            let (is, was) = (publish.rate, publish.intended_rate);
            reasons.push(format!("{is:.0} events a second were sent where {was:.0} were intended"));
        }
    }
    reasons.extend(explains("threads were woken up late", &summary.client.loop_delay));
    reasons
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_sampler_measures() {
        let sampler = Sampler::start();
        std::thread::sleep(Duration::from_millis(60));
        assert!(sampler.finish().count() > 0);
    }
}
