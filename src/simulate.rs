//! Simulated backend of the recipe extractor: takes orders over HTTP and publishes the events of imaginary workers.
//!
//! This module stands above the features: the relay takes the orders, and the scenarios of `publish` make the events.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::broker::{BoxFuture, Broker};
use crate::dialect::Dialects;
use crate::emit::Outgoing;
use crate::publish::scenario::{DEMO_OWNER, Scenario, ScenarioOptions};
use crate::relay::{Backend, Declined, Ordered};

/// The dialect of the tasks.
const DIALECT: &str = "tasks";

/// Path for ordering tasks.
pub(crate) const ROUTE: &str = "/scrape/async";

/// Most tasks that run at the same time. A further task is declined, so that apps can be tested with a refusal.
const RUNNING: usize = 100;

/// Longest address of a video, in bytes.
const LONGEST_URL: usize = 2048;

/// Longest name of a language, in characters.
const LONGEST_LANGUAGE: usize = 64;

/// Text that makes a task fail, anywhere in path or query of the video's address.
pub(crate) const FAILS: &str = "fail";

/// The simulated backend.
#[derive(Debug)]
pub(crate) struct Simulation {
    publisher: Publisher,
    dialects: Arc<Dialects>,
    /// Longest duration of a task.
    duration: Duration,
    running: Arc<Semaphore>,
}

/// The broker that events go to.
#[derive(Clone)]
struct Publisher(Arc<dyn Broker>);

/// Body of an order, as clients send it. Other members are ignored.
#[derive(Debug, Deserialize)]
struct Body {
    url: Option<serde_json::Value>,
    language: Option<serde_json::Value>,
}

impl Simulation {
    /// Makes a backend whose tasks take at most `duration` and report to this broker.
    pub(crate) fn new(broker: Arc<dyn Broker>, dialects: Arc<Dialects>, duration: Duration) -> Self {
        let running = Arc::new(Semaphore::new(RUNNING));
        Self { publisher: Publisher(broker), dialects, duration, running }
    }

    /// Events of a task. They depend on the address alone, except for the task's id and owner.
    fn plan(&self, job: &str, owner: &str, url: &Url) -> Result<Scenario, Declined> {
        let options = ScenarioOptions {
            jobs: 1,
            duration: self.duration,
            speed: 1.0,
            fail_rate: if fails(url) { 1.0 } else { 0.0 },
            part_fail_rate: 0.0,
            seed: seed(url.as_str()),
            first_job: Some(job.to_owned()),
            owner: owner.to_owned(),
        };
        Scenario::named(DIALECT, &self.dialects, &options)
            .map_err(|error| Declined::Invalid(error.to_string()))
    }

    async fn begin(&self, owner: &str, body: &[u8]) -> Result<Ordered, Declined> {
        let url = read(body)?;
        let permit = Arc::clone(&self.running).try_acquire_owned();
        let permit = permit.map_err(|_| {
            Declined::Busy(format!("{RUNNING} tasks are running, and no more are simulated at a time"))
        })?;
        let job = task_id();
        let mut steps = self.plan(&job, owner, &url)?;
        // The first event names the owner of the task. The relay has to know the owner before the client comes to watch.
        let begun = match steps.next() {
            Some(step) => {
                self.publisher.publish(&step.event).await.map_err(Declined::Unpublished)?;
                step.at
            }
            None => Duration::ZERO,
        };
        tokio::spawn(work(self.publisher.clone(), steps, begun, permit));
        Ok(Ordered { answer: json!({ "task_id": job }), job })
    }
}

impl Backend for Simulation {
    fn route(&self) -> &str {
        ROUTE
    }

    fn dialect(&self) -> &str {
        DIALECT
    }

    fn anybody(&self) -> &str {
        DEMO_OWNER
    }

    fn order<'a>(&'a self, owner: &'a str, body: &'a [u8]) -> BoxFuture<'a, Result<Ordered, Declined>> {
        Box::pin(self.begin(owner, body))
    }
}

/// Publishes the events of a task at their times. `begun` is the time in the scenario at which the work starts. Dropping the
/// permit at the end makes room for another task.
async fn work(publisher: Publisher, steps: Scenario, begun: Duration, permit: OwnedSemaphorePermit) {
    let start = tokio::time::Instant::now();
    for step in steps {
        tokio::time::sleep_until(start + step.at.saturating_sub(begun)).await;
        if let Err(error) = publisher.publish(&step.event).await {
            tracing::error!("a simulated task lost an event: {error}");
        }
    }
    drop(permit);
}

impl Publisher {
    async fn publish(&self, event: &Outgoing) -> Result<(), String> {
        let payload = event.payload(Timestamp::now()).map_err(|error| error.to_string())?;
        let published = self.0.publish(&event.channel(), payload.into()).await;
        published.map(drop).map_err(|error| error.to_string())
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Publisher").field(&self.0.name()).finish()
    }
}

/// Reads the address of the video from the body of an order.
fn read(body: &[u8]) -> Result<Url, Declined> {
    let value: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| Declined::Malformed(format!("the body is no JSON: {error}")))?;
    let invalid = |what: &str| Declined::Invalid(what.to_owned());
    let object = value.is_object().then_some(value);
    let object = object.ok_or_else(|| invalid("the body is an object with url and language"))?;
    let Body { url, language } =
        serde_json::from_value(object).map_err(|error| invalid(&error.to_string()))?;
    let url = url.ok_or_else(|| invalid("url is missing"))?;
    let url = url.as_str().ok_or_else(|| invalid("url has to be a text"))?;
    if url.len() > LONGEST_URL {
        return Err(Declined::Invalid(format!("url has over {LONGEST_URL} bytes")));
    }
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| invalid("url has to be an http or https URL"))?;
    let language = language.ok_or_else(|| invalid("language is missing"))?;
    let language = language.as_str().ok_or_else(|| invalid("language has to be a text"))?;
    if language.trim().is_empty() || language.chars().count() > LONGEST_LANGUAGE {
        return Err(Declined::Invalid(format!("language has 1 to {LONGEST_LANGUAGE} characters, as in en")));
    }
    Ok(url)
}

/// Whether the task of this address is to fail.
fn fails(url: &Url) -> bool {
    let behind_host = &url[url::Position::BeforePath..];
    behind_host.to_ascii_lowercase().contains(FAILS)
}

/// A number made from a text by FNV-1a, equal in every version of jobwire.
fn seed(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A random UUID, as Celery uses for the ids of tasks.
fn task_id() -> String {
    let bits: u128 = rand::rng().random();
    // Set version 4 and variant 1 of a UUID.
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::MemoryBroker;

    fn simulation() -> Simulation {
        let dialects = Arc::new(Dialects::builtin());
        Simulation::new(Arc::new(MemoryBroker::new()), dialects, Duration::from_secs(10))
    }

    fn kinds(url: &str) -> Vec<String> {
        let url = Url::parse(url).unwrap();
        let steps = simulation().plan("t", "alice", &url).unwrap();
        let payload =
            |step: crate::publish::scenario::Step| step.event.payload(Timestamp::UNIX_EPOCH).unwrap();
        let kind = |payload: String| {
            let payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
            let step = payload["step"].as_u64().map(|step| step.to_string()).unwrap_or_default();
            format!("{}{step}", payload["type"].as_str().unwrap())
        };
        let mut kinds: Vec<String> = steps.map(payload).map(kind).collect();
        kinds.dedup();
        kinds
    }

    #[test]
    fn a_task_goes_through_five_steps_and_fails_where_its_address_says_so() {
        let steps = ["progress1", "progress2", "progress3", "progress4", "progress5"];
        let whole = kinds("https://fail.example/video/1");
        assert_eq!(whole, [&["registered"][..], &steps, &["completion"]].concat());
        for url in ["https://a.example/Fail", "https://a.example/v?mode=failure"] {
            let failed = kinds(url);
            assert_eq!(
                (failed[0].as_str(), failed.last().unwrap().as_str()),
                ("registered", "error"),
                "{url}"
            );
            assert_eq!(failed, kinds(url), "the same again");
        }
    }

    #[test]
    fn an_order_has_an_address_and_a_language() {
        let good = br#"{"url":"https://www.tiktok.com/@c/video/1","language":"en","more":1}"#;
        assert_eq!(read(good).unwrap().host_str(), Some("www.tiktok.com"));
        for malformed in [&b"{"[..], b"", b"\xff", b"{'url':1}", b"{} x"] {
            assert!(matches!(read(malformed), Err(Declined::Malformed(_))), "{malformed:?}");
        }
        let long = format!(r#"{{"url":"https://h/{}","language":"en"}}"#, "x".repeat(LONGEST_URL));
        for invalid in [
            "[]",
            "7",
            "null",
            "{}",
            r#"{"url":"https://h/"}"#,
            r#"{"language":"en"}"#,
            r#"{"url":7,"language":"en"}"#,
            r#"{"url":null,"language":"en"}"#,
            r#"{"url":"","language":"en"}"#,
            r#"{"url":"h/v","language":"en"}"#,
            r#"{"url":"ftp://h/v","language":"en"}"#,
            r#"{"url":"https://h/v","language":7}"#,
            r#"{"url":"https://h/v","language":" "}"#,
            long.as_str(),
        ] {
            assert!(matches!(read(invalid.as_bytes()), Err(Declined::Invalid(_))), "{invalid}");
        }
    }

    #[tokio::test]
    async fn more_tasks_than_are_simulated_at_a_time_are_declined() {
        let simulation = simulation();
        let body = br#"{"url":"https://h/v","language":"en"}"#;
        let broker = Arc::clone(&simulation.publisher.0);
        let stop = tokio_util::sync::CancellationToken::new();
        let sink: Box<dyn crate::broker::Sink> = Box::new(Nowhere);
        let subscriptions = vec![crate::broker::Subscription::Prefix("task_updates:".to_owned())];
        let running = broker.run(subscriptions, sink, stop.clone());
        let ordering = async {
            let mut ids = std::collections::BTreeSet::new();
            for _ in 0..RUNNING {
                ids.insert(simulation.order("alice", body).await.unwrap().job);
            }
            assert_eq!(ids.len(), RUNNING);
            assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4'), "{ids:?}");
            let declined = simulation.order("alice", body).await;
            assert!(matches!(declined, Err(Declined::Busy(_))), "{declined:?}");
            stop.cancel();
        };
        tokio::join!(running, ordering);
    }

    /// A subscriber that drops all messages.
    struct Nowhere;

    impl crate::broker::Sink for Nowhere {
        fn publication(&mut self, _: crate::broker::Publication<'_>) {}

        fn flush(&mut self) -> BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }
    }
}
