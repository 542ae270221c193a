//! Whose address a client has: the peer's own, or the one that a trusted proxy tells.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The bits in which an IPv4 address inside an IPv6 one is written.
const MAPPED: u8 = 96;

/// The address of the client behind a request; accepting puts it there.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientAddress(pub(super) IpAddr);

/// A network whose machines are believed when they say whom they speak for. `Display` gives it in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyNetwork(IpNet);

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotANetwork {
    /// Neither an address nor a network.
    #[error("a network is an address and a prefix length, as in 10.0.0.0/8, 127.0.0.1 or fd00::/8")]
    Malformed,
    /// The prefix is longer than the address.
    #[error("the prefix length of such an address is at most {0}")]
    Prefix(u8),
    /// Bits behind the prefix are set, which is more often a slip than not.
    #[error("the address has bits behind its prefix; the network is {0}")]
    HostBits(IpNet),
}

impl ProxyNetwork {
    /// Whether every address is in it, so that every client is believed.
    pub fn is_everybody(self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl FromStr for ProxyNetwork {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let text = text.trim();
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork::Malformed)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(digits) if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(NotANetwork::Malformed);
            }
            Some(digits) => digits.parse().map_err(|_| NotANetwork::Prefix(most))?,
        };
        let network = IpNet::new(address, length).map_err(|_| NotANetwork::Prefix(most))?;
        if network.trunc() != network {
            return Err(NotANetwork::HostBits(network.trunc()));
        }
        Ok(Self(canonical(network)))
    }
}

impl fmt::Display for ProxyNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`, as addresses are told to this relay.
fn canonical(network: IpNet) -> IpNet {
    let (IpAddr::V4(address), IpNet::V6(_)) = (network.addr().to_canonical(), network) else {
        return network;
    };
    let length = network.prefix_len().checked_sub(MAPPED);
    length.and_then(|length| Ipv4Net::new(address, length).ok()).map_or(network, IpNet::V4)
}

/// Which peers are proxies that are believed; by default none.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<ProxyNetwork>);

impl TrustedProxies {
    /// Those in any of the networks.
    pub const fn new(networks: Vec<ProxyNetwork>) -> Self {
        Self(networks)
    }

    /// Whether no proxy is believed.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.0.contains(&address))
    }

    /// The client's address.
    ///
    /// Every proxy appends the peer that it saw to `X-Forwarded-For`, so what a trusted one wrote stands to the right of
    /// whatever the client made up. The client is the right-most address that is not itself a trusted proxy; where all
    /// of them are, the left-most. A peer that is not trusted speaks for itself alone, and so does one whose header holds
    /// something else than an address where it matters.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        let mut client = peer;
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        // What is no text is no address either.
        for entry in lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = address(entry) else { return peer };
            client = address;
        }
        client
    }
}

/// An address as proxies write it, some with a port.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || entry.parse().ok().map(|address: SocketAddr| address.ip());
    let address: IpAddr = entry.parse().ok().or_else(bare).or_else(with_port)?;
    Some(address.to_canonical())
}

/// Marks a request, in its extensions, that came by a listener on a loopback address.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoopbackListener(pub(super) bool);

/// Open sockets by their clients' addresses. Bounded by the number of open sockets.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<HashMap<IpAddr, u32>>);

impl Clients {
    /// Counts a socket for as long as what is returned exists.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Client {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *sockets.entry(address).or_default() += 1;
        drop(sockets);
        Client { address, of: Arc::clone(self) }
    }

    /// The addresses that have a socket, and how many each has.
    pub(super) fn sockets(&self) -> HashMap<IpAddr, u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many addresses have a socket, and how many the one with the most has.
    pub(super) fn spread(&self) -> (usize, u32) {
        let sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (sockets.len(), sockets.values().copied().max().unwrap_or_default())
    }
}

/// Who is behind an open socket. `Display` gives the address.
#[derive(Debug)]
pub(super) struct Client {
    address: IpAddr,
    of: Arc<Clients>,
}

impl Client {
    /// Its address.
    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut sockets = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sockets.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                sockets.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests;
