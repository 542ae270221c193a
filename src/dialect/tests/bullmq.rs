//! The built-in dialect `bullmq`, on payloads as entries of BullMQ 6.7 become them.

use super::*;

fn bullmq() -> Arc<Dialect> {
    builtin("bullmq")
}

fn view(payload: &str) -> View {
    bullmq().view(payload).unwrap()
}

fn progress(data: &str) -> View {
    view(&format!(r#"{{"event":"progress","jobId":"1","data":{data}}}"#))
}

#[test]
fn a_job_is_its_queue_and_its_id_divided_at_the_first_colon() {
    let bullmq = bullmq();
    for (channel, job) in [
        ("bull:videos:1", "videos:1"),
        ("bull:videos/hd:a/b", "videos/hd:a/b"),
        ("bull:videos:repeat:daily:1764478800000", "videos:repeat:daily:1764478800000"),
    ] {
        let decoded = bullmq.decode(channel.as_bytes(), br#"{"event":"active","jobId":"x"}"#).unwrap();
        assert_eq!(decoded.job, job);
        assert_eq!(bullmq.channel_of(job), channel);
        assert_eq!(bullmq.state_key(job).as_deref(), Some(channel));
    }
    for (channel, reason) in [
        (&b"bull:videos"[..], Undecodable::ImpossibleJob),
        (b"bull:videos:", Undecodable::ImpossibleJob),
        (b"bull::1", Undecodable::ImpossibleJob),
        (b"other:videos:1", Undecodable::NoJob),
        (b"bull:videos:\xff", Undecodable::NotUtf8),
    ] {
        assert_eq!(bullmq.decode(channel, br#"{"event":"active"}"#).unwrap_err(), reason);
    }
    for impossible in ["videos", ":1", "videos:", ""] {
        assert!(bullmq.check_job(impossible).is_err(), "{impossible:?}");
    }
    assert_eq!(
        bullmq.check_job("videos").unwrap_err().to_string(),
        "a job id of this dialect is QUEUE:ID, as in videos:1"
    );
    assert_eq!(bullmq.socket_path("videos/hd:1"), "/ws/bullmq/videos%2Fhd%3A1");
    assert_eq!(bullmq.job_in("/ws/bullmq/{job}", "/ws/bullmq/videos%2Fhd:1").as_deref(), Some("videos/hd:1"));
    assert_eq!(bullmq.source.stream_of("bull:videos/hd:1"), "bull:videos/hd:events");
}

#[test]
fn each_event_does_to_its_job_what_bullmq_means_by_it() {
    let bullmq = bullmq();
    let of = |payload: &str| bullmq.decode(b"bull:q:1", payload.as_bytes()).unwrap().kind.unwrap().clone();
    for (payload, queued) in [
        (r#"{"event":"added","jobId":"1","name":"encode"}"#, true),
        (r#"{"event":"waiting","jobId":"1"}"#, true),
        (r#"{"event":"waiting","jobId":"1","prev":"active"}"#, true),
        (r#"{"event":"delayed","jobId":"1","delay":"1764478800000"}"#, true),
        (r#"{"event":"waiting-children","jobId":"1"}"#, true),
        (r#"{"event":"active","jobId":"1","prev":"waiting"}"#, false),
        (r#"{"event":"progress","jobId":"1","data":33}"#, false),
    ] {
        let kind = of(payload);
        assert!(kind.ends.is_none() && !kind.notice, "{payload}");
        assert_eq!(kind.queued, queued, "{payload}");
        assert_eq!(kind.opens, if queued { Opens::AfterEnding } else { Opens::Never }, "{payload}");
        assert_eq!(kind.conflatable, &*kind.name == "progress", "{payload}");
    }
    for (payload, ends) in [
        (r#"{"event":"completed","jobId":"1","returnvalue":null,"prev":"active"}"#, Some(Outcome::Succeeded)),
        (r#"{"event":"failed","jobId":"1","failedReason":"boom","prev":"active"}"#, Some(Outcome::Failed)),
        (r#"{"event":"removed","jobId":"1","prev":"wait"}"#, Some(Outcome::Cancelled)),
        (r#"{"event":"removed","jobId":"1","prev":"unknown"}"#, Some(Outcome::Cancelled)),
        (r#"{"event":"removed","jobId":"1","prev":"completed"}"#, None),
        (r#"{"event":"removed","jobId":"1","prev":"failed"}"#, None),
        (r#"{"event":"stalled","jobId":"1"}"#, None),
        (r#"{"event":"retries-exhausted","jobId":"1","attemptsMade":"3"}"#, None),
        (r#"{"event":"duplicated","jobId":"1"}"#, None),
        (r#"{"event":"deduplicated","jobId":"1","deduplicationId":"a","deduplicatedJobId":"2"}"#, None),
        (r#"{"event":"one of ours","jobId":"1"}"#, None),
    ] {
        let kind = of(payload);
        assert_eq!((kind.ends, kind.notice), (ends, ends.is_none()), "{payload}");
        assert_eq!(view(payload).kind.ends, ends, "{payload}");
    }
}

#[test]
fn progress_is_a_number_or_what_an_object_says() {
    for (data, percent, message) in [
        ("33", Some(33.0), None),
        ("33.5", Some(33.5), None),
        ("130", Some(100.0), None),
        (r#""45%""#, Some(45.0), None),
        (r#""reading""#, None, Some("reading")),
        (r#"{"current":4,"total":8,"message":"frame 4"}"#, Some(50.0), Some("frame 4")),
        (r#"{"step":1,"total":4}"#, Some(25.0), None),
        (r#"{"percentage":"45%","stage":"first pass"}"#, Some(45.0), Some("first pass")),
        (r#"{"percent":7,"desc":"x"}"#, Some(7.0), Some("x")),
        (r#"{"progress":8}"#, Some(8.0), None),
        ("true", None, None),
        ("null", None, None),
        ("[1,2]", None, None),
        ("{}", None, None),
    ] {
        let seen = progress(data);
        assert_eq!((seen.percent, seen.message.as_deref()), (percent, message), "{data}");
        let payload = format!(r#"{{"event":"progress","jobId":"1","data":{data}}}"#);
        let bullmq = bullmq();
        let decoded = bullmq.decode(b"bull:q:1", payload.as_bytes()).unwrap();
        let decoded = decoded.percent.and_then(|percent| percent.as_f64()).map(|percent| percent.min(100.0));
        assert_eq!(decoded, percent, "{data}");
    }
}

#[test]
fn an_ending_says_what_went_wrong_or_what_came_of_it() {
    let failed = view(r#"{"event":"failed","jobId":"1","failedReason":"boom","prev":"active"}"#);
    assert_eq!((failed.error.as_deref(), failed.message), (Some("boom"), None));
    let result = |json: &str| {
        view(&format!(r#"{{"event":"completed","jobId":"1","returnvalue":{json},"prev":"active"}}"#)).result
    };
    assert_eq!(result(r#""6 files""#).as_deref(), Some("6 files"));
    assert_eq!(result("42").as_deref(), Some("42"));
    for none in ["null", "{}", r#"{"ok":1}"#, "[1]", "\"\"", &format!("\"{}\"", "x".repeat(81))] {
        assert_eq!(result(none), None, "{none}");
    }
}

/// The payload that a hash of these fields stands for.
fn kept(fields: &[(&str, &str)]) -> Option<String> {
    let bullmq = bullmq();
    let field = |name: &String| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map_or(KeptField::Absent, |(_, text)| KeptField::Text(text.as_bytes().to_vec()))
    };
    let fields: Vec<KeptField> = bullmq.state_fields().iter().map(field).collect();
    bullmq.state_event("q:repeat:a:1", &fields)
}

#[test]
fn a_hash_stands_for_the_event_that_bullmq_wrote_last() {
    let id = r#""jobId":"repeat:a:1""#;
    for (fields, event) in [
        (&[("name", "encode"), ("delay", "0")][..], format!(r#"{{"event":"added",{id},"name":"encode"}}"#)),
        (&[("name", "encode"), ("delay", "5000")], format!(r#"{{"event":"delayed",{id}}}"#)),
        (
            &[("name", "e"), ("delay", "0"), ("processedOn", "1")],
            format!(r#"{{"event":"active",{id},"prev":"waiting"}}"#),
        ),
        (
            &[("processedOn", "1"), ("progress", r#"{"current":1}"#)],
            format!(r#"{{"event":"progress",{id},"data":{{"current":1}}}}"#),
        ),
        (&[("processedOn", "1"), ("progress", "0")], format!(r#"{{"event":"progress",{id},"data":0}}"#)),
        // A retry that is waited for.
        (
            &[
                ("name", "e"),
                ("delay", "100"),
                ("processedOn", "1"),
                ("progress", "7"),
                ("failedReason", "boom"),
            ],
            format!(r#"{{"event":"delayed",{id}}}"#),
        ),
        // A retry that went well.
        (
            &[
                ("processedOn", "1"),
                ("finishedOn", "2"),
                ("failedReason", "boom"),
                ("returnvalue", "\"ok\""),
                ("progress", "7"),
            ],
            format!(r#"{{"event":"completed",{id},"returnvalue":"ok","prev":"active"}}"#),
        ),
        (
            &[("delay", "100"), ("finishedOn", "2"), ("failedReason", "bo\"om")],
            format!(r#"{{"event":"failed",{id},"failedReason":"bo\"om","prev":"active"}}"#),
        ),
        (&[("finishedOn", "2")], format!(r#"{{"event":"completed",{id},"prev":"active"}}"#)),
    ] {
        assert_eq!(kept(fields).as_deref(), Some(&*event), "{fields:?}");
    }
    assert_eq!(kept(&[]), None);
    assert_eq!(kept(&[("progress", "7")]), None, "of a job that was removed meanwhile");
}

#[test]
fn a_value_that_is_too_long_is_left_out_and_the_ending_is_known() {
    let bullmq = bullmq();
    let field = |name: &String| match name.as_str() {
        "finishedOn" => KeptField::Text(b"2".to_vec()),
        "returnvalue" => KeptField::TooLong,
        _ => KeptField::Absent,
    };
    let fields: Vec<KeptField> = bullmq.state_fields().iter().map(field).collect();
    let event = bullmq.state_event("q:1", &fields);
    assert_eq!(event.as_deref(), Some(r#"{"event":"completed","jobId":"1","prev":"active"}"#));
}

#[test]
fn a_polling_body_says_what_a_watcher_reads() {
    let bullmq = bullmq();
    let body =
        |kind: &str, newest: &str, percent: Option<u32>| polled(&bullmq, "q:1", (kind, newest), percent);
    let (view, text) =
        body("progress", r#"{"event":"progress","jobId":"1","data":{"percent":45,"stage":"x"}}"#, Some(45));
    assert_eq!(
        text,
        r#"{"job":"q:1","status":"active","percent":45,"message":"x","error":null,"result":null}"#
    );
    assert_eq!(
        (view.state, view.percent, view.message.as_deref()),
        (JobState::Running, Some(45.0), Some("x"))
    );
    let (view, text) = body(
        "completed",
        r#"{"event":"completed","jobId":"1","returnvalue":{"a":1},"prev":"active"}"#,
        Some(45),
    );
    assert_eq!(
        text,
        r#"{"job":"q:1","status":"completed","percent":100,"message":null,"error":null,"result":{"a":1}}"#
    );
    assert_eq!((view.state, view.percent), (JobState::Succeeded, Some(100.0)));
    let (view, _) = body("failed", r#"{"event":"failed","jobId":"1","failedReason":"boom"}"#, None);
    assert_eq!((view.state, view.error.as_deref()), (JobState::Failed, Some("boom")));
    for (kind, status, state) in [
        ("added", "waiting", JobState::Queued),
        ("waiting", "waiting", JobState::Queued),
        ("delayed", "delayed", JobState::Queued),
        ("waiting-children", "waiting-children", JobState::Queued),
        ("active", "active", JobState::Running),
        ("removed", "removed", JobState::Cancelled),
    ] {
        let (view, text) = body(kind, &format!(r#"{{"event":"{kind}","jobId":"1"}}"#), None);
        assert_eq!(view.state, state, "{kind}");
        assert!(text.contains(&format!(r#""status":"{status}""#)), "{text}");
    }
}

#[test]
fn a_prefix_and_names_of_queues_are_bullmq_s_own() {
    for prefix in ["prod", "my:app", "{bull}", "{job}"] {
        let names = ["videos".to_owned(), "a/b".to_owned()];
        let all = Dialects::builtin().with_bullmq_queues(prefix, Some(&names)).unwrap();
        let (_, bullmq) = all.named("bullmq").unwrap();
        assert_eq!(bullmq.channel_of("videos:1"), format!("{prefix}:videos:1"));
        assert_eq!(bullmq.state_key("videos:1"), Some(format!("{prefix}:videos:1")));
        let channel = format!("{prefix}:videos:1");
        assert_eq!(bullmq.decode(channel.as_bytes(), br#"{"event":"active"}"#).unwrap().job, "videos:1");
        assert_eq!(bullmq.source, Source::Queues { prefix: prefix.to_owned(), names: Some(names.to_vec()) });
    }
    let mut all = Dialects::builtin();
    assert_eq!(all.add(Dialect::from_toml(&mine("bullmq"), "mine.toml").unwrap(), "mine.toml"), Ok(true));
    let all = all.with_bullmq_queues("prod", None).unwrap();
    assert_eq!(all.named("bullmq").unwrap().1.channel_of("t"), "mine:t", "its channel is its own");
}

#[test]
fn its_publications_come_by_streams_whether_it_is_named_or_not() {
    let all = Dialects::builtin();
    assert!(all.named("bullmq").unwrap().1.streams);
    assert!(all.with_streams(&["bullmq", "scraping"]).unwrap().named("bullmq").unwrap().1.streams);
    assert_eq!(all.with_streams(&["celery"]).unwrap_err(), "celery");
}

#[test]
fn a_file_of_queues_is_refused_where_it_makes_no_sense() {
    let file = |change: (&str, &str)| {
        let text = r#"
            name = "mine"
            route = "/ws/mine/{job}"
            channel = "mine:{job}"
            queues = true
            pointers.kind = "/event"
            pointers.variant = "/prev"
            kinds.failed = { ends = "failed", variants = { x = { notice = true } } }
            state = { key = "mine:{job}", hash = [{ has = ["a"], event = [{ name = "event", text = "failed" }] }] }
        "#;
        assert!(text.contains(change.0));
        Dialect::from_toml(&text.replace(change.0, change.1), "f.toml").map_err(|error| error.message)
    };
    assert!(file(("", "")).is_ok());
    for (from, to, says) in [
        (
            "channel = \"mine:{job}\"",
            "channel = \"mine\"",
            "channel: that of queues is their prefix and {job}, as in \"bull:{job}\"",
        ),
        (
            "queues = true",
            "queues = true\njob.type = \"integer\"",
            "job.type: a job of a queue has a text for an id, QUEUE:ID",
        ),
        (
            "pointers.variant = \"/prev\"",
            "",
            "kinds.failed.variants: needs `pointers.variant`: the word of a variant must stand somewhere",
        ),
        (
            "notice = true",
            "notice = true, variants = { y = {} }",
            "kinds.failed.variants: a variant has no variants",
        ),
        ("has = [\"a\"]", "has = []", "state.hash.0.has: needs a field that tells this hash"),
        (
            "text = \"failed\"",
            "from = \"@nope\"",
            "state.hash.0.event.0: give either `text`, or `from`: a field of the hash, @job or @id",
        ),
        (
            "key = \"mine:{job}\"",
            "key = \"mine\"",
            "state.key: a key has {job} in it, as in \"state-of-{job}\"",
        ),
    ] {
        assert_eq!(file((from, to)).unwrap_err(), says);
    }
}
