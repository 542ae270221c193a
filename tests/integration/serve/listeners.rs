//! Where the relay listens, and what it does when it runs out of files.

use super::scraping;
use crate::support::{PATIENCE, Process, RawSocket, RawTcp, Relay, command, get, program, until};

/// All addresses that a relay has printed.
fn addresses(relay: &Relay) -> Vec<String> {
    let listening = |line: &str| line.strip_prefix("listening on http://").map(str::to_owned);
    relay.stderr().lines().filter_map(listening).collect()
}

#[test]
fn several_listeners_serve_the_same_jobs_over_ipv4_and_ipv6() {
    let relay = Relay::start(&["--listen", "127.0.0.1:0", "--listen", "[::1]:0"]);
    until(PATIENCE, "the whole banner", || relay.stderr().contains("open files "));
    let addresses = addresses(&relay);
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    assert!(addresses[2].starts_with("[::1]:"), "{addresses:?}");
    let mut sockets: Vec<_> =
        addresses.iter().map(|address| RawSocket::connect(address, "/ws/scraping/1")).collect();
    for socket in &mut sockets {
        socket.expect_silence();
    }
    let event = scraping(1, "job_progress", "1", 1);
    assert_eq!(relay.publish("scraping_events", &event), 3);
    for (socket, address) in sockets.iter_mut().zip(&addresses) {
        assert_eq!(socket.next_but_pings(PATIENCE).unwrap().text(), event);
        assert_eq!(get(address, "/health").0, 200);
    }
}

#[test]
fn an_address_that_is_none_is_bad_usage() {
    for address in ["8000", "127.0.0.1:99999", "nowhere.invalid:80", ""] {
        let output = Process::spawn(&mut command(&["serve", "--listen", address])).finish(PATIENCE);
        assert_eq!(output.code, 2, "{address}: {}", output.stderr);
        assert!(output.stderr.contains("hint: an address is HOST:PORT"), "{address}: {}", output.stderr);
    }
}

#[test]
fn the_banner_says_where_what_from_where_and_who() {
    let relay = Relay::start(&["--publish-key", "sesame"]);
    until(PATIENCE, "the whole banner", || relay.stderr().contains("open files "));
    let banner = relay.stderr();
    for line in [
        format!("listening on http://{}", relay.address()),
        "dialect downloads: socket /ws/download/{job}, poll /api/status/{job}, channel download_updates:{job}, auth none".to_owned(),
        "dialect scraping: socket /ws/scraping/{job}, poll /ws/scraping/{job}/status, channel scraping_events, auth none".to_owned(),
        "publish key given".to_owned(),
    ] {
        assert!(banner.lines().any(|other| other == line), "{line:?} is not in {banner}");
    }
    assert!(banner.contains("broker embedded") && !banner.contains("sesame"), "{banner}");
}

#[test]
fn a_relay_out_of_files_accepts_again_when_some_are_released() {
    let mut shell = command(&[]);
    let environment: Vec<_> =
        shell.get_envs().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect();
    shell = std::process::Command::new("sh");
    shell.env_clear().envs(environment);
    shell.args(["-c", "ulimit -n 64; exec \"$0\" serve --listen 127.0.0.1:0"]).arg(program());
    let relay = Relay::spawned(shell);
    let mut kept = relay.connect("/ws/scraping/1");
    let crowd: Vec<_> = (0..100).map(|_| RawTcp::connect(relay.address())).collect();
    until(PATIENCE, "the relay to run out", || relay.stderr().contains("could not accept a connection"));
    kept.expect_silence();
    drop(crowd);
    let event = scraping(1, "job_progress", "1", 1);
    assert_eq!(relay.publish("scraping_events", &event), 1);
    kept.expect(&event);
    relay.connect("/ws/scraping/1").expect(&event);
}
