//! Tests of the real binary, with real relays and a real redis-server; a module a verb.

// Helpers are test code too; the lint's own exception covers only the tests themselves.
#![allow(clippy::unwrap_used)]

mod attach;
mod bench;
mod bullmq;
mod capacity_page;
mod celery;
mod chaos;
mod check;
mod cli;
mod clients;
mod closed_stderr;
mod completions;
mod config;
mod demo;
mod documents;
mod failover;
mod generated;
mod layering;
mod page;
mod protocol_page;
mod proxy;
mod publish;
mod run;
mod schema;
mod secrets;
mod serve;
mod snippets;
mod support;
mod tls;
mod token;
mod top;
