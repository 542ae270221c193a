//! Files that reports go into: shown to be writable before what is reported, written whole after it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// A file that is ready to be written. Dropped without [`OutFile::write`], it leaves no trace.
#[derive(Debug)]
pub(crate) struct OutFile {
    /// Flag that named it.
    flag: &'static str,
    /// Path as the user wrote it.
    path: PathBuf,
    place: OutPlace,
}

#[derive(Debug)]
enum OutPlace {
    /// Standard output, asked for as `-`.
    Stdout,
    /// A new file beside the old one, which it replaces at once in the end.
    Beside { file: File, path: PathBuf, target: PathBuf },
    /// The thing itself: a pipe or a device, or a file in a folder that takes no new ones.
    Itself { file: File, path: PathBuf },
}

impl OutFile {
    /// Opens the file of a flag; `-` is stdout. What cannot be written is a failure that names the flag and the path (exit 2),
    /// and so is a file that one of the `others` goes to.
    pub(crate) fn open(flag: &'static str, path: &Path, others: &[&Self]) -> Result<Self, Failure> {
        let target = target(path);
        if let Some(other) = others.iter().find(|other| other.place.is_only_for(&target)) {
            let both = format!("{} and {flag} both write to {}", other.flag, path.display());
            return Err(Failure::usage(both).hint("give each a file of its own"));
        }
        let place = OutPlace::open(target).map_err(|error| {
            Failure::usage(format!("cannot write to {} ({flag}): {error}", path.display()))
                .hint("choose a file in a folder that exists and that you may write to")
        })?;
        Ok(Self { flag, path: path.to_owned(), place })
    }

    /// Whether it is stdout.
    pub(crate) const fn is_stdout(&self) -> bool {
        matches!(self.place, OutPlace::Stdout)
    }

    /// Path of the file that will hold the text; `None` where it goes to stdout, a pipe or a device.
    pub(crate) fn regular(&self) -> Option<&Path> {
        match &self.place {
            OutPlace::Beside { target, .. } => Some(target),
            OutPlace::Itself { file, path } => {
                file.metadata().is_ok_and(|found| found.is_file()).then_some(path.as_path())
            }
            OutPlace::Stdout => None,
        }
    }

    /// Flag that named it.
    pub(crate) const fn flag(&self) -> &'static str {
        self.flag
    }

    /// Writes it whole. A reader finds the old content or the new one, and never a part.
    pub(crate) fn write(self, text: &str) -> Result<(), Failure> {
        let Self { flag, path, place } = self;
        place.write(text).map_err(|error| {
            Failure::new(Exit::Failure, format!("could not write to {} ({flag}): {error}", path.display()))
        })
    }
}

/// The file that a path means: through links, so that it is not a link that is replaced, and the same however it is
/// written. `-` is stdout.
fn target(path: &Path) -> PathBuf {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    };
    if path.as_os_str() == STDOUT {
        return path.to_owned();
    }
    if let Ok(found) = fs::canonicalize(path) {
        return found;
    }
    // A pipe of the shell's, as in /dev/fd/63: its link names no path.
    if fs::metadata(path).is_ok() {
        return path.to_owned();
    }
    // A new file, or one that a link promises.
    let path = fs::read_link(path).map_or_else(|_| path.to_owned(), |to| folder(path).join(to));
    match (fs::canonicalize(folder(&path)), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// What stands for stdout.
const STDOUT: &str = "-";

impl OutPlace {
    /// Whether nothing else may go to this file.
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
            // Opening a pipe here would wait for its reader; but a run that nobody reads is not to start.
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
                // Whoever may read the old one may read the new one, and nobody else.
                let kept = old.map_or(Ok(()), |old| file.set_permissions(old.permissions()));
                let place = Self::Beside { file, path, target };
                kept.map(|()| place)
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied && old.is_some() => itself(target),
            Err(error) => Err(error),
        }
    }

    fn write(mut self, text: &str) -> io::Result<()> {
        match &mut self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
                    // Its reader has seen enough.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                    written => written,
                }
            }
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
            // After the rename there is none of that name; and there is nobody to tell.
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
