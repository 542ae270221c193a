//! Channels and rooms over one socket, and what comes of a lost one.

use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::Message;

use super::*;

const CONNECTION: &str =
    r#"{"type":"connection","status":"connected","channels":["campaigns","scrapers"],"rooms":[]}"#;
const LAUNCHED: &str =
    r#"{"type":"campaign:launched","campaign_id":1,"campaign_name":"Spring","total_recipients":10}"#;
const STATS: &str = r#"{"type":"campaign:stats_updated","campaign_id":1,"sent":5,"opened":2}"#;
const FAILED: &str = r#"{"type":"scraper:failed","scraper_id":"s","error":"blocked"}"#;

const TARGETS: [&str; 3] = ["channel:campaigns", "channel:scrapers", "room:campaign:1"];

/// Plays `script` and interrupts once it is done and all it sent was read.
async fn interrupted(
    page: &Page,
    options: &AttachOptions,
    renderer: Box<dyn Renderer>,
    script: impl Future<Output = ()>,
) -> AttachReport {
    let stop = CancellationToken::new();
    let script = async {
        script.await;
        let last = || page.text().contains("LAST");
        timeout(DEADLINE, async {
            while !last() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        stop.cancel();
    };
    let both = async { tokio::join!(watch(options, None, &stop, outputs(renderer), timing()), script).0 };
    timeout(DEADLINE, both).await.unwrap().unwrap()
}

const LAST: &str = r#"{"type":"notification:system","message":"LAST"}"#;

#[tokio::test]
async fn all_share_a_socket_and_a_lost_one_is_restored_with_its_subscriptions() {
    let server = Server::new().await;
    let options = server.options(&TARGETS);
    let page = Page::default();
    let out = io::BufWriter::new(Box::new(page.clone()) as Box<dyn Write + Send>);
    let script = async {
        for texts in [&[CONNECTION, LAUNCHED][..], &[CONNECTION, FAILED, LAST]] {
            let (mut socket, path) = server.socket_with("").await;
            assert_eq!(path, "/ws?channels=campaigns,scrapers");
            let command = socket.next().await.unwrap().unwrap();
            assert_eq!(command, Message::text(r#"{"type":"join_room","room":"campaign:1"}"#));
            send(&mut socket, texts).await;
            close(&mut socket, 1001, "going away").await;
        }
        until_closed(server.socket().await).await;
    };
    let renderer = Box::new(Json::new(out, Filter::default()));
    let script = async {
        // The last socket stays open until the client goes.
        tokio::select! {
            () = script => {}
            () = async { while !page.text().contains("LAST") { tokio::task::yield_now().await; } } => {}
        }
    };
    let report = Box::pin(interrupted(&page, &options, renderer, script)).await;
    assert_eq!((report.exit, report.events), (Exit::Interrupted, 3));
    let target = TARGETS.join(" ");
    assert!(page.lines().iter().all(|line| line["target"] == target.as_str()), "{}", page.text());
    let events: Vec<_> = page.lines().into_iter().filter(|line| !line["event"].is_null()).collect();
    assert_eq!(events[0]["resource"], "campaign:1");
    assert_eq!(events[1]["resource"], "scraper:s");
    assert!(events[2]["resource"].is_null());
    assert!(page.text().contains(&format!("\"resource\":\"campaign:1\",\"event\":{LAUNCHED}}}\n")));
    let words: Vec<Value> = page.lines().iter().map(|line| line["connection"].clone()).collect();
    let links: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    assert_eq!(links[..4], ["connected", "disconnected", "reconnecting", "connected"]);
}

#[tokio::test]
async fn plain_lines_tell_every_event_and_the_server_s_complaints() {
    let server = Server::new().await;
    let page = Page::default();
    let out = io::BufWriter::new(Box::new(page.clone()) as Box<dyn Write + Send>);
    let zone = jiff::tz::TimeZone::UTC;
    let renderer = Box::new(PlainLines::new(out, Filter::default(), Paint::new(false), zone));
    let script = async {
        let mut socket = server.socket().await;
        let complaint = r#"{"type":"error","code":"unknown_channel","message":"there is no channel 'x'"}"#;
        let heartbeat = r#"{"type":"heartbeat","timestamp":"2026-01-01T00:00:00Z"}"#;
        let bounced =
            r#"{"type":"email:bounced","email_id":7,"recipient":"a@b.c","reason":"mailbox\u001b[2J full"}"#;
        let completed = r#"{"type":"campaign:completed","campaign_id":1,"sent":10}"#;
        let texts =
            [CONNECTION, complaint, LAUNCHED, STATS, heartbeat, bounced, FAILED, completed, "no JSON", LAST];
        send(&mut socket, &texts).await;
        tokio::spawn(until_closed(socket));
    };
    let report =
        Box::pin(interrupted(&page, &server.options(&["channel:campaigns"]), renderer, script)).await;
    assert_eq!((report.exit, report.events), (Exit::Interrupted, 7));
    let text = page.text();
    let lines: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    let expected = [
        "channel:campaigns connected",
        "channel:campaigns warning: unknown_channel: there is no channel 'x'",
        "campaign:launched campaign:1 campaign_name=Spring total_recipients=10",
        "campaign:stats_updated campaign:1 50% · 5/10 · opened=2",
        "email:bounced email:7 reason=\"mailbox full\" recipient=a@b.c",
        "scraper:failed scraper:s blocked",
        "campaign:completed campaign:1 in 0:00 · sent=10",
        "no JSON",
        "notification:system - LAST",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn jobs_end_beside_a_stream_that_goes_on() {
    let server = Server::new().await;
    let page = Page::default();
    let out = io::BufWriter::new(Box::new(page.clone()) as Box<dyn Write + Send>);
    let script = async {
        for _ in 0..2 {
            let (mut socket, path) = server.socket_with("").await;
            if path.starts_with("/ws/scraping") {
                send(&mut socket, &[DONE]).await;
            } else {
                assert_eq!(path, "/ws");
                send(&mut socket, &[LAST]).await;
            }
            tokio::spawn(until_closed(socket));
        }
        while !page.text().contains("\"closed\"") {
            tokio::task::yield_now().await;
        }
    };
    let renderer = Box::new(Json::new(out, Filter::default()));
    let options = server.options(&["scraping/1", "room:lead:4"]);
    let report = Box::pin(interrupted(&page, &options, renderer, script)).await;
    assert_eq!((report.exit, report.tally.succeeded), (Exit::Interrupted, 1));
}

#[tokio::test]
async fn a_stream_ends_by_the_clock_or_with_its_server() {
    let server = Server::new().await;
    let limit = Some(Duration::from_millis(100));
    let options = AttachOptions { timeout: limit, ..server.options(&TARGETS) };
    let (report, _) = play(options, async { until_closed(server.socket().await).await }).await;
    assert_eq!(report.exit, Exit::StillRunning);
    let said = format!("the time was up after 0.1 s; not ended: {}", TARGETS.join(" "));
    assert_eq!(report.problem.unwrap().message, said);

    let options = AttachOptions { retries: 1, ..server.options(&["scraping/1", "channel:leads"]) };
    let script = async {
        let mut done = false;
        for _ in 0..3 {
            let (stream, path) = server.next().await;
            if path.starts_with("/ws/scraping") && !done {
                done = true;
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                send(&mut socket, &[DONE]).await;
                tokio::spawn(until_closed(socket));
            } else {
                assert_eq!(path, "/ws?channels=leads");
                answer(stream, "404 Not Found\r\n\r\n").await;
            }
        }
    };
    let (report, _) = play(options, script).await;
    assert_eq!((report.exit, report.tally.succeeded), (Exit::Unreachable, 1));
    assert!(report.problem.unwrap().message.starts_with("channel:leads: "));
}
