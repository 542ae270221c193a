//! Which Redis, and as whom: one grammar of its URLs, and the endpoint that one names.

mod append;
mod endpoint;
mod url;

pub(crate) use self::append::append;
pub(crate) use self::endpoint::{Address, Endpoint};
pub(crate) use self::url::RedisUrlError;
pub(crate) use self::url::with_parameters;

#[cfg(test)]
mod tests;
