//! Files for reports and recordings. Opening shows before the run that the file can be written. Writing replaces its whole
//! content, at once or piece by piece.
//!
//! A regular file is replaced by a new one in one step. Pipes, devices and files in a folder without permission for new files are
//! written in place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::exit::{Exit, Failure};

/// A file that is ready for writing. Dropped without [`OutFile::write`], it leaves no trace.
#[derive(Debug)]
pub(crate) struct OutFile {
    /// Flag with the file's name.
    flag: &'static str,
    /// Path as the user wrote it.
    path: PathBuf,
    place: OutPlace,
}

#[derive(Debug)]
enum OutPlace {
    /// Standard output, given as `-` or by another name of it.
    Stdout,
    /// A new file beside the old one, renamed over the old one at the end.
    Beside { file: File, path: PathBuf, target: PathBuf },
    /// The file itself: a pipe, a device, or a file in a folder without permission for new files.
    Itself { file: File, path: PathBuf },
}

impl OutFile {
    /// Opens the file of a flag; `-` is stdout.
    ///
    /// # Errors
    /// The file cannot be written, or one of the `others` writes to the same file. The error names the flag and the path (exit
    /// code 2).
    pub(crate) fn open(flag: &'static str, path: &Path, others: &[&Self]) -> Result<Self, Failure> {
        let target = target(path);
        if let Some(other) = others.iter().find(|other| other.place.is_only_for(&target)) {
            let both = format!("{} and {flag} both write to {}", other.flag, path.display());
            return Err(Failure::usage(both).hint("give each a file of its own"));
        }
        let place = OutPlace::open(target).map_err(|error| {
            let hint = match error.kind() {
                ErrorKind::NotConnected => "start the reader of the pipe first, as in `cat FIFO &`",
                _ => "choose a file in a folder that exists and that you may write to",
            };
            Failure::usage(format!("cannot write to {} ({flag}): {error}", path.display())).hint(hint)
        })?;
        Ok(Self { flag, path: path.to_owned(), place })
    }

    /// Whether the file is stdout.
    pub(crate) const fn is_stdout(&self) -> bool {
        matches!(self.place, OutPlace::Stdout)
    }

    /// Path of the written file; `None` for stdout, a pipe or a device.
    pub(crate) fn regular(&self) -> Option<&Path> {
        match &self.place {
            OutPlace::Beside { target, .. } => Some(target),
            OutPlace::Itself { file, path } => {
                file.metadata().is_ok_and(|found| found.is_file()).then_some(path.as_path())
            }
            OutPlace::Stdout => None,
        }
    }

    /// Flag with the file's name.
    pub(crate) const fn flag(&self) -> &'static str {
        self.flag
    }

    /// Writes the content. Readers of a replaced file find either the whole old content or the whole new content. Readers of a
    /// file that is written in place may find it empty or cut while it is written.
    pub(crate) fn write(self, text: &str) -> Result<(), Failure> {
        let Self { flag, path, place } = self;
        place.write(text).map_err(|error| not_written(flag, &path, &error))
    }

    /// Begins writing piece by piece. From now on the file has its name and is empty; readers that have the old file open
    /// keep its content.
    pub(crate) fn stream(self) -> Result<OutStream, Failure> {
        let Self { flag, path, mut place } = self;
        match place.begin() {
            Ok(file) => Ok(OutStream { flag, path, file }),
            Err(error) => Err(not_written(flag, &path, &error)),
        }
    }
}

/// A file that is written piece by piece.
#[derive(Debug)]
pub(crate) struct OutStream {
    flag: &'static str,
    path: PathBuf,
    /// `None`: stdout.
    file: Option<File>,
}

impl OutStream {
    /// Whether the file is stdout.
    pub(crate) const fn is_stdout(&self) -> bool {
        self.file.is_none()
    }

    /// Writes a piece at once.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            return file.write_all(bytes);
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    }

    /// Failure for an error of [`OutStream::write`].
    pub(crate) fn failure(&self, error: &io::Error) -> Failure {
        not_written(self.flag, &self.path, error)
    }
}

fn not_written(flag: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failure, format!("could not write to {} ({flag}): {error}", path.display()))
}

/// Prints a report on stdout. A reader that has gone is no error, so the exit code stays that of the report.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    written(text).map_err(|error| Failure::stdout(&error))
}

/// Writes a text to stdout. A reader that has gone is no error.
fn written(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Path of the file without links, so that the file is replaced and not a link to it. Different spellings of a path give the
/// same result. `-` is kept.
fn target(path: &Path) -> PathBuf {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    };
    if is_stdout(path) {
        return PathBuf::from(STDOUT);
    }
    if let Ok(found) = fs::canonicalize(path) {
        return found;
    }
    // The link of a shell's pipe such as /dev/fd/63 leads to no path.
    if fs::metadata(path).is_ok() {
        return path.to_owned();
    }
    // A new file, or the missing file that a link points to.
    let path = fs::read_link(path).map_or_else(|_| path.to_owned(), |to| folder(path).join(to));
    match (fs::canonicalize(folder(&path)), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// Path that means stdout.
const STDOUT: &str = "-";

/// Longest wait for the reader of a named pipe, which may have been started at the same time.
const READER_WAIT: Duration = Duration::from_secs(1);

/// Whether a path means stdout: `-`, or any name of the file, pipe or terminal that stdout is. A device such as /dev/null is shared by
/// everybody and is no stdout.
pub(crate) fn is_stdout(path: &Path) -> bool {
    if path.as_os_str() == STDOUT {
        return true;
    }
    let Ok(found) = fs::metadata(path) else { return false };
    let Ok(stdout) = rustix::fs::fstat(rustix::stdio::stdout()) else { return false };
    let is_same = (found.dev(), found.ino()) == (stdout.st_dev, stdout.st_ino);
    is_same && (!found.file_type().is_char_device() || io::stdout().is_terminal())
}

/// Opens a named pipe. A pipe without a reader is an error after [`READER_WAIT`], since an `open` that waits ignores signals.
fn open_pipe(path: &Path) -> io::Result<File> {
    let begun = Instant::now();
    loop {
        let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        match OpenOptions::new().write(true).custom_flags(nonblock).open(path) {
            Ok(file) => {
                rustix::fs::fcntl_setfl(&file, rustix::fs::fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
                return Ok(file);
            }
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                if begun.elapsed() >= READER_WAIT {
                    return Err(io::Error::new(ErrorKind::NotConnected, "nobody reads it"));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error),
        }
    }
}

impl OutPlace {
    /// Whether two reports may not share this file.
    fn is_only_for(&self, path: &Path) -> bool {
        match self {
            Self::Stdout => path.as_os_str() == STDOUT,
            Self::Beside { target, .. } => target == path,
            Self::Itself { path: own, file } => {
                own == path && file.metadata().is_ok_and(|found| found.is_file())
            }
        }
    }

    fn open(target: PathBuf) -> io::Result<Self> {
        if target.as_os_str() == STDOUT {
            return Ok(Self::Stdout);
        }
        let itself = |target: PathBuf| -> io::Result<Self> {
            Ok(Self::Itself { file: OpenOptions::new().write(true).open(&target)?, path: target })
        };
        let old = fs::metadata(&target).ok();
        match &old {
            Some(found) if found.is_dir() => {
                return Err(io::Error::new(ErrorKind::IsADirectory, "is a directory"));
            }
            Some(found) if found.is_file() => drop(OpenOptions::new().append(true).open(&target)?),
            // A pipe is opened at once: a run without a reader must not start.
            Some(found) if found.file_type().is_fifo() => {
                return Ok(Self::Itself { file: open_pipe(&target)?, path: target });
            }
            Some(_) => return itself(target),
            None => {}
        }
        let Some(name) = target.file_name() else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "is not the name of a file"));
        };
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.part", std::process::id()));
        let path = target.with_file_name(beside);
        match OpenOptions::new().write(true).create(true).truncate(true).open(&path) {
            Ok(file) => {
                // The new file gets the permissions of the old one.
                let kept = old.map_or(Ok(()), |old| file.set_permissions(old.permissions()));
                let place = Self::Beside { file, path, target };
                kept.map(|()| place)
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied && old.is_some() => itself(target),
            Err(error) => Err(error),
        }
    }

    /// The file under its name, without content; `None` for stdout.
    fn begin(&mut self) -> io::Result<Option<File>> {
        match self {
            Self::Stdout => Ok(None),
            Self::Itself { file, .. } => {
                if file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                file.try_clone().map(Some)
            }
            Self::Beside { file, path, target } => {
                fs::rename(path, target)?;
                file.try_clone().map(Some)
            }
        }
    }

    fn write(mut self, text: &str) -> io::Result<()> {
        match &mut self {
            Self::Stdout => written(text),
            Self::Itself { file, .. } => {
                if file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                file.write_all(text.as_bytes())
            }
            Self::Beside { file, path, target } => {
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                fs::rename(path, target)
            }
        }
    }
}

impl Drop for OutPlace {
    fn drop(&mut self) {
        if let Self::Beside { path, .. } = self {
            // After a successful rename the temporary file is gone. Other errors cannot be reported here.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_file_that_is_written_piece_by_piece_has_its_name_and_its_permissions_from_the_beginning() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::TempDir::new().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("link"));
        fs::write(&path, "old and long").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let file = OutFile::open("--out", &link, &[]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old and long");
        let other = OutFile::open("--other", &path, &[&file]).unwrap_err();
        assert!(other.message.contains("--out and --other both write to"), "{other}");
        let mut stream = file.stream().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        for piece in ["one\n", "two\n"] {
            stream.write(piece.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && !stream.is_stdout());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_named_pipe_without_a_reader_is_an_error_and_one_with_a_reader_is_written() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        let failure = OutFile::open("--out", &path, &[]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.ends_with("(--out): nobody reads it"), "{failure}");
        assert!(failure.hint.unwrap().contains("start the reader"));
        let reading = std::thread::spawn({
            let path = path.clone();
            move || fs::read_to_string(path).unwrap()
        });
        let text = "more than a pipe holds\n".repeat(10_000);
        OutFile::open("--out", &path, &[]).unwrap().write(&text).unwrap();
        assert_eq!(reading.join().unwrap(), text);
    }

    #[test]
    fn a_pipe_of_the_shell_is_written_as_it_is() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", writer.as_raw_fd()));
        let file = OutFile::open("--out", &path, &[]).unwrap();
        assert_eq!(file.regular(), None);
        file.write("text").unwrap();
        drop(writer);
        let mut read = String::new();
        File::from(reader).read_to_string(&mut read).unwrap();
        assert_eq!(read, "text");
    }
}
