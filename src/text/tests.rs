use proptest::prelude::*;

use super::*;

#[test]
fn a_number_takes_the_singular_only_where_it_is_one() {
    let events = [0, 1, 2, 1000].map(|number| counted(number, "event"));
    assert_eq!(events, ["0 events", "1 event", "2 events", "1000 events"]);
}

#[test]
fn a_text_from_outside_commands_nothing() {
    let cases = [
        ("plain ✓", "plain ✓"),
        ("\u{1b}[2J\u{1b}[31mred\u{1b}[0m", "red"),
        ("\u{1b}]0;title\u{7}after", "after"),
        ("\u{1b}]52;c;aGk=\u{1b}\\after", "after"),
        ("\u{9b}31mred\u{9d}0;title\u{9c}after", "redafter"),
        ("two\nlines\r\u{8}\tand\u{0}", "two lines  and"),
        ("one\u{85}two\u{2028}three", "one two three"),
        ("\u{202e}evil\u{2066}\u{61c}", "evil"),
        ("soft\u{ad}hyphen zero\u{200b}width tag\u{e0041}", "softhyphen zerowidth tag"),
        ("👩\u{200d}👧 ❤\u{fe0f}", "👩👧 ❤"),
    ];
    for (text, safe) in cases {
        assert_eq!(printable(text), safe, "{text:?}");
    }
    assert_eq!(printable_lines("a\r\n\u{1b}[1Ab\tc\n"), "a\nb c\n");
}

#[test]
fn one_event_does_not_fill_the_screen() {
    assert_eq!(brief("short"), "short");
    assert_eq!(brief(&"x".repeat(100_000)).chars().count(), LONGEST + 1);
    assert!(brief(&"x".repeat(501)).ends_with("x…"));
}

#[test]
fn json_keeps_its_value_and_cannot_command_either() {
    let json = "{\"a\":\"\u{9b}31m\u{202e}\u{7f}\u{e0041}ä\",\n\"b\":1}";
    let safe = safe_json(json);
    assert_eq!(safe, "{\"a\":\"\\u009b31m\\u202e\\u007f\\udb40\\udc41ä\",\n\"b\":1}");
    let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
    assert_eq!(value(&safe), value(json));
}

proptest! {
    #[test]
    fn whatever_comes_only_what_is_seen_is_left(text in any::<String>()) {
        prop_assert!(!printable(&text).contains(is_unsafe));
        prop_assert!(!printable_lines(&text).contains(|c| c != '\n' && is_unsafe(c)));
        let once = printable(&text);
        prop_assert_eq!(printable(&once), once.as_ref());
    }

    #[test]
    fn json_means_what_it_meant(text in any::<String>()) {
        let json = serde_json::to_string(&text).unwrap();
        let safe = safe_json(&json);
        prop_assert!(!safe.contains(is_unsafe));
        prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }
}
