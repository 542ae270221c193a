//! The files that a run's reports go into: shown to be writable before the run, written whole after it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{csv, hgrm, hlog, html, markdown};
use crate::bench::summary::Summary;
use crate::exit::{Exit, Failure};

/// Where each report goes; `None` where it is not wanted, `-` for stdout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputPaths {
    /// The percentile distribution (`--hgrm`).
    pub hgrm: Option<PathBuf>,
    /// The interval log (`--hlog`).
    pub hlog: Option<PathBuf>,
    /// A row for every interval (`--csv`).
    pub csv: Option<PathBuf>,
    /// Tables to paste (`--markdown`).
    pub markdown: Option<PathBuf>,
    /// The page (`--html`).
    pub html: Option<PathBuf>,
}

/// What renders one of them.
type Render = fn(&Summary) -> String;

impl OutputPaths {
    fn all(&self) -> impl Iterator<Item = (&'static str, &Path, Render)> {
        let all: [(&'static str, &Option<PathBuf>, Render); 5] = [
            ("--hgrm", &self.hgrm, hgrm),
            ("--hlog", &self.hlog, hlog),
            ("--csv", &self.csv, csv),
            ("--markdown", &self.markdown, markdown),
            ("--html", &self.html, html),
        ];
        all.into_iter().filter_map(|(flag, path, render)| Some((flag, path.as_deref()?, render)))
    }
}

/// Files that are ready to be written. Dropped without [`Outputs::write`], it leaves no trace.
#[derive(Debug, Default)]
pub struct Outputs(Vec<Output>);

#[derive(Debug)]
struct Output {
    flag: &'static str,
    path: PathBuf,
    render: Render,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Standard output, asked for as `-`.
    Stdout,
    /// A new file beside the old one, which it replaces at once in the end.
    Beside { file: File, path: PathBuf, target: PathBuf },
    /// The thing itself: a pipe or a device, or a file in a folder that takes no new ones.
    Itself { file: File, path: PathBuf },
}

impl Outputs {
    /// Opens all of them; what cannot be written is a failure that names the flag and the path (exit 2).
    pub fn open_all(paths: &OutputPaths) -> Result<Self, Failure> {
        let mut opened: Vec<Output> = Vec::new();
        for (flag, path, render) in paths.all() {
            let target = target(path);
            if let Some(other) = opened.iter().find(|other| other.place.is_only_for(&target)) {
                let both = format!("{} and {flag} both write to {}", other.flag, path.display());
                return Err(Failure::usage(both).hint("give each a file of its own"));
            }
            let place = Place::open(target).map_err(|error| {
                Failure::usage(format!("cannot write to {} ({flag}): {error}", path.display()))
                    .hint("choose a file in a folder that exists and that you may write to")
            })?;
            opened.push(Output { flag, path: path.to_owned(), render, place });
        }
        Ok(Self(opened))
    }

    /// The flag whose report goes to stdout, if any does.
    pub fn on_stdout(&self) -> Option<&'static str> {
        self.0.iter().find(|output| matches!(output.place, Place::Stdout)).map(|output| output.flag)
    }

    /// Writes every report. One that fails does not keep the others from being written; the first failure is returned.
    pub fn write(self, summary: &Summary) -> Result<(), Failure> {
        let mut first = None;
        for output in self.0 {
            let (flag, path) = (output.flag, output.path);
            if let Err(error) = output.place.write(&(output.render)(summary)) {
                let text = format!("could not write to {} ({flag}): {error}", path.display());
                first.get_or_insert(Failure::new(Exit::Failure, text));
            }
        }
        first.map_or(Ok(()), Err)
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
    // A new file, or one that a link promises.
    let path = fs::read_link(path).map_or_else(|_| path.to_owned(), |to| folder(path).join(to));
    match (fs::canonicalize(folder(&path)), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// What stands for stdout.
const STDOUT: &str = "-";

impl Place {
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

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Beside { path, .. } = self {
            // After the rename there is none of that name; and there is nobody to tell.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_written_whole_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(folder.path().join(name));
        fs::write(path("r.csv").unwrap(), "old").unwrap();
        let paths = OutputPaths {
            csv: path("r.csv"),
            html: path("r.html"),
            hgrm: path("r.hgrm"),
            ..OutputPaths::default()
        };
        let outputs = Outputs::open_all(&paths).unwrap();
        assert_eq!(fs::read_to_string(path("r.csv").unwrap()).unwrap(), "old");
        outputs.write(&Summary::example()).unwrap();
        assert_eq!(names(folder.path()), ["r.csv", "r.hgrm", "r.html"]);
        assert!(fs::read_to_string(path("r.csv").unwrap()).unwrap().starts_with("at_seconds,"));
    }

    #[test]
    fn a_run_that_never_was_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let paths = OutputPaths { csv: Some(folder.path().join("r.csv")), ..OutputPaths::default() };
        drop(Outputs::open_all(&paths).unwrap());
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn what_cannot_be_written_is_said_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none/r.html");
        let failure =
            Outputs::open_all(&OutputPaths { html: Some(missing), ..OutputPaths::default() }).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("none/r.html (--html): "), "{failure}");
        let folder_itself = OutputPaths { hlog: Some(folder.path().to_owned()), ..OutputPaths::default() };
        let failure = Outputs::open_all(&folder_itself).unwrap_err();
        assert!(failure.message.contains("(--hlog): is a directory"), "{failure}");
        let same = Some(folder.path().join("r"));
        let failure =
            Outputs::open_all(&OutputPaths { csv: same.clone(), html: same, ..OutputPaths::default() })
                .unwrap_err();
        assert!(failure.message.starts_with("--csv and --html both write to "), "{failure}");
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn one_file_by_two_names_is_found_out_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("old"), "old").unwrap();
        std::os::unix::fs::symlink("old", folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("new", folder.path().join("promise")).unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        for (one, other) in [("old", "link"), ("new", "sub/../new"), ("promise", "new"), ("new", "./new")] {
            let path = |name: &str| Some(folder.path().join(name));
            let paths = OutputPaths { csv: path(one), html: path(other), ..OutputPaths::default() };
            let failure = Outputs::open_all(&paths).unwrap_err();
            assert!(failure.message.starts_with("--csv and --html both write to "), "{failure}");
        }
        let out = Some(PathBuf::from("-"));
        let paths = OutputPaths { csv: out.clone(), html: out.clone(), ..OutputPaths::default() };
        assert_eq!(Outputs::open_all(&paths).unwrap_err().message, "--csv and --html both write to -");
        let paths = OutputPaths { csv: out, ..OutputPaths::default() };
        assert_eq!(Outputs::open_all(&paths).unwrap().on_stdout(), Some("--csv"));
        assert_eq!(names(folder.path()), ["link", "old", "promise", "sub"]);
        // What a link promised is made, and the link stays.
        let paths = OutputPaths { csv: Some(folder.path().join("promise")), ..OutputPaths::default() };
        Outputs::open_all(&paths).unwrap().write(&Summary::example()).unwrap();
        assert_eq!(names(folder.path()), ["link", "new", "old", "promise", "sub"]);
    }

    #[test]
    fn a_report_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.csv");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let paths = OutputPaths { csv: Some(path.clone()), ..OutputPaths::default() };
        Outputs::open_all(&paths).unwrap().write(&Summary::example()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let null = Some(PathBuf::from("/dev/null"));
        let paths = OutputPaths { csv: null.clone(), html: null, ..OutputPaths::default() };
        Outputs::open_all(&paths).unwrap().write(&Summary::example()).unwrap();
    }
}
