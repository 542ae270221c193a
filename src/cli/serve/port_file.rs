//! `--port-file`: the port of a relay, for scripts.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file that holds the port of the relay's first listener on a line. It is removed when this is dropped, unless another relay
/// has written it by then.
#[derive(Debug)]
pub(super) struct PortFile {
    path: PathBuf,
    port: u16,
}

impl PortFile {
    /// Writes the file, or replaces it, in one step: a reader finds the whole line or no new file.
    pub(super) fn write(path: &Path, port: u16) -> io::Result<Self> {
        let mut name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_os_string();
        // Beside it: only within a file system is a file renamed in one step.
        name.push(format!(".{}", std::process::id()));
        let draft = path.with_file_name(name);
        let written = File::create(&draft)
            .and_then(|mut file| writeln!(file, "{port}"))
            .and_then(|()| fs::rename(&draft, path));
        if let Err(error) = written {
            // The first error is the one to tell.
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        Ok(Self { path: path.to_owned(), port })
    }
}

impl Drop for PortFile {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| text == format!("{}\n", self.port)) {
            // A file that cannot be removed names a port that nobody listens on.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_until_its_relay_is_gone_or_another_has_written_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        fs::write(&path, "stale").unwrap();
        let file = PortFile::write(&path, 8000).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "8000\n");
        let other = PortFile::write(&path, 8001).unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "8001\n");
        drop(other);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no draft is left either");
    }

    #[test]
    fn what_is_no_place_for_a_file_is_an_error_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("folder");
        fs::create_dir(&taken).unwrap();
        for path in [taken, folder.path().join("missing/port"), PathBuf::from("/"), PathBuf::new()] {
            assert!(PortFile::write(&path, 1).is_err(), "{}", path.display());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
