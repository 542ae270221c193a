use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::wire::chunked::Decoder;

const LIMIT: usize = 64 * 1024;

/// A chunk, as a server or proxy may make it of what it sends.
fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// What a stream tells, in words; the pieces are cut as given.
fn told<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> (Vec<String>, Result<(), TooBig>) {
    let (mut reader, mut told) = (Reader::new(limit), Vec::new());
    for piece in pieces {
        let outcome = reader.feed(piece, |incoming| {
            told.push(match incoming {
                Incoming::Event { name, data, id } => format!("{name}|{data}|{id}"),
                Incoming::Id(id) => format!("id {id}"),
                Incoming::Retry(wait) => format!("retry {}", wait.as_millis()),
                Incoming::Comment => ":".to_owned(),
            });
        });
        if outcome.is_err() {
            return (told, outcome);
        }
    }
    (told, Ok(()))
}

#[test]
fn a_stream_is_read_as_the_standard_says_however_it_is_cut() {
    let table: [(&[u8], &[&str]); 22] = [
        (b"data: a\n\n", &["message|a|"]),
        (b"data:a\r\rdata: b\r\n\r\ndata:  c\n\n", &["message|a|", "message|b|", "message| c|"]),
        (b"data: a\ndata: b\ndata\n\n", &["message|a\nb\n|"]),
        (b"data\n\ndata\ndata\n\ndata:", &["message||", "message|\n|"]),
        (b"data:\n\n", &["message||"]),
        (b"\xef\xbb\xbfdata: a\n\n", &["message|a|"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", &[]),
        (b"\n\xef\xbb\xbfdata: a\n\n", &[]),
        (b"id: 1\n\n", &["id 1"]),
        (b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", &["message|a|1", "message|b|1", "message|c|"]),
        (b"data: a\nid: 1\n\nid: 2\0\ndata: b\n\n", &["message|a|1", "message|b|1"]),
        (b"id: 1\n:\n\nid: 1\n\n\n", &[":", "id 1", "id 1"]),
        (b"event: close\ndata: {}\n\ndata: b\n\n", &["close|{}|", "message|b|"]),
        (b"event: x\n\ndata: b\n\n", &["message|b|"]),
        (b"event: x\nevent:\ndata: b\n\n", &["message|b|"]),
        (b"retry: 1500\n\n", &["retry 1500"]),
        (b"retry: 1s\nretry: -1\nretry\nretry: +1\nretry: 99999999999999999999\n\n", &[]),
        (b": hello\n:\n::\n\n", &[":", ":", ":"]),
        (b"Data: a\n data: b\ndata : c\nfoo: d\nbar\n\n", &[]),
        (b"data: a\n", &[]),
        (b"data: caf\xe9\n\n", &["message|caf\u{fffd}|"]),
        (b"data: \xe2\x82\xac\r\n\r\n\n", &["message|\u{20ac}|"]),
    ];
    for (stream, expected) in table {
        let expected = (expected.iter().map(|&line| line.to_owned()).collect::<Vec<_>>(), Ok(()));
        assert_eq!(told([stream], LIMIT), expected, "{stream:?}");
        assert_eq!(told(stream.chunks(1), LIMIT), expected, "byte by byte: {stream:?}");
        for cut in 0..=stream.len() {
            let (first, second) = stream.split_at(cut);
            assert_eq!(told([first, second], LIMIT), expected, "cut at {cut}: {stream:?}");
        }
    }
}

#[test]
fn lines_and_events_are_bounded() {
    let line = |length: usize| format!("data:{}\n\n", "x".repeat(length));
    assert_eq!(told([line(95).as_bytes()], 100).0.len(), 1);
    assert_eq!(told([line(96).as_bytes()], 100), (vec![], Err(TooBig)));
    assert_eq!(told(vec![&b"x"[..]; 101], 100), (vec![], Err(TooBig)));
    assert_eq!(told(vec![&b"data\n"[..]; 101], 100), (vec![], Err(TooBig)));
    assert_eq!(told(vec![&b"data\n"[..]; 100], 100), (vec![], Ok(())));
    assert_eq!(told(vec![&b":xxxx\n"[..]; 1000], 100).1, Ok(()));
}

#[test]
fn blocks_are_written_in_one_form() {
    let event = |id, data: &'static str| Event { id, data: Some(data.as_bytes()), ..Event::default() };
    let table = [
        (event(None, "{}"), "data: {}\n\n"),
        (event(Some("c1"), "{}"), "id: c1\ndata: {}\n\n"),
        (event(None, ""), "data: \n\n"),
        (event(None, " a\nb\r\nc\rd\n\r"), "data:  a\ndata: b\ndata: c\ndata: d\ndata: \ndata: \n\n"),
        (event(None, "\r\r\n\n"), "data: \ndata: \ndata: \ndata: \n\n"),
        (Event { id: Some("c2"), ..Event::default() }, "id: c2\n\n"),
        (Event { retry: Some(Duration::from_millis(1500)), ..Event::default() }, "retry: 1500\n\n"),
        (
            Event { id: Some("c"), retry: Some(Duration::ZERO), name: Some("n"), data: Some(b"d") },
            "id: c\nretry: 0\nevent: n\ndata: d\n\n",
        ),
    ];
    for (event, expected) in table {
        assert_eq!(event.to_bytes(), expected);
    }
    assert_eq!(comment(), ":\n\n");
    let closed = close(4003, "not \"yours\"\n");
    assert_eq!(closed, "event: close\ndata: {\"code\":4003,\"reason\":\"not \\\"yours\\\"\\n\"}\n\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn texts_come_back_but_for_their_line_breaks(
        events in vec((prop::option::of("[A-Za-z0-9._~-]{1,20}"), "([a :{}\"é\r\n]|\r\n){0,60}"), 1..8),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let (mut stream, mut expected, mut last) = (Vec::new(), Vec::new(), String::new());
        for (id, text) in &events {
            let event = Event { id: id.as_deref(), data: Some(text.as_bytes()), ..Event::default() };
            stream.extend(chunk(&event.to_bytes()));
            stream.extend(chunk(&comment()));
            last = id.clone().unwrap_or(last);
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            expected.extend([format!("message|{text}|{last}"), ":".to_owned()]);
        }
        stream.extend(b"0\r\n\r\n");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.sort_unstable();
        let (mut decoder, mut pieces, mut from) = (Decoder::default(), Vec::new(), 0);
        for cut in cuts.into_iter().chain([stream.len()]) {
            let used = decoder.feed(&stream[from..cut], |piece| pieces.push(piece.to_vec())).unwrap();
            prop_assert_eq!(used, cut - from);
            from = cut;
        }
        prop_assert!(decoder.is_done());
        prop_assert_eq!(told(pieces.iter().map(Vec::as_slice), LIMIT), (expected, Ok(())));
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in vec(any::<u8>(), 0..300), limit in 0usize..50) {
        let whole = told([&bytes[..]], limit);
        prop_assert_eq!(told(bytes.chunks(1), limit), whole);
    }
}
