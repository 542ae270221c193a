//! Progress of programs that build, test, install, convert or measure.

use super::marks::Marks;
use super::memory::Memory;
use super::parts::{percent, ratio};
use super::row::{How, Row};

/// Rows of these programs. `example` comes from a recording of the program or from its documentation.
pub(super) const TOOLS: &[Row] = &[
    Row {
        name: "ffmpeg",
        mark: Marks::MEDIA,
        how: How::Memory(Memory::ffmpeg),
        example: "frame=  448 fps= 63 q=29.0 size=       0kB time=00:00:13.26 bitrate=   0.0kbits/s speed=1.87x",
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
        name: "BuildKit",
        mark: Marks::RATIO,
        how: How::Pattern(
            r"^#\d+ \[(?:[a-z][\w.-]* +)?(?<step>\d+)/(?<total>\d+)\] (?<message>[A-Z]+ .*?)(?: +\d+\.\d+s)?$",
        ),
        example: "#8 [build 3/7] RUN make",
    },
    Row {
        name: "docker compose",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            r"^\[\+\] (?<message>[A-Za-z]+) (?:[\d.]+s )?\(?",
            ratio!(),
            r"\)?(?:$| )"
        )),
        example: "[+] Running 2/4",
    },
    Row {
        name: "fio",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^Jobs: \d+ \(f=[\d,-]+\): \[[^\[]*\]\[", percent!(), r"\]\[")),
        example: "Jobs: 1 (f=1): [w(1)][60.0%][w=742MiB/s][w=190k IOPS][eta 00m:02s]",
    },
    Row {
        name: "sox",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^In:", percent!(), r" \d\d:\d\d:\d\d\.\d\d \[")),
        example: "In:9.10% 00:00:36.41 [00:06:03.59] Out:1.74M [-=====|=====-]        Clip:0    ",
    },
    Row {
        name: "k6",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^(?<message>\S+) +\[ *", percent!(), r" *\] [\d/]+ VUs")),
        example: "default   [  45% ] 10 VUs  04.5s/10s",
    },
    Row {
        name: "HandBrake",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^(?<message>[A-Z][a-z]+: task \d+ of \d+), ", percent!(), r"(?:$| \()")),
        example: "Encoding: task 1 of 2, 12.34 % (45.00 fps, avg 40.00 fps, ETA 00h00m10s)",
    },
    Row {
        name: "Blender",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            r"^(?<message>Fra:\d+) .*?\b(?:Sample|Tile|Rendered|Rendering) ",
            ratio!(),
            r"(?:$|[ ,])"
        )),
        example: "Fra:3 Mem:45.80M (Peak 80.00M) | Time:00:01.23 | Mem:1.0M, Peak:2.0M | Scene, ViewLayer | Sample 12/80",
    },
    Row {
        name: "ImageMagick",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^(?<message>[A-Za-z/ ]+(?:\[.*\]|//.*)): ",
            ratio!(),
            ", ",
            percent!(),
            " complete$"
        )),
        example: "resize image[a.png]: 45 of 80, 056% complete",
    },
    Row {
        name: "percent done (badblocks, xorriso, nmap)",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^(?:xorriso : UPDATE : +|[A-Z][\w /-]+ Timing: About |rate: +[\d.]+-kpps, )?",
            percent!(),
            r" done(?:$|, estimate finish|, +\d+:\d\d|; ETC)"
        )),
        example: "xorriso : UPDATE :  12.37% done",
    },
    Row {
        name: "e2fsck",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^(?<message>\S+): +\|=* *[-\\|/] +", percent!(), "$")),
        example: "/dev/sda1: |=====                  / 45.0%",
    },
    Row {
        name: "Gradle",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^<[=-]+> ", percent!(), r" (?<message>[A-Z]+)(?:$| \[)")),
        example: "<=====--------> 45% EXECUTING [3s]",
    },
    Row {
        name: "webpack",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^(?:<s> )?(?:\[webpack\.Progress\] )?",
            percent!(),
            r" (?<message>(?:setup.*|cache.*|compiling|building(?: finish.*| \d+/\d+ .*)?|finish.*|sealing.*|emitting.*|recording.*|done plugins.*))$"
        )),
        example: "45% building 12/80 modules",
    },
    Row {
        name: "dbt",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            r"^",
            ratio!(),
            r" (?<message>(?:START|OK|PASS|SKIP|WARN|ERROR|FAIL) .*?)(?: \.{2,}|$)"
        )),
        example: "12:23:00  12 of 80 START sql table model dbt.foo .......... [RUN]",
    },
    Row {
        name: "prove",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(r"^(?<message>\S+) \.\.+ ", ratio!(), r"$")),
        example: "t/a.t .. 12/80 ",
    },
    Row {
        name: "meson",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            r"^",
            ratio!(),
            r" (?<message>\S.*?) +(?:OK|FAIL|SKIP|TIMEOUT|ERROR|EXPECTEDFAIL|UNEXPECTEDPASS) +[\d.]+s"
        )),
        example: " 1/12 suite:name OK              0.01s",
    },
    Row {
        name: "nextest",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            r"^(?:PASS|FAIL|SLOW|LEAK|TRY \d+ \w+) +\[[> ]*[\d.]+s\] \( *",
            ratio!(),
            r"\) (?<message>\S.*)$"
        )),
        example: "        PASS [   0.012s] (12/80) app parse::works",
    },
    Row {
        name: "Nextflow",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            r"^\[[0-9a-f]{2}/[0-9a-f]{6}\] (?:process > )?(?<message>\S+)(?: \(.*\))? +(?:\[ *\d+%\] |\| )",
            ratio!(),
            r"(?:$|[ ,])"
        )),
        example: "[ab/123456] process > foo (1) [ 45%] 5 of 11",
    },
    Row {
        name: "alive-progress",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(
            r"^(?<message>.*?) ?(?<bar>\|[^|]*\|) (?:\S* )?",
            ratio!(),
            r" \[\d+%\] in "
        )),
        example: "Items |██████████████████                      | ▃▅▇ 45/100 [45%] in 1.2s (~1s, 37.0/s)",
    },
    Row {
        name: "hashcat, gobuster",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(r"^Progress[ .:]+", ratio!(), r" \(", percent!(), r"\)")),
        example: "Progress.........: 123/456 (26.97%)",
    },
    Row {
        name: "ffuf",
        mark: Marks::RATIO,
        how: How::Pattern(concat!(r"^:: Progress: \[", ratio!(), r"\]")),
        example: ":: Progress: [123/456] :: Job [1/1] :: 12 req/sec :: Duration: [0:00:10] :: Errors: 0 ::",
    },
];
