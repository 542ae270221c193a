//! The table of what counts as progress.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::marks::Marks;
use super::memory::Memory;
use super::reading::Progress;
use super::words::{doing, done, done_to_many, numbered, things};

/// A percent, with what must not follow it.
macro_rules! percent {
    () => {
        r"(?<percent>\d{1,3}(?:\.\d{1,6}|,\d{1,2})?) ?%"
    };
}

/// Step and total: `12/80` or `12 of 80`.
macro_rules! ratio {
    () => {
        r"(?<step>\d{1,12})(?: ?/ ?| of | out of )(?<total>\d{1,12})"
    };
}

/// An amount of data, such as `12.3 MiB`.
macro_rules! amount {
    () => {
        r"\d[\d.,]* ?(?:[kKMGTP]i?)?B?"
    };
}

/// A bar: in brackets, or of block, box and Braille characters.
macro_rules! bar {
    () => {
        r"(?<bar>\[[=#>\-.*+<o~_ |\x80-\xff]{5,}\]|\|[=#>\- \x80-\xff]{5,}\||(?:\xe2[\x94-\x97\xa0-\xa3][\x80-\xbf] ?){3,}|#{8,})"
    };
}

/// Where a number ends.
macro_rules! end {
    () => {
        r"(?:$|[\s\]),;|])"
    };
}

/// A row: one form of progress.
pub(super) struct Row {
    /// The program, or the form.
    pub name: &'static str,
    /// What a line has that the row may recognise.
    pub mark: Marks,
    /// How the row recognises a line.
    pub how: How,
    /// Line that it recognises: out of the recording of a real program, where the row is one's.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests hold each row against its example"))]
    pub example: &'static str,
}

/// How a row recognises a line, which comes without escape sequences and without blanks at its ends.
pub(super) enum How {
    /// A regular expression of bytes with groups, for [`super::reading::read`].
    Pattern(&'static str),
    /// A pattern for texts about anything: not where [`super::words::no_progress`] stands before the number or bar.
    Loose(&'static str),
    /// A function that needs earlier lines.
    Memory(fn(&mut Memory, &[u8]) -> Option<Progress>),
}

/// Forms of progress. The first one that recognises a line wins, so programs stand above the forms that anybody writes.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "ffmpeg",
        mark: Marks::MEDIA,
        how: How::Memory(Memory::ffmpeg),
        example: "frame=  448 fps= 63 q=29.0 size=       0kB time=00:00:13.26 bitrate=   0.0kbits/s speed=1.87x",
    },
    Row {
        name: "number alone (pv -n)",
        mark: Marks::NUMBER,
        how: How::Memory(Memory::numbers),
        example: "31",
    },
    Row {
        name: "curl",
        mark: Marks::METER,
        how: How::Pattern(
            r"^(?<percent>\d{1,3}) +\d[\d.]*[kMGTP]? +\d{1,3} +\d[\d.]*[kMGTP]? +\d{1,3} +\d[\d.]*[kMGTP]? +\d[\d.]*[kMGTP]? +\d[\d.]*[kMGTP]?(?: +(?:--:--:--|[ \d]?\d:\d\d:\d\d|\d+d \d\dh)){3} +\d[\d.]*[kMGTP]?$",
        ),
        example: " 30 3906k   30 1171k    0     0  1547k      0  0:00:02 --:--:--  0:00:02 1546k",
    },
    Row {
        name: "curl, bar",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!("^#+ *", percent!(), "$")),
        example: "##################                                                        25.0%",
    },
    Row {
        name: "wget, dots",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^\d+[KMG] [ .,]*", percent!(), r" +[\d.]+[KMG]?(?: \S+|=\S+)$")),
        example: "  1950K .......... .......... .......... .......... .......... 51% 1.30M 1s",
    },
    Row {
        name: "wget, bar",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^(?<message>\S.*?) *", percent!(), r"\[[=+> <]*\] +[\d.]+[KMG]? ")),
        example: "x.bin                     40%[=============>                     ]   1.53M  1.27MB/s               ",
    },
    Row {
        name: "rsync",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^\d[\d,.]*[KMGT]? +",
            percent!(),
            r" +[\d.,]+[kMGT]?B/s +(?:\d+:\d\d:\d\d|\?\?:\?\?:\?\?)(?: \(xfr#.*)?$"
        )),
        example: "     19,112,960  59%    8.80MB/s    0:00:01  ",
    },
    Row {
        name: "tqdm",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^(?:(?<message>[^%|]*?): +)?",
            percent!(),
            r"\|[^|]*\| *(?:(?<step>\d+)/(?<total>\d+) )?.*\[\d+:\d\d"
        )),
        example: "Encoding:  25%|██▌       | 10/40 [00:00<00:01, 19.88it/s]",
    },
    Row {
        name: "git",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^(?:remote: )?(?<message>[A-Z][a-z]+ing [a-z ]+): +",
            percent!(),
            r" \((?<step>\d+)/(?<total>\d+)\)"
        )),
        example: "Receiving objects:  98% (2942/3002)",
    },
    Row {
        name: "pip",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            "^",
            bar!(),
            r" ?(?<done>\d[\d.]*)/(?<size>\d[\d.]*) (?:[kMGT]?B|bytes)\b"
        )),
        example: "     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╺━━━━━━━━━━ 12.5/16.9 MB 385.6 MB/s eta 0:00:01",
    },
    Row {
        name: "apt",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^Progress: \[ *", percent!(), r"\](?: \[[#.]*\])?")),
        example: "Progress: [ 53%] [##############################............................] ",
    },
    Row {
        name: "pytest",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^(?:(?:\S+ )?[.FEsxXpP,uR]+|\S+ (?:PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS|RERUN|SUBPASS)(?: \(.*\))?|\[gw\d+\]) +\[ {0,2}",
            percent!(),
            r"\](?:$| [A-Z]+ )"
        )),
        example: "test_a.py::test_one[0] PASSED                                            [  0%]",
    },
    Row {
        name: "pytest, count",
        mark: Marks::RATIO,
        how: How::Pattern(
            r"^(?:(?:\S+ )?[.FEsxXpP,uR]+|\S+ (?:PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)(?: \(.*\))?) +\[ *(?<step>\d+)/(?<total>\d+)\]$",
        ),
        example: "..................................................................... [ 69/161]",
    },
    Row {
        name: "ctest",
        mark: Marks::RATIO,
        how: How::Pattern(r"^(?<step>\d+)/(?<total>\d+) Test +#\d+: (?<message>\S+) "),
        example: " 1/12 Test  #1: check_1 ..........................   Passed    0.00 sec",
    },
    Row {
        name: "aria2",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^\[#[0-9a-f]{6} ", amount!(), "/", amount!(), r"\(", percent!(), r"\)")),
        example: "[#ea3126 1.3MiB/3.8MiB(34%) CN:1 DL:1.2MiB ETA:1s]",
    },
    Row {
        name: "yt-dlp",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^\[download\] +", percent!(), r" of +~? *", amount!())),
        example: "[download]  52.4% of    3.81MiB at    1.32MiB/s ETA 00:01",
    },
    Row {
        name: "rclone",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"Transferred:\s+",
            amount!(),
            " / ",
            r"\d[\d.]* ?[kKMGTP]?i?B",
            ", ",
            percent!(),
            ", .*, ETA "
        )),
        example: "Transferred:   \t    1.297 MiB / 30.518 MiB, 4%, 0 B/s, ETA -",
    },
    Row {
        name: "xz",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!("^", percent!(), " +", amount!(), " / ", amount!(), r" = [\d.]+ ")),
        example: " 69.4 %           2.6 MiB / 2.6 MiB = 0.982                   0:01             ",
    },
    Row {
        name: "BuildKit",
        mark: Marks::RATIO,
        how: How::Pattern(
            r"^(?:#\d+ |=> (?:CACHED )?)\[(?:[a-z][\w.-]* +)?(?<step>\d+)/(?<total>\d+)\] (?<message>[A-Z]+ .*?)(?: +\d+\.\d+s)?$",
        ),
        example: "#8 [build 3/7] RUN make",
    },
    Row {
        name: "step in brackets (ninja, yarn)",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(r"^\[ *", ratio!(), r" *\](?:$|:? +(?<message>\S.*)$)")),
        example: "[10/12] Building C object CMakeFiles/m.dir/m.c.o",
    },
    Row {
        name: "percent in brackets (make)",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^\[ *", percent!(), r" *\](?:$|:? +(?<message>\S.*)$)")),
        example: "[  8%] Building C object CMakeFiles/l.dir/f1.c.o",
    },
    Row {
        name: "step in parentheses",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            r"(?i)^\( *",
            ratio!(),
            r" *\)(?:$|: |:? +(?<message>",
            doing!(),
            r"\b.*)$)"
        )),
        example: "(1/3) Installing zlib (1.3.1-r2)",
    },
    Row {
        name: "bar and percent",
        mark: Marks::PERCENT,
        how: How::Loose(concat!(
            r"^(?<message>[^%\x1b]{0,200}?) *",
            bar!(),
            r" *[(\[]? *",
            percent!(),
            end!()
        )),
        example: "Working... ━━━━━━━━━━━━━━━━╺━━━━━━━━━━━━━━━━━━━━━━━  40% 0:00:01",
    },
    Row {
        name: "percent and bar",
        mark: Marks::PERCENT,
        how: How::Loose(concat!(r"^(?<message>[^%\x1b]{0,200}?) *\b", percent!(), r"[ :)\]]*", bar!())),
        example: "  45% [===========>             ] 12.3 MB",
    },
    Row {
        name: "bar and step (cargo)",
        mark: Marks::RATIO,
        how: How::Loose(concat!(
            "^(?<message>.{0,200}?) *",
            bar!(),
            r" *[(\[]? *",
            ratio!(),
            "(?:$|[\\s\\]),;:|])"
        )),
        example: "    Building [=======>                   ] 12/40: syn, serde, tokio",
    },
    Row {
        name: "percent alone",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"(?i)^[(\[]? *",
            percent!(),
            r" *[)\]]?[ :,-]*(?:$|[(\[]? *",
            ratio!(),
            r"[)\]]|(?:complete|completed|done|finished)[.!]*(?:$|[ ,;]*[(\[]))"
        )),
        example: "45%",
    },
    Row {
        name: "step alone",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            // A number that begins with 0 is the month or day of a date.
            r"(?i)^(?<step>0|[1-9]\d{0,11})(?: ?/ ?| of | out of )(?<total>[1-9]\d{0,11})",
            r"(?:$| *[(\[] *\d+ ?%|(?: ",
            things!(),
            r")? (?:complete|",
            done!(),
            r")[.!]*$| ",
            things!(),
            "[.!]*$)"
        )),
        example: "12 of 80",
    },
    Row {
        name: "doing with percent (apt)",
        mark: Marks::PERCENT,
        how: How::Loose(concat!(
            r"(?i)^(?:[^\s%]+\s+){0,3}?\(?(?<message>\b(?:progress|overall|",
            doing!(),
            "|",
            done!(),
            r")\b(?:[^%]{0,120}?(?:[:=(\[|]|- |\.\.\.|\xe2\x80\xa6)\s*|(?:\s+[^\s%]+){0,2}?\s+))",
            percent!(),
            r"\s*(?:$|[)\],;|(\[]|\.\.\.|\xe2\x80\xa6|- |(?:complete|completed|done|finished|eta|at)\b|of [\d.]+ ?[kKMGT]?i?B)"
        )),
        example: "(Reading database ... 45%",
    },
    Row {
        name: "numbered step (podman)",
        mark: Marks::RATIO,
        how: How::Loose(concat!(
            r"(?i)^(?:[-=*>#]+ *)?(?<message>",
            numbered!(),
            r")s? *[:#=(\[]? *",
            ratio!(),
            r"(?:$|[)\]]|[,:;] | ?[:|-] | [(\[])(?<more>.*)$"
        )),
        example: "STEP 2/4: RUN echo one",
    },
    Row {
        name: "doing with step",
        mark: Marks::RATIO,
        how: How::Loose(concat!(
            r"(?i)^(?:[^\s/]+\s+){0,3}?\(?(?<message>\b(?:",
            doing!(),
            "|",
            done_to_many!(),
            r")\b(?:.{0,120}?(?:[=(\[|#]|- |:\s|\.\.\.|\xe2\x80\xa6)\s*|(?:\s+[^\s/]+){0,2}?\s+[(\[#]?))",
            ratio!(),
            r"(?:$|[)\]:,;|]| - |\.\.\.|\xe2\x80\xa6| [(\[]| ",
            things!(),
            r"\b)"
        )),
        example: "Rebasing (3/7)",
    },
    Row {
        name: "done with step",
        mark: Marks::RATIO,
        how: How::Loose(concat!(
            r"(?i)^(?:[^\s/]+\s+){0,3}?\(?(?<message>\b(?:",
            done!(),
            r")\b(?:.{0,120}?(?:[=(\[|#]|- |:\s|\.\.\.|\xe2\x80\xa6)\s*|(?:\s+[^\s/]+){0,2}?\s+[(\[#]?))",
            r"(?<step>\d{1,12}) (?:out )?of (?<total>\d{1,12})",
            r"(?:$|[)\]:,;|]| - |\.\.\.|\xe2\x80\xa6| [(\[]| ",
            things!(),
            r"\b)"
        )),
        example: "Checked 12 of 80 files",
    },
    Row {
        name: "done with things",
        mark: Marks::RATIO,
        how: How::Loose(concat!(
            r"(?i)^(?:[^\s/]+\s+){0,3}?\(?(?<message>\b(?:",
            done!(),
            r")\b(?:.{0,120}?(?:[=(\[|#]|- |:\s|\.\.\.|\xe2\x80\xa6)\s*|(?:\s+[^\s/]+){0,2}?\s+[(\[#]?))",
            ratio!(),
            " ",
            things!(),
            r"\b"
        )),
        example: "Checked 12/80 files",
    },
];

/// The compiled pattern of each row; `None` for those that are functions.
pub(super) static PATTERNS: LazyLock<Vec<Option<Regex>>> = LazyLock::new(|| {
    let compile = |row: &Row| match row.how {
        How::Pattern(pattern) | How::Loose(pattern) => {
            Some(Regex::new(&format!("(?-u){pattern}")).expect("tests compile every row"))
        }
        How::Memory(_) => None,
    };
    ROWS.iter().map(compile).collect()
});
