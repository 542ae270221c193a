//! One connection: its socket, its session, and what waits for it.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::rc::Rc;

use tokio::net::TcpStream;

use crate::dialect::CloseReason;
use crate::relay::backlogs::Backlog;
use crate::relay::client::Client;
use crate::relay::encoding::{Encoding, Form};
use crate::relay::outbox::{Outbox, OutboxKey};
use crate::relay::session::{Action, PingInterval, Session};
use crate::relay::wheel::Millis;
use crate::wire::deflate::Inflater;
use crate::wire::websocket::{self, Decoder, Incoming, Role, Rules, Violation};
use crate::wire::{Frame, messagepack, sse};

/// Frames that go out in one system call when an outbox is drained.
const COALESCED: usize = 16;

/// Bytes that may wait for a client of `/watch`, states included: 64 KiB for each of the targets that it may have.
const STATES_WAITING: usize = 64 << 20;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Events flow.
    Open,
    /// Our close frame is sent or queued; the client's is awaited.
    Closing,
    /// The client broke the protocol: what it sends is thrown away until it hangs up.
    Deaf,
    /// Both have said good-bye; the client is to hang up.
    Closed,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrote {
    /// It is with the kernel.
    Whole,
    /// It waits in the outbox, which was empty before: somebody has to drain it.
    Queued,
    /// It waits behind others; the flag says whether it replaced an older one.
    Waits { conflated: bool },
    /// The outbox is full of what may not be dropped.
    Overflow,
    /// The socket is broken.
    Broken,
}

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) stream: Rc<TcpStream>,
    pub(super) session: Session,
    pub(super) client: Client,
    pub(super) phase: Phase,
    /// The timer that counts; others that fire are ignored.
    pub(super) deadline: Millis,
    /// How the client wants its messages.
    pub(super) encoding: Encoding,
    /// A task sends missed events.
    pub(super) has_replay_loop: bool,
    decoder: Decoder,
    outbox: Option<Box<Outbox>>,
}

impl Conn {
    pub(super) fn new(stream: Rc<TcpStream>, session: Session, client: Client, encoding: Encoding) -> Self {
        Self {
            stream,
            session,
            client,
            phase: Phase::Open,
            deadline: Millis::MAX,
            encoding,
            has_replay_loop: false,
            decoder: Decoder::new(),
            outbox: None,
        }
    }

    /// Writes a frame, or queues it if the socket pushes back.
    #[inline]
    pub(super) fn write(
        &mut self,
        frame: &Frame,
        key: impl FnOnce() -> Option<OutboxKey>,
        bound: usize,
    ) -> Wrote {
        if let Some(outbox) = &mut self.outbox {
            return match outbox.push(frame.clone(), key(), bound) {
                Ok(conflated) => Wrote::Waits { conflated: conflated.0 },
                Err(_) => Wrote::Overflow,
            };
        }
        match self.stream.try_write(frame) {
            Ok(count) if count == frame.len() => Wrote::Whole,
            Ok(count) => {
                self.outbox.insert(Box::default()).push_rest(frame.clone(), count);
                Wrote::Queued
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // A single frame always fits.
                let _ = self.outbox.insert(Box::default()).push(frame.clone(), key(), bound);
                Wrote::Queued
            }
            Err(_) => Wrote::Broken,
        }
    }

    /// Whether something waits for the socket.
    pub(super) const fn is_backed_up(&self) -> bool {
        self.outbox.is_some()
    }

    /// Backlog of the socket; `None` where nothing waits.
    pub(super) fn backlog(&self) -> Option<Backlog> {
        self.outbox.as_ref().map(|outbox| outbox.backlog())
    }

    /// Queues what the socket did not take of a frame that was written before the connection came here.
    pub(super) fn queue_rest(&mut self, frame: Frame, written: usize) {
        if written < frame.len() {
            self.outbox.insert(Box::default()).push_rest(frame, written);
        }
    }

    /// Sends a sign of life, which a WebSocket client answers. Of an event stream it counts as one that the kernel took it.
    pub(super) fn ping(&mut self, now: Millis, interval: PingInterval) -> Wrote {
        if self.encoding.form != Form::EventStream {
            return self.write(&websocket::ping(b""), || None, usize::MAX);
        }
        let wrote = self.write(&sse::comment().into(), || Some(OutboxKey::Heartbeat), usize::MAX);
        if wrote == Wrote::Whole {
            self.session.heard(now, interval);
        }
        wrote
    }

    /// Writes a frame of a job's state, which never makes a client slow: that it is not read yet says nothing. A client of
    /// `/watch`, which can ask for states again and again, is slow when [`STATES_WAITING`] bytes wait for it.
    pub(super) fn write_state(&mut self, frame: &Frame) -> Wrote {
        let waiting = self.outbox.as_ref().map_or(0, |outbox| outbox.bytes());
        if waiting > STATES_WAITING && self.session.is_of_targets() {
            return Wrote::Overflow;
        }
        let wrote = self.write(frame, || None, usize::MAX);
        if let Some(outbox) = &mut self.outbox {
            outbox.exempt();
        }
        wrote
    }

    /// Writes what waits until the socket pushes back again. `Ok(true)` when nothing waits any more.
    ///
    /// A client that reads is alive, however slowly: what is backed up gets no pings that it could answer.
    pub(super) fn drain(&mut self, now: Millis, interval: PingInterval) -> io::Result<bool> {
        while let Some(outbox) = &mut self.outbox {
            let mut slices: [&[u8]; COALESCED] = [&[]; COALESCED];
            let count = outbox.peek(&mut slices);
            let written = match self.stream.try_write_vectored(&slices.map(IoSlice::new)[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            outbox.advance(written);
            self.session.heard(now, interval);
            if outbox.is_empty() {
                self.outbox = None;
            }
        }
        if matches!(self.phase, Phase::Closed | Phase::Deaf) {
            self.hang_up();
        }
        Ok(true)
    }

    /// Queues the close frame. A client that reads too slowly gets it instead of what waits for it.
    pub(super) fn close(&mut self, reason: CloseReason, phase: Phase) -> Wrote {
        self.phase = phase;
        self.session.give_up();
        if let (CloseReason::SlowConsumer, Some(outbox)) = (reason, &mut self.outbox) {
            outbox.clear();
            if outbox.is_empty() {
                self.outbox = None;
            }
        }
        if self.encoding.form == Form::EventStream {
            // Its client has nothing to say.
            self.phase = Phase::Closed;
            return self.say_good_bye(&sse::close(reason.code(), reason.text()).into());
        }
        self.say_good_bye(&websocket::close(reason.code(), reason.text()))
    }

    fn say_good_bye(&mut self, frame: &Frame) -> Wrote {
        let wrote = self.write(frame, || None, usize::MAX);
        if wrote == Wrote::Whole && matches!(self.phase, Phase::Closed | Phase::Deaf) {
            self.hang_up();
        }
        wrote
    }

    /// Nothing more will be written; the client may still be sending.
    fn hang_up(&self) {
        // A socket that is gone already needs no shutdown.
        let _ = socket2::SockRef::from(&*self.stream).shutdown(Shutdown::Write);
    }

    /// Feeds what the client sent. `Ok(Some(code))`: it wants to close.
    pub(super) fn feed(
        &mut self,
        input: &mut [u8],
        limit: usize,
        (now, interval): (Millis, PingInterval),
        (inflater, out): (&mut Inflater, &mut Vec<Action>),
    ) -> Result<Option<u16>, Violation> {
        // What the client of an event stream sends means nothing.
        if matches!(self.phase, Phase::Deaf | Phase::Closed) || self.encoding.form == Form::EventStream {
            return Ok(None);
        }
        let (session, decoder, encoding) = (&mut self.session, &mut self.decoder, self.encoding);
        session.heard(now, interval);
        let (mut close, mut broken) = (None, None);
        let open = self.phase == Phase::Open;
        let rules = Rules::new(Role::Server, limit).deflate(encoding.deflate);
        decoder.feed(input, rules, |incoming| {
            match incoming {
                Incoming::Text(text) if open => session.text(text, now, out),
                Incoming::Binary(message) if open => binary(session, encoding, message, now, out),
                Incoming::Compressed { text, payload } => {
                    let mut message = Vec::new();
                    let outcome = inflater.inflate(payload, limit, &mut message);
                    match outcome.and_then(|()| whole(text, &message)) {
                        Ok(Some(text)) if open => session.text(text, now, out),
                        Ok(None) if open => binary(session, encoding, &message, now, out),
                        Ok(_) => {}
                        Err(violation) => {
                            broken = Some(violation);
                            return ControlFlow::Break(());
                        }
                    }
                }
                Incoming::Ping(payload) if open => pong(payload, out),
                Incoming::Close { code, .. } => {
                    close = Some(code.unwrap_or(1000));
                    return ControlFlow::Break(());
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        broken.map_or(Ok(close), Err)
    }

    /// Answers the client's close with its own code.
    pub(super) fn answer_close(&mut self, code: u16) -> Wrote {
        self.phase = Phase::Closed;
        self.session.give_up();
        self.say_good_bye(&websocket::close(code, ""))
    }
}

/// An inflated message as a text, if it is one.
fn whole(is_text: bool, message: &[u8]) -> Result<Option<&str>, Violation> {
    if !is_text {
        return Ok(None);
    }
    std::str::from_utf8(message).map(Some).map_err(|_| Violation::NotUtf8)
}

/// Feeds a binary message: MessagePack where that was agreed on.
fn binary(session: &mut Session, encoding: Encoding, message: &[u8], now: Millis, out: &mut Vec<Action>) {
    if encoding.form == Form::MessagePack
        && let Ok(text) = messagepack::decode(message)
    {
        // The text `ping` is no JSON; its MessagePack is that of a string.
        let text = if text == r#""ping""# { "ping" } else { &text };
        return session.text(text, now, out);
    }
    session.binary(now, out);
}

/// Answers a ping in its place: with what is answered right before it, if that was a ping, so that a flood of them costs
/// no more writes than reads.
fn pong(payload: &[u8], out: &mut Vec<Action>) {
    let frame = websocket::pong(payload);
    match out.last_mut() {
        Some(Action::Pong(frames)) => frames.extend_from_slice(&frame),
        _ => out.push(Action::Pong(frame.to_vec())),
    }
}
