//! Forms of progress that any program or script may write.

use super::marks::Marks;
use super::parts::{amounts, bar, end, percent, ratio};
use super::row::{How, Row};
use super::words::{doing, done, done_to_many, numbered, things};

/// Rows of these forms, the stricter forms first.
pub(super) const FORMS: &[Row] = &[
    Row {
        name: "step in brackets (ninja, bazel, yarn)",
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
        how: How::Loose(concat!(r"^(?<message>[^%]*?) *", bar!(), r" *[(\[]? *", percent!(), end!())),
        example: "Working... ━━━━━━━━━━━━━━━━╺━━━━━━━━━━━━━━━━━━━━━━━  40% 0:00:01",
    },
    Row {
        name: "percent and bar",
        mark: Marks::PERCENT,
        how: How::Loose(concat!(r"^(?<message>[^%]*?) *\b", percent!(), r"[ :)\]]*", bar!())),
        example: "  45% [===========>             ] 12.3 MB",
    },
    Row {
        name: "bar and step (cargo)",
        mark: Marks::RATIO,
        how: How::Loose(concat!(
            "^(?<message>.*?) *",
            bar!(),
            r" *[(\[]? *",
            ratio!(),
            "(?:$|[\\s\\]),;:|])"
        )),
        example: "    Building [=======>                   ] 12/40: syn, serde, tokio",
    },
    Row {
        name: "step and bar (Keras)",
        mark: Marks::RATIO,
        how: How::Loose(concat!(r"^", ratio!(), r" *", bar!(), r"(?:$| )")),
        example: "12/80 ━━━━━━━━━━━━━━━━━━━━ 1s 12ms/step - accuracy: 0.45 - loss: 0.5",
    },
    Row {
        name: "bar and amounts",
        mark: Marks::AMOUNTS,
        how: How::Loose(concat!(r"^(?<message>.*?) *", bar!(), r" *", amounts!())),
        example: "Fetching ██████████░░░░░░░░░░ 12.3MB/24.6MB",
    },
    Row {
        name: "percent alone",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"(?i)^[(\[]? *",
            percent!(),
            r" *[)\]]?[ :,-]*(?:$|eta\b|[\d.]+ ?[kMGT]?i?B/s|[(\[]? *",
            ratio!(),
            r"[)\]]|(?:complete|completed|done|finished)[.!]*(?:$|[ ,;]*[(\[]))"
        )),
        example: "45%",
    },
    Row {
        name: "step alone",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            // The number must not begin with 0, as the month or day of a date may.
            r"(?i)^(?<step>0|[1-9]\d{0,11})(?: ?/ ?| of | out of )(?<total>[1-9]\d{0,11})",
            r"(?:$| *[(\[] *\d+ ?%|(?: ",
            things!(),
            r")? (?:(?:\(\d+%\) )?(?:complete|",
            done!(),
            r"))[.!]*$| ",
            things!(),
            "[.!]*$)"
        )),
        example: "12 of 80",
    },
    Row {
        name: "doing with step and percent",
        mark: Marks::PERCENT,
        how: How::Loose(concat!(
            r"(?i)^(?:[^\s%/]+\s+){0,3}?\(?(?<message>\b(?:progress|overall|",
            doing!(),
            "|",
            done!(),
            r")\b[^%/]*?(?:[:=(\[|]|\.\.\.|\s)\s*)",
            ratio!(),
            "(?: ",
            things!(),
            r")?,? *[(\[] *",
            percent!(),
            r" *[)\]]"
        )),
        example: "Uploaded 12 / 80 files (15%)",
    },
    Row {
        name: "doing with percent (apt)",
        mark: Marks::PERCENT,
        how: How::Loose(concat!(
            r"(?i)^(?:[^\s%]+\s+){0,3}?\(?(?<message>\b(?:progress|overall|",
            doing!(),
            "|",
            done!(),
            r")\b(?:[^%]*?(?:[:=(\[|]|- |\.\.\.|\xe2\x80\xa6)\s*|(?:\s+[^\s%]+){0,2}?\s+))",
            percent!(),
            r"\s*(?:$|[)\],;|(\[]|\.\.\.|\xe2\x80\xa6|- |(?:complete|completed|done|finished|eta|at)\b|of [\d.]+ ?[kKMGT]?i?B|[\d.]+ ?[kKMGT]?i?B/s)"
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
            r")\b(?:.*?(?:[=(\[|#]|- |:\s|\.\.\.|\xe2\x80\xa6)\s*|(?:\s+[^\s/]+){0,2}?\s+[(\[#]?))",
            ratio!(),
            r"(?:$|[)\]:,;|]| - |\.\.\.|\xe2\x80\xa6| [(\[]| ?[kKMGT]i?B\b| ",
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
            r")\b(?:.*?(?:[=(\[|#]|- |:\s|\.\.\.|\xe2\x80\xa6)\s*|(?:\s+[^\s/]+){0,2}?\s+[(\[#]?))",
            r"(?<step>\d{1,3}(?:,\d{3}){1,3}|\d{1,12}) (?:out )?of (?<total>\d{1,3}(?:,\d{3}){1,3}|\d{1,12})",
            r"(?:$|[)\]:,;|]| - |\.\.\.|\xe2\x80\xa6| [(\[]| ?[kKMGT]i?B\b| ",
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
            r")\b(?:.*?(?:[=(\[|#]|- |:\s|\.\.\.|\xe2\x80\xa6)\s*|(?:\s+[^\s/]+){0,2}?\s+[(\[#]?))",
            ratio!(),
            " ",
            things!(),
            r"\b"
        )),
        example: "Checked 12/80 files",
    },
];
