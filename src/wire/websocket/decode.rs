//! Frames of the peer: unmasked in place, handed out from the read buffer when they are whole, gathered when they are not.

use std::mem;
use std::ops::ControlFlow;
use std::str;

use super::header::{self, Frame, MAX_HEADER, Opcode};
use super::{Incoming, Rules, Violation, may_be_sent};

/// Decodes the frames of one connection's peer.
///
/// One pointer while nothing is pending. A frame or a fragmented message that is only partly there is kept in memory
/// that grows with what has arrived, never with what was announced, up to the limit; it is freed on completion.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    pending: Option<Box<Pending>>,
}

/// What earlier reads left unfinished.
#[derive(Debug, Default)]
struct Pending {
    /// The start of a header, `held` bytes of it.
    header: [u8; MAX_HEADER],
    held: usize,
    /// The frame whose payload is incomplete; without one, a header comes next.
    frame: Option<Frame>,
    /// Payload so far of that frame, if it is a control frame.
    control: Vec<u8>,
    /// The message so far: all of its fragments, and of that frame if it is a data frame.
    message: Option<Message>,
}

impl Decoder {
    /// A decoder at the start of a connection, right after the upgrade. Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { pending: None }
    }

    /// Takes what was just read, cut anywhere, and hands `each` every message and control frame that it completes.
    ///
    /// `input` is unmasked in place; frames that are whole in it are handed out without a copy. A frame that would exceed
    /// the limit of the rules is refused at its header, before anything of it is kept. `each` stops the decoding with
    /// `Break`, after a close for instance.
    ///
    /// What precedes a violation is still handed out. After a violation or a `Break` the rest of `input` and whatever
    /// was pending are dropped: the position in the stream is lost, and the decoder is to be fed no more.
    pub(crate) fn feed(
        &mut self,
        input: &mut [u8],
        rules: impl Into<Rules>,
        mut each: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), Violation> {
        let outcome = self.frames(input, rules.into(), &mut each);
        let goes_on = outcome == Ok(ControlFlow::Continue(()));
        self.pending.take_if(|pending| !goes_on || pending.is_over());
        outcome.map(drop)
    }

    fn frames(
        &mut self,
        mut input: &mut [u8],
        rules: Rules,
        each: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Violation> {
        while !input.is_empty() {
            let (frame, used) = self.next_frame(input, rules)?;
            let Some(mut frame) = frame else { break };
            let payload = &mut input[used..];
            let (chunk, rest) = payload.split_at_mut(frame.remaining.min(payload.len()));
            input = rest;
            frame.unmask(chunk);
            let flow = if frame.opcode.is_control() {
                self.control(frame, chunk, rules, each)?
            } else {
                self.data(frame, chunk, rules, each)?
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The frame that `input` goes on with, and how many bytes of it are that frame's header. Without a frame, the
    /// header is incomplete and kept.
    #[inline]
    fn next_frame(&mut self, input: &[u8], rules: Rules) -> Result<(Option<Frame>, usize), Violation> {
        let message = match self.pending.as_deref_mut() {
            Some(Pending { frame: frame @ Some(_), .. }) => return Ok((frame.take(), 0)),
            Some(pending) if pending.held > 0 => return pending.rest_of_header(input, rules),
            Some(pending) => pending.message.as_ref().map(Message::len),
            None => None,
        };
        if let Some((frame, size)) = header::parse(input, message, rules)? {
            return Ok((Some(frame), size));
        }
        let pending = self.pending.get_or_insert_default();
        pending.header[..input.len()].copy_from_slice(input);
        pending.held = input.len();
        Ok((None, input.len()))
    }

    fn control(
        &mut self,
        frame: Frame,
        chunk: &[u8],
        rules: Rules,
        each: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Violation> {
        let mut gathered = self.pending.as_mut().map(|p| mem::take(&mut p.control)).unwrap_or_default();
        let complete = frame.remaining == 0;
        if complete && gathered.is_empty() {
            return control_frame(frame.opcode, chunk, rules.lenient, each);
        }
        gathered.extend_from_slice(chunk);
        if complete {
            return control_frame(frame.opcode, &gathered, rules.lenient, each);
        }
        let pending = self.pending.get_or_insert_default();
        pending.control = gathered;
        pending.frame = Some(frame);
        Ok(ControlFlow::Continue(()))
    }

    fn data(
        &mut self,
        frame: Frame,
        chunk: &[u8],
        rules: Rules,
        each: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Violation> {
        let complete = frame.remaining == 0;
        let mut message = match self.pending.as_mut().and_then(|pending| pending.message.take()) {
            Some(message) => message,
            None if complete && frame.fin => return Ok(each(Kind::of(frame, rules).whole(chunk)?)),
            None => Message { kind: Kind::of(frame, rules), data: Vec::new(), checked: 0 },
        };
        message.push(chunk, rules.limit)?;
        if complete && frame.fin {
            return Ok(each(message.kind.whole(&message.data)?));
        }
        let pending = self.pending.get_or_insert_default();
        pending.message = Some(message);
        pending.frame = (!complete).then_some(frame);
        Ok(ControlFlow::Continue(()))
    }

    /// Bytes of heap in use.
    #[cfg(test)]
    pub(super) fn heap(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| {
            let message = pending.message.as_ref().map_or(0, |message| message.data.capacity());
            size_of::<Pending>() + pending.control.capacity() + message
        })
    }
}

impl Pending {
    /// Nothing is unfinished any more.
    fn is_over(&self) -> bool {
        self.held == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// [`Decoder::next_frame`] where an earlier read ended inside the header.
    fn rest_of_header(&mut self, input: &[u8], rules: Rules) -> Result<(Option<Frame>, usize), Violation> {
        let end = (self.held + input.len()).min(MAX_HEADER);
        let added = end - self.held;
        self.header[self.held..end].copy_from_slice(&input[..added]);
        let message = self.message.as_ref().map(Message::len);
        let Some((frame, size)) = header::parse(&self.header[..end], message, rules)? else {
            self.held = end;
            return Ok((None, added));
        };
        let used = size - mem::take(&mut self.held);
        Ok((Some(frame), used))
    }
}

/// A message that is not all there yet.
#[derive(Debug)]
struct Message {
    kind: Kind,
    data: Vec<u8>,
    /// How much of `data` is known to be whole characters; what follows is at most the start of one.
    checked: usize,
}

impl Message {
    const fn len(&self) -> usize {
        self.data.len()
    }

    /// Appends, and fails as soon as no continuation could make the text valid.
    fn push(&mut self, chunk: &[u8], limit: usize) -> Result<(), Violation> {
        let needed = self.data.len() + chunk.len();
        if needed > self.data.capacity() {
            // Doubling, as `Vec` would, so that a message of many small fragments is not copied for each; but a message
            // never takes more than the limit.
            let capacity = (needed * 2).min(limit).max(needed);
            self.data.reserve_exact(capacity - self.data.len());
        }
        self.data.extend_from_slice(chunk);
        if self.kind == Kind::Text {
            self.checked += match str::from_utf8(&self.data[self.checked..]) {
                Ok(valid) => valid.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(Violation::NotUtf8),
            };
        }
        Ok(())
    }
}

/// How a message is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Unchecked,
    Binary,
    Compressed { text: bool },
}

impl Kind {
    /// The kind of the message that begins with this frame.
    fn of(first: Frame, rules: Rules) -> Self {
        match (first.opcode == Opcode::Text, first.compressed) {
            (text, true) => Self::Compressed { text },
            (true, false) if rules.lenient => Self::Unchecked,
            (true, false) => Self::Text,
            (false, false) => Self::Binary,
        }
    }

    fn whole(self, payload: &[u8]) -> Result<Incoming<'_>, Violation> {
        Ok(match self {
            Self::Text => Incoming::Text(str::from_utf8(payload).map_err(|_| Violation::NotUtf8)?),
            Self::Unchecked => Incoming::Unchecked(payload),
            Self::Binary => Incoming::Binary(payload),
            Self::Compressed { text } => Incoming::Compressed { text, payload },
        })
    }
}

/// Hands out a control frame that is all there.
fn control_frame(
    opcode: Opcode,
    payload: &[u8],
    lenient: bool,
    each: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Violation> {
    match opcode {
        Opcode::Ping => return Ok(each(Incoming::Ping(payload))),
        Opcode::Pong => return Ok(each(Incoming::Pong(payload))),
        _ => {}
    }
    let (code, reason) = match payload.split_first_chunk() {
        Some((&code, reason)) => (Some(u16::from_be_bytes(code)), reason),
        None if payload.is_empty() || lenient => (None, &[][..]),
        None => return Err(Violation::Protocol("close code of one byte")),
    };
    if lenient {
        return Ok(each(Incoming::Close { code, reason: &String::from_utf8_lossy(reason) }));
    }
    if code.is_some_and(|code| !may_be_sent(code)) {
        return Err(Violation::Protocol("close code that may not be sent"));
    }
    let reason = str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    Ok(each(Incoming::Close { code, reason }))
}
