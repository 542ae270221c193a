use std::time::Duration;

use super::*;
use crate::bench::aim::Place;
use crate::bench::options::EchoBy;
use crate::bench::plan::Ramp;
use crate::dialect::Dialects;

fn options(mode: Mode, connections: u64, jobs: u64, share: f64) -> BenchOptions {
    let dialects = Dialects::builtin();
    BenchOptions {
        mode,
        server: url::Url::parse("ws://127.0.0.1:1").unwrap(),
        place: Place::Jobs(Arc::clone(dialects.named("scraping").unwrap().1)),
        headers: Vec::new(),
        tokens: Arc::default(),
        manner: crate::bench::manner::Manner::default(),
        owner: None,
        via: None,
        connections,
        connect_rate: None,
        jobs,
        rate: 100.0,
        duration: Duration::from_secs(1),
        warm_up: Duration::ZERO,
        ramp: Ramp::Flat,
        limit: None,
        payload_size: None,
        milestones: 0.1,
        slow: share / 2.0,
        slow_rate: None,
        stalled: share,
        churn: 0.0,
        cut: 0.5,
        echo: EchoBy::Ping,
        sources: Vec::new(),
        threads: None,
        server_pids: Vec::new(),
        demands: Vec::new(),
        allow_client_bound: false,
        find: None,
        workers: 0,
        remote_workers: 0,
        tls: crate::net::tls::Tls::default(),
        coordination: None,
        dialect_files: Vec::new(),
        max_clock_error: Duration::ZERO,
        described: std::collections::BTreeMap::new(),
    }
}

/// How many seats of each cohort each of `of` has, by what `whose` says of a seat.
fn counts(seats: &[Seat], of: u64, whose: impl Fn(&Seat) -> u64) -> Vec<(Cohort, Vec<u64>)> {
    let count =
        |cohort, one| seats.iter().filter(|seat| seat.cohort == cohort && whose(seat) == one).count() as u64;
    Cohort::ALL.map(|cohort| (cohort, (0..of).map(|one| count(cohort, one)).collect())).into()
}

fn spread(counts: &[u64]) -> u64 {
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

#[test]
fn every_job_has_its_share_of_every_cohort() {
    for (connections, jobs) in
        [(100, 10), (1000, 10), (5000, 50), (97, 10), (60, 7), (40, 1), (8, 3), (30, 40)]
    {
        for share in [0.02, 0.1, 0.3, 0.5] {
            let all = seats(&options(Mode::Storm, connections, jobs, share));
            let jobs = jobs.min(connections);
            for (cohort, counts) in counts(&all, jobs, |seat| seat.nth % jobs) {
                let wrong = format!("{connections} of {jobs} jobs, {share}: {cohort:?} {counts:?}");
                // The healthy are whoever the others leave, by one or two each.
                let most = if cohort == Cohort::Healthy { 4 } else { 2 };
                assert!(spread(&counts) <= most, "{wrong}");
            }
            let is = |cohort| all.iter().filter(|seat| seat.cohort == cohort).count() as u64;
            assert_eq!(is(Cohort::Stalled), part_of(connections, share), "{connections} {jobs} {share}");
        }
    }
    let all = seats(&options(Mode::Fanout, 100, 10, 0.1));
    let stalled: Vec<u64> =
        all.iter().filter(|seat| seat.cohort == Cohort::Stalled).map(|seat| seat.nth / 10).collect();
    assert!(
        stalled.len() == 10 && stalled.iter().any(|nth| *nth < 3),
        "not those that are opened last: {stalled:?}"
    );
}

#[test]
fn one_place_is_one_job() {
    let mut options = options(Mode::Fanout, 100, 10, 0.1);
    let Place::Jobs(dialect) = options.place else { unreachable!() };
    options.place = Place::Job(dialect, "7".into());
    let stalled: Vec<u64> =
        seats(&options).iter().filter(|seat| seat.cohort == Cohort::Stalled).map(|seat| seat.nth).collect();
    assert_eq!(stalled, [9, 19, 29, 39, 49, 59, 69, 79, 89, 99]);
}

#[test]
fn processes_and_threads_have_their_share_of_every_cohort() {
    for (connections, jobs) in [(100, 10), (1000, 10), (999, 50), (64, 8), (40, 1), (12, 12)] {
        for (share, of) in [(0.1, 2), (0.5, 2), (0.1, 3), (0.3, 4), (0.25, 8), (0.02, 10)] {
            let options = options(Mode::Storm, connections, jobs, share);
            let all = seats(&options);
            let parts: Vec<Vec<Seat>> = (0..of).map(|nth| dealt(&options, &all, (nth, of))).collect();
            let mut together: Vec<u64> = parts.iter().flatten().map(|seat| seat.nth).collect();
            together.sort_unstable();
            assert_eq!(together, (0..connections).collect::<Vec<_>>());
            let sizes: Vec<u64> = parts.iter().map(|part| part.len() as u64).collect();
            assert!(spread(&sizes) <= 1, "{sizes:?}");
            let part_of = |seat: &Seat| parts.iter().position(|part| part.contains(seat)).unwrap() as u64;
            for (cohort, counts) in counts(&all, of, part_of) {
                assert!(spread(&counts) <= 1, "{connections} {jobs} {share} {of}: {cohort:?} {counts:?}");
            }
            for job in 0..jobs {
                let of_job: Vec<Seat> = all.iter().filter(|seat| seat.nth % jobs == job).copied().collect();
                for (cohort, counts) in counts(&of_job, of, part_of) {
                    assert!(spread(&counts) <= 2, "{connections} {jobs} {share} {of}: {cohort:?} {counts:?}");
                }
            }
            // The threads of a process deal again.
            for part in &parts {
                let threads: Vec<Vec<Seat>> = (0..3).map(|nth| dealt(&options, part, (nth, 3))).collect();
                let thread_of =
                    |seat: &Seat| threads.iter().position(|own| own.contains(seat)).unwrap() as u64;
                for (cohort, counts) in counts(part, 3, thread_of) {
                    assert!(spread(&counts) <= 1, "{connections} {jobs} {share} {of}: {cohort:?} {counts:?}");
                }
            }
        }
    }
}

#[test]
fn every_process_takes_the_turns_of_every_source_address() {
    for (of, sources) in [(2, 2), (2, 4), (3, 3), (4, 2), (4, 16)] {
        let options = options(Mode::Idle, 4000, 1, 0.0);
        let all = seats(&options);
        for nth in 0..of {
            let own = dealt(&options, &all, (nth, of));
            for source in 0..sources {
                let turns = own.iter().filter(|seat| seat.nth % sources == source).count() as u64;
                let even = 4000 / of / sources;
                assert!(
                    turns.abs_diff(even) <= even / 2,
                    "{turns} of {even}: {nth} of {of}, {source} of {sources}"
                );
            }
        }
    }
}
