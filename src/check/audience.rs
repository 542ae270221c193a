//! Other watchers, who would see the events that a check publishes into a channel.

use std::collections::HashMap;

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;

use super::options::CheckOptions;
use crate::net::{http, http_url};

/// Path of a relay's statistics.
const STATS: &str = "/ws/stats";

/// Fields of a relay's statistics that a check reads.
#[derive(Deserialize)]
struct Figures {
    channels: HashMap<String, ChannelFigures>,
}

#[derive(Deserialize)]
struct ChannelFigures {
    subscribers: u64,
}

/// Number of watchers of a channel at this relay; `None` where the server does not tell.
pub(super) async fn watchers(options: &CheckOptions, channel: &str) -> Option<u64> {
    let url = http_url(&options.server, STATS);
    let answer = http::request(Method::GET, &url, &[], Bytes::new(), &options.tls, options.timeout).await;
    let body = answer.and_then(|answer| answer.success(&url)).ok()?;
    let figures = serde_json::from_slice::<Figures>(&body).ok()?;
    Some(figures.channels.get(channel)?.subscribers)
}
