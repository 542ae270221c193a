use serde_json::Value;

use super::*;
use crate::dialect::Dialects;

fn lines(dialect: &str, job: Option<&str>) -> InputLines {
    InputLines::new(Arc::clone(Dialects::builtin().named(dialect).unwrap().1), job.map(str::to_owned))
}

fn payload(lines: &mut InputLines, line: &str) -> Option<Value> {
    let event = lines.read(line.as_bytes(), Extent::Whole).unwrap()?;
    Some(serde_json::from_str(&event.payload(Timestamp::UNIX_EPOCH).unwrap()).unwrap())
}

fn error(dialect: &str, job: Option<&str>, line: &str) -> String {
    lines(dialect, job).read(line.as_bytes(), Extent::Whole).unwrap_err().to_string()
}

#[test]
fn each_event_carries_the_last_progress_and_message() {
    let mut lines = lines("scraping", Some("7"));
    let table = [
        ("\u{feff}# begin\r\n", Value::Null, "begin"),
        ("45%\n", 45.into(), "begin"),
        (" 45.5 \r\n", 45.5.into(), "begin"),
        ("# null", 45.5.into(), "null"),
        (".5", 0.5.into(), "null"),
        ("100 %", 100.into(), "null"),
    ];
    for (line, progress, message) in table {
        let event = payload(&mut lines, line).unwrap();
        assert_eq!((&event["progress"], event["message"].as_str()), (&progress, Some(message)), "{line:?}");
        assert_eq!((&event["job_id"], &event["event_type"]), (&7.into(), &"job_progress".into()));
    }
}

#[test]
fn whole_events_are_remembered_and_a_new_run_forgets() {
    let mut lines = lines("scraping", Some("7"));
    payload(&mut lines, r#"{"event_type":"job_progress","progress":30,"message":"half"}"#).unwrap();
    assert_eq!(payload(&mut lines, "31").unwrap()["message"], "half");
    payload(&mut lines, r#"{"event_type":"job_started"}"#).unwrap();
    assert_eq!(payload(&mut lines, "1").unwrap()["message"], Value::Null);
}

#[test]
fn progress_in_output_is_told_once() {
    let mut lines = lines("scraping", Some("7"));
    let table = [
        ("make: Entering directory 'a'", None),
        ("[ 45%] Building C object a.o", Some((45.0, "Building C object a.o"))),
        ("[ 45%] Building C object a.o", None),
        ("a.c:12:80: warning: 100% of it", None),
        ("[12/80] Linking caf\u{e9}", Some((15.0, "Linking caf\u{e9}"))),
        ("# by hand", Some((15.0, "by hand"))),
        ("12.5", Some((12.5, "by hand"))),
    ];
    for (line, expected) in table {
        let event = payload(&mut lines, line);
        let seen = event
            .as_ref()
            .map(|event| (event["progress"].as_f64().unwrap(), event["message"].as_str().unwrap()));
        assert_eq!(seen, expected, "{line:?}");
    }
    assert_eq!(lines.in_vain(), None);
    assert!(lines.end().is_none());
}

#[test]
fn a_bar_of_hashes_is_no_message() {
    let mut lines = lines("scraping", Some("7"));
    for (line, progress, message) in [
        ("# begin", Value::Null, "begin".into()),
        (
            "#                                                                         1.4%",
            1.4.into(),
            "begin".into(),
        ),
        (
            "##################                                                       25.0%",
            25.into(),
            "begin".into(),
        ),
        (
            "######################################################################## 100.0%",
            100.into(),
            "begin".into(),
        ),
        ("# 45%", 100.into(), "45%".into()),
        ("## part 2", 100.into(), "# part 2".into()),
    ] {
        let event = payload(&mut lines, line).unwrap();
        assert_eq!((&event["progress"], &event["message"]), (&progress, &message), "{line:?}");
    }
}

#[test]
fn steps_go_into_the_fields_that_the_dialect_has_for_them() {
    let mut lines = lines("jobs", Some("build-1"));
    let event = payload(&mut lines, "[12/80] Building a.o").unwrap();
    assert_eq!([&event["percent"], &event["step"], &event["total"]], [15, 12, 80]);
    assert_eq!(event["message"], "Building a.o");
    let event = payload(&mut lines, "[1/1] all").unwrap();
    assert_eq!([&event["step"], &event["total"]], [1, 1]);
    assert_eq!(payload(&mut lines, "45%").unwrap().get("step"), None);
}

#[test]
fn lines_without_any_progress_are_counted() {
    let mut lines = lines("downloads", Some("a"));
    for line in ["hello", "", "world"] {
        assert_eq!(payload(&mut lines, line), None);
    }
    assert_eq!(lines.in_vain(), Some(2));
}

#[test]
fn the_end_of_the_lines_ends_the_job_once() {
    let end = |end, input: &[&str]| {
        let mut lines = lines("downloads", Some("a")).until(end).unwrap();
        for line in input {
            payload(&mut lines, line);
        }
        let event = lines.end()?;
        Some(serde_json::from_str::<Value>(&event.payload(Timestamp::UNIX_EPOCH).unwrap()).unwrap())
    };
    let ending = |code| InputEnd::Given(Ending::Exit(code));
    assert_eq!(end(ending(0), &["45%"]).unwrap()["status"], "completed");
    assert_eq!(end(ending(2), &["45%"]).unwrap()["error"], "exit code 2");
    assert_eq!(end(ending(2), &[r#"{"status":"completed"}"#]), None, "it ended already");
    let again = [r#"{"status":"completed"}"#, r#"{"status":"queued"}"#];
    assert_eq!(end(ending(0), &again).unwrap()["status"], "completed");
    assert_eq!(end(InputEnd::Told, &["make: done", "exit:3"]).unwrap()["error"], "exit code 3");
    assert_eq!(end(InputEnd::Told, &["exit:0"]).unwrap()["status"], "completed");
    assert_eq!(end(InputEnd::Told, &["exit:300", "exit"]).unwrap()["status"], "failed");
    let channels = lines("channels", Some("leads")).until(ending(0));
    assert!(channels.unwrap_err().to_string().contains("has no event that says 'succeeded'"));
}

#[test]
fn an_exit_code_that_the_dialect_cannot_say_is_an_error_before_the_first_line() {
    let text = r#"name = "mine"
        route = "/ws/mine/{job}"
        channel = "mine:{job}"
        [pointers]
        kind = "/event"
        error = "/error"
        [kinds]
        done = { ends = "succeeded" }
        broken = { ends = "failed" }
        [publish.events.done]
        [publish.events.broken]
        fields = [
          { name = "event", fill = "event" },
          { name = "error", type = "string", required = true, values = ["failed", "exit code 1", "exit code 130"] },
        ]"#;
    let mine = Arc::new(Dialect::from_toml(text, "mine.toml").unwrap());
    let lines = |end| InputLines::new(Arc::clone(&mine), Some("a".to_owned())).until(end);
    assert_eq!(
        lines(InputEnd::Told).unwrap_err().to_string(),
        "the dialect mine cannot say that a job ended with exit code 2: broken needs error"
    );
    let mut known = lines(InputEnd::Given(Ending::Exit(130))).unwrap();
    let event = known.end().unwrap().payload(Timestamp::UNIX_EPOCH).unwrap();
    assert!(event.contains("exit code 130"), "{event}");
}

#[test]
fn blank_lines_are_nothing() {
    let mut lines = lines("downloads", Some("a"));
    for line in ["", "\n", "\r\n", " \t "] {
        assert_eq!(payload(&mut lines, line), None, "{line:?}");
    }
}

#[test]
fn whole_events_may_name_their_own_jobs() {
    let mut lines = lines("downloads", None);
    let event = lines.read(br#"{"jobId":"b","status":"queued"}"#, Extent::Whole).unwrap().unwrap();
    assert_eq!((event.job.as_str(), event.channel().as_str()), ("b", "download_updates:b"));
    assert_eq!(
        error("downloads", None, "45"),
        "names no job; only whole events do, so give the target as downloads/JOB"
    );
}

#[test]
fn events_of_channels_go_to_the_channel_of_their_type_or_to_the_one_that_was_named() {
    let text = br#"{"type":"lead:created","lead_id":7}"#;
    let channel = |job| lines("channels", job).read(text, Extent::Whole).unwrap().unwrap().channel();
    assert_eq!(channel(None), "fliptechpro:leads");
    assert_eq!(channel(Some("conversations")), "fliptechpro:conversations");
    for (line, what) in [("45%", "progress"), ("# text", "message")] {
        let expected = format!("channels events have no {what}; write a whole event instead");
        assert_eq!(error("channels", Some("leads"), line), expected);
    }
}

#[test]
fn unchecked_lines_are_any_objects() {
    let mut loose = lines("channels", None).unchecked();
    let event = loose.read(br#"{"type":"lead:scored","lead_id":"x"}"#, Extent::Whole).unwrap().unwrap();
    assert_eq!(event.channel(), "fliptechpro:leads");
    assert!(
        loose
            .read(br#"{"type":"export:done"}"#, Extent::Whole)
            .unwrap_err()
            .to_string()
            .ends_with("--channel")
    );
    let mut loose = lines("scraping", Some("7")).unchecked();
    assert!(loose.read(br#"{"event_type":"paused"}"#, Extent::Whole).unwrap().is_some());
    assert!(loose.read(b"nope", Extent::Whole).unwrap().is_none());
}

#[test]
fn bad_lines_say_what_is_wrong() {
    let shape = "neither a JSON object, nor a number such as 45 or 45%, nor '# text'";
    for line in ["hello", "45%%", "nan", "inf", "%", "[1]", "\"x\"", "0x10", "1_0", "//", "null", "{"] {
        if line != "{" {
            assert_eq!(error("scraping", None, line), shape, "{line:?}");
            assert_eq!(error("channels", Some("leads"), line), shape, "{line:?}");
        }
        assert_eq!(
            payload(&mut lines("scraping", Some("7")), line),
            None,
            "output without progress: {line:?}"
        );
    }
    assert_eq!(error("scraping", Some("7"), "101%"), "a progress is from 0 to 100, got 101");
    assert_eq!(error("scraping", Some("7"), "-1"), "a progress is from 0 to 100, got -1");
    assert_eq!(error("scraping", Some("7"), "#  "), "no text after '#'");
    assert_eq!(
        error("downloads", Some("a"), "# text"),
        "downloads events have no message; write a whole event instead"
    );
    assert!(error("scraping", Some("7"), "{\"").starts_with("not JSON"));
    let mut lines = lines("scraping", Some("7"));
    assert!(lines.read(b"\xff", Extent::Whole).unwrap().is_none());
    assert_eq!(lines.read(b"{\"event_type\":\"\xff\"}", Extent::Whole).unwrap_err(), LineError::NotUtf8);
    let event = lines
        .read(b"# caf\xe9.txt\0", Extent::Whole)
        .unwrap()
        .unwrap()
        .payload(Timestamp::UNIX_EPOCH)
        .unwrap();
    assert!(event.contains("\"caf\u{fffd}.txt\""), "{event}");
    payload(&mut lines, "5").unwrap();
    lines.read(b"500", Extent::Whole).unwrap_err();
    assert_eq!(payload(&mut lines, "# x").unwrap()["progress"], 5, "a bad line is not remembered");
}
