//! One connection: its socket, its session, and what waits for it.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::rc::Rc;

use tokio::net::TcpStream;

use crate::dialect::CloseReason;
use crate::relay::client::Client;
use crate::relay::outbox::{Outbox, OutboxKey};
use crate::relay::session::{Action, PingInterval, Session};
use crate::relay::wheel::Millis;
use crate::wire::Frame;
use crate::wire::websocket::{self, Decoder, Incoming};

/// Frames that go out in one system call when an outbox is drained.
const COALESCED: usize = 16;

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
    decoder: Decoder,
    outbox: Option<Box<Outbox>>,
}

impl Conn {
    pub(super) fn new(stream: Rc<TcpStream>, session: Session, client: Client) -> Self {
        Self {
            stream,
            session,
            client,
            phase: Phase::Open,
            deadline: Millis::MAX,
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

    /// Writes a frame of the job's state, which never makes a client slow: that it is not read yet says nothing.
    pub(super) fn write_state(&mut self, frame: &Frame) -> Wrote {
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
        out: &mut Vec<Action>,
    ) -> Result<Option<u16>, websocket::Violation> {
        if matches!(self.phase, Phase::Deaf | Phase::Closed) {
            return Ok(None);
        }
        let (session, decoder) = (&mut self.session, &mut self.decoder);
        session.heard(now, interval);
        let mut close = None;
        let open = self.phase == Phase::Open;
        decoder.feed(input, limit, |incoming| {
            match incoming {
                Incoming::Text(text) if open => session.text(text, now, out),
                Incoming::Binary(_) if open => session.binary(now, out),
                Incoming::Ping(payload) if open => pong(payload, out),
                Incoming::Close { code, .. } => {
                    close = Some(code.unwrap_or(1000));
                    return ControlFlow::Break(());
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(close)
    }

    /// Answers the client's close with its own code.
    pub(super) fn answer_close(&mut self, code: u16) -> Wrote {
        self.phase = Phase::Closed;
        self.session.give_up();
        self.say_good_bye(&websocket::close(code, ""))
    }
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
