//! Files for the reports of a run.

use std::path::{Path, PathBuf};

use super::{csv, hgrm, hlog, html, junit, markdown, unbegun};
use crate::bench::summary::Summary;
use crate::exit::Failure;
use crate::outfile::OutFile;

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
    /// The verdict for a CI server (`--junit`).
    pub junit: Option<PathBuf>,
}

/// Flag of the file that is written even if the run could not begin.
const JUNIT: &str = "--junit";

/// What renders one of them.
type Render = fn(&Summary) -> String;

impl OutputPaths {
    fn all(&self) -> impl Iterator<Item = (&'static str, &Path, Render)> {
        let all: [(&'static str, &Option<PathBuf>, Render); 6] = [
            ("--hgrm", &self.hgrm, hgrm),
            ("--hlog", &self.hlog, hlog),
            ("--csv", &self.csv, csv),
            ("--markdown", &self.markdown, markdown),
            ("--html", &self.html, html),
            (JUNIT, &self.junit, junit),
        ];
        all.into_iter().filter_map(|(flag, path, render)| Some((flag, path.as_deref()?, render)))
    }
}

/// Files that are ready to be written. Dropped without [`Outputs::write`], it leaves no trace.
#[derive(Debug, Default)]
pub struct Outputs(Vec<Output>);

#[derive(Debug)]
struct Output {
    file: OutFile,
    render: Render,
}

impl Outputs {
    /// Opens all of them; what cannot be written is a failure that names the flag and the path (exit 2).
    pub fn open_all(paths: &OutputPaths) -> Result<Self, Failure> {
        let mut opened: Vec<Output> = Vec::new();
        for (flag, path, render) in paths.all() {
            let others: Vec<&OutFile> = opened.iter().map(|output| &output.file).collect();
            let file = OutFile::open(flag, path, &others)?;
            opened.push(Output { file, render });
        }
        Ok(Self(opened))
    }

    /// The flag whose report goes to stdout, if any does.
    pub fn on_stdout(&self) -> Option<&'static str> {
        self.0.iter().find(|output| output.file.is_stdout()).map(|output| output.file.flag())
    }

    /// Writes every report. One that fails does not keep the others from being written; the first failure is returned.
    pub fn write(self, summary: &Summary) -> Result<(), Failure> {
        let mut first = None;
        for Output { file, render } in self.0 {
            if let Err(failure) = file.write(&render(summary)) {
                first.get_or_insert(failure);
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Writes the JUnit report of a run that could not begin. The other files stay as they were.
    pub fn write_unbegun(self, failure: &Failure) -> Result<(), Failure> {
        let file = self.0.into_iter().find(|output| output.file.flag() == JUNIT);
        file.map_or(Ok(()), |output| output.file.write(&unbegun(failure)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::exit::Exit;

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
