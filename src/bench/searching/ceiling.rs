//! How far a search can go at all, and what this client would need to go further.

use url::{Host, Url};

use crate::bench::options::{BenchOptions, FindOf};
use crate::bench::process;
use crate::bench::summary::{Ceiling, CeilingOf};

/// No search goes on above these.
const MOST_RATE: u64 = 10_000_000;
const MOST_CONNECTIONS: u64 = 1_000_000;

/// Descriptors that are left for everything else.
const SPARE: u64 = 128;

/// What a process may have where the system does not say it.
const USUAL: u64 = 1024;

/// What this machine allows.
#[derive(Debug, Clone, Copy)]
struct Machine {
    /// Descriptors of this process.
    descriptors: u64,
    /// Ports of each address; `None` where the system does not say it.
    ports: Option<u64>,
}

/// The largest load that can be tried, and why it is.
pub(super) fn ceiling(options: &BenchOptions, of: FindOf) -> Ceiling {
    match of {
        FindOf::Rate => Ceiling { load: MOST_RATE, of: CeilingOf::Search, hint: None },
        FindOf::Connections => {
            let machine = Machine {
                descriptors: rlimit::increase_nofile_limit(u64::MAX).unwrap_or(USUAL),
                ports: process::client_ports().map(|(first, last)| u64::from(last.saturating_sub(first)) + 1),
            };
            let server = options.place.server().unwrap_or(&options.server);
            connections(machine, options.sources.len().max(1) as u64, is_loopback(server))
        }
    }
}

fn connections(machine: Machine, addresses: u64, loopback: bool) -> Ceiling {
    let search = Ceiling { load: MOST_CONNECTIONS, of: CeilingOf::Search, hint: None };
    let descriptors = machine.descriptors.saturating_sub(SPARE);
    let descriptors = Ceiling {
        load: descriptors.max(1),
        of: CeilingOf::Descriptors,
        hint: Some(format!(
            "raise them (`ulimit -Hn {}` as root, or LimitNOFILE=), or use --workers without --find",
            machine.descriptors.saturating_mul(4)
        )),
    };
    let ports = machine.ports.map(|each| {
        let all = each.saturating_mul(addresses);
        let more = addresses.saturating_mul(4).min(250).max(addresses + 1);
        Ceiling {
            // Ports of connections that were closed a moment ago rest for a while.
            load: (all - all / 10).max(1),
            of: CeilingOf::Ports,
            hint: Some(if loopback && more <= 250 {
                format!("use more addresses: --source-ip 127.0.0.1-127.0.0.{more}")
            } else {
                "use more addresses of this machine (--source-ip), or --remote-workers without --find"
                    .to_owned()
            }),
        }
    });
    [Some(descriptors), ports]
        .into_iter()
        .flatten()
        .fold(search, |least, one| if one.load < least.load { one } else { least })
}

fn is_loopback(server: &Url) -> bool {
    match server.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(_)) | None => false,
        Some(Host::Domain(name)) => name == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_least_of_is_the_ceiling_and_the_hint_names_it() {
        let of = |descriptors, ports, addresses, loopback| {
            let found = connections(Machine { descriptors, ports }, addresses, loopback);
            (found.load, found.of, found.hint.unwrap_or_default())
        };
        let (load, what, hint) = of(300, Some(28_000), 1, true);
        assert_eq!((load, what), (172, CeilingOf::Descriptors));
        assert!(hint.contains("`ulimit -Hn 1200`") && hint.contains("--workers"), "{hint}");
        let (load, what, hint) = of(1 << 20, Some(28_000), 2, true);
        assert_eq!((load, what), (50_400, CeilingOf::Ports));
        assert!(hint.contains("--source-ip 127.0.0.1-127.0.0.8"), "{hint}");
        let (_, _, hint) = of(1 << 20, Some(28_000), 2, false);
        assert!(hint.contains("(--source-ip)") && !hint.contains("127"), "{hint}");
        let (load, what, hint) = of(1 << 30, None, 1, true);
        assert_eq!((load, what, hint.as_str()), (MOST_CONNECTIONS, CeilingOf::Search, ""));
        assert_eq!(of(64, None, 1, true).0, 1, "one is always tried, and says itself what it lacks");
    }

    #[test]
    fn more_addresses_are_named_where_the_server_is_on_this_machine() {
        let is = |text: &str| is_loopback(&text.parse().unwrap());
        assert!(is("ws://127.0.0.1:8000/") && is("ws://localhost:8000/"));
        assert!(!is("ws://10.0.0.1/") && !is("ws://[::1]/") && !is("wss://example.org/"));
    }
}
