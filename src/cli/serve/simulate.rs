//! Flags of the simulated backend.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::broker::Broker;
use crate::cli::values::duration;
use crate::dialect::Dialects;
use crate::exit::Failure;
use crate::simulate::{ROUTE, Simulation};

#[derive(Debug, Args)]
#[command(next_help_heading = "Simulation")]
pub(super) struct SimulateArgs {
    /// Be the backend as well, for an app that has none yet: POST /scrape/async takes {"url":…,"language":…} and answers
    /// {"task_id":…}, and the task reports on itself.
    ///
    /// The task belongs to the sub of the request's token (`jobwire token` makes one), and to demo-user with --no-auth. It goes
    /// through five steps to a recipe; where path or query of its url hold the word fail it fails on its way. The same url
    /// does the same each time. At most 100 tasks run at a time, then the answer is 503. It is for the embedded broker alone: what
    /// is made up is not to reach a Redis where others take it for real.
    #[arg(long, env = "JOBWIRE_SIMULATE")]
    pub(super) simulate: bool,

    /// How long a simulated task takes at most.
    #[arg(
        long,
        value_name = "DURATION",
        env = "JOBWIRE_SIMULATE_DURATION",
        default_value = "10s",
        value_parser = duration
    )]
    simulate_duration: Duration,
}

impl SimulateArgs {
    /// Refuses flags that contradict a simulation.
    pub(super) fn check(&self, has_redis: bool) -> Result<(), Failure> {
        if self.simulate && has_redis {
            let message = "--simulate is for the embedded broker, and --redis or REDIS_URL names a Redis";
            return Err(Failure::usage(message).hint(
                "what is simulated is not to reach others: start with JOBWIRE_REDIS and REDIS_URL empty, and no --redis",
            ));
        }
        let longest = Duration::from_hours(24);
        if self.simulate && (self.simulate_duration.is_zero() || self.simulate_duration > longest) {
            return Err(Failure::usage("--simulate-duration: more than nothing, and at most a day"));
        }
        Ok(())
    }

    /// Simulated backend, if wanted.
    pub(super) fn backend(
        &self,
        broker: &Arc<dyn Broker>,
        dialects: &Arc<Dialects>,
    ) -> Option<Arc<Simulation>> {
        let simulation = || Simulation::new(Arc::clone(broker), Arc::clone(dialects), self.simulate_duration);
        self.simulate.then(|| Arc::new(simulation()))
    }

    /// Line of the banner about the simulation. `refuses_all`: no token can be valid.
    pub(super) fn banner(&self, refuses_all: bool) -> String {
        match (self.simulate, refuses_all) {
            (false, _) => String::new(),
            (true, false) => format!("simulating POST {ROUTE}\n"),
            (true, true) => format!(
                "simulating POST {ROUTE}, which refuses everybody: give a --jwt-secret, which `jobwire token` signs with, or --no-auth\n"
            ),
        }
    }
}
