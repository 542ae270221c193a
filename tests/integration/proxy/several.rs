//! Two relays on one Redis behind the proxy, one of which is killed under its watchers.

use std::thread;

use super::app::App;
use crate::serve::scraping;
use crate::support::{Nginx, PATIENCE, RawSocket, RedisServer, Relay, TEXT, until};

const WATCHERS: usize = 40;
/// Events in all; the relay is killed after the first half.
const EVENTS: u64 = 200;

/// Nginx with a second relay, configured as in `jobwire-proxy.7`. The limits allow all watchers from one address.
fn nginx(relays: [&Relay; 2]) -> Nginx {
    let [first, second] = relays.map(|relay| format!("server {};", relay.address()));
    let both = format!("{first}\n    {second}");
    let edits = [
        (first.as_str(), both.as_str()),
        ("rate=5r/s", "rate=1000r/s"),
        ("burst=20", "burst=1000"),
        ("jobwire_sockets 100;", "jobwire_sockets 1000;"),
    ];
    Nginx::start(relays[0].address(), App::start().address(), &edits)
}

/// Watches job 7 through the proxy from its beginning until the last event, coming back with its cursor, of which there is
/// none before the first event. Gives the numbers that came.
fn watched(address: &str) -> (Vec<u64>, usize) {
    let (mut numbers, mut since, mut opened) = (Vec::new(), "&since=0".to_owned(), 0);
    while numbers.last() != Some(&EVENTS) {
        let mut socket = RawSocket::connect(address, &format!("/ws/scraping/7?cursor=1{since}"));
        opened += 1;
        while let Some(frame) = socket.next_but_pings(PATIENCE).filter(|frame| frame.opcode == TEXT) {
            let message: serde_json::Value = serde_json::from_str(frame.text()).unwrap();
            assert_ne!(message["type"], "gap", "{message}");
            if let Some(cursor) = message["cursor"].as_str() {
                since = format!("&since={cursor}");
            }
            numbers.extend(message["results_count"].as_u64());
            if numbers.last() == Some(&EVENTS) {
                break;
            }
        }
    }
    (numbers, opened)
}

fn append(redis: &RedisServer, numbers: std::ops::RangeInclusive<u64>) {
    let mut connection = redis.connection();
    for number in numbers {
        let payload = scraping(7, "scraper_completed", "10", number);
        let mut command = redis::cmd("XADD");
        command.arg("scraping_events").arg("*").arg("data").arg(payload);
        command.exec(&mut connection).unwrap();
    }
}

#[test]
fn one_of_two_relays_is_killed_and_watchers_with_cursors_miss_nothing() {
    let redis = RedisServer::start();
    let relays = [(); 2].map(|()| Relay::on(&redis, &["--streams", "scraping"]));
    let nginx = nginx([&relays[0], &relays[1]]);
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|_| {
            let address = nginx.address().to_owned();
            thread::spawn(move || watched(&address))
        })
        .collect();
    let connections = |relay: &Relay| relay.stats()["total_connections"].as_u64().unwrap();
    until(PATIENCE, "all watchers", || relays.iter().map(connections).sum::<u64>() == WATCHERS as u64);
    let at_first = connections(&relays[0]);
    assert!(at_first > 0 && connections(&relays[1]) > 0, "nginx uses both relays");
    append(&redis, 1..=EVENTS / 2);
    let [first, second] = relays;
    first.kill();
    append(&redis, EVENTS / 2 + 1..=EVENTS);
    let results: Vec<_> = watchers.into_iter().map(|watcher| watcher.join().unwrap()).collect();
    for (numbers, _) in &results {
        assert!(numbers.iter().copied().eq(1..=EVENTS), "{numbers:?}");
    }
    let came_back = results.iter().filter(|(_, opened)| *opened > 1).count();
    assert_eq!(came_back as u64, at_first);
    drop(second);
}
