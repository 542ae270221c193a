//! The load tester: connections on any server that speaks one of the dialects, events at a fixed arrival rate, and what
//! became of each of them.
//!
//! The load is an open model: an event has an intended time that nothing delays, and its delivery latency counts from
//! there, so that a server (or this client) that falls behind shows it. A run ends in a [`summary::Summary`], from which
//! every report is made.

pub mod account;
pub mod marker;
pub mod plan;
pub mod summary;
pub mod timing;
