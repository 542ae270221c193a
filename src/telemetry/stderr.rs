//! stderr behind a queue, so that a terminal or a pipe that nobody reads stops nobody who has something to say.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::panic::PanicHookInfo;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anstream::AutoStream;

/// Bytes that may wait; a text that has no room is dropped and counted.
const CAPACITY: usize = 1 << 20;
/// How long the end of the process waits for a stderr that takes nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// When to try again after somebody else has made stderr non-blocking, and it is full.
const RETRY: Duration = Duration::from_millis(10);

static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Texts on their way to stderr, in order; a thread of its own writes them.
struct Queue {
    state: Mutex<State>,
    /// There is a text to write, or one less.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    texts: VecDeque<Vec<u8>>,
    /// Bytes of all texts that wait.
    bytes: usize,
    /// Texts without room since the last one that was told of.
    dropped: u64,
    /// The thread writes one.
    writing: bool,
    /// Texts that were written.
    written: u64,
}

impl Queue {
    const fn new() -> Self {
        let state = State { texts: VecDeque::new(), bytes: 0, dropped: 0, writing: false, written: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a text, or counts it as dropped.
    fn push(&self, text: &[u8]) {
        let mut state = self.lock();
        if state.bytes + text.len() > CAPACITY {
            state.dropped += 1;
            return;
        }
        state.bytes += text.len();
        state.texts.push_back(text.to_vec());
        drop(state);
        self.changed.notify_all();
    }

    /// Writes whatever comes; `dropped` is told how many texts had no room, once there is room again.
    fn write_to(&self, mut out: impl Write, dropped: impl Fn(u64)) {
        let mut state = self.lock();
        loop {
            let Some(text) = state.texts.pop_front() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.writing = true;
            drop(state);
            write_all(&mut out, &text);
            state = self.lock();
            state.bytes -= text.len();
            state.writing = false;
            state.written += 1;
            let lost = std::mem::take(&mut state.dropped);
            if lost > 0 {
                drop(state);
                // Behind those that wait: that is where they are missing.
                dropped(lost);
                state = self.lock();
            }
            self.changed.notify_all();
        }
    }

    /// Waits until everything is written, or nothing was for a while.
    fn flush(&self) {
        let mut state = self.lock();
        let (mut written, mut since) = (state.written, Instant::now());
        while state.writing || !state.texts.is_empty() {
            if state.written != written {
                (written, since) = (state.written, Instant::now());
            }
            let Some(left) = PATIENCE.checked_sub(since.elapsed()).filter(|left| !left.is_zero()) else {
                return;
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Writes as far as it can: nobody can be told that stderr is gone.
fn write_all(out: &mut impl Write, mut text: &[u8]) {
    while !text.is_empty() {
        match out.write(text) {
            Ok(count) if count > 0 => text = &text[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(RETRY),
            Ok(_) | Err(_) => return,
        }
    }
}

/// Output of the log: the queue, or stderr itself before there is a queue.
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match QUEUE.get() {
            Some(queue) => {
                queue.push(text);
                Ok(text.len())
            }
            None => io::stderr().write(text),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the thread that writes, and lets panics go the same way.
pub(super) fn start() -> io::Result<()> {
    let queue = QUEUE.get_or_init(Queue::new);
    let write = move || {
        queue.write_to(io::stderr(), |lines| {
            tracing::warn!(lines, "dropped lines of the log, since nobody read stderr in time");
        });
    };
    std::thread::Builder::new().name("jobwire-log".to_owned()).spawn(write)?;
    std::panic::set_hook(Box::new(report));
    Ok(())
}

fn report(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let trace = std::backtrace::Backtrace::capture();
    let trace = match trace.status() {
        std::backtrace::BacktraceStatus::Captured => trace.to_string(),
        _ => "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace".to_owned(),
    };
    say(&format!("\nthread '{name}' {panic}\n{trace}\n"));
}

/// Prints on stderr, in order with the log, and waits for nobody. Colours are left out where stderr shows none.
pub(crate) fn say(text: &str) {
    let mut plain = AutoStream::new(Vec::new(), AutoStream::choice(&io::stderr()));
    // Writing into memory cannot fail; nobody can be told that stderr is gone.
    let _ = plain.write_all(text.as_bytes());
    let _ = Stderr.write_all(&plain.into_inner());
}

/// Waits until all that was said is written, but not for a stderr that nobody reads.
pub(crate) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes a text only when it is allowed to.
    struct Slow(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(text.to_vec());
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_queue_drops_and_tells_how_much_once_it_flows() {
        static QUEUE: Queue = Queue::new();
        let (allow, allowed) = mpsc::channel();
        let (out, written) = mpsc::channel();
        std::thread::spawn(move || {
            QUEUE.write_to(Slow(allowed, out), |lost| QUEUE.push(format!("lost {lost}").as_bytes()));
        });
        let line = vec![b'x'; CAPACITY / 4];
        for _ in 0..9 {
            QUEUE.push(&line);
        }
        // The writer is stuck, so `flush` gives up after `PATIENCE`.
        QUEUE.flush();
        for _ in 0..5 {
            allow.send(()).unwrap();
        }
        QUEUE.flush();
        let written: Vec<Vec<u8>> = written.try_iter().collect();
        assert_eq!(written.len(), 5);
        assert!(written[..4].iter().all(|text| *text == line));
        assert_eq!(written[4], b"lost 5");
    }
}
