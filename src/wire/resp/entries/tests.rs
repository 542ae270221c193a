//! Answers in reads of every size, entries that are too long, and bytes that are no answer.

use std::fmt::Write as _;

use proptest::prelude::{any, prop, prop_assert_eq, proptest};

use super::super::buffer::INITIAL;
use super::*;
use crate::wire::resp::command;

const MAX: usize = 256 * 1024;

#[derive(Default, PartialEq, Debug)]
struct Seen(Vec<String>);

impl EntryHandler for Seen {
    fn stream(&mut self, key: &[u8]) {
        self.0.push(format!("stream {}", String::from_utf8_lossy(key)));
    }

    fn entry(&mut self, id: &[u8], fields: Fields<'_>) {
        let mut seen = String::from_utf8_lossy(id).into_owned();
        for (name, value) in fields {
            write!(seen, " {}={value:?}", String::from_utf8_lossy(name)).unwrap();
        }
        self.0.push(seen);
    }

    fn long_entry(&mut self, id: &[u8], fields: &[LongField]) {
        let mut seen = format!("long {}", String::from_utf8_lossy(id));
        for LongField { name, value, len } in fields {
            write!(seen, " {}={} of {len}", String::from_utf8_lossy(name), value.len()).unwrap();
        }
        self.0.push(seen);
    }

    fn error(&mut self, text: &[u8]) {
        self.0.push(format!("error {}", String::from_utf8_lossy(text)));
    }
}

/// An entry's id, and its names and values.
type Entry<'a> = (&'a str, &'a [&'a [u8]]);

/// An answer to XREAD.
fn answer(streams: &[(&str, &[Entry<'_>])]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", streams.len()).into_bytes();
    for (key, entries) in streams {
        out.extend_from_slice(format!("*2\r\n${}\r\n{key}\r\n*{}\r\n", key.len(), entries.len()).as_bytes());
        for (id, fields) in *entries {
            out.extend_from_slice(format!("*2\r\n${}\r\n{id}\r\n", id.len()).as_bytes());
            command(&mut out, fields);
        }
    }
    out
}

/// Feeds an answer, and a reply behind it, in reads of at most `chunk` bytes.
fn feed(reader: &mut EntryReader, wire: &[u8], chunk: usize) -> Seen {
    let wire = [wire, b"+OK\r\n"].concat();
    let (mut seen, mut rest, mut done) = (Seen::default(), &wire[..], false);
    reader.expect(Answer::Streams);
    loop {
        if !done {
            done = reader.entries(&mut seen).unwrap();
        }
        let ok = |reply: &Reply<'_>| assert_eq!(*reply, Reply::Simple(b"OK"));
        if done && reader.reply(&ERROR, ok).unwrap().is_some() {
            return seen;
        }
        let space = reader.space();
        let count = rest.len().min(chunk).min(space.len());
        assert!(count > 0, "everything came and is not enough");
        space[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        reader.filled(count);
    }
}

#[test]
fn entries_of_several_streams_come_out_in_order_wherever_reads_end() {
    let wire = answer(&[
        ("a", &[("1-0", &[b"data", b"{}"]), ("1-1", &[b"data", b"\r\n", b"job", b"7"])]),
        ("b", &[("5-0", &[])]),
    ]);
    for chunk in [1, 2, 7, usize::MAX] {
        let seen = feed(&mut EntryReader::new(MAX), &wire, chunk);
        let wanted = ["stream a", "1-0 data=[123, 125]", "1-1 data=[13, 10] job=[55]", "stream b", "5-0"];
        assert_eq!(seen.0, wanted);
    }
}

#[test]
fn nothing_and_errors_are_answers() {
    for (wire, wanted) in [
        (&b"*-1\r\n"[..], vec![]),
        (b"*0\r\n", vec![]),
        (b"-WRONGTYPE no\r\n", vec!["error WRONGTYPE no".to_owned()]),
    ] {
        assert_eq!(feed(&mut EntryReader::new(MAX), wire, 3).0, wanted);
    }
}

#[test]
fn an_entry_that_is_too_long_is_skipped_without_being_buffered() {
    let long = vec![b'x'; 10 * 1024 * 1024];
    let entries: &[Entry<'_>] =
        &[("1-0", &[b"job", b"7", b"data", &long, &long, b"v"]), ("2-0", &[b"data", b""])];
    let name = String::from_utf8(long[..HEAD].to_vec()).unwrap();
    for chunk in [1_000, usize::MAX] {
        let mut reader = EntryReader::new(MAX);
        let seen = feed(&mut reader, &answer(&[("a", entries)]), chunk);
        let long = format!("long 1-0 job=1 of 1 data=80 of 10485760 {name}=1 of 1");
        assert_eq!(seen.0, ["stream a", &long, "2-0 data=[]"]);
        assert_eq!(reader.buffer.size(), INITIAL);
    }
}

#[test]
fn the_buffer_grows_for_a_large_entry_and_shrinks_after_it() {
    let mut reader = EntryReader::new(MAX);
    let large = vec![b'x'; MAX - 1000];
    feed(&mut reader, &answer(&[("a", &[("1-0", &[b"data", &large])])]), 10_000);
    assert!(reader.buffer.size() > MAX - 1000 && reader.buffer.size() < MAX + 1024);
    reader.tidy();
    reader.tidy();
    assert_eq!(reader.buffer.size(), INITIAL);
}

#[test]
fn what_is_no_such_answer_is_broken() {
    let cases: [&[u8]; 6] = [
        b"+OK\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"*1\r\n*3\r\n",
        b"*1\r\n*2\r\n:1\r\n",
        b"*1\r\n*2\r\n$1\r\na\r\n*1\r\n*2\r\n$99\r\n",
        b"*1\r\n*2\r\n$1\r\na\r\n*1\r\n*2\r\n$1\r\n1\r\n*2\r\n:1\r\n",
    ];
    for bytes in cases {
        let mut reader = EntryReader::new(MAX);
        reader.space()[..bytes.len()].copy_from_slice(bytes);
        reader.filled(bytes.len());
        reader.expect(Answer::Streams);
        assert!(reader.entries(&mut Seen::default()).is_err(), "{}", String::from_utf8_lossy(bytes));
    }
}

proptest! {
    #[test]
    fn reads_may_end_anywhere(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
        chunk in 1_usize..300,
    ) {
        let fields: Vec<[&[u8]; 2]> = values.iter().map(|value| [&b"data"[..], value]).collect();
        let entries: Vec<Entry<'_>> = fields.iter().map(|fields| ("1-0", &fields[..])).collect();
        let wire = answer(&[("a", &entries), ("b", &entries)]);
        // The limit makes some of them too long.
        let whole = feed(&mut EntryReader::new(120), &wire, usize::MAX);
        prop_assert_eq!(whole.0.len(), 2 + values.len() * 2);
        prop_assert_eq!(feed(&mut EntryReader::new(120), &wire, chunk), whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..60) {
        let mut wire = answer(&[("a", &[("1-0", &[b"data", b"{}"])])]);
        wire.truncate(cut);
        wire.extend_from_slice(&bytes);
        let mut reader = EntryReader::new(60);
        reader.space()[..wire.len()].copy_from_slice(&wire);
        reader.filled(wire.len());
        reader.expect(Answer::Streams);
        let _ = reader.entries(&mut Seen::default());
    }
}

#[test]
fn an_entry_of_many_empty_strings_is_skipped_without_being_buffered() {
    let empty = vec![&b""[..]; 200_000];
    let mut reader = EntryReader::new(MAX);
    let seen = feed(&mut reader, &answer(&[("a", &[("1-0", &empty), ("2-0", &[b"data", b"x"])])]), 10_000);
    assert_eq!(seen.0[1], format!("long 1-0{}", " =0 of 0".repeat(KEPT_FIELDS)));
    assert_eq!(seen.0[2..], ["2-0 data=[120]"]);
    assert!(reader.buffer.size() < 2 * MAX + 1024, "{}", reader.buffer.size());
}

#[test]
fn no_memory_is_taken_for_a_stream_whose_name_was_never_sent() {
    let bytes = b"*1\r\n*2\r\n$99999999999\r\n";
    let mut reader = EntryReader::new(MAX);
    reader.space()[..bytes.len()].copy_from_slice(bytes);
    reader.filled(bytes.len());
    reader.expect(Answer::Streams);
    assert!(reader.entries(&mut Seen::default()).is_err());
}
