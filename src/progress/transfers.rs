//! Progress of programs that move data: over a network, or into archives, images and file systems.

use super::marks::Marks;
use super::memory::Memory;
use super::parts::{amount, amounts, bar, percent, ratio};
use super::row::{How, Row};

/// Rows of these programs. `example` comes from a recording of the program or from its documentation.
pub(super) const TRANSFERS: &[Row] = &[
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
            r"^(?<percent>\d{1,3}) +\d[\d.]*[kMGTP]? +\d{1,3} +\d[\d.]*[kMGTP]? +\d{1,3} +\d[\d.]*[kMGTP]? +\d[\d.]*[kMGTP]? +\d[\d.]*[kMGTP]?(?: +(?:--:--(?::--)?|[ \d]?\d:\d\d(?::\d\d)?|\d+d \d\dh)){3} +\d[\d.]*[kMGTP]?$",
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
        name: "curl, several",
        mark: Marks::METER,
        how: How::Pattern(
            r"^(?<percent>\d{1,3}) +(?:--|\d{1,3}) +\d[\d.]*[kMGTP]? +\d[\d.]*[kMGTP]?(?: +\d+){2} +(?:(?:--:--:--|\d?\d:\d\d:\d\d|\d+d \d\dh) +){3}\d[\d.]*[kMGTP]?$",
        ),
        example: " 59 --   119M     0     2     1   0:00:12  0:00:07  0:00:05 16.1M      ",
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
        name: "git",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^(?:remote: )?(?<message>[A-Z][a-z]+ing [A-Za-z ]+): +",
            percent!(),
            r" \((?<step>\d+)/(?<total>\d+)\)"
        )),
        example: "Receiving objects:  98% (2942/3002)",
    },
    Row {
        name: "pip",
        mark: Marks::DOWNLOAD,
        how: How::Memory(Memory::pip),
        example: "     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╺━━━━━━━━━━ 12.5/16.9 MB 385.6 MB/s eta 0:00:01",
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
            r"(?:^|Transferred:\s+)",
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
        name: "apt, fetching",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^",
            percent!(),
            r" \[(?:\d+ \S|Working\]|Waiting |Connecting |Connected )"
        )),
        example: "45% [1 Packages 4,567 kB/8,790 kB 52%]                         1,234 kB/s 3s",
    },
    Row {
        name: "scp",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^(?<message>\S.*?) +",
            percent!(),
            r" +\d[\d.]*[KMGTP]?B? +[\d.]+[KMGT]?B/s +(?:(?:\d+:)?\d\d:\d\d(?: ETA)?|--:-- ETA|- stalled -)$"
        )),
        example: "a.bin                                         45%  450KB 450.0KB/s   00:01 ETA",
    },
    Row {
        name: "image of a container (docker, skopeo)",
        mark: Marks::AMOUNTS,
        how: How::Pattern(concat!(
            r"^(?<message>(?:\S+: (?:Downloading|Extracting|Pushing|Loading)|Copying (?:blob|config) \S+)) *",
            bar!(),
            " +",
            amounts!()
        )),
        example: "Copying blob 0f6b3c1d2e4a [====>---------------------------------] 1.2MiB / 3.8MiB",
    },
    Row {
        name: "uv",
        mark: Marks::AMOUNTS,
        how: How::Pattern(concat!(r"^(?<message>[\w.-]+) +-{5,} ", amounts!(), "$")),
        example: "numpy                ------------------------------ 1.20 MiB/16.10 MiB",
    },
    Row {
        name: "zstd",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^(?:(?:Compress|Decompress) *: *\d+/\d+ files\. +Current: .* +)?Read: *",
            amounts!(),
            r" ==> +[\d.]+%$"
        )),
        example: "Read:  1.50 MiB /  3.81 MiB ==> 100%",
    },
    Row {
        name: "7z",
        mark: Marks::PERCENT,
        how: How::Pattern(
            r"^(?<percent>\d{1,3})% (?:\d+ (?:Open|Scan)|(?:\d+ [-=URTD.]|(?:\d+ )?\+) (?<message>\S.*))$",
        ),
        example: " 45% 12 + a/b.c",
    },
    Row {
        name: "restic",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^\[(?:\d+:)?\d+:\d\d\] ",
            percent!(),
            r" +(?:",
            ratio!(),
            r" (?<message>[a-z][a-z ]+)$|\d+ files )"
        )),
        example: "[0:00] 15.00%  12 / 80 index files loaded",
    },
    Row {
        name: "borg",
        mark: Marks::PERCENT,
        how: How::Pattern(r"^(?<percent>\d{1,3}\.\d)% (?<message>Extracting: .*)$"),
        example: " 45.0% Extracting: a/b.c",
    },
    Row {
        name: "rustup",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!("^", amount!(), " / +", amount!(), r" \( *", percent!(), r" *\)")),
        example: " 12.3 MiB /  80.0 MiB ( 15 %)   3.2 MiB/s in  4s ETA: 21s",
    },
    Row {
        name: "ddrescue",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^pct rescued: +", percent!(), r",")),
        example: "pct rescued:   33.42%, read errors:        0,  remaining time:          2s",
    },
    Row {
        name: "qemu-img",
        mark: Marks::PERCENT,
        how: How::Pattern(r"^\((?<percent>\d{1,3}(?:\.\d+)?)/100%\)$"),
        example: "    (45.00/100%)",
    },
    Row {
        name: "PostgreSQL",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^\d+(?:/| of )\d+ (?:kB|MB|tuples) \(", percent!(), r"\)")),
        example: "100000 of 1000000 tuples (10%) of pgbench_accounts done (elapsed 0.02 s, remaining 0.18 s)",
    },
    Row {
        name: "mongodump",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^\[[#.]+\] +(?<message>\S+) +\S+/\S+ +\(", percent!(), r"\)$")),
        example: "[###.....................]  db.coll  12/80  (15.0%)",
    },
    Row {
        name: "conda",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^(?<message>\S+) +\| [\d.]+ [KMG]?B +\| [#\d ]* *\| +", percent!())),
        example: "numpy-1.26.4         | 6.3 MB    | #####################1               |  57% ",
    },
    Row {
        name: "aws",
        mark: Marks::AMOUNTS,
        how: How::Pattern(concat!(r"^Completed ", amounts!(), r" \([^)]*/s\) with ")),
        example: "Completed 1.0 MiB/4.0 MiB (1.2 MiB/s) with 1 file(s) remaining",
    },
    Row {
        name: "gsutil",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^\[\d+/\d+ files\]\[[^\]]*\] +", percent!(), r" Done")),
        example: "[1/1 files][ 45.0 MiB/ 80.0 MiB]  56% Done",
    },
    Row {
        name: "AzCopy",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^", percent!(), r", \d+ Done, ")),
        example: "45.0 %, 12 Done, 0 Failed, 80 Pending, 0 Skipped, 92 Total, ",
    },
    Row {
        name: "Maven",
        mark: Marks::AMOUNTS,
        how: How::Pattern(concat!(r"^Progress \(1\): (?:(?<message>\S+) \()?", amounts!())),
        example: "Progress (1): 12/80 kB",
    },
    Row {
        name: "lftp",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(r"^`(?<message>.*)' at \d+ \(", percent!(), r"\) ")),
        example: "`a.bin' at 123456 (45%) 1.2M/s eta:1s [Receiving data]",
    },
    Row {
        name: "SteamCMD",
        mark: Marks::RATIO,
        how: How::Pattern(
            r"^Update state \(0x[0-9a-f]+\) (?<message>[a-z ]+), progress: (?<percent>\d{1,3}\.\d+) \(",
        ),
        example: " Update state (0x61) downloading, progress: 45.67 (123 / 456)",
    },
    Row {
        name: "RAID",
        mark: Marks::PERCENT,
        how: How::Pattern(concat!(
            r"^",
            bar!(),
            r" *(?<message>resync|recovery|reshape|check) = +",
            percent!(),
            r" \("
        )),
        example: "      [=>...................]  resync =  5.6% (123456/4567890) finish=12.3min speed=12345K/sec",
    },
];
