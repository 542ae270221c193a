//! One behaviour, whichever broker; and what only one of them does.

mod by_streams;
mod embedded;
mod fixture;
mod host;
mod logging;
mod login;
mod recovery;
mod store;
mod streams;
mod suite;
