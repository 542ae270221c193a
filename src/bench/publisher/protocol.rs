//! What Redis and HTTP have in common as ways to publish.

use std::io;

use super::answers::Answers;
use super::http::{self, Http};
use super::link::Link;
use super::redis::Redis;
use crate::bench::aim::Outlet;

/// How a request is written and its answer read.
pub(super) enum Protocol {
    Redis(Redis),
    Http(Http),
}

impl Protocol {
    pub(super) fn write(&self, outlet: &Outlet, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Redis(redis) => redis.send(outlet, payload, out),
            Self::Http(http) => http.post(&outlet.channel, payload, out),
        }
    }

    /// The connection that is used now.
    pub(super) fn link(&self) -> &Link {
        match self {
            Self::Redis(redis) => &redis.link,
            Self::Http(http) => &http.link,
        }
    }

    pub(super) fn link_mut(&mut self) -> &mut Link {
        match self {
            Self::Redis(redis) => &mut redis.link,
            Self::Http(http) => &mut http.link,
        }
    }

    pub(super) fn read(&mut self) -> io::Result<Answers> {
        match self {
            Self::Redis(redis) => redis.read(),
            Self::Http(http) => http.read(),
        }
    }

    /// Whether the connection has ended and another may take over.
    pub(super) fn has_ended(&self) -> bool {
        self.link().has_ended
    }

    pub(super) fn has_answered(&self) -> bool {
        self.link().has_answered
    }

    /// Gives up a connection that failed so; the error comes back where no other may take over.
    pub(super) fn end(&mut self, error: io::Error) -> io::Result<()> {
        let is_replaced = match self {
            Self::Redis(redis) => redis.is_replaced,
            Self::Http(_) => http::is_end(&error),
        };
        if !is_replaced {
            return Err(error);
        }
        self.abandon();
        Ok(())
    }

    pub(super) fn reconnect(&mut self) -> io::Result<()> {
        match self {
            Self::Redis(redis) => redis.reconnect(),
            Self::Http(http) => http.reconnect(),
        }
    }

    /// Appends events from now on where it published them, and the other way round; whether that can be done.
    pub(super) fn change_verb(&mut self) -> bool {
        match self {
            Self::Redis(redis) => redis.change_verb(),
            Self::Http(_) => false,
        }
    }

    /// Lets another connection take over from one that ends; over HTTP it always may.
    pub(super) fn replace(&mut self) {
        if let Self::Redis(redis) = self {
            redis.is_replaced = true;
        }
    }

    /// Gives a connection up on which nothing comes any more.
    pub(super) fn abandon(&mut self) {
        self.link_mut().has_ended = true;
    }
}
