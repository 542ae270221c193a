//! Optional parts of a dialect file, and the errors for its mistakes.

use super::*;

const LEAST: &str = r#"name = "mine"
route = "/ws/mine/{job}"
channel = "mine:{job}"
[pointers]
kind = "/event"
[kinds]
done = { ends = "succeeded" }
"#;

fn load(text: &str) -> Result<Dialect, String> {
    Dialect::from_toml(text, "mine.toml").map_err(|error| error.to_string())
}

#[test]
fn a_dialect_that_only_watches_is_complete() {
    let mine = load(LEAST).unwrap();
    assert!(mine.catalogue.events.is_empty());
    assert_eq!(mine.view(r#"{"event":"done"}"#).unwrap().kind.ends, Some(Outcome::Succeeded));
}

#[test]
fn an_event_without_fields_has_its_kind_and_its_job() {
    let mine = load(&format!("{LEAST}[publish.events.done]\n")).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    assert_eq!(mine.build("done", "1", &[], now).unwrap(), r#"{"event":"done"}"#);
    let text = LEAST.replace("mine:{job}\"", "mine\"\njob.pointer = \"/data/id\"");
    let mine = load(&format!("{text}[publish]\n[publish.events.done]\n")).unwrap();
    assert_eq!(mine.build("done", "1", &[], now).unwrap(), r#"{"data":{"id":"1"},"event":"done"}"#);
}

#[test]
fn durations_are_those_of_flags() {
    let after = |text: &str| load(&format!("{LEAST}[unknown]\nafter = \"{text}\"\n"));
    for (text, seconds) in [("1h", 3600.0), ("1.5s", 1.5), ("2d", 172_800.0), ("30", 30.0), ("500ms", 0.5)] {
        assert_eq!(after(text).unwrap().unknown.unwrap().after, Duration::from_secs_f64(seconds), "{text}");
    }
    assert_eq!(
        after("1w").unwrap_err(),
        "mine.toml:9: unknown.after: a duration is a number and a unit, as in 500ms, 30s, 5m, 1h or 2d; got \"1w\""
    );
    assert_eq!(load(&format!("lifetime = \"1h\"\n{LEAST}")).unwrap().lifetime, Some(Duration::from_hours(1)));
}

#[test]
fn a_mistake_is_named_with_its_key_and_its_line() {
    let wrong = |find: &str, put: &str| load(&LEAST.replace(find, put)).unwrap_err();
    for (find, put, line, key) in [
        ("\"/event\"", "5", 5, "pointers.kind: "),
        (
            "kind = \"/event\"",
            "kind = \"/event\"\npercent = 7",
            6,
            "pointers.percent: expected a JSON pointer",
        ),
        ("kind = \"/event\"", "kind = \"/event\"\nerror = { nam = \"/a\" }", 6, "pointers.error: "),
        (
            "kind = \"/event\"",
            "kind = \"/event\"\nerror = [{ name = \"a\" }]",
            6,
            "pointers.error: a pointer starts with '/'",
        ),
        ("\"succeeded\"", "\"well\"", 7, "kinds.done.ends: unknown variant `well`"),
        ("done =", "\"*x\" = {}\ndone =", 7, "kinds.*x: "),
        ("done =", "said = { log = true }\ndone =", 7, "kinds.said.log: needs `pointers.line`"),
        (
            "kind = \"/event\"\n[kinds]",
            "kind = \"/event\"\nline = \"/line\"\n[kinds]\nsaid = { log = true, conflatable = true }",
            8,
            "kinds.said.log: a line of a log is nothing else",
        ),
        ("[pointers]", "redact = [\"/a\", \"b\"]\n[pointers]", 4, "redact.1: a pointer starts with '/'"),
        ("[pointers]", "[state]\nkey = \"x\"\n[pointers]", 5, "state.key: a key has {job} in it"),
        ("[pointers]\nkind = \"/event\"", "[pointers]", 4, "pointers: missing field `kind`"),
        ("name = \"mine\"\n", "", 1, "missing field `name`"),
    ] {
        let error = wrong(find, put);
        assert!(error.starts_with(&format!("mine.toml:{line}: {key}")), "{error}");
    }
}

#[test]
fn a_kind_may_be_a_number_or_stand_for_all_others() {
    let text = LEAST.replace("done =", "100 = {}\n\"*\" = { conflatable = true }\ndone =");
    let mine = load(&text).unwrap();
    let kind =
        |payload: &str| mine.decode(b"mine:1", payload.as_bytes()).unwrap().kind.unwrap().name.to_string();
    assert_eq!(kind(r#"{"event":100}"#), "100");
    assert_eq!(kind(r#"{"event":"anything"}"#), "*");
    assert_eq!(kind(r#"{"event":true}"#), "*");
    assert!(mine.decode(b"mine:1", b"{\"event\":null}").unwrap().kind.is_none());
}

const STREAM: &str = r#"name = "farm"
route = "/ws/farm"
channel = "farm:{channel}"
[channels]
names = ["herds"]
rooms = { herd = "/herd_no" }
types = { milking = { channel = "herds", room = "herd" } }
own = ["hello"]
complaint = "refused"
[pointers]
kind = "/what"
percent = "/share"
goal = "/cows"
done = "/milked"
[telling]
first = ["vet"]
bare = ["vet"]
omit = ["what"]
bad = ["*_ill", "milking:stopped"]
[kinds]
"milking:begun" = { opens = "always" }
"milking:over" = { ends = "succeeded" }
"#;

#[test]
fn a_file_says_what_a_stream_of_events_tells_a_person() {
    let farm = load(STREAM).unwrap();
    let channels = farm.channels.as_ref().unwrap();
    assert!(channels.is_own("hello") && !channels.is_own("milking:begun"));
    assert_eq!(channels.complaint.as_deref(), Some("refused"));
    assert_eq!((channels.id_field("herd"), channels.id_field("cow")), (Some("herd_no"), None));
    assert_eq!(
        (channels.room_of_kind("milking:begun"), channels.room_of_kind("hello")),
        (Some("herd"), None)
    );
    let view = farm.view(r#"{"what":"milking:begun","herd_no":7,"cows":40,"milked":3}"#).unwrap();
    assert_eq!((view.goal, view.done, view.resource.as_deref()), (Some(40), Some(3), Some("herd:7")));
    let telling = &farm.telling;
    assert_eq!((telling.bar.join(","), telling.goal.join(",")), ("share".into(), "cows,milked".into()));
    assert!(
        telling.is_bad("cow_ill") && telling.is_bad("milking:stopped") && !telling.is_bad("milking:over")
    );
    for (key, line) in
        [("telling", "[telling]\nfist = []\n"), ("pointers.goal", "[pointers]\ngoal = \"cows\"\n")]
    {
        let table = line.split_inclusive('\n').next().unwrap();
        let text = STREAM.replace("goal = \"/cows\"\n", "");
        let text = if text.contains(table) { text.replace(table, line) } else { format!("{text}{line}") };
        assert!(load(&text).unwrap_err().contains(key), "{:?}", load(&text));
    }
}

#[test]
fn the_event_that_registers_a_job_is_the_hidden_one_that_names_its_owner() {
    let file = |hidden: bool| {
        let text = LEAST.replace("kind = \"/event\"", "kind = \"/event\"\nowner = \"/who\"");
        let kind = format!("mine = {{ hidden = {hidden} }}\n");
        let publish =
            "[publish.events.done]\n[publish.events.mine]\nfields = [{ name = \"whose\", at = \"/who\" }]\n";
        load(&format!("{text}{kind}{publish}")).unwrap().catalogue.registration
    };
    assert_eq!(file(true), Some(Shorthand { event: "mine".into(), field: "whose".into() }));
    assert_eq!(file(false), None);
    let all = Dialects::builtin();
    let tasks = all.named("tasks").unwrap().1.catalogue.registration.clone();
    assert_eq!(tasks, Some(Shorthand { event: "registered".into(), field: "user_id".into() }));
}
