//! What the tests stand on: processes, a relay, a redis-server, clients. Every wait has a deadline.

// Not every part is used by every set of tests.
#![allow(dead_code, unused_imports)]

mod cutter;
mod event_stream;
mod exchange;
mod far;
mod http;
mod issuer;
mod junit;
mod nginx;
mod node;
mod process;
mod pty;
mod raw_socket;
mod redis;
mod redis_cluster;
mod relay;
mod sentinel;
pub(crate) mod server;
mod tls;
mod token;
mod ws;

use std::net::TcpListener;
use std::time::{Duration, Instant};

pub(crate) use cutter::Cutter;
pub(crate) use event_stream::{Block, EventStream, STREAM, narrow};
pub(crate) use exchange::{Answer, exchange, request_head};
pub(crate) use far::Far;
pub(crate) use http::{RawTcp, get, request};
pub(crate) use issuer::Issuer;
pub(crate) use junit::{JunitCase, junit, junit_case};
pub(crate) use nginx::Nginx;
pub(crate) use node::node_modules;
pub(crate) use process::{Output, Process, children, command, jobwire, program, resident, runs, search_path};
pub(crate) use pty::{Pty, rows};
pub(crate) use raw_socket::{
    BINARY, CLOSE, COMPRESSED, PING, PONG, RawFrame, RawSocket, TEXT, UPGRADE, frame,
};
pub(crate) use redis::RedisServer;
pub(crate) use redis_cluster::RedisCluster;
pub(crate) use relay::Relay;
pub(crate) use sentinel::{MASTER, Sentinels};
pub(crate) use tls::{Certificate, Kind, tls_before};
pub(crate) use token::{SECRET, signed, token, token_for, unix_now};
pub(crate) use ws::WebSocket;

/// Long enough for anything that should happen, on a machine that is busy compiling.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Beginning of the sign of life that clients of channels get.
pub(crate) const HEARTBEAT: &str = r#"{"type":"heartbeat","#;

/// Waits until `condition` holds; panics with `what` when it does not in time.
pub(crate) fn until(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(deadline, what, || condition().then_some(()));
}

/// Waits until `probe` gives a value, and hands it over; panics with `what` when it does not in time.
pub(crate) fn wait_for<T>(deadline: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port that was free a moment ago, for servers that cannot take port 0.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
