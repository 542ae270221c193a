//! A backend that takes orders for jobs on the relay's own port: for those who build an app and have no backend yet.

use std::fmt;

use serde_json::Value;

use crate::broker::BoxFuture;

/// Takes orders and has them done; its jobs report on the broker as any worker does.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Path of the `POST` that orders a job.
    fn route(&self) -> &str;

    /// Dialect of the jobs. Its access rule says who may order one.
    fn dialect(&self) -> &str;

    /// Owner of jobs that are ordered where nobody is asked for a token; not empty.
    fn anybody(&self) -> &str;

    /// Takes an order of `owner`, whose request has this body.
    fn order<'a>(&'a self, owner: &'a str, body: &'a [u8]) -> BoxFuture<'a, Result<Ordered, Declined>>;
}

/// A job that was ordered: the publication that says whose it is was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered {
    /// Id of the job.
    pub job: String,
    /// Body of the answer.
    pub answer: Value,
}

/// Why an order is not taken, in the words that the client sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// The body is no JSON.
    Malformed(String),
    /// The body is JSON, and not what it should be.
    Invalid(String),
    /// As many jobs as can be are running.
    Busy(String),
    /// The event that says whose the job is could not be published.
    Unpublished(String),
}
