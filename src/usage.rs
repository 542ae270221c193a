//! Memory and CPU of processes, as the system tells them.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The kernel counts CPU time of others in these.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of this process so far.
pub(crate) fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Resident memory of this process in bytes; 0 where the system does not tell.
pub(crate) fn own_rss() -> u64 {
    memory("/proc/self/status", "VmRSS:").unwrap_or(0)
}

/// What processes use at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// CPU time in seconds.
    pub cpu: f64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Proportional set size in bytes, where the system tells it.
    pub pss: Option<u64>,
}

/// What these processes use together; `None` if one of them is not there.
pub(crate) fn of(pids: &[u32]) -> Option<Usage> {
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

/// A figure of such a file of the system, which has it in kilobytes, in bytes.
pub(crate) fn memory(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// What this process uses, without its proportional set size, which takes the system long to find out.
pub(crate) fn own() -> Usage {
    Usage { cpu: own_cpu().as_secs_f64(), rss: own_rss(), pss: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_this_machine_uses_something() {
        let usage = of(&[std::process::id()]).unwrap();
        assert!(usage.rss > 1 << 20 && own_rss() > 1 << 20 && own_cpu() > Duration::ZERO);
        assert!(of(&[u32::MAX]).is_none());
    }
}
