//! Facts of this machine.

use std::fs;

use super::summary::Machine;
use crate::net::host_name;
use crate::usage::memory;

/// Facts of this machine; what the system does not tell is empty.
pub fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let processor = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Machine {
        host: host_name(),
        system: format!(
            "{} {}",
            read("/proc/sys/kernel/ostype").trim(),
            read("/proc/sys/kernel/osrelease").trim()
        ),
        processor: processor.map(|(_, name)| name.trim().to_owned()).unwrap_or_default(),
        cores: std::thread::available_parallelism()
            .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1)),
        memory_bytes: memory("/proc/meminfo", "MemTotal:").unwrap_or(0),
        descriptors: rlimit::Resource::NOFILE.get_soft().unwrap_or(0),
        client_ports: client_ports(),
        somaxconn: read("/proc/sys/net/core/somaxconn").trim().parse().ok(),
    }
}

/// First and last port that the system hands out to clients.
pub fn client_ports() -> Option<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut words = text.split_whitespace().map(str::parse);
    Some((words.next()?.ok()?, words.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_facts() {
        let machine = machine();
        assert!(machine.cores > 0 && machine.memory_bytes > 0 && machine.client_ports.is_some());
    }
}
