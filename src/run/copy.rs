//! Copying the command's streams, byte for byte, in a thread for each. No copying thread waits for the reporting.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};
use rustix::pipe::{SpliceFlags, splice};

use super::glance::{Glance, NEWEST};
use super::wake::Wake;

/// Size of the read buffer, in bytes. A pipe holds 64 KiB unless its size was changed.
const CHUNK: usize = 128 << 10;
/// Capacity of the command's pipes, in bytes. A larger pipe makes the command and jobwire take turns less often.
const PIPE: usize = 256 << 10;
/// Silence of a pty after which a command that has ended is expected to have no more output.
const SILENCE: Duration = Duration::from_millis(50);

/// Time between two checks whether jobwire may read the terminal.
const GLIMPSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Stream of the command, copied to one of jobwire's own.
pub(super) struct Output {
    /// Reading end of the command's stream.
    pub(super) from: OwnedFd,
    /// Whether `from` is a pty rather than a pipe.
    pub(super) is_pty: bool,
    /// jobwire's own stream.
    pub(super) to: File,
    /// Output offered to the observer.
    pub(super) glance: Arc<Glance>,
    /// Raised when the command has ended.
    pub(super) ended: Arc<Wake>,
    /// Whether to close jobwire's own standard output once the command has closed its own. The reader may wait for that.
    pub(super) closes_stdout: bool,
}

impl Output {
    /// Copies until all writers have closed the stream, or until the command has ended and its output is copied. When the
    /// reader has gone, a pipe is closed, so that the command learns of the loss as it would without jobwire.
    pub(super) fn copy(mut self) {
        widen(&self.from);
        let mut buffer = vec![0; CHUNK];
        let mut is_read = true;
        let mut can_move = !self.is_pty && takes_moved_output(&self.to);
        while self.has_output() {
            if can_move {
                can_move = self.move_unseen();
            }
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

    /// Moves output for which the observer has no room to jobwire's own stream without copying it, except for the newest
    /// [`NEWEST`] bytes. `false` where the stream allows no move or no write. The next write finds the
    /// error.
    fn move_unseen(&self) -> bool {
        let waiting = ioctl_fionread(&self.from).unwrap_or(0);
        let mut unseen = usize::try_from(waiting).unwrap_or(usize::MAX).saturating_sub(NEWEST);
        if unseen == 0 || !self.glance.may_miss(unseen) {
            return true;
        }
        while unseen > 0 {
            match splice(&self.from, None, &self.to, None, unseen, SpliceFlags::empty()) {
                Ok(count) => {
                    self.glance.miss();
                    unseen = if count == 0 { 0 } else { unseen - count };
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut polled = [PollFd::new(&self.to, PollFlags::OUT)];
                    // The next attempt finds the error.
                    let _ = poll(&mut polled, None);
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// Ends a stream that the command has closed.
    fn close(self) {
        self.glance.end();
        if self.closes_stdout
            && let Ok(nowhere) = File::options().write(true).open("/dev/null")
        {
            // On failure the reader waits for the end of the command.
            let _ = rustix::stdio::dup2_stdout(nowhere);
        }
    }

    /// Waits for output or for the end of the command. Returns `false` where the command has ended.
    fn has_output(&self) -> bool {
        let mut polled = [PollFd::new(&self.from, PollFlags::IN), PollFd::new(&*self.ended, PollFlags::IN)];
        while poll(&mut polled, None) == Err(Errno::INTR) {}
        polled[1].revents().is_empty()
    }

    /// Copies the output that the command left at its end. Children of the command may hold the stream open and write more.
    /// Their later output is not copied, as a shell does not wait for them either.
    fn drain(&mut self, buffer: &mut [u8], mut is_read: bool) {
        // A pipe holds all output at the end of its writer. A pty delivers the last output a moment later.
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

    /// Writes output to jobwire's stream and offers it to the observer. Returns whether the write succeeded.
    fn forward(&mut self, chunk: &[u8]) -> bool {
        let is_taken = write_all(&mut self.to, chunk).is_ok();
        self.glance.offer(chunk);
        is_taken
    }
}

/// Whether output may be moved to a stream: to a pipe, a socket or a character device. A file has a position, which a move does
/// not lock as a write does. Others that write to the same open file would overwrite the output and lose their own.
fn takes_moved_output(to: &File) -> bool {
    let kind = to.metadata().map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket() || kind.is_char_device())
}

/// Enlarges a pipe. A kernel that refuses leaves the size unchanged; a pty has no such size.
fn widen(pipe: &OwnedFd) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
}

/// Writes all bytes, also to a descriptor that another process has made non-blocking.
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

/// Copies keys from a terminal to the command's pty, until one of them has gone. `may_read` blocks until jobwire may read the
/// terminal. `typed` receives the keys before the command does.
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
        // jobwire may have gone into the background during the poll.
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn output_is_moved_to_no_file() {
        let (pipe, socket) = (io::pipe().unwrap().1, UnixStream::pair().unwrap().0);
        let device = File::options().write(true).open("/dev/null").unwrap();
        for (to, is_moved) in [
            (OwnedFd::from(pipe), true),
            (OwnedFd::from(socket), true),
            (OwnedFd::from(device), true),
            (OwnedFd::from(tempfile::tempfile().unwrap()), false),
        ] {
            let to = File::from(to);
            assert_eq!(takes_moved_output(&to), is_moved, "{to:?}");
        }
    }
}
