//! Output of real programs, in a pipe and in a terminal of 100 columns.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

/// Recording, row, and the number of lines with progress in it, with the first and the last percent.
const RECORDINGS: &[(&str, &str, usize, f64, f64)] = &[
    ("apt-install.pipe", "doing with percent (apt)", 6, 15.0, 90.0),
    ("apt-install.pty", "doing with percent (apt)", 22, 0.0, 90.0),
    ("apt-install.pty", "apt", 13, 0.0, 92.0),
    ("aria2.pipe", "aria2", 4, 34.0, 69.0),
    ("aria2.pty", "aria2", 4, 34.0, 69.0),
    ("buildah.pipe", "numbered step (podman)", 5, 20.0, 100.0),
    ("buildah.pty", "numbered step (podman)", 5, 20.0, 100.0),
    ("cargo.pty", "bar and step (cargo)", 25, 0.0, 96.0),
    ("cmake-make.pipe", "percent in brackets (make)", 14, 8.0, 100.0),
    ("cmake-make.pty", "percent in brackets (make)", 11, 8.0, 83.0),
    ("ctest.pipe", "ctest", 12, 8.33, 100.0),
    ("ctest.pty", "ctest", 12, 8.33, 100.0),
    ("curl-bar.pipe", "curl, bar", 19, 10.0, 100.0),
    ("curl-bar.pty", "curl, bar", 19, 10.0, 100.0),
    ("curl.pipe", "curl", 5, 0.0, 100.0),
    ("curl.pty", "curl", 5, 0.0, 100.0),
    ("ffmpeg.pipe", "ffmpeg", 9, 0.0, 99.75),
    ("ffmpeg.pty", "ffmpeg", 29, 0.0, 99.75),
    ("git.pipe", "git", 23, 0.0, 100.0),
    ("git.pty", "git", 19, 0.0, 100.0),
    ("ninja.pipe", "step in brackets (ninja, yarn)", 12, 8.33, 100.0),
    ("ninja.pty", "step in brackets (ninja, yarn)", 24, 0.0, 100.0),
    ("pip-download.pipe", "pip", 1, 100.0, 100.0),
    ("pip-download.pty", "pip", 3, 0.0, 100.0),
    ("pv-n.pipe", "number alone (pv -n)", 8, 31.0, 100.0),
    ("pv-n.pty", "number alone (pv -n)", 8, 31.0, 100.0),
    ("pv.pty", "bar and percent", 4, 26.0, 100.0),
    ("pytest-count.pipe", "pytest, count", 3, 42.86, 100.0),
    ("pytest-v.pipe", "pytest", 8, 0.0, 100.0),
    ("pytest-v.pty", "pytest", 8, 0.0, 100.0),
    ("pytest.pipe", "pytest", 5, 22.0, 100.0),
    ("pytest.pty", "pytest", 4, 28.0, 100.0),
    ("rclone.pipe", "rclone", 10, 2.0, 20.0),
    ("rclone.pty", "rclone", 9, 2.0, 18.0),
    ("rich.pipe", "bar and percent", 1, 100.0, 100.0),
    ("rich.pty", "bar and percent", 17, 0.0, 100.0),
    ("rsync-many.pipe", "rsync", 13, 0.0, 100.0),
    ("rsync-many.pty", "rsync", 13, 0.0, 100.0),
    ("rsync.pipe", "rsync", 5, 0.0, 100.0),
    ("rsync.pty", "rsync", 5, 0.0, 100.0),
    ("tqdm.pipe", "tqdm", 27, 0.0, 100.0),
    ("tqdm.pty", "tqdm", 27, 0.0, 100.0),
    ("wget.pipe", "wget, dots", 56, 1.0, 71.0),
    ("wget.pty", "wget, bar", 11, 0.0, 100.0),
    ("xz.pty", "xz", 2, 69.4, 100.0),
    ("yt-dlp.pipe", "yt-dlp", 14, 0.0, 100.0),
    ("yt-dlp.pty", "yt-dlp", 14, 0.0, 100.0),
];

#[test]
fn programs_are_recognised() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/progress/recorded");
    let mut wrong = Vec::new();
    let mut rest: BTreeSet<String> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    rest.remove("no-progress.txt");
    for (file, row, count, first, last) in RECORDINGS {
        rest.remove(*file);
        let bytes = fs::read(folder.join(file)).unwrap();
        let found: Vec<f64> =
            read(&bytes).into_iter().filter(|(name, _)| name == row).map(|(_, percent)| percent).collect();
        let seen =
            (found.len(), found.first().copied().unwrap_or(-1.0), found.last().copied().unwrap_or(-1.0));
        if seen != (*count, *first, *last) {
            wrong.push(format!("{file} by {row}: {seen:?}"));
        }
    }
    for file in rest {
        let found = read(&fs::read(folder.join(&file)).unwrap());
        let rows: BTreeSet<_> = found.iter().map(|(name, _)| *name).collect();
        for row in &rows {
            let of: Vec<f64> =
                found.iter().filter(|(name, _)| name == row).map(|(_, percent)| *percent).collect();
            wrong.push(format!(
                "(\"{file}\", \"{row}\", {}, {:?}, {:?}),",
                of.len(),
                of[0],
                of[of.len() - 1]
            ));
        }
        if rows.is_empty() {
            wrong.push(format!("{file}: nothing"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows and percents of a recording, as it comes in reads of any size.
fn read(bytes: &[u8]) -> Vec<(&'static str, f64)> {
    let (mut recogniser, mut lines, mut found) = (Recogniser::new(None), Lines::default(), Vec::new());
    lines.feed(bytes, |line| found.extend(recogniser.recognise(line.bytes)));
    lines.end(|line| found.extend(recogniser.recognise(line.bytes)));
    found.into_iter().filter_map(|(name, progress)| Some((name, progress.percent?))).collect()
}
