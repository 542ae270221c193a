//! Memory and CPU of processes, and facts of the machine, as the system tells them.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::summary::{Machine, Server};

/// The kernel counts CPU time of others in these.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of this process so far.
pub fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Resident memory of this process in bytes; 0 where the system does not tell.
pub fn own_rss() -> u64 {
    memory("/proc/self/status", "VmRSS:").unwrap_or(0)
}

/// What processes use at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// CPU time in seconds.
    pub cpu: f64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Proportional set size in bytes, where the system tells it.
    pub pss: Option<u64>,
}

/// What these processes use together; `None` if one of them is not there.
pub fn usage(pids: &[u32]) -> Option<Usage> {
    let mut all = Usage { pss: Some(0), ..Usage::default() };
    for pid in pids {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, which may hold anything, ends with the last parenthesis; user and system time are 12 and 13 words on.
        let (_, words) = stat.rsplit_once(')')?;
        let words: Vec<&str> = words.split_whitespace().collect();
        let ticks: f64 = words.get(11)?.parse::<f64>().ok()? + words.get(12)?.parse::<f64>().ok()?;
        all.cpu += ticks / TICKS_PER_SECOND;
        all.rss += memory(&format!("/proc/{pid}/status"), "VmRSS:")?;
        let pss = memory(&format!("/proc/{pid}/smaps_rollup"), "Pss:");
        all.pss = all.pss.zip(pss).map(|(all, pss)| all + pss);
    }
    Some(all)
}

/// A figure in kilobytes of such a file, in bytes.
fn memory(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// What the server used over a run.
pub struct Watched {
    /// Its processes.
    pub pids: Vec<u32>,
    /// Before the first connection.
    pub before: Usage,
    /// While all were open, at the beginning of the measured time.
    pub open: Usage,
    /// At its end.
    pub after: Usage,
    /// How long that was, in seconds.
    pub seconds: f64,
}

impl Watched {
    /// What is reported of it.
    pub fn report(self, connections: u64, deliveries: u64) -> Server {
        let each = |before: u64, open: u64| float(open.saturating_sub(before)) / float(connections.max(1));
        let cpu = (self.after.cpu - self.open.cpu).max(0.0);
        let pss = self.before.pss.zip(self.open.pss).map(|(before, open)| each(before, open));
        Server {
            pids: self.pids,
            rss_before_bytes: self.before.rss,
            rss_bytes: self.open.rss,
            rss_per_connection_bytes: each(self.before.rss, self.open.rss),
            pss_per_connection_bytes: pss,
            cpu_share: if self.seconds > 0.0 { cpu / self.seconds } else { 0.0 },
            cpu_per_delivery_micros: (deliveries > 0).then(|| cpu * 1e6 / float(deliveries)),
        }
    }
}

/// The name of this machine, as far as the system tells it.
pub fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// Facts of this machine; what the system does not tell is empty.
pub fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let processor = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Machine {
        host: host(),
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

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

/// The nearest whole number; 0 for what is negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
pub(super) fn nearest(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_this_machine_uses_something() {
        let own = usage(&[std::process::id()]).unwrap();
        assert!(own.rss > 1 << 20 && own_rss() > 1 << 20 && own_cpu() > Duration::ZERO);
        assert!(usage(&[u32::MAX]).is_none());
        let machine = machine();
        assert!(machine.cores > 0 && machine.memory_bytes > 0 && machine.client_ports.is_some());
    }
}
