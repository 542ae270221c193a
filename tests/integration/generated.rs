//! What is generated from the command line is committed; these tests fail when it is stale.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::jobwire;

fn committed(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[track_caller]
fn assert_fresh(generated: &BTreeMap<String, String>, folder: &str) {
    let committed = files(&committed(folder));
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(generated), names(&committed), "{folder}/ is stale: run scripts/regen");
    for (name, text) in generated {
        assert!(text == &committed[name], "{folder}/{name} is stale: run scripts/regen");
    }
}

#[test]
fn manual_pages_are_what_the_binary_writes() {
    let dir = TempDir::new().unwrap();
    let pages = dir.path().join("deep/er");
    let output = jobwire(&["man", pages.to_str().unwrap()]);
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (0, "", ""));
    let pages = files(&pages);
    assert_fresh(&pages, "man");
    for (name, page) in pages.iter().filter(|(name, _)| name.ends_with(".1")) {
        assert_eq!(page.matches("\n.SH EXAMPLES\n.nf\n").count(), 1, "{name}");
        assert!(!page.contains(".SH EXTRA") && !page.contains("Exit codes:"), "{name}");
        let verb = name.trim_end_matches(".1").trim_start_matches("jobwire").split('-');
        let help = jobwire(&verb.filter(|word| !word.is_empty()).chain(["--help"]).collect::<Vec<_>>());
        assert_eq!(synopsis(page), usage(&help.stdout), "{name}");
    }
}

/// Forms of the command in a manual page, as plain text.
fn synopsis(page: &str) -> Vec<String> {
    let lines = page.lines().skip_while(|line| *line != ".SH SYNOPSIS").skip(1);
    let forms = lines.take_while(|line| !line.starts_with(".SH")).filter(|line| *line != ".br");
    forms.map(|line| line.replace("\\fB", "").replace("\\fR", "").replace("\\-", "-")).collect()
}

/// Forms of the command in its help.
fn usage(help: &str) -> Vec<String> {
    let lines =
        help.lines().skip_while(|line| !line.starts_with("Usage: ")).take_while(|line| !line.is_empty());
    lines.map(|line| line.trim_start_matches("Usage: ").trim().to_owned()).collect()
}

#[test]
fn completions_are_what_the_binary_prints() {
    let scripts = [("bash", "jobwire.bash"), ("zsh", "_jobwire"), ("fish", "jobwire.fish")];
    let generated = scripts.map(|(shell, file)| {
        let output = jobwire(&["completions", shell]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        (file.to_owned(), output.stdout)
    });
    assert_fresh(&generated.into_iter().collect(), "completions");
}
