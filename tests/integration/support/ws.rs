//! A blocking WebSocket client.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::client::{IntoClientRequest, client};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Error, Message};

use super::{HEARTBEAT, PATIENCE};

/// An open socket.
pub(crate) struct WebSocket(tungstenite::WebSocket<TcpStream>);

impl WebSocket {
    /// Connects to a `ws://` URL.
    pub(crate) fn connect(url: &str) -> Self {
        Self::try_connect(url, &[]).unwrap_or_else(|status| panic!("{url} answered {status}"))
    }

    /// Connects with further headers; the HTTP status where the server refuses the upgrade.
    pub(crate) fn try_connect(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(request.uri().authority().unwrap().as_str()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        match client(request, stream) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{url}: {error}"),
        }
    }

    /// Connects with further headers; with the subprotocol that the server chose.
    pub(crate) fn with_answer(url: &str, headers: &[(&'static str, &str)]) -> (Self, Option<String>) {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(request.uri().authority().unwrap().as_str()).unwrap();
        let (socket, answer) = client(request, stream).unwrap_or_else(|error| panic!("{url}: {error}"));
        let chosen = answer.headers().get("sec-websocket-protocol");
        (Self(socket), chosen.map(|value| value.to_str().unwrap().to_owned()))
    }

    /// Sends a text frame.
    pub(crate) fn send(&mut self, text: &str) {
        self.send_message(Message::text(text));
    }

    /// Sends any message.
    pub(crate) fn send_message(&mut self, message: Message) {
        self.0.send(message).unwrap();
    }

    /// The next text frame but heartbeats; pings are answered on the way. Panics where none comes in time, or the socket
    /// closes.
    pub(crate) fn next_text(&mut self, deadline: Duration) -> String {
        match self.next(deadline) {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("expected a text frame within {deadline:?}, got {other:?}"),
        }
    }

    /// The close frame with which the server ends the connection; text before it is skipped.
    pub(crate) fn next_close(&mut self, deadline: Duration) -> Option<CloseFrame> {
        let start = Instant::now();
        loop {
            match self.next(deadline.saturating_sub(start.elapsed())) {
                Some(Message::Close(frame)) => return frame,
                Some(_) => {}
                None => panic!("the server did not close within {deadline:?}"),
            }
        }
    }

    /// The next message that is no sign of life: neither ping nor pong, nor a heartbeat, of which the first comes at any
    /// moment. `None` when the time is up.
    pub(crate) fn next(&mut self, deadline: Duration) -> Option<Message> {
        let start = Instant::now();
        loop {
            let left = deadline.checked_sub(start.elapsed()).filter(|left| !left.is_zero())?;
            self.0.get_ref().set_read_timeout(Some(left)).unwrap();
            match self.0.read() {
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Text(text)) if text.starts_with(HEARTBEAT) => {}
                Ok(message) => return Some(message),
                Err(Error::Io(error)) if is_timeout(&error) => return None,
                Err(error) => panic!("the socket broke: {error}"),
            }
        }
    }

    /// The next frame, which must be this text.
    pub(crate) fn expect(&mut self, text: &str) {
        assert_eq!(self.next_text(PATIENCE), text);
    }

    /// Waits for a text that has `part` in it, passing over others.
    #[track_caller]
    pub(crate) fn expect_text_containing(&mut self, part: &str) {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|text: &String| text.contains(part)) {
            match self.next(PATIENCE) {
                Some(Message::Text(text)) => seen.push(text.as_str().to_owned()),
                Some(Message::Close(frame)) => panic!("closed with {frame:?}, and no {part} in {seen:?}"),
                Some(_) => {}
                None => panic!("no {part} in {seen:?}"),
            }
        }
    }

    /// Asks for a sign of life, which must be the next frame: nothing else has been sent.
    pub(crate) fn expect_silence(&mut self) {
        self.send("ping");
        self.expect(r#"{"type":"pong"}"#);
    }

    /// The close code with which the server ends the connection; text before it is skipped.
    pub(crate) fn close_code(&mut self) -> u16 {
        self.next_close(PATIENCE).expect("a close frame with a code").code.into()
    }

    /// Closes from this side.
    pub(crate) fn close(mut self) {
        // The server may have been faster.
        let _ = self.0.close(None);
        let _ = self.0.flush();
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
