//! Copying the command's streams, byte for byte, in a thread each. Nothing on this path waits for the reporting.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};

use super::glance::Glance;
use super::wake::Wake;

/// Bytes that are read at once. A pipe holds 64 KiB unless somebody has made it larger.
const CHUNK: usize = 128 << 10;
/// Capacity that the command's pipes are given, so that it and jobwire take turns less often.
const PIPE: usize = 256 << 10;
/// How long a terminal stays silent before nothing more is expected from a command that has ended.
const SILENCE: Duration = Duration::from_millis(50);

/// Time after which it is looked again whether a terminal may be read.
const GLIMPSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Stream of the command on its way to one of jobwire's own.
pub(super) struct Output {
    /// The reading end.
    pub(super) from: OwnedFd,
    /// Whether that is a pty, rather than a pipe.
    pub(super) is_pty: bool,
    /// jobwire's own stream.
    pub(super) to: File,
    /// Looker that is offered what was copied.
    pub(super) glance: Arc<Glance>,
    /// Raised when the command has ended.
    pub(super) ended: Arc<Wake>,
    /// Whether jobwire's own standard output is closed where the command has closed its: who reads it may wait for that.
    pub(super) closes_stdout: bool,
}

impl Output {
    /// Copies until all writers have closed the stream, or until the command has ended and its output is copied. Where the
    /// other side has gone, a pipe is closed, so that the command learns of it as it would without jobwire.
    pub(super) fn copy(mut self) {
        widen(&self.from);
        let mut buffer = vec![0; CHUNK];
        let mut is_read = true;
        while self.has_output() {
            match rustix::io::read(&self.from, &mut buffer[..]) {
                Ok(0) | Err(Errno::IO) => return self.close(),
                Ok(count) => {
                    is_read = is_read && self.forward(&buffer[..count]);
                    if !is_read && !self.is_pty {
                        return self.glance.end();
                    }
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return self.glance.end(),
            }
        }
        self.drain(&mut buffer, is_read);
        self.glance.end();
    }

    /// Ends a stream that the command has closed.
    fn close(self) {
        self.glance.end();
        if self.closes_stdout
            && let Ok(nowhere) = File::options().write(true).open("/dev/null")
        {
            // Where that fails the reader waits for the end of the command.
            let _ = rustix::stdio::dup2_stdout(nowhere);
        }
    }

    /// Waits for output or its end; `false` where the command has ended first.
    fn has_output(&self) -> bool {
        let mut polled = [PollFd::new(&self.from, PollFlags::IN), PollFd::new(&*self.ended, PollFlags::IN)];
        while poll(&mut polled, None) == Err(Errno::INTR) {}
        polled[1].revents().is_empty()
    }

    /// Copies what the command has left. Its children may hold the stream open and write on; a shell does not wait for
    /// them either.
    fn drain(&mut self, buffer: &mut [u8], mut is_read: bool) {
        // All of a pipe's content is there at the end of its writer; a pty hands it on a moment later.
        let mut left = if self.is_pty { u64::MAX } else { ioctl_fionread(&self.from).unwrap_or(0) };
        while left > 0 && (!self.is_pty || self.is_ready_within(SILENCE)) {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match rustix::io::read(&self.from, &mut buffer[..room]) {
                Ok(0) => return,
                Ok(count) => {
                    left -= count as u64;
                    is_read = is_read && self.forward(&buffer[..count]);
                }
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn is_ready_within(&self, wait: Duration) -> bool {
        let mut polled = [PollFd::new(&self.from, PollFlags::IN)];
        let wait = Timespec::try_from(wait).ok();
        poll(&mut polled, wait.as_ref()).is_ok_and(|ready| ready > 0)
    }

    /// Writes output to where it belongs and offers it to the looker. Whether anybody takes it.
    fn forward(&mut self, chunk: &[u8]) -> bool {
        let is_taken = write_all(&mut self.to, chunk).is_ok();
        self.glance.offer(chunk);
        is_taken
    }
}

/// Makes a pipe larger. A kernel that refuses leaves it as it was, and a pty is none.
fn widen(pipe: &OwnedFd) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
}

/// Writes all, also to a descriptor that somebody else has set not to block.
fn write_all(to: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut polled = [PollFd::new(to, PollFlags::OUT)];
                match poll(&mut polled, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Copies what is typed on a terminal to the command's pty, until either has gone. `may_read` waits until jobwire may read the
/// terminal, and `typed` hears of the keys before the command gets them.
pub(super) fn copy_input(mut from: File, mut to: File, may_read: impl Fn(), typed: impl Fn(&[u8], &File)) {
    let mut buffer = [0; 4096];
    loop {
        may_read();
        let mut polled = [PollFd::new(&from, PollFlags::IN)];
        match poll(&mut polled, Some(&GLIMPSE)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return,
        }
        // It may have gone into the background meanwhile.
        may_read();
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                typed(&buffer[..count], &to);
                if write_all(&mut to, &buffer[..count]).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
