//! Choice of jobs to attach to, from the list of a relay's unfinished jobs on a terminal.
//!
//! The list is live, newest first. The picture is drawn on standard error, so that standard output stays for what attach prints.

mod picture;
mod run;
mod state;

pub(crate) use run::{PickOptions, Picked, pick};
