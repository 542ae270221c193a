use proptest::prelude::*;

use super::*;

fn options() -> ReplayOptions {
    ReplayOptions {
        dialects: Dialects::builtin(),
        speed: Speed::Times(1.0),
        renamed: None,
        is_durable: false,
        misplaced: None,
    }
}

fn renaming(target: &str) -> ReplayOptions {
    let dialects = Dialects::builtin();
    let place = match Target::parse(target, &dialects, None).unwrap() {
        Target::Job { dialect, job } => Place { dialect, job },
        Target::Channel { dialect, name } => Place { dialect, job: name.to_string() },
        other => panic!("{other:?}"),
    };
    ReplayOptions { renamed: Some(place), ..options() }
}

/// A line of an event that came so many milliseconds after the first.
fn line(target: &str, ms: u64, event: &str) -> String {
    let at = Timestamp::from_millisecond(1_767_225_600_000).unwrap() + Duration::from_millis(ms);
    let target = serde_json::Value::from(target);
    format!(r#"{{"target":{target},"received_at":"{at:.6}","event":{event}}}"#)
}

/// `TIME CHANNEL PAYLOAD` of each event, and `N: WHY` of each line that is left out.
fn play(recording: &str, options: ReplayOptions) -> Vec<String> {
    let mut steps = ReplaySteps::new(recording.as_bytes(), options);
    let mut played = Vec::new();
    while let Some(step) = steps.next().unwrap() {
        played.push(match step {
            Ok(ReplayStep { at, event, .. }) => {
                let payload = event.payload(Timestamp::UNIX_EPOCH).unwrap();
                format!("{:?} {} {payload}", at, event.channel()).replace("Some(", "").replacen(") ", " ", 1)
            }
            Err((line, error)) => format!("{line}: {error}"),
        });
    }
    played
}

const HALF: &str = r#"{"job_id":7,"event_type":"job_progress","progress":50.0}"#;
const DONE: &str = r#"{"job_id":7,"event_type":"job_completed"}"#;

#[test]
fn events_go_to_their_channels_with_the_times_between_them() {
    let recording = [
        line("scraping/7", 0, HALF),
        line("celery/a/b", 1_500, r#"{"status":"STARTED","task_id":"a/b"}"#),
        line("channel:conversations", 1_500, r#"{"type":"ai:processing","task_id":"t"}"#),
        line("room:campaign:1", 2_000, r#"{"type":"email:sent","email_id":1,"campaign_id":1}"#),
        line("room:campaign:1 channel:leads", 3_000, r#"{"type":"lead:created","lead_id":1}"#),
        line(
            "ws://127.0.0.1:9/ws/download/a%20b",
            4_000,
            r#"{"type":"status","data":{"jobId":"a b","status":"queued","progress":0}}"#,
        ),
        line("jobs/build 42", 5_000, r#"{"event":"succeeded"}"#),
    ];
    let expected = [
        format!("0ns scraping_events {HALF}"),
        r#"1.5s celery-task-meta-a/b {"status":"STARTED","task_id":"a/b"}"#.to_owned(),
        r#"1.5s fliptechpro:conversations {"type":"ai:processing","task_id":"t"}"#.to_owned(),
        r#"2s fliptechpro:emails {"type":"email:sent","email_id":1,"campaign_id":1}"#.to_owned(),
        r#"3s fliptechpro:leads {"type":"lead:created","lead_id":1}"#.to_owned(),
        r#"4s download_updates:a b {"jobId":"a b","status":"queued","progress":0}"#.to_owned(),
        r#"5s job_updates:build 42 {"event":"succeeded"}"#.to_owned(),
    ];
    assert_eq!(play(&recording.join("\n"), options()), expected);
    assert_eq!(play(&format!("\u{feff}{}\r\n\r\n \n", recording.join("\r\n\r\n")), options()), expected);
}

#[test]
fn a_speed_divides_the_times_and_max_has_none() {
    let recording = [line("scraping/7", 0, HALF), line("scraping/7", 3_000, HALF)].join("\n");
    let due = |speed| {
        let mut steps = ReplaySteps::new(recording.as_bytes(), ReplayOptions { speed, ..options() });
        steps.next().unwrap();
        steps.next().unwrap().unwrap().unwrap().at
    };
    let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
    assert_eq!(due(Speed::Times(2.0)), seconds(1.5));
    assert_eq!(due(Speed::Times(0.5)), seconds(6.0));
    assert_eq!(due(Speed::Times(1e300)), seconds(0.0));
    assert_eq!(due(Speed::Times(1e-300)), Some(LONGEST));
    assert_eq!(due(Speed::Max), None);
}

#[test]
fn a_bad_line_is_named_by_its_number_and_the_rest_goes_on() {
    let at = |ms, event: &str| line("scraping/7", ms, event);
    let recording = [
        at(0, HALF),
        "nonsense".to_owned(),
        at(500, r#"{"job_id":8,"event_type":"job_progress"}"#),
        line("scarping/7", 500, HALF),
        line("scraping/seven", 500, HALF),
        line("build-42", 500, HALF),
        line("scraping/*", 500, HALF),
        line("celery/7", 500, HALF),
        line("channel:campaigns", 500, HALF),
        line("scraping/7", 500, r#"{"status":"SUCCESS","task_id":"7"}"#),
        line("celery/t", 500, r#"{"type":"progress","task_id":"t","step":1,"status":"Reading"}"#),
        line("bullmq/videos:1", 500, r#"{"event":"active","jobId":"1"}"#),
        at(500, HALF),
        at(499, HALF),
        at(500, "[]"),
        at(600, DONE)[..60].to_owned(),
        at(600, DONE),
        at(700, DONE)[..90].to_owned(),
    ];
    let played = play(&recording.join("\n"), options());
    let start = |number: usize| format!("{number}: ");
    let expected = [
        "0ns scraping_events",
        "2: it is no JSON",
        "3: the event is of 8, and its target is 7",
        "4: its target is none: there is no dialect 'scarping'; did you mean 'scraping'?",
        "5: its target is none: 'seven' cannot be a job of scraping",
        "6: its target is none: 'build-42' names no dialect",
        "7: its target is none: 'scraping/*' does not say which job it is",
        "8: the event is one of scraping, and its target is of celery",
        "9: the event is one of scraping, and its target is of channels",
        "10: the event is one of celery, and its target is of scraping",
        "11: the event is one of tasks, and its target is of celery",
        "12: BullMQ publishes the events of bullmq",
        "500ms scraping_events",
        "14: its time is before that of line 13",
        "15: the event is no event of scraping: not a JSON object",
        "16: it is no JSON: it ends in the middle",
        "600ms scraping_events",
        "18: it is cut off",
    ];
    assert_eq!(played.len(), expected.len(), "{played:#?}{}", start(0));
    for (told, expected) in played.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told:?} is not {expected:?}");
    }
}

#[test]
fn one_job_is_renamed_and_a_second_one_is_refused() {
    let recording = [
        line("celery/a", 0, r#"{"status": "STARTED", "task_id": "a", "result": {"task_id": "a"}}"#),
        line("celery/b", 1, r#"{"status":"STARTED","task_id":"b"}"#),
        line("scraping/7", 2, HALF),
    ]
    .join("\n");
    let expected = [
        r#"0ns celery-task-meta-c"d {"status": "STARTED", "task_id": "c\"d", "result": {"task_id": "a"}}"#,
        "2: it is of celery/b, and --as renames one job, which is celery/a",
        "3: it is of scraping/7, and --as names celery/c\"d",
    ];
    assert_eq!(play(&recording, renaming("celery/c\"d")), expected);
    let mut survey = survey(std::io::Cursor::new(&recording), renaming("celery/c")).unwrap();
    let failure = survey.check().unwrap_err();
    assert!(failure.message.starts_with("line 2: it is of celery/b"), "{failure}");
    assert!(failure.hint.unwrap().contains("grep -F '\"target\":\"celery/a\"'"));

    let room = line("room:lead:1", 0, r#"{"type":"mine","lead_id":1}"#);
    assert!(play(&room, options())[0].contains("no channel is known for its type 'mine'"));
    let expected = [r#"0ns fliptechpro:leads {"type":"mine","lead_id":1}"#];
    assert_eq!(play(&room, renaming("channel:leads")), expected);
}

#[test]
fn what_is_no_news_is_passed_over_and_counted() {
    let state =
        |ms, event: &str| line("scraping/7", ms, event).replace(r#""event""#, r#""snapshot":true,"event""#);
    let recording = [
        r#"{"target":"scraping/7","received_at":"x","connection":"connected"}"#.to_owned(),
        state(0, HALF),
        r#"{"target":"scraping/7","connection":"disconnected","reason":"x"}"#.to_owned(),
        r#"{"target":"scraping/7","gap":"too_old"}"#.to_owned(),
        state(10, HALF),
        state(20, r#"{"job_id":7,"event_type":"job_progress","progress":60}"#),
        line("scraping/7", 30, DONE),
        r#"{"target":"scraping/7","result":{}}"#.to_owned(),
    ];
    let mut steps = ReplaySteps::new(recording.join("\n").into_bytes().leak() as &[u8], options());
    let mut played = 0;
    while let Some(step) = steps.next().unwrap() {
        step.unwrap();
        played += 1;
    }
    assert_eq!(played, 3);
    let tally = steps.replay.tally();
    let tally = tally.lock().unwrap();
    let passed = "passed over, since they are no news: 2 connection, 1 gap, 1 result, 1 repeated state";
    assert_eq!(tally.words(), ("1 target".to_owned(), Some(passed.to_owned())));
}

#[test]
fn an_event_that_relays_never_read_from_streams_is_refused_with_durable() {
    let options = || ReplayOptions { is_durable: true, ..options() };
    let celery = line("celery/a", 0, r#"{"status":"STARTED","task_id":"a"}"#);
    let mut survey = survey(std::io::Cursor::new(&celery), options()).unwrap();
    assert!(
        survey.check().unwrap_err().message.contains("relays never read the events of celery from streams")
    );
    assert_eq!(play(&line("scraping/7", 0, HALF), options()).len(), 1);
}

proptest! {
    #[test]
    fn an_event_that_was_recorded_is_published_byte_for_byte(
        job in "[a-zA-Z0-9 :é\"\\\\-]{1,20}",
        blanks in "[ \t]{0,3}",
        text in any::<String>(),
        number in "-?[1-9][0-9]{0,30}(\\.[0-9]{1,9})?(e[0-9]{1,3})?",
        ms in 0_u64..10_000_000,
    ) {
        let (id, text) = (serde_json::Value::from(job.as_str()), serde_json::Value::from(text));
        let payload = format!(r#"{{{blanks}"x":{number},{blanks}"job":{id},"event":"log","line":{text}{blanks}}}"#);
        let recording = [line("scraping/7", 0, HALF), line(&format!("jobs/{job}"), ms, &payload)].join("\n");
        let played = play(&recording, options());
        prop_assert_eq!(&played[1], &format!("{:?} job_updates:{job} {payload}", Duration::from_millis(ms)));
    }

    #[test]
    fn no_bytes_at_all_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), edit in 0_usize..200, by in any::<u8>()) {
        let mut recording = [line("scraping/7", 0, HALF), line("channel:leads", 1, r#"{"type":"lead:created","lead_id":1}"#)].join("\n").into_bytes();
        let at = edit % recording.len();
        recording[at] = by;
        for input in [bytes, recording] {
            let mut steps = ReplaySteps::new(&input[..], renaming("scraping/8"));
            while steps.next().unwrap().is_some() {}
        }
    }
}
