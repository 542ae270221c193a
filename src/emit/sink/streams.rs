//! Appending events to Redis Streams.

use bytes::Bytes;

use super::{Trouble, Undelivered, redis_failure};
use crate::broker::{Broker, BrokerError, RedisBroker, Trouble as Refusal};
use crate::dialect::Source;
use crate::exit::{Exit, Failure};

/// Appends an event to the stream of its channel and returns the stream's key. The entry names the job where the channel is the
/// job's own.
pub(super) async fn append(
    redis: &RedisBroker,
    source: &Source,
    channel: &str,
    payload: Bytes,
) -> Result<String, Undelivered> {
    let key = source.stream_of(channel);
    let Err(error) = redis.append(&key, source.job_of(channel), payload).await else { return Ok(key) };
    Err(match error.trouble() {
        Refusal::WrongType => not_a_stream(redis, source, &key, &error).await,
        Refusal::NotPermitted => {
            let hint =
                format!("the user needs +xadd, and the key of the stream, as in ~{}", key.escape_debug());
            hinted(&error, hint)
        }
        Refusal::OutOfMemory => hinted(
            &error,
            "raise maxmemory; a maxmemory-policy that evicts would lose whole streams".to_owned(),
        ),
        Refusal::UnknownCommand => hinted(
            &error,
            "streams need Redis 5 or later, and XADD; without --durable the event is published".to_owned(),
        ),
        _ => redis_failure(&error),
    })
}

fn hinted(error: &BrokerError, hint: String) -> Undelivered {
    let undelivered = redis_failure(error);
    Undelivered { failure: Failure { hint: Some(hint), ..undelivered.failure }, ..undelivered }
}

/// Failure for a key that holds no stream. It is lasting unless other events go to other streams.
async fn not_a_stream(redis: &RedisBroker, source: &Source, key: &str, error: &BrokerError) -> Undelivered {
    // A user without permission to ask for the type gets the error alone.
    let kind = redis.type_of(key).await.unwrap_or_default();
    let (key, address) = (key.escape_debug(), redis.address());
    let what = if kind.is_empty() { error.reason() } else { format!("it is a {kind}") };
    let failure =
        Failure::new(Exit::Refused, format!("the key '{key}' at {address} holds no stream: {what}"))
            .hint("rename or delete that key, or publish into another database or Redis");
    let trouble = if matches!(source, Source::Channels(_)) { Trouble::OfEvent } else { Trouble::Lasting };
    Undelivered { failure, trouble }
}
