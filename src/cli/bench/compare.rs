//! `bench compare`.

use anyhow::Result;
use clap::{Args, ValueHint};

use super::report::{OutputChoice, columns};
use crate::bench::report::compare::{Comparison, Runs};
use crate::cli::Globals;
use crate::exit::Exit;
use crate::outfile::print;

/// Where nobody counts columns, none is left out.
const UNBOUNDED: usize = 1000;

/// Say what got better or worse between runs, beyond noise
///
/// Each side is what bench --output json wrote: a file, or several with commas between. Several runs a side show how much
/// runs differ anyway; of a single one only its own unsteadiness is known.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    jobwire bench compare before.json after.json\n  \
    jobwire bench compare --fail-on-regression a1.json,a2.json,a3.json b1.json,b2.json,b3.json")]
pub(super) struct CompareArgs {
    /// The run, or runs, before.
    #[arg(value_name = "BEFORE", value_hint = ValueHint::FilePath)]
    before: String,

    /// The run, or runs, after.
    #[arg(value_name = "AFTER", value_hint = ValueHint::FilePath)]
    after: String,

    /// What to print on stdout.
    #[arg(long, value_enum, value_name = "FORMAT", env = "JOBWIRE_OUTPUT", default_value_t)]
    output: OutputChoice,

    /// Exit 1 if anything got worse beyond noise.
    #[arg(long, env = "JOBWIRE_FAIL_ON_REGRESSION")]
    fail_on_regression: bool,
}

impl CompareArgs {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit> {
        let comparison = Comparison::new(&Runs::read(&self.before)?, &Runs::read(&self.after)?)?;
        print(&match self.output {
            OutputChoice::Text => comparison.text(columns(UNBOUNDED), globals.color.on_stdout()),
            OutputChoice::Json => comparison.json(),
            OutputChoice::Quiet => String::new(),
        })?;
        let regressed = self.fail_on_regression && comparison.has_regressed();
        Ok(if regressed { Exit::Failure } else { Exit::Success })
    }
}
