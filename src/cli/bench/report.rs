//! `bench`: where its reports go.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use console::Term;

use crate::bench::report::{self, OutputPaths, Outputs, live};
use crate::bench::summary::{Summary, Watcher};
use crate::cli::Globals;
use crate::exit::{Exit, Failure};
use crate::outfile::print;

/// Columns where there is no terminal to ask.
const COLUMNS: usize = 100;

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Reports")]
pub(super) struct ReportArgs {
    /// What to print on stdout.
    #[arg(long, value_enum, value_name = "FORMAT", env = "JOBWIRE_OUTPUT", default_value_t)]
    output: OutputChoice,

    /// Write the percentile distribution in milliseconds, for HdrHistogram's plotters and those of wrk2; - is stdout,
    /// here and below.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_HGRM")]
    hgrm: Option<PathBuf>,

    /// Write a HdrHistogram interval log in microseconds, an interval a second.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_HLOG")]
    hlog: Option<PathBuf>,

    /// Write a row a second.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_CSV")]
    csv: Option<PathBuf>,

    /// Write tables to paste into an issue.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_MARKDOWN")]
    markdown: Option<PathBuf>,

    /// Write a page with curves, which needs nothing else.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_HTML")]
    html: Option<PathBuf>,

    /// Write the verdict as JUnit XML, a test case for each assertion, for CI servers; written at every end of a run.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_JUNIT")]
    junit: Option<PathBuf>,

    /// Show nothing while it goes on; without a terminal on stderr nothing is shown anyway.
    #[arg(long, env = "JOBWIRE_NO_LIVE")]
    no_live: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputChoice {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// Nothing; the exit code tells.
    Quiet,
}

/// Where a run's reports will go; its files are known to be writable.
#[derive(Debug)]
pub(super) struct Reports {
    output: OutputChoice,
    files: Outputs,
    live: bool,
}

impl ReportArgs {
    /// Opens the files: what cannot be written is said before the run.
    pub(super) fn open(self) -> Result<Reports, Failure> {
        let Self { output, hgrm, hlog, csv, markdown, html, junit, no_live } = self;
        let files = Outputs::open_all(&OutputPaths { hgrm, hlog, csv, markdown, html, junit })?;
        let live = !no_live && output != OutputChoice::Quiet;
        let output = match (files.on_stdout(), output) {
            (Some(flag), OutputChoice::Json) => {
                return Err(Failure::usage(format!("--output json and {flag} both write to stdout"))
                    .hint("give one of them a file"));
            }
            // It stands in for the text.
            (Some(_), _) => OutputChoice::Quiet,
            (None, output) => output,
        };
        Ok(Reports { output, files, live })
    }
}

impl Reports {
    /// Who shows the run while it goes on.
    pub(super) fn watcher(&self, globals: &Globals) -> Box<dyn Watcher> {
        live::watcher(self.live, globals.color.on_stderr())
    }

    /// Writes all of them. A stdout that is gone does not keep the files from being written.
    pub(super) fn write(self, summary: &Summary, globals: &Globals) -> Result<(), Failure> {
        let text = match self.output {
            OutputChoice::Text => report::text(summary, columns(COLUMNS), globals.color.on_stdout()),
            OutputChoice::Json => report::json(summary),
            OutputChoice::Quiet => String::new(),
        };
        let printed = print(&text);
        self.files.write(summary)?;
        printed
    }

    /// Writes the JUnit report of a run that could not begin. Returns the error that ended the run.
    pub(super) fn write_unbegun(self, error: anyhow::Error) -> anyhow::Error {
        let failure = match error.downcast_ref::<Failure>() {
            Some(failure) => failure.clone(),
            None => Failure::new(Exit::Failure, format!("{error:#}")),
        };
        match self.files.write_unbegun(&failure) {
            Ok(()) => error,
            Err(unwritten) => error.context(unwritten.message),
        }
    }
}

/// How wide stdout is; `otherwise` where it is no terminal.
pub(super) fn columns(otherwise: usize) -> usize {
    if std::io::stdout().is_terminal() { usize::from(Term::stdout().size().1) } else { otherwise }
}
