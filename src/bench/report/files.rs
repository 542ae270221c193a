//! The reports that other programs read.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use jiff::Timestamp;

use super::timings;
use crate::bench::numbers::as_f64;
use crate::bench::summary::Summary;
use crate::bench::timing::Timing;
use crate::text::safe_json;

/// Rows of a percentile distribution between each halving of the distance to 100 %.
const TICKS: u32 = 5;

/// The whole summary by the schema in `schema.json`.
pub fn json(summary: &Summary) -> String {
    let mut text = serde_json::to_string_pretty(summary).expect("a summary has no key that is not text");
    text.push('\n');
    safe_json(&text).into_owned()
}

/// The percentile distribution of the run's main timing, in milliseconds, as HdrHistogram prints it and its plotters and
/// those of wrk2 read it.
pub fn hgrm(summary: &Summary) -> String {
    let timing = timings::main(summary).timing;
    let histogram = timing.histogram();
    let mut out =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    for step in histogram.iter_quantiles(TICKS) {
        count += step.count_since_last_iteration();
        let (value, quantile) = (as_f64(step.value_iterated_to()) / 1e3, step.quantile_iterated_to());
        let inverse =
            if quantile < 1.0 { format!("{:.2}", 1.0 / (1.0 - quantile)) } else { "inf".to_owned() };
        let _ = writeln!(out, "{value:>12.3} {quantile:>14.12} {count:>10} {inverse:>14}");
    }
    let (mean, deviation) = (timing.mean_micros() / 1e3, timing.stdev_micros() / 1e3);
    let _ = writeln!(out, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]");
    let max = as_f64(timing.max_micros()) / 1e3;
    let _ = writeln!(out, "#[Max     = {max:>12.3}, Total count    = {:>12}]", timing.count());
    // The shape of a histogram of 1 to 60,000,000 with three digits.
    let _ = writeln!(out, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", histogram.buckets(), 2048);
    out
}

/// The intervals as a HdrHistogram interval log of format 1.3: values in microseconds, the maximum column in
/// milliseconds, the warm-up and what lies behind the measured time tagged.
pub fn hlog(summary: &Summary) -> String {
    // HdrHistogram's readers know a file by this line; it comes before all others.
    let mut out = b"#[Histogram log format version 1.3]\n".to_vec();
    let started: Option<Timestamp> = summary.setup.started.parse().ok();
    let started = started.map_or(SystemTime::UNIX_EPOCH, SystemTime::from);
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    let kind = timings::of_intervals(summary.mode);
    builder
        .add_comment(&format!("[jobwire {}: {kind} in microseconds]", summary.setup.version))
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(1000.0);
    let mut writer = builder.begin_log_with(&mut out, &mut serializer).expect(MEMORY);
    writer
        .write_comment(
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"",
        )
        .expect(MEMORY);
    let [warm_up, draining] = ["warm-up", "draining"].map(Tag::new);
    for interval in &summary.intervals {
        let timing = Timing::decode(&interval.hdr).unwrap_or_default();
        let (at, length) = (span(interval.at_seconds), span(interval.length_seconds));
        let tag = warm_up.filter(|_| interval.warm_up).or(draining.filter(|_| interval.draining));
        writer.write_histogram(timing.histogram(), at, length, tag).expect(MEMORY);
    }
    String::from_utf8(out).expect("a log is plain ASCII")
}

const MEMORY: &str = "writing into memory fails only where memory does";

fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// A row for every interval; durations in microseconds, empty where nothing was timed.
pub fn csv(summary: &Summary) -> String {
    let kind = timings::of_intervals(summary.mode).replace(' ', "_");
    let mut out = format!(
        "at_seconds,length_seconds,warm_up,draining,connections,published,received,errors,\
         {kind}_p50_micros,{kind}_p99_micros,{kind}_max_micros\n"
    );
    let cell = |micros: Option<u64>| micros.map(|micros| micros.to_string()).unwrap_or_default();
    for interval in &summary.intervals {
        let _ = writeln!(
            out,
            "{:.3},{:.3},{},{},{},{},{},{},{},{},{}",
            interval.at_seconds,
            interval.length_seconds,
            interval.warm_up,
            interval.draining,
            interval.connections,
            interval.published,
            interval.received,
            interval.errors,
            cell(interval.p50_micros),
            cell(interval.p99_micros),
            cell(interval.max_micros)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::bench::summary::Mode;

    #[test]
    fn a_distribution_is_in_milliseconds_and_ends_at_all() {
        let text = hgrm(&Summary::example());
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert!(rows.iter().all(|row| row.len() == 4));
        assert_eq!(rows[0][..2], ["0.300", "0.000000000000"]);
        assert_eq!(rows.last().unwrap()[1..], ["1.000000000000", "50000", "inf"]);
        let counts: Vec<u64> = rows.iter().map(|row| row[2].parse().unwrap()).collect();
        assert!(counts.is_sorted(), "{counts:?}");
        assert!(text.contains("#[Max     =        5.299, Total count    =        50000]"), "{text}");
        assert!(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"));
        assert!(hgrm(&Summary::empty(Mode::Echo)).contains("Total count    =            0]"));
    }

    #[test]
    fn an_interval_log_is_read_back() {
        let summary = Summary::example();
        let text = hlog(&summary);
        assert!(text.starts_with("#[Histogram log format version 1.3]\n"));
        let entries: Vec<_> = IntervalLogIterator::new(text.as_bytes()).map(Result::unwrap).collect();
        assert!(matches!(entries[0], LogEntry::StartTime(at) if at.as_secs() == 1_767_323_045));
        let intervals: Vec<_> = entries
            .iter()
            .filter_map(|entry| if let LogEntry::Interval(log) = entry { Some(log) } else { None })
            .collect();
        assert_eq!(intervals.len(), 12);
        assert_eq!(intervals[0].tag().unwrap().as_str(), "warm-up");
        assert_eq!((intervals[3].tag(), intervals[3].start_timestamp().as_secs()), (None, 3));
        assert_eq!(Timing::decode(intervals[3].encoded_histogram()).unwrap().count(), 4000);
        assert_eq!(IntervalLogIterator::new(hlog(&Summary::empty(Mode::Idle)).as_bytes()).count(), 2);
    }

    #[test]
    fn every_interval_is_a_row() {
        let mut summary = Summary::example();
        summary.intervals[11].p50_micros = None;
        let text = csv(&summary);
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].ends_with(
            ",errors,delivery_latency_p50_micros,delivery_latency_p99_micros,delivery_latency_max_micros"
        ));
        assert_eq!(rows[1], "0.000,1.000,true,false,4990,500,4000,0,2299,4259,4299");
        assert_eq!(rows.len(), 13);
        assert!(rows[12].contains(",0,,"), "{}", rows[12]);
        assert_eq!(csv(&Summary::empty(Mode::Connect)).lines().count(), 1);
    }
}
