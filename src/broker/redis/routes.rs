//! From what Redis says a message matched to the subscriptions it belongs to; pure.

use crate::broker::Subscription;
use crate::wire::resp;

/// One subscription as Redis sees it; several of ours may ask for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// The channel or prefix, for people.
    pub(super) name: String,
    /// The channel or the pattern.
    key: Vec<u8>,
    pattern: bool,
    /// Positions in the list of subscriptions.
    subscriptions: Vec<usize>,
}

impl Route {
    /// Positions in the list of subscriptions.
    pub(super) fn subscriptions(&self) -> &[usize] {
        &self.subscriptions
    }

    /// Appends the command that subscribes this.
    pub(super) fn write_command(&self, out: &mut Vec<u8>) {
        let verb: &[u8] = if self.pattern { b"PSUBSCRIBE" } else { b"SUBSCRIBE" };
        resp::command(out, &[verb, &self.key]);
    }
}

/// State of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Asked for, and not answered yet.
    Asked,
    /// Redis has confirmed it.
    Confirmed,
    /// Redis has refused it, in these words.
    Denied(String),
}

/// All that is subscribed, each thing once.
#[derive(Debug, Default)]
pub(super) struct Routes(Vec<Route>);

impl Routes {
    pub(super) fn new(subscriptions: &[Subscription]) -> Self {
        let mut routes: Vec<Route> = Vec::new();
        for (index, subscription) in subscriptions.iter().enumerate() {
            let (key, pattern) = match subscription {
                Subscription::Stream { .. } | Subscription::Queues { .. } => continue,
                Subscription::Channel(name) => (name.as_bytes().to_vec(), false),
                // `prefix?*` would leave out the bare prefix, but access lists name `prefix*` and are compared as text.
                Subscription::Prefix(prefix) => (pattern_of(prefix.as_bytes()), true),
            };
            match routes.iter_mut().find(|route| route.pattern == pattern && route.key == key) {
                Some(route) => route.subscriptions.push(index),
                None => routes.push(Route {
                    name: subscription.name().to_owned(),
                    key,
                    pattern,
                    subscriptions: vec![index],
                }),
            }
        }
        Self(routes)
    }

    pub(super) fn all(&self) -> &[Route] {
        &self.0
    }

    /// The subscriptions that a message on `channel` belongs to. There are a handful of routes, so that comparing beats
    /// hashing.
    pub(super) fn find(&self, pattern: Option<&[u8]>, channel: &[u8]) -> &[usize] {
        let (key, by_pattern) = match pattern {
            Some(pattern) => (pattern, true),
            None => (channel, false),
        };
        match self.0.iter().find(|route| route.pattern == by_pattern && route.key == key) {
            // The channel that is nothing but the prefix matches the pattern and yet does not belong to it.
            Some(route) if by_pattern && channel.len() <= route.name.len() => &[],
            Some(route) => &route.subscriptions,
            None => &[],
        }
    }
}

/// The pattern that matches every channel beginning with `prefix`.
fn pattern_of(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = escaped(prefix);
    pattern.push(b'*');
    pattern
}

/// The pattern that matches `text` alone: glob characters lose their meaning.
pub(super) fn escaped(text: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(text.len() + 1);
    for &byte in text {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::Routes;
    use crate::broker::Subscription::{Channel, Prefix};

    #[test]
    fn equal_subscriptions_share_one_command_and_each_is_served() {
        let routes = Routes::new(&[
            Channel("a".into()),
            Prefix("a".into()),
            Channel("a".into()),
            Channel("a*".into()),
        ]);
        assert_eq!(routes.all().len(), 3);
        assert_eq!(routes.find(None, b"a"), [0, 2]);
        assert_eq!(routes.find(Some(b"a*"), b"ab"), [1]);
        assert_eq!(routes.find(None, b"a*"), [3]);
        assert!(routes.find(None, b"b").is_empty());
    }

    #[test]
    fn a_bare_prefix_does_not_match_itself() {
        let routes = Routes::new(&[Prefix("job:[1]".into())]);
        assert!(routes.find(Some(br"job:\[1\]*"), b"job:[1]").is_empty());
        assert_eq!(routes.find(Some(br"job:\[1\]*"), b"job:[1]x"), [0]);
    }
}
