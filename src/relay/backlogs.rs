//! Backlogs of clients that read too slowly, by address.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Messages that wait for the sockets of one address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Backlog {
    /// Sockets for which something waits.
    pub sockets: usize,
    /// Bytes that wait.
    pub bytes: usize,
    /// Messages that wait.
    pub messages: usize,
    /// The longest time for which something has waited for one of them without a break.
    pub longest: Duration,
}

impl Backlog {
    /// Adds what waits for other sockets.
    pub(super) fn add(&mut self, other: Self) {
        self.sockets += other.sockets;
        self.bytes += other.bytes;
        self.messages += other.messages;
        self.longest = self.longest.max(other.longest);
    }
}

/// Backlogs, by the addresses of the clients.
#[derive(Debug, Default)]
pub(super) struct Backlogs(pub(super) HashMap<IpAddr, Backlog>);

impl Backlogs {
    /// Adds what waits for one address.
    pub(super) fn add(&mut self, address: IpAddr, backlog: Backlog) {
        self.0.entry(address).or_default().add(backlog);
    }

    /// Adds those of another shard.
    pub(super) fn merge(&mut self, other: Self) {
        for (address, backlog) in other.0 {
            self.add(address, backlog);
        }
    }

    /// The addresses with sockets, at most `most`: those with the most bytes that wait first, then those with the most sockets.
    pub(super) fn ranked(&self, sockets: &HashMap<IpAddr, u32>, most: usize) -> Vec<(IpAddr, u32, Backlog)> {
        let waiting = |address: &IpAddr| self.0.get(address).copied().unwrap_or_default();
        let mut ranked: Vec<_> =
            sockets.iter().map(|(address, sockets)| (*address, *sockets, waiting(address))).collect();
        ranked.sort_unstable_by_key(|(address, sockets, backlog)| {
            (Reverse(backlog.bytes), Reverse(*sockets), *address)
        });
        ranked.truncate(most);
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_with_the_most_waiting_come_first_and_then_those_with_the_most_sockets() {
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let one = |bytes, seconds| Backlog {
            sockets: 1,
            bytes,
            messages: 2,
            longest: Duration::from_secs(seconds),
        };
        let mut backlogs = Backlogs::default();
        backlogs.add(address(2), one(100, 3));
        let mut other = Backlogs::default();
        other.add(address(2), one(50, 9));
        other.add(address(3), one(120, 1));
        backlogs.merge(other);
        let sockets = HashMap::from([(address(1), 7), (address(2), 4), (address(3), 1), (address(4), 8)]);
        let both = Backlog { sockets: 2, bytes: 150, messages: 4, longest: Duration::from_secs(9) };
        assert_eq!(
            backlogs.ranked(&sockets, 3),
            [(address(2), 4, both), (address(3), 1, one(120, 1)), (address(4), 8, Backlog::default())]
        );
    }
}
