//! Lists of a relay: its jobs, its clients, its counters, and whether it gets events.
//!
//! [`ListClient`] asks over HTTP, one connection a question. An old relay has fewer members in its answers and no list of
//! clients; what is missing is `None`, never an invented zero. An error is a [`Failure`](crate::exit::Failure) with the
//! exit code and a hint.

mod answer;
mod client;
mod failure;
mod poll;

pub(crate) use answer::{ClientList, ClientRow, JobList, JobRow};
#[cfg(test)]
pub(crate) use answer::{RedisFacts, RelayStats};
pub(crate) use client::{Clients, JobQuery, ListClient, MOST_JOBS, Readiness, RelaySample};
pub(crate) use poll::{PollResult, Wanted, poll};
