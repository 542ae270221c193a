//! A proxy in front of a relay that lets some upgrades through and refuses others; requests of any other kind pass.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::SockRef;

/// Reaction of the proxy to a request for an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Passes the request on to the relay.
    Pass,
    /// Resets the connection.
    Reset,
    /// Answers with these bytes and closes the connection.
    Answer(String),
}

/// A running proxy; it ends with the process.
pub(super) struct Doorman {
    port: u16,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Doorman {
    /// Starts a proxy before the relay at this host and port. `fate` decides about each upgrade by its number, from 0.
    pub(super) fn before(relay: &str, fate: impl Fn(usize) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let shared = (Arc::clone(&asked), Arc::new(fate), relay.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (asked, fate, relay) = shared.clone();
                std::thread::spawn(move || {
                    let head = head(&client);
                    let mut fated = Fate::Pass;
                    if head.to_ascii_lowercase().contains("upgrade: websocket") {
                        let mut asked = asked.lock().unwrap();
                        asked.push(Instant::now());
                        fated = fate(asked.len() - 1);
                    }
                    serve(client, &head, &relay, &fated);
                });
            }
        });
        Self { port, asked }
    }

    /// `ws://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// When upgrades were asked for.
    pub(super) fn asked(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, head: &str, relay: &str, fate: &Fate) {
    match fate {
        // Either end may be gone by now.
        Fate::Pass => drop(pass(&client, head, relay)),
        Fate::Reset => SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap(),
        Fate::Answer(text) => drop(client.write_all(text.as_bytes())),
    }
}

fn pass(client: &TcpStream, head: &str, relay: &str) -> std::io::Result<()> {
    let mut server = TcpStream::connect(relay)?;
    server.write_all(head.as_bytes())?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut to_client = client.try_clone()?;
    let _ = std::io::copy(&mut server, &mut to_client);
    client.shutdown(Shutdown::Both)
}

/// A request's head, or as much of it as came.
fn head(mut client: &TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(client.read(&mut byte), Ok(1)) {
        head.extend(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}
