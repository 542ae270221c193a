//! Room for answers, and connections that give none.

use std::io::Write as _;
use std::net::TcpListener;

use super::*;

fn publisher(listener: &TcpListener) -> Publisher {
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    Publisher::connect(&Via::Http { url, headers: Vec::new(), name: "http" }, &Tls::default(), Vec::new())
        .unwrap()
}

#[test]
fn answers_make_room_and_silence_is_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut publisher = publisher(&listener);
    let (mut peer, _) = listener.accept().unwrap();
    publisher.requests.sent = MAX_OUTSTANDING + 1;
    peer.write_all(b"HTTP/1.1 204 No\r\n\r\n").unwrap();
    publisher.make_room(&AtomicBool::new(false)).unwrap();
    assert_eq!(publisher.requests.answered, 1);
    publisher.requests.sent += 1;
    let error = publisher.make_room(&AtomicBool::new(false)).unwrap_err().to_string();
    assert!(error.contains("left 50001 events unanswered for 5 s"), "{error}");
    publisher.make_room(&AtomicBool::new(true)).unwrap();
}

#[test]
fn connections_that_answer_nothing_are_not_replaced_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut publisher = publisher(&listener);
    publisher.requests.measured_from = 3;
    for nth in 0..MAX_FRUITLESS {
        drop(listener.accept().unwrap());
        publisher.requests.sent += 1;
        while !publisher.protocol.has_ended() {
            publisher.read_answers().unwrap();
        }
        assert_eq!(publisher.reconnect(&AtomicBool::new(false)).is_ok(), nth + 1 < MAX_FRUITLESS, "{nth}");
    }
    assert_eq!(
        (publisher.requests.answered, publisher.requests.failed, publisher.requests.errors),
        (10, 7, 10)
    );
    assert_eq!(publisher.requests.failures[0].count, 7);
}

#[test]
fn an_answer_that_nobody_asked_for_only_ends_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut publisher = publisher(&listener);
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n").unwrap();
    while !publisher.protocol.has_ended() {
        assert!(!publisher.read_answers().unwrap());
    }
    assert_eq!((publisher.requests.sent, publisher.requests.answered, publisher.requests.failed), (0, 0, 0));
    publisher.reconnect(&AtomicBool::new(false)).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    publisher.requests.sent = 3;
    peer.write_all(
        b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
    )
    .unwrap();
    while publisher.requests.answered < 3 {
        publisher.read_answers().unwrap();
    }
    assert_eq!((publisher.requests.failed, publisher.protocol.has_ended()), (1, false));
}
