use super::*;

mod bullmq;
mod celery;
mod file;
mod jobs;

fn builtin(name: &str) -> Arc<Dialect> {
    Arc::clone(Dialects::builtin().named(name).unwrap().1)
}

/// A dialect of a user's own, named like a built-in one.
fn mine(name: &str) -> String {
    format!(
        r#"
            name = "{name}"
            route = "/ws/mine/{{job}}"
            channel = "mine:{{job}}"
            pointers.kind = "/state"
            kinds.DONE = {{ ends = "succeeded" }}
        "#
    )
}

/// The polling body of a job whose newest event is of this kind, and what a watcher reads in it.
fn polled(
    dialect: &Dialect,
    job: &str,
    (kind, newest): (&str, &str),
    percent: Option<u32>,
) -> (StatusView, String) {
    let percent = percent.map(Into::into);
    let body = dialect.status_body(&StatusSource { job, newest, kind, percent: percent.as_ref() }).unwrap();
    (dialect.view_status(&body).unwrap(), body)
}

const PROGRESS: &str = r#"{"job_id":123,"event_type":"job_progress","status":"running","progress":45.5,"results_count":42,"message":"Scraping in progress...","metadata":{"successful_scrapers":3,"failed_scrapers":1,"total_flights":42},"timestamp":"2025-11-21T10:30:00"}"#;

#[test]
fn a_scraping_event_passes_byte_for_byte() {
    let scraping = builtin("scraping");
    let decoded = scraping.decode(b"scraping_events", PROGRESS.as_bytes()).unwrap();
    assert_eq!(decoded.job, "123");
    assert_eq!(&*decoded.kind.unwrap().name, "job_progress");
    assert!(decoded.kind.unwrap().conflatable);
    assert_eq!(decoded.percent.as_ref().unwrap().as_f64(), Some(45.5));
    assert_eq!(decoded.entity, None);
    assert_eq!(decoded.text_parts().concat(), PROGRESS.as_bytes());
}

#[test]
fn a_scraper_event_names_its_scraper_and_route() {
    let scraping = builtin("scraping");
    let payload =
        br#"{"job_id":1,"event_type":"scraper_failed","metadata":{"scraper_name":"kiwi","route":"MUC-BCN"}}"#;
    let decoded = scraping.decode(b"scraping_events", payload).unwrap();
    assert_eq!(decoded.entity.as_deref(), Some("kiwi MUC-BCN"));
    assert_eq!(decoded.kind.unwrap().ends, None);
}

#[test]
fn a_scraper_s_error_is_its_own_or_the_message() {
    let view = |rest: &str| {
        let text = format!(r#"{{"job_id":1,"event_type":"scraper_failed",{rest}}}"#);
        builtin("scraping").view(&text).unwrap().error
    };
    let both = r#""message":"kiwi failed","metadata":{"scraper_name":"kiwi","error":"503"}"#;
    assert_eq!(view(both).as_deref(), Some("503"));
    let message = r#""message":"kiwi failed","metadata":{"scraper_name":"kiwi"}"#;
    assert_eq!(view(message).as_deref(), Some("kiwi failed"));
    assert_eq!(view(r#""metadata":{"scraper_name":"kiwi","error":null}"#), None);
}

#[test]
fn what_cannot_be_decoded_says_why() {
    let scraping = builtin("scraping");
    let reason = |payload: &[u8]| scraping.decode(b"scraping_events", payload).unwrap_err();
    assert_eq!(reason(b"\xff\xfe"), Undecodable::NotUtf8);
    assert_eq!(reason(b"hello"), Undecodable::NotJson);
    assert_eq!(reason(b"{\"job_id\":1} trailing"), Undecodable::NotJson);
    assert_eq!(reason(b"[1]"), Undecodable::NotObject);
    assert_eq!(reason(b"{}"), Undecodable::NoJob);
    assert_eq!(reason(b"{\"job_id\":null}"), Undecodable::NoJob);
    for odd in ["\"123\"", "1.5", "[1]", "true", "1e3", "99999999999999999999"] {
        assert_eq!(reason(format!("{{\"job_id\":{odd}}}").as_bytes()), Undecodable::JobType, "{odd}");
    }
    let long = "x".repeat(10 * 1024);
    let tasks = builtin("tasks");
    let done =
        tasks.view(r#"{"type":"completion","status":"SUCCESS","recipe_id":"42","recipe_name":"Carbonara"}"#);
    let done = done.unwrap();
    assert_eq!((done.result.as_deref(), done.message), (Some("Carbonara (42)"), None));
    let failed = tasks.view(r#"{"type":"error","status":"FAILURE","error":"scraping failed"}"#).unwrap();
    assert_eq!((failed.error.as_deref(), failed.message), (Some("scraping failed"), None));
    let polled = tasks.view_status(r#"{"task_id":"a","status":"SUCCESS","recipe_id":42}"#).unwrap();
    assert_eq!(polled.result.as_deref(), Some("42"));
    let downloads = builtin("downloads");
    let channel = format!("download_updates:{long}");
    assert_eq!(downloads.decode(channel.as_bytes(), b"{}").unwrap_err(), Undecodable::ImpossibleJob);
}

#[test]
fn bare_downloads_are_wrapped_and_wrapped_ones_pass() {
    let downloads = builtin("downloads");
    let bare = r#"{"jobId":"other","status":"processing","progress":45}"#;
    let decoded = downloads.decode(b"download_updates:abc", bare.as_bytes()).unwrap();
    assert_eq!(decoded.job, "abc", "the channel beats the payload");
    assert_eq!(decoded.percent.as_ref().unwrap().as_u64(), Some(45));
    let wrapped = format!(r#"{{"type":"status","data":{bare}}}"#);
    assert_eq!(decoded.text_parts().concat(), wrapped.as_bytes());
    let decoded = downloads.decode(b"download_updates:abc", wrapped.as_bytes()).unwrap();
    assert_eq!(&*decoded.kind.unwrap().name, "processing");
    assert_eq!(decoded.inner, bare);
    assert_eq!(decoded.text_parts().concat(), wrapped.as_bytes());
}

#[test]
fn the_scraping_status_body_is_the_contract_s() {
    let scraping = builtin("scraping");
    let percent = serde_json::Number::from_f64(45.5).unwrap();
    let newest = PROGRESS.replace("45.5", "null");
    let source = StatusSource { job: "123", newest: &newest, kind: "job_progress", percent: Some(&percent) };
    assert_eq!(
        scraping.status_body(&source).unwrap(),
        r#"{"job_id":123,"status":"running","progress":45.5,"results_count":42,"items_scraped":42,"message":"Scraping in progress...","updated_at":"2025-11-21T10:30:00"}"#
    );
}

#[test]
fn unknown_jobs_get_what_the_contracts_say() {
    assert_eq!(
        builtin("scraping").unknown_frame("999", "2025-11-21T10:30:00").unwrap(),
        r#"{"job_id":999,"event_type":"error","status":"failed","progress":null,"results_count":0,"message":"Job 999 not found","metadata":{},"timestamp":"2025-11-21T10:30:00"}"#
    );
    assert_eq!(
        builtin("downloads").unknown_frame("abc", "").unwrap(),
        r#"{"type":"status","data":{"jobId":"abc","status":"queued","progress":0}}"#
    );
    assert_eq!(builtin("downloads").unknown.as_ref().unwrap().after, Duration::ZERO);
    assert_eq!(builtin("scraping").unknown.as_ref().unwrap().after, Duration::from_secs(30));
}

#[test]
fn merging_is_shallow_and_keeps_what_is_not_repeated() {
    let older = r#"{"jobId":"a","progress":10,"videoInfo":{"id":"x","title":"t"}}"#;
    let newer = r#"{"progress":20,"videoInfo":{"id":"y"}}"#;
    let merge = |newer| {
        let merge = Dialect::merge(older, newer);
        (merge.object, merge.failed)
    };
    let object = r#"{"jobId":"a","progress":20,"videoInfo":{"id":"y"}}"#.to_owned();
    assert_eq!(merge(vec![newer]), (object.clone(), 0));
    assert_eq!(merge(vec!["[1]", newer, ""]), (object, 2), "what is no object is counted");
}

/// Members that no strict parser takes: a file name that is not UTF-8 (in a text and in a name), huge numbers, a
/// repeated name, depth.
fn odd() -> String {
    let deep = "[".repeat(300) + &"]".repeat(300);
    format!(r#""error":"caf\udce9.txt","x\udce9":1,"n":[1e400,{}],"e":1,"e":2,"deep":{deep}"#, "9".repeat(30))
}

#[test]
fn what_no_strict_parser_takes_is_decoded_merged_polled_and_viewed() {
    let cafe = Some("caf\u{fffd}.txt");
    let payload = format!(r#"{{"jobId":"a","status":"failed","progress":50,{}}}"#, odd());
    let downloads = builtin("downloads");
    let decoded = downloads.decode(b"download_updates:a", payload.as_bytes()).unwrap();
    assert_eq!(decoded.kind.unwrap().ends, Some(Outcome::Failed));
    let merged = Dialect::merge(r#"{"jobId":"b","videoInfo":{}}"#, [decoded.inner]);
    assert_eq!(merged.failed, 0);
    for part in [r#""error":"caf\udce9.txt""#, r#""x\udce9":1"#, "[1e400,99", r#""e":2"#, "[[[["] {
        assert!(merged.object.contains(part), "{part}");
    }
    for text in [merged.object.as_str(), payload.as_str()] {
        assert_eq!(downloads.view(text).unwrap().error.as_deref(), cafe);
        assert_eq!(downloads.view_status(text).unwrap().error.as_deref(), cafe);
    }

    let tasks = builtin("tasks");
    let payload = format!(r#"{{"type":"error","task_id":"t","status":"FAILURE","message":"m",{}}}"#, odd());
    assert_eq!(tasks.decode(b"task_updates:t", payload.as_bytes()).unwrap().kind_name, "error");
    assert_eq!(tasks.view(&payload).unwrap().error.as_deref(), cafe);
    let source = StatusSource { job: "t", newest: &payload, kind: "error", percent: None };
    let body = tasks.status_body(&source).unwrap();
    assert_eq!(
        body,
        "{\"task_id\":\"t\",\"status\":\"FAILURE\",\"message\":\"m\",\"error\":\"caf\u{fffd}.txt\"}"
    );
    assert_eq!(tasks.view_status(&body).unwrap().error.as_deref(), cafe);
}

#[test]
fn a_name_that_is_not_all_characters_is_no_id_and_no_owner_but_the_part_of_a_job() {
    let scraping = builtin("scraping");
    let decode = |payload: &str| {
        let decoded = scraping.decode(b"scraping_events", payload.as_bytes()).unwrap();
        decoded.entity.map(|name| name.to_string())
    };
    let scraper = |name: &str| {
        format!(
            r#"{{"job_id":1,"event_type":"scraper_started","metadata":{{"scraper_name":"{name}","route":"r"}}}}"#
        )
    };
    assert_ne!(decode(&scraper(r"a\udce9")), decode(&scraper(r"a\udcea")), "they are not conflated");
    let view = scraping.view(&scraper(r"a\udce9")).unwrap();
    assert_eq!(view.entity.unwrap().name, "a\u{fffd} r");
    let owned = br#"{"type":"progress","user_id":"u\udce9"}"#;
    assert_eq!(builtin("tasks").decode(b"task_updates:t", owned).unwrap().owner, None);
    let text = r#"
        name = "x"
        route = "/x/{job}"
        channel = "x"
        job = { pointer = "/id" }
        pointers = { kind = "/k" }
        kinds = { done = { ends = "succeeded" } }
    "#;
    let dialect = Dialect::from_toml(text, "x").unwrap();
    let reason = dialect.decode(b"x", br#"{"id":"a\udce9","k":"done"}"#).unwrap_err();
    assert_eq!(reason, Undecodable::ImpossibleJob);
}

#[test]
fn an_error_that_is_no_text_is_shown_in_words() {
    let downloads = builtin("downloads");
    let table = [
        (r#"{"code":403,"message":"private video"}"#, "private video"),
        (r#"{"code":403,"detail":"private"}"#, "private"),
        (r#"["a", "b"]"#, r#"["a","b"]"#),
        ("403", "403"),
        ("true", "true"),
        (r#"{"code": 403}"#, r#"{"code":403}"#),
    ];
    for (error, expected) in table {
        let data = format!(r#"{{"jobId":"a","status":"failed","progress":1,"error":{error}}}"#);
        assert_eq!(downloads.view(&data).unwrap().error.as_deref(), Some(expected), "{error}");
        assert_eq!(downloads.view_status(&data).unwrap().error.as_deref(), Some(expected), "{error}");
        let payload = format!(
            r#"{{"job_id":1,"event_type":"scraper_failed","message":{error},"metadata":{{"scraper_name":"s"}}}}"#
        );
        let view = builtin("scraping").view(&payload).unwrap();
        assert_eq!((view.message.as_deref(), view.error.as_deref()), (Some(expected), Some(expected)));
        let task = format!(r#"{{"type":"error","error":{error}}}"#);
        assert_eq!(builtin("tasks").view(&task).unwrap().error.as_deref(), Some(expected));
        let source = StatusSource { job: "t", newest: &task, kind: "error", percent: None };
        let body = builtin("tasks").status_body(&source).unwrap();
        assert!(body.contains(&format!(r#""error":{error}"#)), "a client gets it as it is: {body}");
        assert_eq!(builtin("tasks").view_status(&body).unwrap().error.as_deref(), Some(expected));
    }
}

#[test]
fn a_client_reads_events_and_polling_bodies() {
    let view = builtin("scraping").view(PROGRESS).unwrap();
    assert_eq!((view.percent, view.count), (Some(45.5), Some(42)));
    assert_eq!(view.message.as_deref(), Some("Scraping in progress..."));
    let downloads = builtin("downloads");
    assert_eq!(downloads.view(r#"{"type":"pong"}"#), None);
    let failed = downloads
        .view(r#"{"type":"status","data":{"status":"failed","progress":3,"error":"gone"}}"#)
        .unwrap();
    assert_eq!((failed.kind.ends, failed.error.as_deref()), (Some(Outcome::Failed), Some("gone")));
    let polled = downloads.view_status(r#"{"jobId":"a","status":"completed","progress":100}"#).unwrap();
    assert_eq!(polled.state, JobState::Succeeded);
    assert_eq!(downloads.stage(50.0), Some("downloading"));
}

#[test]
fn faults_name_file_line_and_key() {
    let text = include_str!("builtin/scraping.toml").replacen("\"/progress\"", "\"progress\"", 1);
    let error = Dialect::from_toml(&text, "mine.toml").unwrap_err();
    assert_eq!((error.origin.as_str(), error.line), ("mine.toml", Some(17)));
    assert!(error.message.starts_with("pointers.percent: a pointer starts with '/'"), "{error}");
    let error = Dialect::from_toml("name = \"x\"\nnope = 1\n", "mine.toml").unwrap_err();
    assert_eq!(error.line, Some(2));
    assert!(error.message.contains("nope"), "{error}");
}

#[test]
fn a_dialect_whose_paths_are_taken_is_refused() {
    let mut all = Dialects::builtin();
    let text = include_str!("builtin/scraping.toml")
        .replace("name = \"scraping\"", "name = \"mine\"")
        .replace("scraping_events", "mine");
    let error = all.add(Dialect::from_toml(&text, "mine.toml").unwrap(), "mine.toml").unwrap_err();
    assert_eq!(error.to_string(), "mine.toml: route: the dialect scraping has that path already");
}

#[test]
fn a_second_dialect_of_channels_is_refused() {
    let mut all = Dialects::builtin();
    let text = include_str!("builtin/channels.toml")
        .replace("name = \"channels\"", "name = \"mine\"")
        .replace("fliptechpro:", "mine:")
        .replace("\"/ws", "\"/mine");
    let error = all.add(Dialect::from_toml(&text, "mine.toml").unwrap(), "mine.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "mine.toml: channels: the dialect channels has channels, and only one can; a dialect of jobs has {job} in its route"
    );
}

#[test]
fn a_route_that_no_relay_could_serve_is_refused() {
    let refusal = |route: &str| {
        let text =
            include_str!("builtin/scraping.toml").replace("/ws/scraping/{job}\"", &format!("{route}\""));
        Dialect::from_toml(&text, "mine.toml").map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(refusal("/mine/{job}"), Ok(()));
    for route in ["/publish/{job}", "/publish/{job}/x"] {
        assert_eq!(
            refusal(route).unwrap_err(),
            "mine.toml:4: route: the paths beneath /publish/ are the relay's own"
        );
    }
    assert_eq!(
        refusal("/ws/scraping/{job}/status").unwrap_err(),
        "mine.toml:37: status.route: is the path of the socket already"
    );
    for route in ["/:v/{job}", "/jöbs/{job}", "/a b/{job}", "/{job}/{job}", "/x", "/{*job}"] {
        assert!(refusal(route).is_err(), "{route}");
    }
}

#[test]
fn what_was_meant_by_half_a_target_is_named() {
    let meant = |text| {
        let error = Target::parse(text, &Dialects::builtin(), None).unwrap_err().to_string();
        error.split_once("; did you mean ").map(|(_, meant)| meant.to_owned())
    };
    for (text, expected) in [
        ("campaigns", "'channel:campaigns'? 'jobs/campaigns' is the job of that name"),
        ("campaign:1", "'room:campaign:1'? 'jobs/campaign:1' is the job of that name"),
        ("chanel:leads", "'channel:leads'? 'jobs/chanel:leads' is the job of that name"),
        ("tasks", "'tasks/ID'? 'jobs/tasks' is the job of that name"),
        ("celery:ab12", "'celery/ab12'? 'jobs/celery:ab12' is the job of that name"),
        ("channels", "'channel:NAME'? 'jobs/channels' is the job of that name"),
        ("localhost:8000", "'ws://localhost:8000'? 'jobs/localhost:8000' is the job of that name"),
    ] {
        assert_eq!(meant(text).as_deref(), Some(expected), "{text}");
    }
    for text in ["", "me:secret@host", "host?token=secret"] {
        let error = Target::parse(text, &Dialects::builtin(), None).unwrap_err().to_string();
        assert!(meant(text).is_none() && !error.contains("secret"), "{error}");
    }
}

#[test]
fn a_target_that_names_no_dialect_is_one_of_jobs_or_of_the_dialect_that_is_named_beside_it() {
    let all = Dialects::builtin();
    let parsed = |text: &str, dialect| Target::parse(text, &all, dialect).map(|target| target.to_string());
    for text in ["build-42", "scrapng", "nightly:42", "campaign:", "1", "a b", "mañana", "release v1.2"] {
        assert_eq!(parsed(text, None).unwrap(), format!("jobs/{text}"));
    }
    assert_eq!(parsed("*", None).unwrap(), "jobs/*");
    assert_eq!(parsed("123", Some("scraping")).unwrap(), "scraping/123");
    let error = |text, dialect| parsed(text, dialect).unwrap_err().to_string();
    assert_eq!(
        error("x", Some("scraping")),
        "'x' cannot be a job of scraping: a job id of this dialect is an integer, as in 123"
    );
    assert!(error("a\nb", None).contains("cannot be a job of jobs"));
    assert!(error("x", Some("channels")).contains("channels and rooms instead of jobs"));
    assert_eq!(error("x", Some("scrapin")), "there is no dialect 'scrapin'; did you mean 'scraping'?");
}

#[test]
fn targets_are_jobs_or_urls() {
    let all = Dialects::builtin();
    assert_eq!(Target::parse("scraping/123", &all, None).unwrap().to_string(), "scraping/123");
    let Target::Url { dialect, job, .. } =
        Target::parse("ws://h:1/ws/download/a%20b?x=1", &all, None).unwrap()
    else {
        panic!()
    };
    assert_eq!((&*dialect.name, job.as_deref()), ("downloads", Some("a b")));
    for bad in
        ["scraping", "scraping/x", "scrap/1", "ftp://h/ws/scraping/1", "ws://h/elsewhere", "downloads/a\nb"]
    {
        assert!(Target::parse(bad, &all, None).is_err(), "{bad}");
    }
    let error = Target::parse("scrapin/1", &all, None).unwrap_err().to_string();
    assert_eq!(error, "there is no dialect 'scrapin'; did you mean 'scraping'?");
}

#[test]
fn slips_of_a_worker_are_named_and_its_event_is_decoded_all_the_same() {
    let slips = |dialect: &str, channel: &str, payload: &str| -> Vec<Slip> {
        builtin(dialect).decode(channel.as_bytes(), payload.as_bytes()).unwrap().slips.iter().collect()
    };
    let scraping = |more: &str| slips("scraping", "scraping_events", &format!(r#"{{"job_id":9{more}}}"#));
    assert_eq!(scraping(r#","type":"progress""#), [Slip::NoKind]);
    assert_eq!(scraping(r#","event_type":"""#), [Slip::NoKind]);
    assert_eq!(scraping(r#","event_type":7"#), [Slip::KindType]);
    assert_eq!(scraping(r#","event_type":"job_paused\udce9""#), [Slip::UnknownKind]);
    let progress = |value: &str| scraping(&format!(r#","event_type":"job_progress","progress":{value}"#));
    for good in ["0", "45.5", "100", "1e2", "null"] {
        assert_eq!(progress(good), [], "{good}");
    }
    for (bad, slip) in [
        ("101", Slip::PercentRange),
        ("-1", Slip::PercentRange),
        ("1e400", Slip::PercentRange),
        (r#""half""#, Slip::PercentType),
        ("[45]", Slip::PercentType),
        ("true", Slip::PercentType),
    ] {
        assert_eq!(progress(bad), [slip], "{bad}");
    }
    let download = |id: &str| {
        let payload = format!(r#"{{"jobId":{id},"status":"queued","progress":0}}"#);
        slips("downloads", "download_updates:7", &payload)
    };
    for good in [r#""7""#, "7", "null"] {
        assert_eq!(download(good), [], "{good}");
    }
    assert_eq!(download(r#""8""#), [Slip::OtherJob]);
    assert_eq!(
        slips("downloads", "download_updates:7", r#"{"progress":"x"}"#),
        [Slip::NoKind, Slip::PercentType]
    );
}
