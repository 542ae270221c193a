//! `--port-file`: a file with the relay's port, for scripts.

use std::fs;
use std::path::{Path, PathBuf};

use crate::exit::Failure;
use crate::outfile::OutFile;

/// Flag that names the file.
const FLAG: &str = "--port-file";

/// File with the port of the relay's first listener in one line. Dropping removes the file, unless it has another content by now.
#[derive(Debug)]
pub(super) struct PortFile {
    /// Path of the file; `None` for a pipe, a device or stdout, which are not removed.
    path: Option<PathBuf>,
    port: u16,
}

impl PortFile {
    /// Opens the file before the relay starts. A named pipe needs a reader.
    pub(super) fn open(path: &Path) -> Result<OutFile, Failure> {
        OutFile::open(FLAG, path, &[])
    }

    /// Writes or replaces the file. Readers find the whole line, or the old content before it, except where the file has to be
    /// written in place ([`OutFile::write`]); there they may find nothing yet.
    pub(super) fn write(file: OutFile, port: u16) -> Result<Self, Failure> {
        let path = file.regular().map(Path::to_owned);
        file.write(&format!("{port}\n"))?;
        Ok(Self { path, port })
    }
}

impl Drop for PortFile {
    fn drop(&mut self) {
        let Some(path) = &self.path else { return };
        if fs::read_to_string(path).is_ok_and(|text| text == format!("{}\n", self.port)) {
            // A file that cannot be removed names a port without a listener, which does no harm.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(path: &Path, port: u16) -> PortFile {
        PortFile::write(PortFile::open(path).unwrap(), port).unwrap()
    }

    #[test]
    fn a_file_is_there_until_its_relay_is_gone_or_another_has_written_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        fs::write(&path, "stale").unwrap();
        let file = write(&path, 8000);
        assert_eq!(fs::read_to_string(&path).unwrap(), "8000\n");
        let other = write(&path, 8001);
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "8001\n");
        drop(other);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no draft is left either");
    }

    #[test]
    fn a_pipe_is_written_and_stays_and_a_link_keeps_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link, file) =
            (folder.path().join("pipe"), folder.path().join("link"), folder.path().join("file"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        let reading = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        drop(write(&pipe, 8000));
        assert_eq!(reading.join().unwrap(), "8000\n");
        assert!(pipe.exists(), "what is no file is not removed");
        symlink(&file, &link).unwrap();
        let written = write(&link, 8001);
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "8001\n");
        drop(written);
        assert!(!file.exists() && link.is_symlink());
    }

    #[test]
    fn what_is_no_place_for_a_file_is_an_error_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("folder");
        fs::create_dir(&taken).unwrap();
        for path in [taken, folder.path().join("missing/port"), PathBuf::from("/"), PathBuf::new()] {
            let failure = PortFile::open(&path).unwrap_err();
            assert!(failure.message.contains("(--port-file)"), "{failure}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
