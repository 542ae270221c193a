//! Which Redis, and as whom: one grammar of its URLs, and the endpoint that one names.

mod append;
mod endpoint;
mod environment;
mod error;
mod hosts;
mod parameters;
mod scheme;
mod url;

pub(crate) use self::append::append;
pub(crate) use self::endpoint::{Address, Endpoint, Sentinels, Topology};
pub(crate) use self::environment::redis_environment;
pub(crate) use self::error::RedisUrlError;
pub(crate) use self::parameters::with_parameters;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
