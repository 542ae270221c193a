//! `--replay`, `--speed` and `--as`: recordings that are played again.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::dialect::{Dialects, Source, Target};
use crate::exit::Failure;
use crate::publish::replay::{Place, ReplayOptions, Speed, Survey, survey};

/// Bytes that are read from a recording at a time.
pub(super) const BUFFER: usize = 64 << 10;

/// A recording that is there as a whole.
pub(super) struct Recording {
    /// The file, at its beginning.
    pub(super) file: File,
    /// Survey of the recording: its targets, events and bad lines.
    pub(super) survey: Survey,
}

impl Recording {
    /// Reads all of a recording. Fails where no part of it can be played.
    pub(super) fn read(mut file: File, path: &Path, options: &ReplayOptions) -> Result<Self, Failure> {
        let mut survey = survey(BufReader::with_capacity(BUFFER, &file), options.clone())
            .and_then(|survey| file.rewind().map(|()| survey))
            .map_err(|error| unreadable(path, &error))?;
        survey.check()?;
        Ok(Self { file, survey })
    }
}

/// Whether a path means standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Opens a recording.
pub(super) fn open(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    match file.metadata() {
        Ok(found) if found.is_dir() => Err(unreadable(path, &io::Error::from(ErrorKind::IsADirectory))),
        Ok(_) => Ok(file),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Whether a file is there as a whole, and can be read twice.
pub(super) fn is_whole(file: &File) -> bool {
    file.metadata().is_ok_and(|found| found.is_file())
}

/// A file with all that is left to read of a pipe. It has no name, so that nothing of it stays.
pub(super) fn spooled(mut input: impl io::Read, path: &Path) -> Result<File, Failure> {
    let mut spool = || -> io::Result<File> {
        let name = std::env::temp_dir().join(format!(
            "jobwire-{}-{:016x}",
            std::process::id(),
            rand::random::<u64>()
        ));
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&name)?;
        std::fs::remove_file(&name)?;
        io::copy(&mut input, &mut file)?;
        file.flush()?;
        file.rewind()?;
        Ok(file)
    };
    spool().map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let what = if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
    Failure::usage(format!("cannot read {what} (--replay): {error}"))
}

/// New target of a recorded job or channel.
pub(super) fn renamed(text: &str, dialects: &Dialects) -> Result<Place, Failure> {
    let target = Target::parse(text, dialects, None);
    let place = match target.map_err(|error| Failure::usage(format!("--as: {error}")))? {
        Target::Job { dialect, job } => Place { dialect, job },
        Target::Channel { dialect, name } => Place { dialect, job: name.to_string() },
        Target::Every { .. } | Target::Room { .. } | Target::Url { .. } => {
            return Err(Failure::usage(format!(
                "--as names a job or a channel; got '{}'",
                text.escape_debug()
            ))
            .hint("as in --as celery/again or --as channel:campaigns"));
        }
    };
    match &place.dialect.publisher {
        Some(publisher) if matches!(place.dialect.source, Source::Queues { .. }) => {
            let name = &place.dialect.name;
            Err(Failure::usage(format!(
                "{publisher} publishes the events of {name}; jobwire only watches them"
            )))
        }
        _ => Ok(place),
    }
}

/// Value of `--speed` for a recording.
pub(super) fn speed(given: Speed) -> Result<Speed, Failure> {
    match given {
        Speed::Times(times) if !(times > 0.0 && times.is_finite()) => {
            Err(Failure::usage(format!("a speed is a positive number or max; got {times}")))
        }
        speed => Ok(speed),
    }
}

/// Parses a value of `--speed`.
pub(super) fn parse_speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let times = text.parse().map(Speed::Times);
    times.map_err(|_| "a speed is a number, as in 2 or 0.5, or max".to_owned())
}
