//! Tests with recordings of real programs, with forms that scripts write, and with lines that only look like progress.

use proptest::collection::vec;
use proptest::prelude::*;

use super::table::rows;
use super::*;

mod precision;
mod recordings;

/// Progress that a new recogniser finds in a line, with the name of the row.
fn one(line: &str) -> Option<(&'static str, Progress)> {
    Recogniser::new(None).recognise(line.as_bytes())
}

#[test]
fn each_row_recognises_its_example() {
    let before = |name: &str| match name {
        "ffmpeg" => &["Duration: 00:00:40.00, start: 0.000000, bitrate: 45 kb/s"][..],
        "number alone (pv -n)" => &["10", "20"],
        _ => &[],
    };
    for row in rows() {
        let mut recogniser = Recogniser::new(None);
        for line in before(row.name) {
            assert_eq!(recogniser.line(line.as_bytes()), None, "{}", row.name);
        }
        let (name, progress) = recogniser.recognise(row.example.as_bytes()).expect(row.name);
        assert_eq!(name, row.name, "{:?}", row.example);
        assert!(progress.percent.is_some(), "{}", row.name);
    }
}

/// Lines of scripts and log files, with the percent of each.
const FORMS: &[(&str, f64)] = &[
    ("45%", 45.0),
    ("  45.5 %  ", 45.5),
    ("100%", 100.0),
    ("0%", 0.0),
    ("[45%]", 45.0),
    ("(45%)", 45.0),
    ("45% complete", 45.0),
    ("45% done", 45.0),
    ("45% (36/80)", 45.0),
    ("[ 45%] linking", 45.0),
    ("[12/80]", 15.0),
    ("[12/80] Building", 15.0),
    ("[ 12 / 80 ] Compiling a.c", 15.0),
    ("[12 of 80] Compiling Main", 15.0),
    ("12/80", 15.0),
    ("12 / 80", 15.0),
    ("12 of 80", 15.0),
    ("12 out of 80", 15.0),
    ("12 of 80 files", 15.0),
    ("12/80 files copied", 15.0),
    ("12 of 80 done", 15.0),
    ("12/80 (15%)", 15.0),
    ("(12/80)", 15.0),
    ("(12/80): Installing x", 15.0),
    ("(12/80) upgrading libx", 15.0),
    ("Step 12/80 : RUN make", 15.0),
    ("Step 12 of 80: build", 15.0),
    ("step 12/80", 15.0),
    ("==> Step 12/80", 15.0),
    ("Epoch 12/80", 15.0),
    ("Epoch 12/80 - loss: 0.25", 15.0),
    ("Epoch [12/80], loss 0.25", 15.0),
    ("Processing 12/80", 15.0),
    ("Processing 12 of 80", 15.0),
    ("Processing file 12 of 80: a.txt", 15.0),
    ("Processing a.txt (12/80)", 15.0),
    ("Processed 12/80 files", 15.0),
    ("Processed 12/80", 15.0),
    ("Checked 12/80 files", 15.0),
    ("Checked 12 of 80", 15.0),
    ("Linking - 12/80", 15.0),
    ("Downloading: 45%", 45.0),
    ("Downloading a-1.2.3.tar.gz: 45%", 45.0),
    ("Downloading https://example.org/a/b.bin ... 45%", 45.0),
    ("Downloading b.bin 45% (1.2 MB/s)", 45.0),
    ("Downloaded 45%", 45.0),
    ("Progress: 45%", 45.0),
    ("progress=45%", 45.0),
    ("Progress: 45.5% complete", 45.5),
    ("Uploading... 45% done", 45.0),
    ("[=====>     ] 45%", 45.0),
    ("[#####     ] 45% eta 3s", 45.0),
    ("Copying |#####     | 45%", 45.0),
    ("2026-11-30 09:45:12,123 INFO Processing 12/80", 15.0),
    ("[09:45:12] [INFO] app: Processing 12/80", 15.0),
    ("Nov 30 09:45:12 host backup[123]: Copying: 45%", 45.0),
    ("[INFO] 45%", 45.0),
    ("2026-11-30T12:23:00.1234567Z [12/80] Building", 15.0),
    ("45% ETA 0:01", 45.0),
    ("45% 1.2 MB/s", 45.0),
    ("Processed 1,200 of 8,000 records", 15.0),
    ("[1,200 / 8,000] Compiling a.cc", 15.0),
    ("Downloaded 12 of 80 MB", 15.0),
    ("Downloading 12/80 MB", 15.0),
    ("Uploaded 12 / 80 files (15%)", 15.0),
    ("Progress: 12/80 [15%]", 15.0),
];

#[test]
fn forms_that_scripts_write_are_read() {
    for (line, percent) in FORMS {
        assert_eq!(one(line).and_then(|(_, progress)| progress.percent), Some(*percent), "{line:?}");
    }
}

#[test]
fn steps_and_messages_come_with_the_percent() {
    let full = |line| {
        let progress = one(line).unwrap().1;
        (progress.step.zip(progress.total), progress.message)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(full("[12/80] Building C object a.o"), (Some((12, 80)), some("Building C object a.o")));
    assert_eq!(full("[ 45%] Building C object a.o"), (None, some("Building C object a.o")));
    assert_eq!(full("Receiving objects:  15% (12/80), 1 MiB"), (Some((12, 80)), some("Receiving objects")));
    assert_eq!(full("Uploaded 12 / 80 files (15%)"), (Some((12, 80)), some("Uploaded")));
    assert_eq!(full("45% building 12/80 modules"), (None, some("building 12/80 modules")));
    assert_eq!(full("(12/80) installing a   [###---]  45%"), (Some((12, 80)), some("installing a")));
    assert_eq!(full("Downloading a.bin: 45%"), (None, some("Downloading a.bin")));
    assert_eq!(full("\x1b[1mCopying\x1b[0m a\tb 12/80"), (Some((12, 80)), some("Copying a b")));
}

#[test]
fn escape_sequences_and_bytes_that_are_no_text_are_no_hindrance() {
    let percent = |line: &[u8]| Recogniser::new(None).line(line)?.percent;
    assert_eq!(percent(b"\x1b[2K\x1b[1;32m45\x1b[0m%"), Some(45.0));
    assert_eq!(percent(b"\x1b]0;99%\x07[12/80] \xff\xfe"), Some(15.0));
    assert_eq!(percent(b"Downloading caf\xe9.bin: 45%"), Some(45.0));
    assert_eq!(percent(b"\xff45%\xff"), None);
}

#[test]
fn a_pattern_stands_in_the_place_of_the_table() {
    let pattern = ProgressPattern::new(r"^part (?<step>\d+)$").unwrap();
    let mut recogniser = Recogniser::new(Some(&pattern));
    assert_eq!(recogniser.line(b"\x1b[1mpart 3").and_then(|progress| progress.step), Some(3));
    assert_eq!(recogniser.line(b"45%"), None);
}

#[test]
fn a_line_of_megabytes_is_nothing_and_takes_no_time() {
    let mut recogniser = Recogniser::new(None);
    for text in ["1/2 ", "45% ", "\x1b[1m", "Downloading [=", "9 of 9 "] {
        let line = text.repeat((10 << 20) / text.len());
        assert_eq!(recogniser.line(line.as_bytes()), None);
        let mut told = 0;
        let mut lines = Lines::default();
        lines.feed(line.as_bytes(), |line| told += line.bytes.len());
        lines.end(|line| {
            told += line.bytes.len();
            recogniser.line(line.bytes);
        });
        assert!(told <= 16 << 10);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(line in vec(any::<u8>(), 0..300)) {
        check(&line)?;
    }

    #[test]
    fn texts_of_the_parts_of_progress_are_read_without_harm(
        parts in vec(prop_oneof![
            "[0-9]{1,21}", Just("%".to_owned()), Just("/".to_owned()), Just(" of ".to_owned()), Just("[".to_owned()),
            Just("]".to_owned()), Just("(".to_owned()), Just(" ".to_owned()), Just("Downloading".to_owned()),
            Just("Duration: ".to_owned()), Just("time=".to_owned()), Just("\u{2501}".to_owned()), Just("#####".to_owned()),
            Just("\x1b[1m".to_owned()), Just("\u{8}".to_owned()), Just(".".to_owned()), Just("step".to_owned()),
        ], 0..14),
    ) {
        check(parts.concat().as_bytes())?;
    }
}

fn check(line: &[u8]) -> Result<(), TestCaseError> {
    let mut recogniser = Recogniser::new(None);
    for _ in 0..3 {
        let Some(progress) = recogniser.line(line) else { continue };
        prop_assert!(progress.percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)), "{progress:?}");
        if let (Some(step), Some(total)) = (progress.step, progress.total) {
            prop_assert!(step <= total && total > 0, "{progress:?}");
        }
        prop_assert!(
            progress.message.is_none_or(|message| !message.is_empty() && !message.contains(char::is_control))
        );
    }
    Ok(())
}
