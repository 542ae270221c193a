mod catalogue;

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Typed {
    #[command(flatten)]
    args: PublishArgs,
}

fn resolve(line: &[&str]) -> Result<PublishOptions, Failure> {
    let line = std::iter::once("publish").chain(line.iter().copied());
    Typed::try_parse_from(line).unwrap().args.resolve(&Dialects::builtin()).map(|(options, _)| options)
}

fn refused(line: &[&str]) -> String {
    let failure = resolve(line).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage, "{line:?}");
    failure.message
}

#[test]
fn how_a_job_ends_is_a_word_or_a_code() {
    for text in ["succeeded", "failed", "exit:0", "exit:255", "exit:130"] {
        assert!(resolve(&["scraping/1", "--end", text]).is_ok(), "{text}");
        assert!(resolve(&["scraping/1", "--stdin", "--end", text]).is_ok(), "{text}");
    }
    assert!(resolve(&["scraping/1", "--stdin", "--end", "exit"]).is_ok());
    for text in ["", "done", "exit:", "exit:256", "exit:-1", "exit: 1", "0", "Failed"] {
        let error = Typed::try_parse_from(["publish", "scraping/1", "--end", text]).unwrap_err().to_string();
        assert!(error.contains("a code from 0 to 255, as in exit:1"), "{text}: {error}");
    }
}

#[test]
fn an_end_that_cannot_be_meant_is_bad_usage() {
    let table: &[(&[&str], &str)] = &[
        (
            &["--end", "failed", "--scenario", "all"],
            "--end and --scenario cannot be used together: simulated jobs end by themselves",
        ),
        (
            &["scraping/1", "job_failed", "--end", "failed"],
            "--end is an event of its own; 'job_failed' is one too many",
        ),
        (&["scraping/1", "--end", "exit"], "--end exit takes the code from a line of standard input"),
        (&["scraping", "--end", "exit:0"], "--end needs a job, as in scraping/123"),
        (&["scraping", "--stdin", "--end", "exit"], "--end needs a job, as in scraping/123"),
        (&["channel:leads", "--end", "exit:0"], "--end ends a job, and channels has none"),
        (
            &["downloads/1", "--stdin", "--end", "cancelled"],
            "--end: the dialect downloads has no event that says 'cancelled'",
        ),
    ];
    for (line, message) in table {
        assert!(refused(line).starts_with(message), "{line:?}: {}", refused(line));
    }
}

#[test]
fn what_cannot_be_meant_is_bad_usage() {
    let long = format!("downloads/{}", "x".repeat(257));
    let table: &[(&[&str], &str)] = &[
        (&[], "publish needs a target, as in scraping/123"),
        (&["scrapin/1", "job_started"], "there is no dialect 'scrapin'; did you mean 'scraping'?"),
        (
            &["campaigns", "campaign:launched"],
            "a target is JOB or DIALECT/JOB, as in build-42 or scraping/123, channel:NAME, room:KIND:ID, or a whole ws:// URL; \
             got 'campaigns'; did you mean 'channel:campaigns'? 'jobs/campaigns' is the job of that name",
        ),
        (&["build-42", "progres"], "there is no event 'progres'; did you mean 'progress'?"),
        (&["jobs", "started"], "publish needs a job, as in jobs/123"),
        (&["build-42", "progress", "percent=101"], "percent: expected a number from 0 to 100, got 101"),
        (&["scraping", "job_started"], "publish needs a job, as in scraping/123"),
        (&["scraping/1"], "publish needs an event"),
        (&["scraping/1", "job_strated"], "there is no event 'job_strated'; did you mean 'job_started'?"),
        (
            &["scraping/1", "job_started", "progres=1"],
            "job_started has no field 'progres'; did you mean 'progress'?",
        ),
        (
            &["scraping/1", "job_started", "progress"],
            "'progress' is no field; write name=value, or name:=json",
        ),
        (
            &["scraping/x", "job_started"],
            "'x' cannot be a job of scraping: a job id of this dialect is an integer, as in 123",
        ),
        (
            &["downloads/a\nb", "queued"],
            "'a\\nb' cannot be a job of downloads: a job id has no slash and no control character",
        ),
        (
            &["ws://h/ws/scraping/1", "job_started"],
            "publish takes DIALECT/JOB, as in scraping/123, and no URL",
        ),
        (
            &["scraping/1", "job_started", "--stdin"],
            "events come from standard input; 'job_started' is one too many",
        ),
        (&["--stdin", "--scenario", "all"], "--stdin and --scenario cannot be used together"),
        (
            &["--scenario", "x"],
            "there is no scenario 'x'; known: scraping, downloads, tasks, channels, jobs, all",
        ),
        (&["scraping/1", "--scenario", "downloads"], "the scenario 'downloads' has no jobs of scraping/1"),
        (&["--scenario", "all", "--speed", "0"], "a speed is from 0.001 to 1000, not 0"),
    ];
    for (line, expected) in table {
        assert_eq!(refused(line), *expected, "{line:?}");
    }
    assert!(refused(&[&long, "queued"]).ends_with("a job id has at most 256 bytes"));
}

#[test]
fn slips_with_channels_are_bad_usage_too() {
    let table: &[(&[&str], &str)] = &[
        (
            &["channels", "campaign:launchd"],
            "there is no event 'campaign:launchd'; did you mean 'campaign:launched'?",
        ),
        (
            &["channels", "campaign:launched", "campaign_id=x"],
            "campaign_id: expected a whole number, got 'x'",
        ),
        (
            &["channels", "campaign:launched", "campaign_id=1"],
            "campaign:launched needs campaign_name, total_recipients",
        ),
        (&["channels", "export:done", "--unchecked"], "no channel belongs to the type 'export:done'"),
        (
            &["channels", "lead:created", "--channel", "lead"],
            "there is no channel 'lead'; did you mean 'leads'?",
        ),
        (&["scraping/1", "job_started", "--channel", "leads"], "scraping has no channels"),
        (
            &["channel:ai", "lead:created", "lead_id=1", "--channel", "leads"],
            "the target is channel:ai, but --channel is leads; name one of them",
        ),
        (&["room:lead:1", "lead:created"], "nothing is published to a room: room:lead:1"),
        (
            &["channels/leads", "lead:created"],
            "channels has channels and rooms instead of jobs, as in channel:campaigns or room:campaign:1; got 'channels/leads'",
        ),
        (
            &["--scenario", "scraping", "--channel", "leads"],
            "--channel and --scenario cannot be used together",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(refused(line), *expected, "{line:?}");
    }
}

#[test]
fn redis_is_taken_where_it_has_a_url_and_the_server_where_it_has_none() {
    let event = ["scraping/1", "job_started"];
    let http = resolve(&event).unwrap();
    assert_eq!(format!("{:?}", http.sink), "Http(127.0.0.1:8000)");
    let redis = resolve(&[&event[..], &["--redis", "redis://:secret@h:1", "--server", "ws://x"]].concat());
    assert_eq!(format!("{:?}", redis.unwrap().sink), "Redis");
}

#[test]
fn a_dialect_alone_is_enough_for_lines_and_a_scenario_takes_its_first_job() {
    let lines = resolve(&["downloads", "--stdin"]).unwrap();
    assert!(matches!(lines.source, SourceOptions::Lines(_)));
    let options = resolve(&["scraping/70", "--scenario", "scraping", "--jobs", "2", "--seed", "3"]).unwrap();
    let SourceOptions::Scenario { scenario, seed: 3 } = options.source else { panic!("no scenario") };
    assert_eq!(scenario.jobs().map(|(_, job)| job).collect::<Vec<_>>(), ["70", "71"]);
}

/// The channel and the payload of the one event that this command publishes.
fn event(line: &[&str]) -> (String, String) {
    let SourceOptions::Event { event, .. } = resolve(line).unwrap().source else { panic!("no event") };
    (event.channel(), event.payload(Timestamp::UNIX_EPOCH).unwrap())
}

#[test]
fn an_event_of_channels_goes_to_the_channel_of_its_type_or_to_the_one_that_was_named() {
    let lead = ["lead:created", "lead_id=7"];
    let payload = r#"{"type":"lead:created","lead_id":7,"timestamp":"1970-01-01T00:00:00Z"}"#.to_owned();
    let table: &[(&[&str], &str)] = &[
        (&["channels"], "leads"),
        (&["channel:leads"], "leads"),
        (&["channel:conversations"], "conversations"),
        (&["--channel", "conversations", "channels"], "conversations"),
        (&["--channel", "ai", "channel:ai"], "ai"),
    ];
    for (target, channel) in table {
        let line = [target, &lead[..]].concat();
        assert_eq!(event(&line), (format!("fliptechpro:{channel}"), payload.clone()), "{line:?}");
    }
}

#[test]
fn unchecked_events_are_published_as_they_are() {
    let time = r#""timestamp":"1970-01-01T00:00:00Z"}"#;
    assert_eq!(
        event(&["channels", "lead:scored", "lead_id=x", "score:=0.5", "--unchecked"]),
        (
            "fliptechpro:leads".to_owned(),
            format!(r#"{{"type":"lead:scored","lead_id":"x","score":0.5,{time}"#)
        )
    );
    assert_eq!(
        event(&["channels", "export:done", "--unchecked", "--channel", "leads"]),
        ("fliptechpro:leads".to_owned(), format!(r#"{{"type":"export:done",{time}"#))
    );
    assert_eq!(
        event(&["tasks/t", "cancelled", "--unchecked"]).1,
        r#"{"type":"cancelled","task_id":"t","timestamp":0.0}"#
    );
}

#[test]
fn a_rate_is_a_positive_number() {
    assert_eq!(rate("0.5"), Ok(0.5));
    for text in ["0", "-1", "nan", "inf", "x"] {
        assert!(rate(text).is_err(), "{text}");
    }
}

#[test]
fn the_list_shows_events_and_fields() {
    let list = |target, event| list::render(&Dialects::builtin(), target, event);
    assert_eq!(
        list(Some("scraping"), Some("results_updated")).unwrap(),
        "scraping: scraping jobs of the travel scout\n  results_updated\n    \
         status         one of running, completed, failed [default: \"running\"]\n    \
         progress       a number from 0 to 100 or null\n    \
         results_count  a whole number of at least 0 [default: 0]\n    \
         message        text or null\n    \
         metadata       a JSON object [default: {}]\n"
    );
    let all = list(None, None).unwrap();
    for name in ["downloads: ", "scraping: ", "  completed\n", "  job_failed\n"] {
        assert!(all.contains(name), "{name}");
    }
    assert_eq!(list(Some("scraping"), Some("nope")).unwrap_err().exit, Exit::Usage);
}

#[test]
fn the_list_of_channels_is_an_overview_with_their_names_and_details_of_one() {
    let list = |target, event| list::render(&Dialects::builtin(), Some(target), event).unwrap();
    let all = list("channels", None);
    let row = |name: &str| {
        let row = all.lines().find(|line| line.trim_start().starts_with(&format!("{name} ")));
        row.unwrap_or_else(|| panic!("{name} is not in {all}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        row("campaign:launched"),
        "campaign:launched campaigns campaign_id, campaign_name, total_recipients"
    );
    assert_eq!(row("scraper:started"), "scraper:started scrapers scraper_id");
    assert_eq!(all.lines().count(), 1 + 36 + 1);
    assert_eq!(list("channel:demos", None).lines().count(), 1 + 6 + 1);
    assert_eq!(
        list("channels", Some("scraper:progress")),
        "channels: channels and rooms of the outreach platform\n  scraper:progress (channel scrapers)\n    \
         scraper_id   text [required]\n    \
         source       text [required]\n    \
         current      a whole number of at least 0 [required]\n    \
         total        a whole number of at least 0 [required]\n    \
         percent      computed from current and total\n    \
         leads_found  a whole number of at least 0\n    \
         message      text\n"
    );
}
