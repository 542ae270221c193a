//! A client that is cut off anywhere, and comes back to any relay, is sent each event once and in order.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value;

use super::on_a_shard;
use super::relays::{Added, Node, STREAMS, Streams, turns};

/// Sets of targets of a client.
const TARGETS: [&[&str]; 6] = [
    &["scraping/1"],
    &["scraping/*"],
    &["channel:leads", "channel:emails"],
    &["room:lead:1"],
    &["scraping/1", "scraping/*", "channel:leads"],
    &["scraping/1", "room:lead:1", "channel:emails"],
];

/// Rounds of turns without a message after which none is taken to follow.
const QUIET: usize = 5;

/// Time that a client may take for everything it missed: its small buffers make TCP wait for seconds.
const LATEST: Duration = Duration::from_mins(1);

/// A client of `/watch`, which goes on with the last cursor that it was told.
struct Client {
    targets: &'static [&'static str],
    socket: Option<StdStream>,
    input: Vec<u8>,
    cursor: Option<String>,
    /// Events up to the cursor, by their texts.
    sure: Vec<String>,
    /// Events behind it.
    unsure: Vec<String>,
    gaps: Vec<Value>,
    /// Endings on this connection.
    endings: Endings,
}

/// Endings of job 1 on a connection.
#[derive(Default)]
struct Endings {
    /// Events that end it.
    events: usize,
    /// Events that end it and do not follow another ending.
    first: usize,
    /// Messages that it has ended.
    told: usize,
    /// The newest event of the job ends it.
    has_ended: bool,
}

impl Endings {
    fn note(&mut self, event: &str) {
        let ends = event.contains("job_completed");
        self.events += usize::from(ends);
        self.first += usize::from(ends && !self.has_ended);
        if event.contains(r#""job_id":1,"#) {
            self.has_ended = ends;
        }
    }
}

impl Client {
    fn new(targets: &'static [&'static str]) -> Self {
        Self {
            targets,
            socket: None,
            input: Vec::new(),
            cursor: None,
            sure: Vec::new(),
            unsure: Vec::new(),
            gaps: Vec::new(),
            endings: Endings::default(),
        }
    }

    fn come_back(&mut self, node: &Node) {
        self.input.clear();
        self.unsure.clear();
        self.endings = Endings::default();
        self.socket = Some(node.connect(self.targets, self.cursor.as_deref()));
    }

    /// Reads what is there, and takes at most so many messages.
    fn take(&mut self, most: usize) -> usize {
        let mut chunk = [0; 4096];
        loop {
            match self.socket.as_mut().unwrap().read(&mut chunk) {
                Ok(0) => panic!("the relay hung up"),
                Ok(count) => self.input.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        for taken in 0..most {
            let Some(text) = self.next_text() else { return taken };
            self.message(&serde_json::from_str(&text).unwrap());
        }
        most
    }

    fn next_text(&mut self) -> Option<String> {
        let (head, length) = match *self.input.get(..2)? {
            [0x81, 126] => (4, usize::from(u16::from_be_bytes(self.input.get(2..4)?.try_into().unwrap()))),
            [0x81, short @ ..126] => (2, usize::from(short)),
            ref other => panic!("{other:?}"),
        };
        let text = String::from_utf8(self.input.get(head..head + length)?.to_vec()).unwrap();
        self.input.drain(..head + length);
        Some(text)
    }

    fn message(&mut self, message: &Value) {
        match message["type"].as_str().unwrap() {
            "event" if message["snapshot"].is_null() => {
                let event = message["event"].to_string();
                self.endings.note(&event);
                self.unsure.push(event);
            }
            "gap" => self.gaps.push(message.clone()),
            "ended" => self.endings.told += 1,
            "event" | "watching" | "cursor" => {}
            _ => panic!("{message}"),
        }
        if let Some(cursor) = message["cursor"].as_str() {
            self.cursor = Some(cursor.to_owned());
            self.sure.append(&mut self.unsure);
        }
    }
}

/// A step of a run.
#[derive(Debug, Clone)]
enum Step {
    /// Add so many entries to a stream.
    Add(usize, Sort, usize),
    /// A relay takes so many entries.
    Take(usize, usize),
    /// A relay forgets where its entries stand.
    Forget(usize),
    /// The client takes so many messages.
    Read(usize),
    /// The client is cut off, and comes back to a relay.
    Cut(usize),
}

/// A sort of entries.
#[derive(Debug, Clone, Copy)]
enum Sort {
    /// Events that a client may watch.
    Own,
    /// Endings of a job that a client may watch.
    Ending,
    /// Events of others.
    Foreign,
    /// Entries that are no events.
    Odd,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sort = || select(vec![Sort::Own, Sort::Own, Sort::Own, Sort::Ending, Sort::Foreign, Sort::Odd]);
    let step = prop_oneof![
        6 => (0..STREAMS.len(), sort(), 1_usize..5).prop_map(|(stream, sort, count)| Step::Add(stream, sort, count)),
        4 => (0_usize..2, 1_usize..16).prop_map(|(node, most)| Step::Take(node, most)),
        2 => (0_usize..2).prop_map(Step::Forget),
        3 => (1_usize..6).prop_map(Step::Read),
        2 => (0_usize..2).prop_map(Step::Cut),
    ];
    proptest::collection::vec(step, 1..90)
}

fn payload(stream: usize, sort: Sort, number: usize) -> String {
    let filler = "x".repeat(if number.is_multiple_of(3) { 3_000 } else { 10 });
    let job = if matches!(sort, Sort::Foreign) { 2 } else { 1 };
    match (sort, stream) {
        (Sort::Odd, _) => "{".to_owned(),
        (Sort::Ending, 0) => format!(r#"{{"job_id":1,"event_type":"job_completed","n":{number}}}"#),
        (_, 0) => {
            format!(r#"{{"job_id":{job},"event_type":"job_started","n":{number},"message":"{filler}"}}"#)
        }
        (_, 1) => format!(r#"{{"type":"lead:created","lead_id":{job},"n":{number},"x":"{filler}"}}"#),
        _ => format!(r#"{{"type":"email:sent","lead_id":{job},"n":{number},"x":"{filler}"}}"#),
    }
}

/// Whether an event is one that a client of these targets gets.
fn is_wanted(targets: &[&str], added: &Added) -> bool {
    let is_own = added.payload.contains(r#"_id":1,"#);
    added.payload != "{"
        && targets.iter().any(|target| match (*target, added.stream) {
            ("scraping/1", 0) | ("room:lead:1", 1 | 2) => is_own,
            ("scraping/*", 0) | ("channel:leads", 1) | ("channel:emails", 2) => true,
            _ => false,
        })
}

/// Numbers of events, a list a stream.
fn by_stream(events: &[String]) -> [Vec<u64>; 3] {
    let mut found = [vec![], vec![], vec![]];
    for event in events {
        let event: Value = serde_json::from_str(event).unwrap();
        let stream = match event["type"].as_str() {
            None => 0,
            Some("lead:created") => 1,
            Some(_) => 2,
        };
        found[stream].push(event["n"].as_u64().unwrap());
    }
    found
}

async fn run(targets: &'static [&'static str], steps: Vec<Step>) -> Result<(), TestCaseError> {
    let streams = Arc::new(Streams::default());
    let mut nodes = [Node::new(&streams).await, Node::new(&streams).await];
    let mut client = Client::new(targets);
    client.come_back(&nodes[0]);
    while client.cursor.is_none() {
        turns().await;
        client.take(usize::MAX);
    }
    for step in steps {
        match step {
            Step::Add(stream, sort, count) => {
                let mut all = streams.all.lock().unwrap();
                for _ in 0..count {
                    let payload = payload(stream, sort, all.len());
                    all.push(Added { stream, payload });
                }
            }
            Step::Take(node, most) => nodes[node].take(most).await,
            Step::Forget(node) => nodes[node].settings.log().forget_entries(),
            Step::Read(most) => drop(client.take(most)),
            Step::Cut(node) => client.come_back(&nodes[node]),
        }
        turns().await;
    }
    for node in &mut nodes {
        node.take(usize::MAX).await;
    }
    let wanted = |added: &&Added| is_wanted(targets, added);
    let wanted: Vec<String> =
        streams.all.lock().unwrap().iter().filter(wanted).map(|added| added.payload.clone()).collect();
    let wanted = by_stream(&wanted);
    let until = Instant::now() + LATEST;
    let mut quiet = 0;
    while quiet < QUIET && Instant::now() < until {
        turns().await;
        let is_quiet = client.take(usize::MAX) == 0;
        let is_done = by_stream(&[&client.sure[..], &client.unsure].concat()) == wanted;
        quiet = if is_quiet && is_done { quiet + 1 } else { 0 };
        if is_quiet && !is_done {
            // A replay may wait for its relay, or for its page, and a socket for an acknowledgement.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    prop_assert_eq!(&client.gaps, &Vec::<Value>::new());
    prop_assert_eq!(by_stream(&[client.sure, client.unsure].concat()), wanted);
    let Endings { events, first, told, has_ended } = client.endings;
    // The first may be the same as one before the cut, which is told again only where the job is watched and still over.
    let is_over = has_ended && first > 0 && targets.contains(&"scraping/1");
    let least = first.saturating_sub(1).max(usize::from(is_over));
    prop_assert!((least..=events + 1).contains(&told), "{} told of {} to {}", told, least, events);
    Ok(())
}

#[test]
fn a_hole_in_channels_and_streams_is_told_once() {
    on_a_shard(async {
        let streams = Arc::new(Streams::default());
        let mut node = Node::new(&streams).await;
        // The first confirmation of channels is no hole.
        node.follow_again().await;
        let mut client = Client::new(&["scraping/1"]);
        client.come_back(&node);
        while client.cursor.is_none() {
            turns().await;
            client.take(usize::MAX);
        }
        node.follow_again().await;
        turns().await;
        client.take(usize::MAX);
        assert_eq!(client.gaps.len(), 1, "{:?}", client.gaps);
    });
}

#[test]
fn missed_events_are_sent_by_one_task_however_often_the_socket_is_drained() {
    on_a_shard(async {
        let streams = Arc::new(Streams::default());
        let mut node = Node::new(&streams).await;
        let mut client = Client::new(&["scraping/1"]);
        client.come_back(&node);
        while client.cursor.is_none() {
            turns().await;
            client.take(usize::MAX);
        }
        for number in 0..20 {
            streams.all.lock().unwrap().push(Added { stream: 0, payload: payload(0, Sort::Own, number) });
        }
        node.take(usize::MAX).await;
        streams.is_stuck.store(true, Ordering::SeqCst);
        client.come_back(&node);
        turns().await;
        assert_eq!(streams.reads.load(Ordering::SeqCst), 1);
        let ids: Vec<_> = node.shared.state().conns.ids().collect();
        for id in ids {
            for _ in 0..3 {
                node.shared.run_replays(&mut node.shared.state(), id);
            }
        }
        turns().await;
        assert_eq!(streams.reads.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_client_that_is_cut_anywhere_gets_each_event_once_and_in_order_at_any_relay() {
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let cases = (select(TARGETS.to_vec()), steps());
    let outcome = runner.run(&cases, |(targets, steps)| {
        let mut result = Ok(());
        on_a_shard(async { result = run(targets, steps).await });
        result
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
