//! Backend that takes orders for jobs on the relay's own port. It is for developers of an app whose backend does not exist yet.

use std::fmt;

use serde_json::Value;

use crate::broker::BoxFuture;

/// Takes orders and runs them as jobs, which publish to the broker as workers do.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Path of the `POST` request that orders a job.
    fn route(&self) -> &str;

    /// Dialect of the jobs. The dialect's access rule decides who may order a job.
    fn dialect(&self) -> &str;

    /// Owner of jobs that are ordered without a token, where none is required. Must not be empty.
    fn anybody(&self) -> &str;

    /// Takes an order of `owner`; `body` is the body of the request.
    fn order<'a>(&'a self, owner: &'a str, body: &'a [u8]) -> BoxFuture<'a, Result<Ordered, Declined>>;
}

/// A job that was ordered. The event that names its owner was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered {
    /// Id of the job.
    pub job: String,
    /// Body of the response.
    pub answer: Value,
}

/// Reason for declining an order. The client sees the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// The body is no JSON.
    Malformed(String),
    /// The body is JSON of another form than an order.
    Invalid(String),
    /// Too many jobs are running.
    Busy(String),
    /// The event that names the owner of the job could not be published.
    Unpublished(String),
}
