//! A way to a server on this machine that takes as long as one to a server far away.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A listener that passes everything on to a port of this machine and back. Each direction takes half of the round
/// trip. The listener stays until the process of the tests ends.
#[derive(Debug)]
pub(crate) struct Far {
    port: u16,
}

impl Far {
    /// Opens one.
    pub(crate) fn from(port: u16, round_trip: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let far = Self { port: listener.local_addr().unwrap().port() };
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(there) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for (from, to) in [(&near, &there), (&there, &near)] {
                    pass_on(from.try_clone().unwrap(), to.try_clone().unwrap(), round_trip / 2);
                }
            }
        });
        far
    }

    /// The URL of a Redis behind it.
    pub(crate) fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            if sender.send((Instant::now() + delay, chunk[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            // The way's length, not a wait for anything.
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
