//! What can be known to go wrong is said before anything is opened.

use std::net::IpAddr;

use super::options::BenchOptions;
use super::process;
use crate::exit::Failure;

/// Descriptors that are needed besides the connections' own.
const SPARE: u64 = 64;

/// Checks what this machine allows, and raises the descriptor limit to what is needed. Descriptors are those of a
/// process, ports those of all that run here.
pub fn machine(options: &BenchOptions, address: IpAddr) -> Result<Vec<String>, Failure> {
    let (each, together) = options.share();
    if together == 0 {
        return Ok(Vec::new());
    }
    descriptors(each)?;
    sources(&options.sources, address)?;
    ports(options, together, address)?;
    Ok(remarks(options, together, address))
}

fn descriptors(connections: u64) -> Result<(), Failure> {
    let needed = connections + SPARE;
    let allowed = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0);
    if allowed >= needed {
        return Ok(());
    }
    let message = format!(
        "{connections} connections need {needed} descriptors, and this process may open {allowed} (hard limit)"
    );
    Err(Failure::usage(message).hint(format!(
        "raise it (`ulimit -Hn {needed}` as root, or LimitNOFILE= of the service), or share them with --workers"
    )))
}

fn sources(sources: &[IpAddr], server: IpAddr) -> Result<(), Failure> {
    for source in sources {
        if source.is_ipv4() != server.is_ipv4() {
            let message =
                format!("--source-ip {source} and the server's address {server} are of different kinds");
            return Err(Failure::usage(message));
        }
        if let Err(error) = std::net::TcpListener::bind((*source, 0)) {
            return Err(Failure::usage(format!("--source-ip {source} cannot be used: {error}")).hint(
                "it must be an address of this machine: `ip addr` shows them, `ip addr add` adds one",
            ));
        }
    }
    Ok(())
}

/// A client's address and port can be used once for each of the server's.
fn ports(options: &BenchOptions, connections: u64, address: IpAddr) -> Result<(), Failure> {
    let Some((first, last)) = process::client_ports() else { return Ok(()) };
    let each = u64::from(last.saturating_sub(first)) + 1;
    let addresses = options.sources.len().max(1) as u64;
    if connections <= each * addresses {
        return Ok(());
    }
    let message = format!(
        "{connections} connections to one address need as many ports, and {addresses} source address(es) have {each} each \
         (net.ipv4.ip_local_port_range)"
    );
    let more = connections.div_ceil(each);
    let hint = if address.is_loopback() {
        format!("use more addresses: --source-ip 127.0.0.1-127.0.0.{more}")
    } else {
        format!("use {more} addresses of this machine with --source-ip, or workers on other hosts")
    };
    Err(Failure::usage(message).hint(hint))
}

/// What may spoil a run without making it impossible.
fn remarks(options: &BenchOptions, connections: u64, address: IpAddr) -> Vec<String> {
    let mut all = Vec::new();
    let queue = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok();
    let queue: Option<u64> = queue.and_then(|text| text.trim().parse().ok());
    if let Some(queue) = queue.filter(|queue| address.is_loopback() && *queue < 1024 && connections > *queue)
    {
        all.push(format!(
            "net.core.somaxconn is {queue}: a burst of connections may overflow the server's queue; slow down with \
             --connect-rate or raise it"
        ));
    }
    if options.slow + options.stalled > 0.5 {
        all.push("more than half of the connections are slow or stalled: little is left to measure".into());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_descriptors_are_refused_with_what_to_do() {
        let error = descriptors(u64::MAX - SPARE).unwrap_err();
        assert!(error.message.contains("descriptors") && error.hint.unwrap().contains("--workers"));
        assert!(descriptors(10).is_ok());
    }

    #[test]
    fn a_source_must_be_an_address_of_this_machine() {
        let server: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(sources(&["127.0.0.1".parse().unwrap()], server).is_ok());
        let foreign = sources(&["203.0.113.9".parse().unwrap()], server).unwrap_err();
        assert!(foreign.message.contains("203.0.113.9"), "{foreign}");
        assert!(sources(&["::1".parse().unwrap()], server).unwrap_err().message.contains("different kinds"));
    }
}
