//! The activity of a relay, live on a terminal or once for scripts: its jobs, its watchers, rates, slow clients, its Redis.
//!
//! [`run`] shows it: a task asks the relay, another one watches the job that is open, and one loop puts what they say and what
//! is typed into the state and draws it. The relay may go and come back. [`once`] prints one sample.

mod figures;
mod job;
mod job_view;
mod once;
mod options;
mod picture;
mod run;
mod state;
mod watching;

pub(crate) use once::once;
pub(crate) use options::{OnceFormat, TopOptions};
pub(crate) use run::{off_terminal, run};
