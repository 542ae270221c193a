//! Slots of a cluster: which one a key is in, and which node holds it; pure.

use super::Node;
use crate::wire::redis::Address;
use crate::wire::resp::Reply;

/// Slots of every cluster.
const COUNT: u16 = 16384;

/// The owner of a slot that nobody is known to hold.
const NOBODY: u16 = u16::MAX;

/// The slot of a key: CRC-16/XMODEM of the key, or of its part between the first `{` and the next `}`.
pub(in crate::broker::redis) fn slot_of(key: &[u8]) -> u16 {
    crc16(hashed(key)) % COUNT
}

/// The part of a key that counts. Braces with nothing between them mean nothing.
fn hashed(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else { return key };
    let behind = &key[open + 1..];
    match behind.iter().position(|byte| *byte == b'}') {
        None | Some(0) => key,
        Some(close) => &behind[..close],
    }
}

/// CRC-16/XMODEM: polynomial 0x1021, nothing reflected, begun at 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// Masters of a cluster, and the slots that each is known to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::redis) struct SlotMap {
    nodes: Vec<Node>,
    /// An index of `nodes` for each slot.
    owners: Box<[u16]>,
}

impl Default for SlotMap {
    /// A map of which no slot has a known holder.
    fn default() -> Self {
        Self { nodes: Vec::new(), owners: vec![NOBODY; usize::from(COUNT)].into() }
    }
}

impl SlotMap {
    /// Reads the answer to `CLUSTER SLOTS` of the server at `asked`, which may leave its own host out. Whatever is not
    /// understood is left out.
    pub(in crate::broker::redis) fn of_reply(reply: &Reply<'_>, asked: &Address) -> Self {
        let mut map = Self::default();
        let Reply::Array(ranges) = reply else { return map };
        for range in ranges {
            let Reply::Array(parts) = range else { continue };
            let [Reply::Integer(first), Reply::Integer(last), Reply::Array(master), ..] = &parts[..] else {
                continue;
            };
            let [host, Reply::Integer(port), ..] = &master[..] else { continue };
            let host = match host {
                Reply::Bulk(host) | Reply::Simple(host) => String::from_utf8_lossy(host).into_owned(),
                _ => String::new(),
            };
            let (Ok(first), Ok(last), Ok(port)) =
                (u16::try_from(*first), u16::try_from(*last), u16::try_from(*port))
            else {
                continue;
            };
            if last < COUNT && port != 0 {
                let owner = map.index(node(&host, port, asked));
                (first..=last).for_each(|slot| map.owners[usize::from(slot)] = owner);
            }
        }
        map
    }

    /// The node that holds a slot, if one is known to.
    pub(in crate::broker::redis) fn holder(&self, slot: u16) -> Option<&Node> {
        self.nodes.get(usize::from(*self.owners.get(usize::from(slot))?))
    }

    /// All masters that hold slots.
    pub(in crate::broker::redis) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Whether no slot is held by anybody.
    pub(in crate::broker::redis) fn is_empty(&self) -> bool {
        self.owners.iter().all(|owner| *owner == NOBODY)
    }

    /// Learns that a slot is held by another node.
    pub(in crate::broker::redis) fn set(&mut self, slot: u16, node: Node) {
        let owner = self.index(node);
        if let Some(known) = self.owners.get_mut(usize::from(slot)) {
            *known = owner;
        }
    }

    fn index(&mut self, node: Node) -> u16 {
        let index = self.nodes.iter().position(|known| *known == node).unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        });
        // A cluster has fewer nodes than slots.
        u16::try_from(index).unwrap_or(NOBODY)
    }
}

/// A node as another one names it. An empty host, or `?`, is the host that was asked.
fn node(host: &str, port: u16, asked: &Address) -> Node {
    let (own, tls) = match asked {
        Address::Tcp { host, tls, .. } => (host.as_str(), *tls),
        Address::Unix(_) => ("127.0.0.1", false),
    };
    let host = if matches!(host, "" | "?") { own } else { host };
    Node(Address::Tcp { host: host.to_owned(), port, tls })
}

/// The way to another node, as an error reply shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::redis) struct Redirection {
    /// Whether it is for this one command (`ASK`), while the slot moves.
    pub(in crate::broker::redis) is_once: bool,
    /// The slot.
    pub(in crate::broker::redis) slot: u16,
    /// The node to go to.
    pub(in crate::broker::redis) node: Node,
}

impl Redirection {
    /// Reads an error reply of the server at `asked`; `None`: it is another error.
    pub(in crate::broker::redis) fn of_error(text: &str, asked: &Address) -> Option<Self> {
        let mut words = text.split_whitespace();
        let is_once = match words.next()? {
            "ASK" => true,
            "MOVED" => false,
            _ => return None,
        };
        let slot = words.next()?.parse().ok().filter(|slot| *slot < COUNT)?;
        let (host, port) = words.next()?.rsplit_once(':')?;
        let node = node(host, port.parse().ok().filter(|port| *port != 0)?, asked);
        Some(Self { is_once, slot, node })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16, tls: bool) -> Address {
        Address::Tcp { host: host.to_owned(), port, tls }
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        // The values that CLUSTER KEYSLOT gives.
        for (key, slot) in [
            ("", 0),
            ("123456789", 0x31C3),
            ("foo", 12182),
            ("{foo}bar", 12182),
            ("x{foo}{bar}", 12182),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("foo{bar", 15278),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn a_map_is_read_from_a_reply_whatever_is_missing_in_it() {
        let bulk = |text: &'static str| Reply::Bulk(text.as_bytes());
        let range = |first, last, host, port| {
            Reply::Array(vec![
                Reply::Integer(first),
                Reply::Integer(last),
                Reply::Array(vec![host, Reply::Integer(port), bulk("id"), Reply::Array(Vec::new())]),
                Reply::Array(vec![bulk("10.0.0.9"), Reply::Integer(7009), bulk("replica")]),
            ])
        };
        let reply = Reply::Array(vec![
            range(0, 5460, bulk("10.0.0.1"), 7000),
            range(5461, 10922, Reply::Nil, 7001),
            range(10923, 16382, bulk("?"), 7002),
            range(16383, 99999, bulk("10.0.0.1"), 7000),
            Reply::Nil,
        ]);
        let asked = tcp("h", 7, true);
        let map = SlotMap::of_reply(&reply, &asked);
        let holder = |slot| map.holder(slot).map(|Node(address)| address.clone());
        assert_eq!(holder(0), Some(tcp("10.0.0.1", 7000, true)));
        assert_eq!(holder(5461), Some(tcp("h", 7001, true)));
        assert_eq!(holder(16382), Some(tcp("h", 7002, true)));
        assert_eq!((holder(16383), holder(u16::MAX), map.nodes().len()), (None, None, 3));
        assert!(SlotMap::of_reply(&Reply::Nil, &asked).is_empty() && !map.is_empty());
    }

    #[test]
    fn what_is_learned_overrules_what_was_read() {
        let mut map = SlotMap::default();
        let node = Node(tcp("a", 1, false));
        map.set(7, node.clone());
        map.set(u16::MAX, node.clone());
        assert_eq!((map.holder(7), map.holder(8), map.nodes()), (Some(&node), None, &[node.clone()][..]));
    }

    #[test]
    fn redirections_are_told_from_other_errors() {
        let asked = tcp("h", 7, false);
        for (text, once, address) in [
            ("MOVED 3999 127.0.0.1:6381", false, tcp("127.0.0.1", 6381, false)),
            ("ASK 3999 ::1:6381", true, tcp("::1", 6381, false)),
            ("MOVED 3999 :6381", false, tcp("h", 6381, false)),
            ("MOVED 3999 ?:6381", false, tcp("h", 6381, false)),
        ] {
            let expected = Redirection { is_once: once, slot: 3999, node: Node(address) };
            assert_eq!(Redirection::of_error(text, &asked), Some(expected), "{text}");
        }
        for text in [
            "",
            "MOVED",
            "MOVED 1",
            "MOVED 16384 h:1",
            "MOVED 1 h:0",
            "MOVED 1 h",
            "CROSSSLOT Keys",
            "ASKING",
        ] {
            assert_eq!(Redirection::of_error(text, &asked), None, "{text}");
        }
    }
}
