//! Interrupts of `publish`: what is sent and counted after them.

use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{DEADLINE, Relay, dialect, follow, options};
use crate::dialect::Outcome;
use crate::exit::Exit;
use crate::publish::ending::Ending;
use crate::publish::line::{InputEnd, InputLines};
use crate::publish::{SourceOptions, run};

#[tokio::test]
async fn an_interrupt_cancels_a_job_that_the_end_of_the_lines_would_have_ended() {
    let mut relay = Relay::good().await;
    let stop = CancellationToken::new();
    let end = InputEnd::Given(Ending::Exit(0));
    let lines = InputLines::new(dialect("downloads"), Some("a".to_owned())).until(end).unwrap();
    let (mut writer, reader) = tokio::io::duplex(64);
    let (options, stopped) = (options(SourceOptions::Lines(lines), relay.sink()), stop.clone());
    let task = tokio::spawn(async move {
        run(options, tokio::io::BufReader::new(reader), &mut Vec::new(), stopped).await.unwrap()
    });
    writer.write_all(b"45%\n").await.unwrap();
    assert_eq!(relay.next().await.1["progress"], 45);
    stop.cancel();
    // The dialect `downloads` has no event for a cancelled job.
    let (_, event) = relay.next().await;
    assert_eq!(
        (&event["status"], &event["error"]),
        (&serde_json::json!("failed"), &serde_json::json!("exit code 130"))
    );
    assert_eq!(timeout(DEADLINE, task).await.expect("an end").unwrap(), Exit::Interrupted);
}

/// Starts to publish events of the job `a` of downloads. With `end`, the end of the input ends the job.
fn publish_run(
    relay: &Relay,
    end: Option<Ending>,
    input: &'static [u8],
    stop: &CancellationToken,
) -> JoinHandle<(Exit, String)> {
    let lines = InputLines::new(dialect("downloads"), Some("a".to_owned()));
    let lines = match end {
        Some(end) => lines.until(InputEnd::Given(end)).unwrap(),
        None => lines,
    };
    let (options, stop) = (options(SourceOptions::Lines(lines), relay.sink()), stop.clone());
    tokio::spawn(async move {
        let mut notes = Vec::new();
        let exit = run(options, input, &mut notes, stop).await.unwrap();
        (exit, String::from_utf8(notes).unwrap())
    })
}

#[tokio::test]
async fn an_interrupt_while_the_end_of_the_job_is_being_sent_adds_no_other_end() {
    for (end, input) in
        [(Ending::Exit(0), &b""[..]), (Ending::Outcome(Outcome::Failed), b"{\"status\":\"completed\"}\n")]
    {
        let (mut relay, stop) = (Relay::silent().await, CancellationToken::new());
        let task = publish_run(&relay, Some(end), input, &stop);
        assert_eq!(relay.next().await.1["status"], "completed");
        stop.cancel();
        relay.answers.add_permits(9);
        let (exit, notes) = timeout(DEADLINE, task).await.expect("an end").unwrap();
        assert_eq!((exit, notes.as_str()), (Exit::Interrupted, ""));
        relay.got.try_recv().unwrap_err();
    }
}

#[tokio::test]
async fn an_interrupt_before_the_end_of_the_job_is_sent_sends_that_end() {
    let (mut relay, stop) = (Relay::silent().await, CancellationToken::new());
    let input = b"45%\n{\"status\":\"completed\"}\n";
    let task = publish_run(&relay, Some(Ending::Exit(2)), input, &stop);
    assert_eq!(relay.next().await.1["progress"], 45);
    stop.cancel();
    relay.answers.add_permits(9);
    assert_eq!(relay.next().await.1["status"], "completed");
    let (exit, notes) = timeout(DEADLINE, task).await.expect("an end").unwrap();
    assert_eq!((exit, notes.as_str()), (Exit::Interrupted, ""));
    relay.got.try_recv().unwrap_err();
}

#[tokio::test]
async fn an_interrupt_counts_events_that_were_read_and_got_no_answer() {
    let (mut relay, stop) = (Relay::silent().await, CancellationToken::new());
    let input = b"{\"status\":\"queued\"}\n{\"status\":\"completed\"}\n";
    let task = publish_run(&relay, None, input, &stop);
    assert_eq!(relay.next().await.1["status"], "queued");
    stop.cancel();
    let (exit, notes) = timeout(DEADLINE, task).await.expect("an end").unwrap();
    // The second line waits for the answer to the first.
    assert_eq!((exit, notes.as_str()), (Exit::Interrupted, "warning: 2 events were not sent\n"));
}

#[tokio::test]
async fn an_interrupt_ends_the_wait_for_a_line() {
    let mut relay = Relay::good().await;
    let stop = CancellationToken::new();
    let (mut writer, task) = follow(&relay, &stop);
    writer.write_all(b"1\n").await.unwrap();
    relay.next().await;
    stop.cancel();
    let (exit, _) = timeout(DEADLINE, task).await.expect("an end").unwrap();
    assert_eq!(exit, Exit::Interrupted);
}
