//! A way to a server that can be cut, and mended.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A listener that passes everything on to an address and back, until it is cut. It stays until the process of the tests
/// ends.
#[derive(Debug, Clone)]
pub(crate) struct Cutter {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    is_cut: bool,
    open: Vec<TcpStream>,
    /// First lines of all requests that were passed on.
    requests: Vec<String>,
}

impl Cutter {
    /// Opens one in front of a server.
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cutter = Self { address, state: Arc::default() };
        let (state, server) = (Arc::clone(&cutter.state), server.to_owned());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let (state, server) = (Arc::clone(&state), server.clone());
                thread::spawn(move || pass(&near, &server, &state));
            }
        });
        cutter
    }

    /// The URL of the server behind it.
    pub(crate) fn server(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Ends all connections without a word, and lets no new one through.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_cut = true;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub(crate) fn mend(&self) {
        self.state.lock().unwrap().is_cut = false;
    }

    /// Requests so far whose first line begins so.
    pub(crate) fn requests(&self, beginning: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.requests.iter().filter(|line| line.starts_with(beginning)).count()
    }
}

fn pass(near: &TcpStream, server: &str, state: &Mutex<State>) {
    let mut head = [0; 1024];
    let read = near.peek(&mut head).unwrap_or(0);
    let line = String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned();
    let Ok(there) = TcpStream::connect(server) else { return };
    {
        let mut state = state.lock().unwrap();
        if state.is_cut || read == 0 {
            return;
        }
        state.requests.push(line);
        state.open.extend([near.try_clone().unwrap(), there.try_clone().unwrap()]);
    }
    for (mut from, mut to) in [(near, &there), (&there, near)]
        .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
    {
        thread::spawn(move || {
            let mut chunk = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from.read(&mut chunk) {
                if to.write_all(&chunk[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}
