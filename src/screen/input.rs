//! The keyboard: a thread that reads keys from standard input until it is dropped.
//!
//! The terminal is read by blocking calls in a thread of its own, and not made non-blocking, since the shell shares it.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;

use super::key::{KeyPress, KeyReader};

/// Keys that wait to be taken. While there is no room, the thread waits and the terminal keeps what is typed.
const QUEUE: usize = 64;

/// An escape that nothing follows for this long, in nanoseconds, is the key.
const ALONE: i64 = 50_000_000;

/// Keys of the terminal at standard input.
#[derive(Debug)]
pub(crate) struct Keyboard {
    keys: mpsc::Receiver<KeyPress>,
    /// Wakes the thread when it is closed.
    waker: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Keyboard {
    /// Begins to read.
    ///
    /// # Errors
    /// The system gives no descriptor or no thread.
    pub(crate) fn start() -> io::Result<Self> {
        let (waker, woken) = UnixStream::pair()?;
        let (sender, keys) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("keys".into()).spawn(move || read(&woken, &sender))?;
        Ok(Self { keys, waker: Some(waker), thread: Some(thread) })
    }

    /// Next key; `None` once the terminal is gone.
    pub(crate) async fn next(&mut self) -> Option<KeyPress> {
        self.keys.recv().await
    }

    /// A key that is there already.
    pub(crate) fn waiting(&mut self) -> Option<KeyPress> {
        self.keys.try_recv().ok()
    }
}

impl Drop for Keyboard {
    /// Ends the thread, so that later keys go to the next reader of the terminal.
    fn drop(&mut self) {
        self.keys.close();
        drop(self.waker.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked reads no more either.
            let _ = thread.join();
        }
    }
}

/// Reads until the terminal is gone, nobody takes the keys, or the other side of `woken` is closed.
fn read(woken: &UnixStream, keys: &mpsc::Sender<KeyPress>) {
    let stdin = io::stdin();
    let mut reader = KeyReader::default();
    let mut bytes = [0; 256];
    loop {
        let mut polled = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        let patience = Timespec { tv_sec: 0, tv_nsec: ALONE };
        match poll(&mut polled, reader.is_waiting().then_some(&patience)) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        let [from_stdin, from_waker] = polled.map(|fd| fd.revents());
        if !from_waker.is_empty() {
            return;
        }
        let mut is_taken = true;
        let mut each = |key| is_taken &= keys.blocking_send(key).is_ok();
        if from_stdin.is_empty() {
            reader.pause(&mut each);
        } else {
            match stdin.lock().read(&mut bytes) {
                Ok(0) => return,
                Ok(length) => reader.feed(&bytes[..length], &mut each),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
        }
        if !is_taken {
            return;
        }
    }
}
