mod interrupts;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use url::Url;

use super::scenario::ScenarioOptions;
use super::*;
use crate::dialect::{Assignment, Dialect, Dialects};

const DEADLINE: Duration = Duration::from_secs(30);
const KEY: &str = "sesame";

/// A relay that answers every publication the same and hands on what it got.
struct Relay {
    server: Url,
    /// Permits for answers, one for each.
    answers: Arc<Semaphore>,
    got: mpsc::UnboundedReceiver<(String, String)>,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    body: Value,
    got: mpsc::UnboundedSender<(String, String)>,
    permits: Arc<Semaphore>,
}

async fn answer(request: Request<Incoming>, answer: Answer) -> hyper::Result<Response<Full<bytes::Bytes>>> {
    let key = request.headers().get("authorization").map(|value| value.as_bytes().to_vec());
    let path = percent_decode_str(request.uri().path()).decode_utf8().unwrap().into_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let (status, text) = if key == Some(format!("Bearer {KEY}").into_bytes()) {
        let channel = path.strip_prefix("/publish/").unwrap().to_owned();
        // Some tests do not look at what came.
        let _ = answer.got.send((channel, String::from_utf8(body.to_vec()).unwrap()));
        answer.permits.acquire().await.unwrap().forget();
        (answer.status, answer.body.to_string())
    } else {
        (StatusCode::UNAUTHORIZED, json!({"error": "unauthorized", "message": "no"}).to_string())
    };
    Ok(Response::builder().status(status).body(text.into()).unwrap())
}

impl Relay {
    async fn start(status: StatusCode, body: Value) -> Self {
        Self::with_answers(status, body, Semaphore::MAX_PERMITS).await
    }

    /// A relay that takes events and answers none of them until `answers` gets permits.
    async fn silent() -> Self {
        Self::with_answers(StatusCode::OK, json!({"subscribers": 1, "sockets": 2}), 0).await
    }

    async fn with_answers(status: StatusCode, body: Value, count: usize) -> Self {
        let (sender, got) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(count));
        let answers = Answer { status, body, got: sender, permits: Arc::clone(&permits) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Url::parse(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = answers.clone();
                let service = service_fn(move |request| answer(request, answers.clone()));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { server, answers: permits, got }
    }

    async fn good() -> Self {
        Self::start(StatusCode::OK, json!({"subscribers": 1, "sockets": 2})).await
    }

    fn sink(&self) -> SinkOptions {
        SinkOptions::Http {
            server: self.server.clone(),
            key: Some(KEY.to_owned()),
            tls: crate::net::tls::Tls::default(),
        }
    }

    async fn next(&mut self) -> (String, Value) {
        let got = timeout(DEADLINE, self.got.recv()).await.expect("a publication");
        let (channel, body) = got.unwrap();
        (channel, serde_json::from_str(&body).unwrap())
    }
}

fn dialect(name: &str) -> Arc<Dialect> {
    Arc::clone(Dialects::builtin().named(name).unwrap().1)
}

fn started(repeat: u64) -> SourceOptions {
    let fields = vec![Assignment::json("message", "go")];
    let content = crate::emit::Content::Fields { event: "job_started".to_owned(), fields };
    SourceOptions::Event {
        event: Outgoing { dialect: dialect("scraping"), job: "7".to_owned(), content },
        repeat,
    }
}

fn options(source: SourceOptions, sink: SinkOptions) -> PublishOptions {
    PublishOptions {
        source,
        sink,
        rate: None,
        patience: Some(Duration::ZERO),
        require_subscribers: false,
        is_typed: false,
        is_quiet: false,
    }
}

/// The exit code, what was noted, and the failure with its hint.
async fn outcome(options: PublishOptions, input: &[u8]) -> (Exit, String, String) {
    let mut notes = Vec::new();
    let run = run(options, input, &mut notes, CancellationToken::new());
    let result = timeout(DEADLINE, run).await.expect("an end");
    let notes = String::from_utf8(notes).unwrap();
    match result {
        Ok(exit) => (exit, notes, String::new()),
        Err(error) => {
            let failure = error.downcast::<Failure>().expect("a failure");
            (failure.exit, notes, format!("{failure}; {}", failure.hint.as_deref().unwrap_or_default()))
        }
    }
}

#[tokio::test]
async fn an_event_is_posted_to_its_channel_with_the_key() {
    let mut relay = Relay::good().await;
    let lines = SourceOptions::Lines(InputLines::new(dialect("downloads"), Some("a b".to_owned())));
    let (exit, notes, _) = outcome(options(lines, relay.sink()), b"45").await;
    assert_eq!((exit, notes.as_str()), (Exit::Success, ""));
    let expected = json!({"jobId": "a b", "status": "processing", "progress": 45});
    assert_eq!(relay.next().await, ("download_updates:a b".to_owned(), expected));
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_one_are_refused_with_a_hint() {
    let relay = Relay::good().await;
    for (key, hint) in [(Some("no".to_owned()), "--publish-key"), (None, "publish-key.")] {
        let sink =
            SinkOptions::Http { server: relay.server.clone(), key, tls: crate::net::tls::Tls::default() };
        let (exit, _, failure) = outcome(options(started(1), sink), b"").await;
        assert_eq!(exit, Exit::Refused);
        assert!(failure.contains("401") && failure.contains(hint), "{failure}");
    }
}

#[tokio::test]
async fn nobody_there_is_a_warning_once_or_a_failure() {
    let relay = Relay::start(StatusCode::OK, json!({"subscribers": 1, "sockets": 0})).await;
    let (exit, notes, _) = outcome(options(started(3), relay.sink()), b"").await;
    let nobody = format!(
        "no socket at {} got it; the relay keeps the job's state",
        crate::net::address(&relay.server)
    );
    assert_eq!((exit, notes), (Exit::Success, format!("note: {nobody}\n")));
    let strict = PublishOptions { require_subscribers: true, ..options(started(3), relay.sink()) };
    assert_eq!(outcome(strict, b"").await, (Exit::Failure, String::new(), format!("{nobody}; ")));
}

#[tokio::test]
async fn what_is_no_relay_is_said_to_be_none() {
    let table = [
        (StatusCode::OK, json!("hello"), Exit::Unreachable, "is no relay"),
        (StatusCode::NOT_FOUND, json!({}), Exit::Unreachable, "takes no events: it answered 404"),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({"error": "e", "message": "redis is down"}),
            Exit::Unreachable,
            "redis is down",
        ),
        (
            StatusCode::BAD_GATEWAY,
            json!({"error": "broker_failed", "message": "could not connect to redis://h:1"}),
            Exit::Unreachable,
            "cannot use its Redis, so nothing was published",
        ),
        (
            StatusCode::BAD_GATEWAY,
            json!({"error": "not_permitted", "message": "NOPERM no"}),
            Exit::Refused,
            "cannot publish into its Redis",
        ),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({"error": "read_only", "message": "READONLY"}),
            Exit::Refused,
            "for the relay's Redis: the URL should lead to the master",
        ),
        (StatusCode::BAD_GATEWAY, json!("of a proxy"), Exit::Unreachable, "answered 502"),
        (
            StatusCode::PAYLOAD_TOO_LARGE,
            json!({"error": "e", "message": "too big"}),
            Exit::Failure,
            "too big",
        ),
    ];
    for (status, body, expected, text) in table {
        let relay = Relay::start(status, body).await;
        let (exit, _, failure) = outcome(options(started(1), relay.sink()), b"").await;
        assert_eq!(exit, expected, "{status}");
        assert!(failure.contains(text), "{failure}");
    }
}

#[tokio::test]
async fn nobody_listening_is_unreachable_with_a_hint() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let server = Url::parse(&format!("http://{address}")).unwrap();
    let sink = SinkOptions::Http { server, key: None, tls: crate::net::tls::Tls::default() };
    let (exit, _, failure) = outcome(options(started(1), sink), b"").await;
    assert_eq!(exit, Exit::Unreachable);
    assert!(failure.contains(&address.to_string()) && failure.contains("jobwire serve"), "{failure}");
    let sink = SinkOptions::Redis { url: format!("redis://user:secret@{address}"), durable: false };
    let (exit, _, failure) = outcome(options(started(1), sink), b"").await;
    assert_eq!(exit, Exit::Unreachable);
    assert!(failure.contains(&address.to_string()) && !failure.contains("secret"), "{failure}");
}

#[tokio::test]
async fn an_event_of_a_line_that_is_refused_is_left_out_and_the_rest_go_on() {
    let body = json!({"error": "e", "message": "too big"});
    let mut relay = Relay::start(StatusCode::PAYLOAD_TOO_LARGE, body).await;
    let lines = SourceOptions::Lines(InputLines::new(dialect("downloads"), Some("a".to_owned())));
    let (exit, notes, failure) = outcome(options(lines, relay.sink()), b"45%\n46%\n").await;
    assert_eq!((exit, failure.as_str()), (Exit::Failure, "2 events were not sent; "));
    let complaints: Vec<&str> = notes.lines().collect();
    assert_eq!(complaints.len(), 2, "{notes}");
    for complaint in complaints {
        let is_whole = complaint.starts_with("error: ") && complaint.ends_with("; the event is left out");
        assert!(is_whole && complaint.contains("too big"), "{complaint}");
    }
    for percent in [45, 46] {
        assert_eq!(relay.next().await.1["progress"], percent);
    }
}

#[test]
fn events_in_streams_are_summed_up_with_their_streams() {
    let told = |sent, streams: usize| {
        let streams = (0..streams).map(|nth| format!("s{nth}")).collect();
        added(&Tally { sent, streams, ..Tally::default() })
    };
    assert_eq!(told(0, 0), None);
    assert_eq!(told(1, 1).unwrap(), "added 1 event to the stream s0");
    assert_eq!(told(3, 2).unwrap(), "added 3 events to 2 streams");
    assert_eq!(told(5000, MOST_STREAMS).unwrap(), "added 5000 events to 1000 streams or more");
}

fn follow(
    relay: &Relay,
    stop: &CancellationToken,
) -> (DuplexStream, tokio::task::JoinHandle<(Exit, String)>) {
    let (writer, reader) = tokio::io::duplex(1 << 16);
    let source = SourceOptions::Lines(InputLines::new(dialect("scraping"), Some("7".to_owned())));
    let (options, stop) = (options(source, relay.sink()), stop.clone());
    let task = tokio::spawn(async move {
        let mut notes = Vec::new();
        let exit = run(options, tokio::io::BufReader::new(reader), &mut notes, stop).await.unwrap();
        (exit, String::from_utf8(notes).unwrap())
    });
    (writer, task)
}

#[tokio::test]
async fn lines_are_sent_as_they_come_and_bad_ones_reported_by_number() {
    let mut relay = Relay::good().await;
    let (mut writer, task) = follow(&relay, &CancellationToken::new());
    writer.write_all(b"10%\r\n").await.unwrap();
    let (channel, event) = relay.next().await;
    assert_eq!((channel.as_str(), &event["progress"]), ("scraping_events", &json!(10)));
    writer.write_all(b"\n{\"nope\n# half\n{\"event_type\":\"job_completed\"}").await.unwrap();
    drop(writer);
    let (_, event) = relay.next().await;
    assert_eq!((&event["progress"], &event["message"]), (&json!(10), &json!("half")));
    assert_eq!(relay.next().await.1, json!({"event_type": "job_completed", "job_id": 7}));
    let (exit, notes) = task.await.unwrap();
    assert_eq!(exit, Exit::Failure);
    assert!(notes.starts_with("error: line 3: not JSON"), "{notes}");
}

#[tokio::test]
async fn output_of_a_program_is_searched_for_progress_and_its_end_ends_the_job() {
    let mut relay = Relay::good().await;
    let end = line::InputEnd::Told;
    let lines = InputLines::new(dialect("scraping"), Some("7".to_owned())).until(end).unwrap();
    let options = options(SourceOptions::Lines(lines), relay.sink());
    let input =
        b"make: Entering directory 'a'\n[ 50%] Building a.o\na.c:1:2: 100% wrong\n[2/2] Linking\nexit:2\n";
    let (exit, notes, _) = outcome(options, input).await;
    assert_eq!((exit, notes.as_str()), (Exit::Success, ""));
    for (percent, message) in [(50, "Building a.o"), (100, "Linking")] {
        let (_, event) = relay.next().await;
        assert_eq!((&event["progress"], &event["message"]), (&json!(percent), &json!(message)));
    }
    let (_, event) = relay.next().await;
    assert_eq!((&event["event_type"], &event["message"]), (&json!("job_failed"), &json!("exit code 2")));
}

#[tokio::test]
async fn output_without_any_progress_is_noted_unless_it_is_to_be_quiet() {
    let relay = Relay::good().await;
    for (is_quiet, input, expected) in [
        (
            false,
            "a\nb\n",
            "warning: standard input has ended, and none of its 2 lines was an event or said progress\n",
        ),
        (false, "a\n", "warning: standard input has ended, and its line was no event and said no progress\n"),
        (true, "a\nb\n", ""),
    ] {
        let lines = SourceOptions::Lines(InputLines::new(dialect("downloads"), Some("a".to_owned())));
        let options = PublishOptions { is_quiet, ..options(lines, relay.sink()) };
        let (exit, notes, _) = outcome(options, input.as_bytes()).await;
        assert_eq!((exit, notes.as_str()), (Exit::Success, expected));
    }
}

#[tokio::test]
async fn a_scenario_is_published_whole_and_summed_up() {
    let mut relay = Relay::good().await;
    let plan = ScenarioOptions {
        jobs: 2,
        duration: Duration::from_millis(50),
        speed: 1.0,
        fail_rate: 0.0,
        part_fail_rate: 0.0,
        seed: 3,
        first_job: None,
        owner: "ann".to_owned(),
    };
    let scenario = Scenario::named(scenario::ALL, &Dialects::builtin(), &plan).unwrap();
    let steps = scenario.len();
    let (exit, notes, _) =
        outcome(options(SourceOptions::Scenario { scenario, seed: 3 }, relay.sink()), b"").await;
    assert_eq!(exit, Exit::Success);
    assert!(notes.starts_with("watch with: jobwire attach --server "), "{notes}");
    assert!(notes.contains(&format!("\npublished {steps} events of 2 jobs in 0.")), "{notes}");
    assert!(notes.ends_with("s (seed 3)\n"), "{notes}");
    for _ in 0..steps {
        relay.next().await;
    }
}

/// A redis-server on a socket in a directory of its own; killed when dropped.
struct Redis {
    child: Child,
    directory: tempfile::TempDir,
}

impl Redis {
    fn start(password: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket", "s", "--requirepass", password])
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs redis-server (Debian: apt install redis-server)");
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = log.any(|line| line.unwrap().contains("eady to accept connections"));
        assert!(ready, "redis-server did not start");
        // Reads on, so that the server never waits for its log to be read.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, directory }
    }

    fn sink(&self, password: &str) -> SinkOptions {
        let url = format!("unix://{}/s?password={password}", self.directory.path().display());
        SinkOptions::Redis { url, durable: false }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn redis_is_published_into_and_a_refused_password_ends_it_at_once() {
    let redis = Redis::start("right");
    let (exit, notes, _) = outcome(options(started(2), redis.sink("right")), b"").await;
    assert_eq!(exit, Exit::Success);
    assert!(notes.starts_with("warning: nobody is subscribed to 'scraping_events' at "), "{notes}");
    assert_eq!(notes.lines().count(), 1);
    // Before the first line is read, and whether or not there will be one.
    let lines = SourceOptions::Lines(InputLines::new(dialect("scraping"), Some("7".to_owned())));
    let (exit, _, failure) = outcome(options(lines, redis.sink("wrong")), b"").await;
    assert_eq!(exit, Exit::Unreachable);
    assert!(failure.contains("refused the login"), "{failure}");
}

#[tokio::test]
async fn a_refused_password_ends_it_at_once_at_a_terminal_whose_input_never_ends() {
    let redis = Redis::start("right");
    let lines = SourceOptions::Lines(InputLines::new(dialect("scraping"), Some("7".to_owned())));
    let (_writer, reader) = tokio::io::duplex(64);
    let options = PublishOptions { is_typed: true, ..options(lines, redis.sink("wrong")) };
    let mut notes = Vec::new();
    let run = run(options, tokio::io::BufReader::new(reader), &mut notes, CancellationToken::new());
    let error = timeout(DEADLINE, run).await.expect("an end").unwrap_err();
    assert!(error.to_string().contains("refused the login"), "{error}");
    assert_eq!(String::from_utf8(notes).unwrap(), "");
}

#[tokio::test]
async fn a_relay_that_never_answers_is_waited_for_no_longer_than_patience_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let sink = SinkOptions::Http { server, key: None, tls: crate::net::tls::Tls::default() };
    let lines = SourceOptions::Lines(InputLines::new(dialect("scraping"), Some("7".to_owned())));
    let begin = Instant::now();
    let patience = Some(Duration::from_millis(1500));
    let (exit, _, failure) = outcome(PublishOptions { patience, ..options(lines, sink) }, b"5").await;
    assert_eq!(exit, Exit::Unreachable, "{failure}");
    assert!(failure.contains("1 event was not sent"), "{failure}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
