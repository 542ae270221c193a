//! RFC 6455 as far as a client of many sockets needs it: reading a server's frames in place, writing short ones.

use crate::text::printable;

/// Longer frames end the connection: four times what a relay lets through.
const MAX_PAYLOAD: u64 = 4 << 20;

/// What a client may write in one frame here.
const MAX_SENT: usize = 65_535;

/// The opcodes.
pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// A server's frame in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) opcode: u8,
    /// The last of its message.
    pub(super) fin: bool,
    /// Where the payload begins.
    pub(super) start: usize,
    /// Where it and the frame end.
    pub(super) end: usize,
}

/// What stands at the beginning of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    Whole(Frame),
    /// More bytes are needed.
    Partial,
    /// No server may send this.
    Broken(&'static str),
}

/// Reads the frame that begins at `at`.
pub(super) fn parse(buffer: &[u8], at: usize) -> Parsed {
    let bytes = &buffer[at..];
    let [first, second, ..] = *bytes else { return Parsed::Partial };
    let (opcode, fin) = (first & 15, first & 128 != 0);
    if first & 0x70 != 0 {
        return Parsed::Broken("a reserved bit is set in a frame");
    }
    if second & 128 != 0 {
        return Parsed::Broken("a frame of the server is masked");
    }
    let (header, length) = match second & 127 {
        126 => match bytes.get(2..4) {
            Some(length) => (4, u64::from(u16::from_be_bytes([length[0], length[1]]))),
            None => return Parsed::Partial,
        },
        127 => match bytes.get(2..10).and_then(|length| <[u8; 8]>::try_from(length).ok()) {
            Some(length) => (10, u64::from_be_bytes(length)),
            None => return Parsed::Partial,
        },
        short => (2, u64::from(short)),
    };
    match opcode {
        CONTINUATION | TEXT | BINARY => {}
        CLOSE | PING | PONG if fin && second & 127 < 126 => {}
        CLOSE | PING | PONG => return Parsed::Broken("a control frame is long or in parts"),
        _ => return Parsed::Broken("a frame has an unknown opcode"),
    }
    if length > MAX_PAYLOAD {
        return Parsed::Broken("a frame has over 4 MiB");
    }
    let start = at + header;
    let end = usize::try_from(length).map_or(usize::MAX, |length| start.saturating_add(length));
    if end > buffer.len() { Parsed::Partial } else { Parsed::Whole(Frame { opcode, fin, start, end }) }
}

/// A masked frame. The mask hides nothing here; it only has to be there.
pub(super) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x6a, 0x6f, 0x62, 0x77];
    let payload = &payload[..payload.len().min(MAX_SENT)];
    let mut frame = Vec::with_capacity(payload.len() + 8);
    frame.push(0x80 | opcode);
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
            frame.push(0xfe);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The code and the reason in a close frame; a frame without a code has none.
pub(super) fn close_reason(payload: &[u8]) -> (Option<u16>, String) {
    match payload {
        [high, low, reason @ ..] => {
            let reason = String::from_utf8_lossy(reason);
            let reason: String = printable(&reason).chars().take(120).collect();
            (Some(u16::from_be_bytes([*high, *low])), reason)
        }
        _ => (None, "closed without a code".into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a server writes it.
    fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            short @ 0..126 => frame.push(u8::try_from(short).unwrap()),
            long => {
                frame.push(127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    proptest! {
        #[test]
        fn a_frame_is_whole_only_when_it_is_all_there(payload in proptest::collection::vec(any::<u8>(), 0..400)) {
            let frame = unmasked(TEXT, &payload);
            for cut in 0..frame.len() {
                prop_assert_eq!(parse(&frame[..cut], 0), Parsed::Partial);
            }
            let two = [frame.clone(), unmasked(PING, b"x")].concat();
            let Parsed::Whole(first) = parse(&two, 0) else { panic!("it is whole") };
            prop_assert_eq!(&two[first.start..first.end], &payload[..]);
            let is_ping = matches!(parse(&two, first.end), Parsed::Whole(Frame { opcode: PING, fin: true, .. }));
            prop_assert!(is_ping);
        }

        #[test]
        fn any_bytes_are_parsed_without_harm(bytes: Vec<u8>) {
            parse(&bytes, 0);
            close_reason(&bytes);
        }

        #[test]
        fn what_is_sent_can_be_unmasked(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let frame = masked(PONG, &payload);
            let header = if payload.len() < 126 { 2 } else { 4 };
            let (mask, rest) = frame[header..].split_at(4);
            let plain: Vec<u8> = rest.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            prop_assert_eq!(plain, payload);
            prop_assert_eq!(frame[1] & 128, 128);
        }
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        for broken in [&[0x91, 0][..], &[0x81, 0x80], &[0x83, 0], &[0x09, 0], &[0x89, 126], &[0x88, 127]] {
            let bytes = [broken, &[0; 12]].concat();
            assert!(matches!(parse(&bytes, 0), Parsed::Broken(_)), "{broken:?}");
        }
        let huge = [&[0x82, 127][..], &u64::MAX.to_be_bytes()].concat();
        assert!(matches!(parse(&huge, 0), Parsed::Broken(_)));
        assert_eq!(close_reason(&[0x03, 0xf5, b'x']), (Some(1013), "x".into()));
    }
}
