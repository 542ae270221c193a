//! Recognition that needs earlier lines of the same stream.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::parts::{amounts, bar, compile};
use super::reading::{Progress, decimal, message, read, share};

/// Rising numbers on lines of their own that come before the first one that counts as a percent.
const RUN: u32 = 2;

/// Facts from earlier lines of one stream.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Duration of the longest input of ffmpeg, in seconds.
    duration: Option<f64>,
    /// Name of the file that pip downloads.
    file: Option<String>,
    /// Last number alone on a line; `None` after a line of another kind.
    last: Option<u32>,
    /// Count of these numbers. Repetitions of the last number do not count.
    run: u32,
    /// Whether each of these numbers is one more than the number before. Such numbers may number something.
    is_counting: bool,
}

impl Memory {
    /// Ends a run of numbers, after a line of another kind.
    pub(super) fn break_run(&mut self) {
        (self.last, self.run, self.is_counting) = (None, 0, true);
    }

    /// Reads ffmpeg's lines. Remembers the `Duration:` of an input and divides `time=` by it.
    pub(super) fn ffmpeg(&mut self, line: &[u8]) -> Option<Progress> {
        static INPUT: LazyLock<Regex> = LazyLock::new(|| compile(r"^Input #(\d+), "));
        static DURATION: LazyLock<Regex> =
            LazyLock::new(|| compile(r"^Duration: (\d{1,4}):(\d\d):(\d\d(?:\.\d+)?), (?:start|bitrate): "));
        static TIME: LazyLock<Regex> = LazyLock::new(|| {
            compile(
                r"^(?:(?:frame|size)= .* time=|out_time=)(\d{1,4}):(\d\d):(\d\d(?:\.\d+)?)(?: bitrate=|$)",
            )
        });
        if let Some(input) = INPUT.captures(line) {
            // Input 0 belongs to another run of ffmpeg.
            if &input[1] == b"0" {
                self.duration = None;
            }
            return None;
        }
        let seconds = |regex: &Regex| {
            let found = regex.captures(line)?;
            let [hours, minutes, seconds] = [1, 2, 3].map(|group| decimal(&found[group]));
            Some(hours?.mul_add(3600.0, minutes? * 60.0) + seconds?)
        };
        if let Some(duration) = seconds(&DURATION) {
            self.duration = Some(self.duration.unwrap_or_default().max(duration));
            return None;
        }
        let (time, duration) = (seconds(&TIME)?, self.duration.filter(|duration| *duration > 0.0)?);
        Some(Progress::of(share(time, duration).min(100.0)))
    }

    /// Reads pip's lines. Remembers the name of a file, which is the message of the bars that follow.
    pub(super) fn pip(&mut self, line: &[u8]) -> Option<Progress> {
        static FILE: LazyLock<Regex> =
            LazyLock::new(|| compile(r"^Downloading (\S+) \([\d.]+ ?(?:[kMGT]?B|bytes)\)$"));
        static BAR: LazyLock<Regex> = LazyLock::new(|| compile(concat!("^", bar!(), " ?", amounts!())));
        if let Some(file) = FILE.captures(line) {
            self.file = message(&file[1]);
            return None;
        }
        Some(Progress { message: self.file.clone(), ..read(&BAR.captures(line)?)? })
    }

    /// Reads numbers alone on their lines, as `pv -n` writes them.
    ///
    /// A single number may mean anything. Rising numbers up to 100 count as percents from the third on. Numbers that rise by
    /// one each time, such as `1`, `2`, `3`, do not count: they may number something.
    pub(super) fn numbers(&mut self, line: &[u8]) -> Option<Progress> {
        let number = std::str::from_utf8(line).ok()?.parse().ok().filter(|number: &u32| *number <= 100);
        let Some(number) = number else {
            self.break_run();
            return None;
        };
        if let Some(rise) = self.last.and_then(|last| number.checked_sub(last)) {
            self.run += u32::from(rise > 0);
            self.is_counting &= rise == 1;
        } else {
            (self.run, self.is_counting) = (1, true);
        }
        self.last = Some(number);
        (self.run > RUN && !self.is_counting).then(|| Progress::of(f64::from(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percents(lines: &[&str], read: fn(&mut Memory, &[u8]) -> Option<Progress>) -> Vec<Option<f64>> {
        let mut memory = Memory::default();
        lines.iter().map(|line| read(&mut memory, line.as_bytes())?.percent).collect()
    }

    #[test]
    fn time_is_a_part_of_the_longest_duration() {
        let time = |time: &str| {
            format!("frame=    1 fps=0.0 q=0.0 size=       0kB time={time} bitrate=N/A speed=   0x")
        };
        let lines = [
            &time("00:00:10.00"),
            "Input #0, mov,mp4, from 'a.mp4':",
            "Duration: 00:00:40.00, start: 0.000000, bitrate: 45 kb/s",
            "Input #1, wav, from 'b.wav':",
            "Duration: 00:00:10.00, bitrate: 45 kb/s",
            &time("00:00:10.00"),
            &time("01:00:10.00"),
            &time("N/A"),
            &time("-577014:32:22.77"),
            // Output of ffmpeg with `-progress`.
            "out_time=00:00:30.000000",
            "out_time=N/A",
            "Input #0, flv, from 'c':",
            "Duration: N/A, start: 0.000000, bitrate: N/A",
            &time("00:00:10.00"),
        ];
        let expected = [
            None,
            None,
            None,
            None,
            None,
            Some(25.0),
            Some(100.0),
            None,
            None,
            Some(75.0),
            None,
            None,
            None,
            None,
        ];
        assert_eq!(percents(&lines, Memory::ffmpeg), expected);
    }

    #[test]
    fn a_bar_of_pip_is_about_the_file_that_was_named_last() {
        let mut memory = Memory::default();
        let mut read =
            |line: &str| memory.pip(line.as_bytes()).map(|found| (found.percent.unwrap(), found.message));
        let bar = |amounts: &str| format!("\u{2501}\u{2501}\u{2501}\u{2501}\u{2578} {amounts} eta 0:00:01");
        assert_eq!(read(&bar("1.0/4.0 MB 1.2 MB/s")), Some((25.0, None)));
        for file in ["a-1.2-py3-none-any.whl", "b.tar.gz"] {
            assert_eq!(read(&format!("Downloading {file} (4.0 MB)")), None);
            assert_eq!(read(&bar("1.0/4.0 MB 1.2 MB/s")), Some((25.0, Some(file.to_owned()))));
        }
        assert_eq!(read("Downloading b.tar.gz"), None);
        assert_eq!(read("Downloading 1/4 MB"), None);
    }

    #[test]
    fn rising_numbers_are_percents_from_the_third_on() {
        let run = percents(&["10", "20", "31", "31", "100"], Memory::numbers);
        assert_eq!(run, [None, None, Some(31.0), Some(31.0), Some(100.0)]);
        for lines in [
            &["5", "4", "3", "2", "1"][..],
            &["7", "7", "7", "7"],
            &["98", "99", "101", "102"],
            &["1", "2"],
            &["1", "2", "3", "4"],
        ] {
            assert!(percents(lines, Memory::numbers).iter().all(Option::is_none), "{lines:?}");
        }
    }
}
