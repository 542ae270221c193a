use crate::dialect::Dialect;

const MINE: &str = r#"
name = "mine"
route = "/ws/mine/{job}"
channel = "mine:{job}"
[job]
[pointers]
kind = "/what"
[kinds]
going = { conflatable = true }
gone = { ends = "succeeded" }
[publish]
progress = { event = "going", field = "done" }
fields = [
  { name = "what", fill = "event" },
  { name = "done", type = "int", min = 0, max = 100 },
  { name = "note", type = "string" },
]
[publish.events.going]
[publish.events.gone]
set = { done = 100 }
"#;

/// A change to the sound file, and what is then said of it.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "done = 100",
        "done = 101",
        "mine.toml:20: publish.events.gone.set.done: done: expected a whole number from 0 to 100, got 101",
    ),
    (
        "done = 100",
        "don = 100",
        "mine.toml:20: publish.events.gone.set.don: gone has no field 'don'; did you mean 'done'?",
    ),
    ("done = 100", "what = \"x\"", "mine.toml:20: publish.events.gone.set.what: is filled in by itself"),
    (
        "field = \"done\"",
        "field = \"note\"",
        "mine.toml:12: publish.progress: note is text and cannot be its progress",
    ),
    (
        "event = \"going\"",
        "event = \"goin\"",
        "mine.toml:12: publish.progress: there is no event 'goin'; did you mean 'going'?",
    ),
    ("min = 0", "min = 101", "mine.toml:15: publish.fields.1.min: is greater than `max`"),
    (
        "name = \"note\"",
        "name = \"done\"",
        "mine.toml:16: publish.fields.2.name: there is a field done already",
    ),
    (
        "type = \"string\" }",
        "type = \"string\", at = \"note\" }",
        "mine.toml:16: publish.fields.2.at: a pointer starts with '/', as in \"/data/status\"; got \"note\"",
    ),
    (
        "type = \"string\" }",
        "at = \"/done/x\" }",
        "mine.toml:18: publish.events.going: note stands inside done, which is no object",
    ),
    (
        "type = \"string\" }",
        "at = \"/done\" }",
        "mine.toml:18: publish.events.going: done and note stand at the same place",
    ),
    (
        "type = \"string\" }",
        "default = 3 }",
        "mine.toml:16: publish.fields.2.default: note: expected text, got 3",
    ),
    (
        "type = \"string\" }",
        "always = true }",
        "mine.toml:16: publish.fields.2.always: needs `nullable`, `required` or a `default`",
    ),
    (
        "type = \"string\" }",
        "type = \"string\", values = [\"a\"], min = 1 }",
        "mine.toml:16: publish.fields.2.min: only numbers have a `min` or a `max`",
    ),
    (
        "[publish.events.going]",
        "[publish.events.goign]",
        "mine.toml:18: publish.events.goign: there is no kind 'goign'; did you mean 'going'?",
    ),
    (
        "{ name = \"what\", fill = \"event\" },",
        "{ name = \"what\" },",
        "mine.toml:18: publish.events.going: gives no kind: what is empty",
    ),
    (
        "\"mine:{job}\"\n[job]",
        "\"mine\"\n[job]\npointer = \"/id\"",
        "mine.toml:14: publish.fields: no field with `fill = \"job\"` stands where the job's id is, and no channel names the job",
    ),
    (
        "name = \"note\", type = \"string\"",
        "name = \"at\", fill = \"timestamp\"",
        "mine.toml:11: publish: a field is filled with the time, but `timestamp` does not say how",
    ),
];

fn fault(from: &str, to: &str) -> String {
    let text = MINE.replacen(from, to, 1);
    assert_ne!(text, MINE, "{from}");
    Dialect::from_toml(&text, "mine.toml").unwrap_err().to_string()
}

#[test]
fn a_sound_publish_section_compiles() {
    let dialect = Dialect::from_toml(MINE, "mine.toml").unwrap();
    let names: Vec<&str> = dialect.catalogue.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["going", "gone"]);
}

#[test]
fn faults_of_the_publish_section_name_line_and_key() {
    for (from, to, expected) in FAULTS {
        assert_eq!(fault(from, to), *expected);
    }
}
