//! A summary for the tests of reports.

use super::{
    Assertion, Client, CloseCount, Cohort, ConnectTime, Connections, FailureCount, Interval, Machine, Mode,
    Publish, Setup, Summary, Verdict,
};
use crate::bench::timing::Timing;

impl Summary {
    /// A fan-out run with something in every part, for tests of reports.
    #[expect(clippy::too_many_lines, reason = "it is data")]
    pub(in crate::bench) fn example() -> Self {
        let mut summary = Self::empty(Mode::Fanout);
        summary.setup = Setup {
            started: "2026-01-02T03:04:05Z".into(),
            elapsed_seconds: 12.5,
            version: "0.1.0".into(),
            target: "scraping/1..50".into(),
            server: "127.0.0.1:8000".into(),
            publisher: Some("127.0.0.1:6379".into()),
            options: [("connections", "5000"), ("rate", "500"), ("duration", "10s")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            machine: Machine {
                host: "build-1".into(),
                system: "Linux 6.8.0".into(),
                processor: "Some CPU".into(),
                cores: 2,
                memory_bytes: 8 << 30,
                descriptors: 20_000,
                client_ports: Some((32768, 60999)),
                somaxconn: Some(4096),
            },
        };
        summary.connections = Connections {
            wanted: 5000,
            attempts: 5000,
            opened: 4990,
            failed: 10,
            failures: vec![FailureCount {
                step: "upgrade".into(),
                status: Some(503),
                reason: "too many connections".into(),
                count: 10,
            }],
            peak: 4990,
            open_at_end: 4988,
            closed_early: vec![CloseCount { code: Some(1013), reason: "slow consumer".into(), count: 2 }],
            rate: 9000.0,
            garbage: 0,
            received_bytes: 100_000_000,
        };
        summary.connect_time = ConnectTime {
            tcp: Timing::of_micros(100..200),
            tls: Timing::new(),
            upgrade: Timing::of_micros(300..600),
            first_message: Timing::new(),
            total: Timing::of_micros(400..800),
        };
        summary.publish = Some(Publish {
            by: "redis".into(),
            intended: 5000,
            sent: 5000,
            failed: 0,
            failures: Vec::new(),
            intended_rate: 500.0,
            rate: 499.8,
            send_lag: Timing::of_micros(20..60),
            endpoint_wait_seconds: 0.0,
            outages: 0,
            outage_seconds: 0.0,
            payload_bytes: 230.0,
        });
        let cohort = |name: &str, connections, lost, conflated, delivery: Timing| Cohort {
            name: name.into(),
            connections,
            expected: delivery.count() + lost + conflated,
            received: delivery.count(),
            lost,
            conflated,
            delivery,
            ..Cohort::default()
        };
        summary.cohorts = vec![
            cohort("healthy", 4740, 0, 0, Timing::of_micros((0..50_000).map(|n| 300 + n / 10))),
            cohort("slow", 250, 3, 1200, Timing::of_micros((0..900).map(|n| 40_000 + n * 100))),
        ];
        summary.client = Client {
            cpu_share: 0.4,
            busiest_thread_share: 0.3,
            cpu_per_event_micros: Some(1.1),
            rss_bytes: 30 << 20,
            rss_per_connection_bytes: 700.0,
            loop_delay: Timing::of_micros(50..90),
            redraw_share: 0.001,
            bound: Vec::new(),
        };
        summary.intervals = (0..12u64)
            .map(|second| {
                let timed = Timing::of_micros((0..4000).map(|n| 300 + n + second * 20));
                Interval {
                    at_seconds: f64::from(u32::try_from(second).expect("small")),
                    length_seconds: 1.0,
                    warm_up: second < 2,
                    draining: false,
                    connections: 4990,
                    published: 500,
                    received: timed.count(),
                    errors: 0,
                    p50_micros: Some(timed.micros_at(50.0)),
                    p99_micros: Some(timed.micros_at(99.0)),
                    max_micros: Some(timed.max_micros()),
                    hdr: timed.encode(),
                }
            })
            .collect();
        summary.verdict = Verdict {
            assertions: vec![
                Assertion {
                    text: "delivery.p99<50ms".into(),
                    metric: "delivery.p99".into(),
                    limit: "50ms".into(),
                    value: "5.25ms".into(),
                    passed: true,
                },
                Assertion {
                    text: "lost==0".into(),
                    metric: "lost".into(),
                    limit: "0".into(),
                    value: "3".into(),
                    passed: false,
                },
            ],
            passed: false,
            client_bound: false,
            client_bound_allowed: false,
            unclean: None,
        };
        summary
    }
}
