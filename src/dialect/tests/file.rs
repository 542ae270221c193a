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
