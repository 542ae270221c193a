//! Watches one job over a socket, and comes back to it with the cursor.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::job::Heard;
use crate::dialect::Dialects;
use crate::exit::Exit;
use crate::lists::ListClient;
use crate::net::backoff::Backoff;
use crate::net::websocket::{Message, WebSocket};
use crate::wire::watch::ServerMessage;

/// A socket that was silent for this long is asked for a sign of life, and left after as long again.
const SILENCE: Duration = Duration::from_secs(30);

/// Watches until nobody listens. While `heard` is full nothing more is read, and the relay holds back.
pub(super) async fn watch(
    client: ListClient,
    dialects: Dialects,
    target: String,
    heard: mpsc::Sender<Heard>,
) {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
    let mut watcher = JobWatcher { target, dialects, cursor: None, heard };
    loop {
        let reason = match client.watch(&watcher.target, watcher.cursor.as_deref()).await {
            Ok(socket) => match watcher.read(socket, &mut backoff).await {
                Some(reason) => reason,
                None => return,
            },
            Err(failure) if failure.exit == Exit::Refused => {
                let _ = watcher.heard.send(Heard::Refused(failure.message)).await;
                // A token or a key that is put in place later may open it.
                sleep(Duration::from_secs(10)).await;
                continue;
            }
            Err(failure) => failure.message,
        };
        if watcher.heard.send(Heard::Lost(reason)).await.is_err() {
            return;
        }
        sleep(backoff.next(rand::random::<f64>())).await;
    }
}

struct JobWatcher {
    target: String,
    dialects: Dialects,
    /// Where to go on after a break.
    cursor: Option<String>,
    heard: mpsc::Sender<Heard>,
}

impl JobWatcher {
    /// Reads until the socket ends, for the returned reason, or until nobody listens.
    async fn read(&mut self, mut socket: WebSocket, backoff: &mut Backoff) -> Option<String> {
        let mut is_asked = false;
        loop {
            let message = match timeout(SILENCE, socket.next()).await {
                Err(_) if is_asked => return Some("the relay answers no ping".to_owned()),
                Err(_) => {
                    is_asked = true;
                    if let Err(error) = socket.send(Message::Ping(Bytes::new())).await {
                        return Some(error.to_string());
                    }
                    continue;
                }
                Ok(message) => message,
            };
            is_asked = false;
            match message {
                Some(Ok(Message::Text(text))) => {
                    backoff.reset();
                    if let Some(heard) = self.heard(text.as_str()) {
                        self.heard.send(heard).await.ok()?;
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    let reason = frame.map(|frame| frame.reason.as_str().to_owned()).unwrap_or_default();
                    return Some(if reason.is_empty() {
                        "the relay closed the socket".to_owned()
                    } else {
                        reason
                    });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Some(error.to_string()),
                None => return Some("the relay closed the socket".to_owned()),
            }
        }
    }

    /// Reads a message.
    fn heard(&mut self, text: &str) -> Option<Heard> {
        let (heard, cursor) = match ServerMessage::read(text)? {
            ServerMessage::Event { cursor, snapshot, view, event, .. } => {
                // An old relay does not say what an event means.
                let view = view.or_else(|| self.view(event.get()).map(Box::new));
                let text = if view.is_none() { event.get().to_owned() } else { String::new() };
                (Some(Heard::Event { view, text, is_state: snapshot }), cursor)
            }
            // The relay sends this once right after the opening, and again with a cursor as soon as all was told.
            ServerMessage::Watching { targets, cursor } => {
                let is_caught_up = cursor.is_some() && !targets.is_empty();
                (is_caught_up.then_some(Heard::Live), cursor)
            }
            ServerMessage::Ended { outcome, .. } => (Some(Heard::Ended(outcome.into_owned())), None),
            ServerMessage::Gap { reason, cursor, .. } => (Some(Heard::Gap(reason.into_owned())), cursor),
            ServerMessage::Cursor { cursor } => (None, Some(cursor)),
            ServerMessage::Error { message, .. } => (Some(Heard::Refused(message.into_owned())), None),
            ServerMessage::Pong => (None, None),
        };
        if let Some(cursor) = cursor {
            self.cursor = Some(cursor.into_owned());
        }
        heard
    }

    fn view(&self, payload: &str) -> Option<crate::wire::view::EventView> {
        let (name, _) = self.target.split_once('/')?;
        let (_, dialect) = self.dialects.named(name)?;
        dialect.view(payload).map(Into::into)
    }
}
