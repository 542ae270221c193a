//! Which flag goes with which mode.

use super::BenchArgs;
use crate::bench::summary::Mode;
use crate::exit::Failure;

use Mode::{Connect, Echo, Fanout, Idle, Storm};

/// The modes that publish events.
const PUBLISHING: &[Mode] = &[Fanout, Storm];

/// The modes that have a rate.
const PACED: &[Mode] = &[Fanout, Storm, Echo];

/// The modes in which a flag does something, of those that do nothing in some. Churn would be taken for lost round trips.
const FLAGS: [(&str, &[Mode]); 18] = [
    ("publish-url", PUBLISHING),
    ("publish-key", PUBLISHING),
    ("durable", PUBLISHING),
    ("owner", PUBLISHING),
    ("rate", PACED),
    ("duration", &[Fanout, Storm, Echo, Idle]),
    ("warm-up", &[Fanout, Storm, Echo, Idle]),
    ("ramp", PACED),
    ("events", &[Fanout, Storm, Echo, Connect]),
    ("payload-size", PUBLISHING),
    ("milestones", PUBLISHING),
    ("slow", PUBLISHING),
    ("slow-rate", PUBLISHING),
    ("stalled", PUBLISHING),
    ("churn", &[Fanout, Storm, Idle]),
    ("cut", &[Storm]),
    ("resume", PUBLISHING),
    ("echo", &[Echo]),
];

/// What a worker is given here; all else comes with the call.
const OF_WORKERS: [&str; 6] = ["redis", "once", "redis-ca", "redis-cert", "redis-key", "redis-insecure"];

/// Refuses flags of other modes, which would do nothing. `given` are those that stand on the command line: the environment
/// and a file are for all runs alike.
pub(super) fn check<'a>(
    args: &BenchArgs,
    mode: Mode,
    given: impl Iterator<Item = &'a str>,
) -> Result<(), Failure> {
    let foreign: Vec<(&str, &[Mode])> = given
        .filter_map(|flag| Some((flag, modes_of(flag)?)))
        .filter(|(_, of)| !of.contains(&mode))
        .collect();
    let Some((_, [other, ..])) = foreign.first() else { return Ok(()) };
    let named: Vec<String> = foreign.iter().map(|(flag, of)| format!("--{flag} ({})", listed(of))).collect();
    let message = format!("in the mode {} nothing comes of {}", mode.as_str(), named.join(", "));
    let is_named = args.what.first().is_some_and(|word| word == mode.as_str());
    Err(Failure::usage(message).hint(if is_named {
        "leave it out, or use a mode that it is for".to_owned()
    } else {
        format!("without a mode it is fanout; another comes first, as in jobwire bench {}", other.as_str())
    }))
}

/// Refuses what a worker is told by whoever calls it.
pub(super) fn check_worker<'a>(mut given: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    given.find(|flag| !OF_WORKERS.contains(flag)).map_or(Ok(()), |flag| {
        let message = format!("a worker takes no --{flag}: whoever calls it says what there is to do");
        Err(Failure::usage(message).hint("it takes --redis, what says whom to trust there, and --once"))
    })
}

/// `None`: all of them.
fn modes_of(flag: &str) -> Option<&'static [Mode]> {
    FLAGS.iter().find(|(name, _)| *name == flag).map(|(_, modes)| *modes)
}

/// `for storm`, `for fanout and storm`, `for fanout, storm and echo`.
fn listed(modes: &[Mode]) -> String {
    let names: Vec<&str> = modes.iter().map(|mode| mode.as_str()).collect();
    match names.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("for {} and {last}", rest.join(", ")),
        _ => format!("for {}", names.concat()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;

    #[test]
    fn every_flag_of_the_table_is_one() {
        let command = BenchArgs::augment_args(Command::new("bench"));
        let longs: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        for flag in FLAGS.iter().map(|(flag, _)| flag).chain(&OF_WORKERS) {
            assert!(longs.contains(flag), "{flag}");
        }
    }

    #[test]
    fn modes_are_listed_as_in_a_sentence() {
        assert_eq!(listed(&[Storm]), "for storm");
        assert_eq!(listed(PUBLISHING), "for fanout and storm");
        assert_eq!(listed(PACED), "for fanout, storm and echo");
    }
}
