//! Output of real programs, in a pipe and in a terminal of 100 columns.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

/// Recording, row, and the number of lines with progress in it, with the first and the last percent.
const RECORDINGS: &[(&str, &str, usize, f64, f64)] = &[
    ("7z.pty", "7z", 4, 40.0, 95.0),
    ("7z.pty", "percent alone", 3, 0.0, 0.0),
    ("alive-progress.pty", "alive-progress", 14, 0.0, 100.0),
    ("apt-fetch.pty", "apt, fetching", 14, 0.0, 100.0),
    ("apt-fetch.pty", "doing with percent (apt)", 9, 0.0, 97.0),
    ("apt-install.pipe", "doing with percent (apt)", 6, 15.0, 90.0),
    ("apt-install.pty", "doing with percent (apt)", 22, 0.0, 90.0),
    ("apt-install.pty", "apt", 13, 0.0, 92.0),
    ("aria2.pipe", "aria2", 4, 34.0, 69.0),
    ("aria2.pty", "aria2", 4, 34.0, 69.0),
    ("axel.pty", "percent in brackets (make)", 8, 25.0, 99.0),
    ("borg.pty", "borg", 7, 0.0, 77.1),
    ("borg.pty", "doing with percent (apt)", 1, 66.7, 66.7),
    ("buildah.pipe", "numbered step (podman)", 5, 20.0, 100.0),
    ("buildah.pty", "numbered step (podman)", 5, 20.0, 100.0),
    ("cargo.pty", "bar and step (cargo)", 25, 0.0, 96.0),
    ("cli-progress.pty", "bar and percent", 13, 0.0, 50.0),
    ("click.pty", "bar and percent", 6, 0.0, 97.0),
    ("click.pty", "bar and step (cargo)", 7, 15.0, 100.0),
    ("cmake-make.pipe", "percent in brackets (make)", 14, 8.0, 100.0),
    ("cmake-make.pty", "percent in brackets (make)", 11, 8.0, 83.0),
    ("ctest.pipe", "ctest", 12, 8.33, 100.0),
    ("ctest.pty", "ctest", 12, 8.33, 100.0),
    ("curl-bar.pipe", "curl, bar", 19, 10.0, 100.0),
    ("curl-bar.pty", "curl, bar", 19, 10.0, 100.0),
    ("curl-several.pty", "curl, several", 1, 100.0, 100.0),
    ("curl.pipe", "curl", 5, 0.0, 100.0),
    ("curl.pty", "curl", 5, 0.0, 100.0),
    ("cursor-back.pipe", "doing with percent (apt)", 21, 0.0, 100.0),
    ("cursor-back.pipe", "percent alone", 21, 0.0, 100.0),
    ("ddrescue.pty", "ddrescue", 5, 0.0, 100.0),
    ("enlighten.pty", "percent and bar", 10, 0.0, 75.0),
    ("ffmpeg.pipe", "ffmpeg", 9, 0.0, 99.75),
    ("ffmpeg.pty", "ffmpeg", 29, 0.0, 99.75),
    ("fio.pipe", "fio", 2, 75.0, 100.0),
    ("fio.pty", "fio", 3, 60.0, 100.0),
    ("git.pipe", "git", 23, 0.0, 100.0),
    ("git.pty", "git", 19, 0.0, 100.0),
    ("gradle.pty", "Gradle", 13, 0.0, 50.0),
    ("imagemagick.pipe", "ImageMagick", 20, 100.0, 100.0),
    ("lftp.pty", "lftp", 2, 44.0, 90.0),
    ("mkfs.pty", "doing with percent (apt)", 1, 0.0, 0.0),
    ("mkfs.pty", "doing with step", 4, 0.0, 0.0),
    ("mkfs.pty", "e2fsck", 2, 2.2, 100.0),
    ("ninja.pipe", "step in brackets (ninja, bazel, yarn)", 12, 8.33, 100.0),
    ("ninja.pty", "step in brackets (ninja, bazel, yarn)", 24, 0.0, 100.0),
    ("pip-download.pipe", "pip", 1, 100.0, 100.0),
    ("pip-download.pty", "pip", 3, 0.0, 100.0),
    ("pip-several.pty", "pip", 15, 0.0, 100.0),
    ("progressbar2.pty", "percent alone", 11, 0.0, 100.0),
    ("prove.pty", "prove", 5, 5.0, 20.0),
    ("pv-n.pipe", "number alone (pv -n)", 8, 31.0, 100.0),
    ("pv-n.pty", "number alone (pv -n)", 8, 31.0, 100.0),
    ("pv.pty", "bar and percent", 4, 26.0, 100.0),
    ("pytest-count.pipe", "pytest, count", 3, 42.86, 100.0),
    ("pytest-v.pipe", "pytest", 8, 0.0, 100.0),
    ("pytest-v.pty", "pytest", 8, 0.0, 100.0),
    ("pytest-xdist.pipe", "pytest", 13, 100.0, 100.0),
    ("pytest.pipe", "pytest", 5, 22.0, 100.0),
    ("pytest.pty", "pytest", 4, 28.0, 100.0),
    ("qemu-img.pipe", "qemu-img", 22, 0.0, 100.0),
    ("rclone-one-line.pipe", "rclone", 2, 57.0, 100.0),
    ("rclone.pipe", "rclone", 10, 2.0, 20.0),
    ("rclone.pty", "rclone", 9, 2.0, 18.0),
    ("restic.pty", "restic", 5, 100.0, 100.0),
    ("rich-several.pty", "bar and percent", 10, 0.0, 75.0),
    ("rich-several.pty", "bar and step (cargo)", 6, 0.0, 100.0),
    ("rich.pipe", "bar and percent", 1, 100.0, 100.0),
    ("rich.pty", "bar and percent", 17, 0.0, 100.0),
    ("rsync-many.pipe", "rsync", 13, 0.0, 100.0),
    ("rsync-many.pty", "rsync", 13, 0.0, 100.0),
    ("rsync.pipe", "rsync", 5, 0.0, 100.0),
    ("rsync.pty", "rsync", 5, 0.0, 100.0),
    ("sox.pipe", "sox", 23, 0.0, 99.6),
    ("sox.pty", "sox", 21, 0.0, 95.8),
    ("tqdm-nested.pty", "tqdm", 22, 0.0, 100.0),
    ("tqdm.pipe", "tqdm", 27, 0.0, 100.0),
    ("tqdm.pty", "tqdm", 27, 0.0, 100.0),
    ("uv.pty", "bar and step (cargo)", 3, 50.0, 100.0),
    ("uv.pty", "doing with step", 4, 0.0, 50.0),
    ("webpack.pty", "percent alone", 3, 0.0, 100.0),
    ("webpack.pty", "webpack", 20, 1.0, 99.0),
    ("wget.pipe", "wget, dots", 56, 1.0, 71.0),
    ("wget.pty", "wget, bar", 11, 0.0, 100.0),
    ("xorriso.pty", "percent done (badblocks, xorriso, nmap)", 2, 12.37, 83.02),
    ("xz.pty", "xz", 2, 69.4, 100.0),
    ("yt-dlp.pipe", "yt-dlp", 14, 0.0, 100.0),
    ("yt-dlp.pty", "yt-dlp", 14, 0.0, 100.0),
    ("zstd.pty", "zstd", 2, 0.0, 0.0),
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

#[test]
fn the_last_progress_does_not_depend_on_how_a_recording_comes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/progress/recorded");
    for file in RECORDINGS.iter().map(|(file, ..)| file).collect::<BTreeSet<_>>() {
        let bytes = fs::read(folder.join(file)).unwrap();
        let last = |size: usize| {
            let (mut recogniser, mut lines, mut last) = (Recogniser::new(None), Lines::default(), None);
            let mut each = |line: Line<'_>| last = recogniser.recognise(line.bytes).or(last.take());
            bytes.chunks(size).for_each(|chunk| lines.feed(chunk, &mut each));
            lines.end(&mut each);
            last
        };
        for size in [1, 7, 1000] {
            assert_eq!(last(size), last(bytes.len()), "{file} in reads of {size}");
        }
    }
}

/// Rows and percents of a recording, as it comes in one read.
fn read(bytes: &[u8]) -> Vec<(&'static str, f64)> {
    let (mut recogniser, mut lines, mut found) = (Recogniser::new(None), Lines::default(), Vec::new());
    lines.feed(bytes, |line| found.extend(recogniser.recognise(line.bytes)));
    lines.end(|line| found.extend(recogniser.recognise(line.bytes)));
    found.into_iter().filter_map(|(name, progress)| Some((name, progress.percent?))).collect()
}
