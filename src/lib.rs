//! jobwire: live job progress on one wire.
//!
//! Workers report progress with a plain Redis `PUBLISH`; jobwire relays it to everyone who watches the job, shows it in
//! a terminal, and emits it. This crate is the program `jobwire`: a library with a thin binary on top. **The library
//! promises no stability**; the program's flags, exit codes and output do. This page is the map of it.
//!
//! # How an event flows
//! ```text
//! worker ──PUBLISH──▶ Redis ──▶ broker ──▶ decode (dialect) ──▶ job log ──▶ shards ──▶ sockets
//!                                                                │          (hub, sessions, outboxes)
//!                                                                └─▶ snapshot for a late joiner, polling, state in Redis
//! ```
//! - A **broker** is where publications come from: Redis, or an embedded one in this process. It keeps their order, and
//!   delivers at most once by channels and exactly once by streams, whose entries have a **position**.
//! - A **dialect** says, as data, what a system's events look like and mean: routes, channels, JSON pointers to job, kind
//!   and percent, which kinds start a run, may be conflated, or end it. Decoding reads no more of a payload than that and
//!   forwards it byte for byte.
//! - The **job log** keeps one compacted record a job. It serves the snapshot that a late joiner gets first, polling, and
//!   the state that outlives the relay. Every event has a node sequence; a snapshot carries its own, and a session drops
//!   what is not newer, so that nothing is skipped or repeated at the seam. Bounded in jobs and in bytes.
//! - Where a job belongs to somebody, a **guard** in the session holds everything back until the token's subject is known to
//!   be its owner; the fan-out itself asks nothing.
//! - A **shard** is a thread that owns its connections outright. A publication reaches each shard once; its **hub** knows
//!   which connections want it, a **session** is the protocol state of one of them. Both are pure: input and the time in,
//!   actions out.
//! - An **event** is a payload with its place in the relay's order. A plain text frame stands ready in the payload's own
//!   memory; all other encodings (cursors, the envelope of `/watch`, event streams, compression, MessagePack) a shard makes at
//!   the first client that wants them, once for all.
//! - A client that comes back brings a **cursor**: a sequence of this relay, or positions in streams, which are good at every
//!   relay. What it missed is read out of the streams as far as memory has lost it, then out of the **tails** of its jobs and
//!   channels, a page at a time and at the pace of its socket; live events wait there for their turn.
//! - An event is written straight to a socket that has nothing queued. Where the socket would block, it
//!   enters the connection's **outbox**, which is bounded in bytes: there, and only there, a newer conflatable event
//!   replaces an older one with the same key. Milestones and endings are never dropped; a client too slow even for those
//!   is closed with 1013.
//!
//! On the other side, `attach` watches all targets of a relay over one socket, and comes back to it with its cursor; to any other
//! server it opens a socket a job, and one for all channels and rooms. It reads what comes with the same
//! dialect, folds it into a **board** (the state of every job and of every resource under way, pure) and hands that to a
//! renderer: bars, plain lines, NDJSON, or nothing. Its exit code is the jobs' outcome.
//!
//! # Layout
//! | module | what it is |
//! |---|---|
//! | [`cli`] | clap types, one file a verb, and their conversion into options |
//! | [`demo`] | relay, simulated jobs and bars in one process; above the features |
//! | [`simulate`] | a backend that takes orders for tasks which do not exist; above the features |
//! | [`relay`] | accept, tokens, shard, hub, outbox, session, job log, HTTP, the page for browsers |
//! | [`publish`] | events from arguments, stdin or a scenario, into Redis or over HTTP |
//! | [`run`](mod@run) | a command as a job: its output passes through, its progress and its end are told |
//! | [`attach`] | follow jobs, keep the board, render it |
//! | [`bench`](mod@bench) | load on any server: plan, subscriber threads, publisher, accounts, verdict, summary |
//! | [`check`](mod@check) | smoke test of a relay, step by step |
//! | [`top`](mod@top) | what a relay is doing, live or once: jobs, rates, slow clients, Redis |
//! | [`pick`](mod@pick) | choice of jobs to attach to, from a list on a terminal |
//! | [`screen`] | the terminal as one full screen: taken and given back, keys, a table of jobs |
//! | [`lists`] | what a relay lists: jobs, clients, counters; as types |
//! | [`emit`] | where events are sent: channels or streams of Redis, or a relay over HTTP |
//! | [`broker`] | the trait with its guarantees; embedded and Redis behind it |
//! | [`child`] | a command of the user's: its start, the signals passed on to it, its exit code |
//! | [`jwt`] | tokens: keys, checks, signing, and what is wrong with one; pure |
//! | [`net`] | connecting, back-off, the client's WebSocket |
//! | [`wire`] | what features share on the wire: encodings, HTTP heads, RESP, URLs of Redis (all pure), and streams that do not block |
//! | [`dialect`] | wire contracts as data, and their types for the developers of clients; pure |
//! | [`progress`] | progress in lines of output: recordings of real programs decide what counts; pure |
//! | [`text`] | texts from outside, made safe for a terminal, measured and cut; pure |
//! | [`exit`], [`outfile`], [`telemetry`], [`usage`] | exit codes and failures; files for reports; logging; memory and CPU of processes |
//!
//! # Direction of dependencies
//! ```text
//! main → cli → demo, simulate → {relay, publish, attach, run, bench, check, top, pick} → emit, screen → broker, lists → wire → net, child, jwt → dialect → text
//! ```
//! Features never import each other and know no clap; a dialect knows no tokio. Everybody may import [`text`], and
//! [`progress`] knows nothing else. A test reads the sources and fails on any other arrow. Flags
//! are syntax (`XArgs`), options are meaning (`XOptions`); they are converted once, in `cli`.
//!
//! # Conventions
//! - stdout is data, stderr is everything else; a closed stdout is success.
//! - Reasons are values: [`exit::Exit`] for the process, [`dialect::CloseReason`] for a socket.
//! - Every queue is bounded, and its doc comment says what happens when it is full.
//! - What decides is pure and tested as tables and properties; one loop per task touches sockets.

mod attach;
pub mod bench;
mod broker;
mod check;
mod child;
pub mod cli;
mod demo;
pub mod dialect;
mod emit;
mod exit;
mod jwt;
mod lists;
mod net;
mod outfile;
mod pick;
mod progress;
mod publish;
pub mod relay;
mod run;
mod screen;
mod simulate;
mod telemetry;
mod text;
mod top;
mod usage;
mod wire;
