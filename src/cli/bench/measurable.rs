//! What a run could not measure, whatever the server does.

use crate::bench::options::{BenchOptions, FindOf};
use crate::bench::plan::{Load, Plan};
use crate::bench::summary::Mode;
use crate::exit::Failure;

/// Refuses what would measure nothing, and demands that no result could keep.
pub(super) fn check(options: &BenchOptions) -> Result<(), Failure> {
    let finds_rate = options.find.as_ref().is_some_and(|find| find.of == FindOf::Rate);
    if matches!(options.mode, Mode::Idle | Mode::Connect) {
        if finds_rate {
            let message = format!("--find rate has no rate to search in the mode {}", options.mode.as_str());
            return Err(Failure::usage(message).hint(
                "fanout and storm publish events, and echo makes round trips; or use --find connections",
            ));
        }
    } else {
        // A search goes down to one a second, where nothing else keeps the limits.
        let rate = if finds_rate { options.rate.min(1.0) } else { options.rate };
        let plan = Plan::new(&Load { rate, ..options.load(1) });
        if plan.events == plan.measured_from {
            let what = if options.mode == Mode::Echo { "round trip" } else { "event" };
            let seconds = options.duration.as_secs_f64();
            let reason = if finds_rate { "a search goes down to 1 a second, and " } else { "" };
            let message = format!(
                "nothing would be measured: {reason}at {rate} a second no {what} is due within {seconds} s"
            );
            let hint = if finds_rate {
                "use a longer --duration"
            } else {
                "use a longer --duration or a higher --rate"
            };
            return Err(Failure::usage(message).hint(hint));
        }
    }
    let within = options.find.iter().flat_map(|find| &find.within);
    for demand in options.demands.iter().chain(within) {
        let metric = demand.metric();
        if let Some(what) = options.cannot_measure(metric) {
            return Err(Failure::usage(format!("this run has no {metric}: that takes {what}")));
        }
    }
    Ok(())
}
