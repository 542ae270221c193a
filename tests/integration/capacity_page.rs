//! `jobwire-capacity.7` is written by hand around what `scripts/capacity` computes; these tests keep them in agreement.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Output, Process, program};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn capacity(args: &[&str]) -> Output {
    let mut command = Command::new("python3");
    command.arg(root().join("scripts/capacity")).args(args).env("PYTHONDONTWRITEBYTECODE", "1");
    Process::spawn(&mut command).finish(Duration::from_mins(2))
}

#[test]
fn it_has_the_figures_and_the_tables_that_the_script_computes() {
    let output = capacity(&[]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let page = fs::read_to_string(root().join("man/jobwire-capacity.7")).unwrap().replace("\\-", "-");
    let blocks: Vec<&str> = output.stdout.trim_end().split("\n\n").collect();
    assert_eq!(blocks.len(), 5, "{}", output.stdout);
    for block in blocks {
        assert!(
            page.contains(&format!("\n.nf\n{block}\n.fi\n")),
            "man/jobwire-capacity.7 is without\n{block}"
        );
    }
    assert!(page.contains(concat!("\"jobwire ", env!("CARGO_PKG_VERSION"), "\"")));
}

#[test]
fn more_watchers_never_need_fewer_machines() {
    let scales: Vec<String> = (3..14).map(|power| (1 << (2 * power)).to_string()).collect();
    let args: Vec<&str> = scales.iter().flat_map(|scale| ["--watchers", scale.as_str()]).collect();
    let output = capacity(&args);
    let tables: Vec<&str> = output.stdout.split("\n\n").skip(1).collect();
    assert_eq!((output.code, tables.len()), (0, 4), "{}", output.stderr);
    for table in tables {
        let rows = table.lines().skip(2).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let relays: Vec<u64> = rows.map(|row| row[3].parse().unwrap()).collect();
        assert_eq!(relays.len(), scales.len(), "{table}");
        assert!(relays.is_sorted(), "{table}");
    }
}

#[test]
fn it_is_measured_anew_from_reports_of_bench() {
    let folder = TempDir::new().unwrap();
    let (reports, mine): (PathBuf, PathBuf) =
        (folder.path().join("reports"), folder.path().join("mine.json"));
    let [reports, mine] = [&reports, &mine].map(|path| path.to_str().unwrap());
    let output = capacity(&["--measure", reports, "--quick", "--binary", program().to_str().unwrap()]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let output = capacity(&["--from", reports]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    fs::write(mine, &output.stdout).unwrap();
    let ours: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(root().join("scripts/capacity.json")).unwrap()).unwrap();
    let theirs: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let names =
        |figures: &serde_json::Value| figures.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&theirs), names(&ours));
    assert!(
        theirs["bytes_a_job"].as_i64().is_some() && theirs["publish_micros"].as_f64() > Some(0.0),
        "{theirs}"
    );
}

#[test]
fn a_file_without_figures_is_refused_in_a_line() {
    let output = capacity(&["--figures", "/nowhere/figures.json"]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.starts_with("error: ") && output.stderr.lines().count() == 1, "{}", output.stderr);
}
