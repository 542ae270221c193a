//! The codec against flate2's own streams, and against garbage and bombs.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use proptest::collection::vec;
use proptest::prelude::*;

use super::codec::{Compressor, Inflater, is_worth_it};
use crate::wire::websocket::Violation;

const LIMIT: usize = 64 * 1024;

fn compressed(message: &[u8]) -> Vec<u8> {
    let mut out = b"head".to_vec();
    Compressor::default().compress(message, &mut out);
    out.split_off(4)
}

fn inflated(payload: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
    let mut out = Vec::new();
    let outcome = Inflater::default().inflate(payload, limit, &mut out);
    assert!(out.capacity() <= limit + 1, "{} bytes for a limit of {limit}", out.capacity());
    outcome.map(|()| out)
}

/// A message that deflates as a stream with a final block.
fn finished(message: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn payloads_of_the_rfc_inflate() {
    let table: [&[u8]; 6] = [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        // No compression.
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        // A final block, with and without the bits behind it.
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        // Two blocks.
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        &[0x00, 0x00, 0x00, 0xff, 0xff, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    ];
    for payload in table {
        assert_eq!(inflated(payload, 5).as_deref(), Ok(&b"Hello"[..]), "{payload:x?}");
        assert_eq!(inflated(payload, 4), Err(Violation::TooBig), "{payload:x?}");
    }
    assert_eq!(compressed(b""), [0x00]);
    assert_eq!(inflated(&[0x00], 0), Ok(vec![]));
}

#[test]
fn what_is_no_deflated_data_or_ends_inside_a_block_breaks_the_protocol() {
    let whole = compressed(&br#"{"type":"progress","percent":1}"#.repeat(20));
    let mut table = vec![vec![], vec![0xff], b"{\"type\":\"ping\"}".to_vec(), vec![0x03, 0x00, 0x01]];
    table.extend((1..whole.len()).map(|length| whole[..length].to_vec()));
    table.push([&finished(b"Hello")[..], &finished(b"Hello")].concat());
    for payload in table {
        let outcome = inflated(&payload, LIMIT);
        assert!(matches!(outcome, Err(Violation::Protocol(_))), "{payload:x?}: {outcome:?}");
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    // A GiB of zeros in a MB.
    let mebibyte = [&compressed(&vec![0; 1024 * 1024])[..], &[0, 0, 0xff, 0xff]].concat();
    let bomb = mebibyte.repeat(1024);
    assert!(bomb.len() < 2 * 1024 * 1024, "{}", bomb.len());
    assert_eq!(inflated(&bomb, LIMIT), Err(Violation::TooBig));
    // Empty blocks inflate to nothing, however many.
    assert_eq!(inflated(&[0, 0, 0, 0xff, 0xff].repeat(100_000), LIMIT).map_err(|_| ()), Err(()));
    let empty = [[0, 0, 0, 0xff, 0xff].repeat(100_000), vec![0]].concat();
    assert_eq!(inflated(&empty, LIMIT), Ok(vec![]));
}

#[test]
fn a_payload_does_not_depend_on_the_room_that_was_there() {
    // Bytes that do not shrink.
    let message: Vec<u8> = (0..1000u32).map(|nth| nth.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let expected = compressed(&message);
    for room in expected.len() - 20..expected.len() + 20 {
        let mut out = Vec::with_capacity(room);
        Compressor::default().compress(&message, &mut out);
        assert_eq!(out, expected, "room for {room}");
    }
}

#[test]
fn messages_are_compressed_from_256_bytes_on() {
    assert!(!is_worth_it(0) && !is_worth_it(255) && is_worth_it(256));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_come_back(messages in vec(prop_oneof![
        vec(any::<u8>(), 0..5_000),
        vec(0u8..3, 0..20_000),
        "[a-z\":,{}0-9]{0,3000}".prop_map(String::into_bytes),
    ], 1..5)) {
        let (mut compressor, mut inflater) = (Compressor::default(), Inflater::default());
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        for message in &messages {
            payload.clear();
            compressor.compress(message, &mut payload);
            // One before has no influence.
            prop_assert_eq!(&payload, &compressed(message));
            prop_assert_eq!(inflater.inflate(&payload, message.len(), &mut out), Ok(()));
            prop_assert_eq!(&out, message);
            if !message.is_empty() {
                prop_assert_eq!(inflated(&payload, message.len() - 1), Err(Violation::TooBig));
            }
            let mut other = Vec::new();
            let tailed = [&payload[..], &[0, 0, 0xff, 0xff, 0x03, 0x00]].concat();
            DeflateDecoder::new(&tailed[..]).read_to_end(&mut other).unwrap();
            prop_assert_eq!(&other, message);
            prop_assert_eq!(&inflated(&finished(message), LIMIT * 2).unwrap(), message);
        }
    }

    #[test]
    fn any_bytes_inflate_within_the_limit_or_not_at_all(
        bytes in vec(any::<u8>(), 0..2_000),
        message in vec(0u8..9, 0..2_000),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        limit in 0usize..3_000,
    ) {
        let mut damaged = compressed(&message);
        *at.get_mut(&mut damaged) = with;
        for payload in [bytes, damaged] {
            if let Ok(out) = inflated(&payload, limit) {
                prop_assert!(out.len() <= limit);
            }
        }
    }
}
