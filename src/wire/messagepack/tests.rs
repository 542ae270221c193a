use proptest::collection::vec;
use proptest::prelude::*;
use rmpv::Value;
use serde_json::Value as Json;

use super::decode::Malformed;
use super::encode::Unfit;
use super::*;

fn encoded(json: &str) -> Result<Vec<u8>, Unfit> {
    let mut out = b"head".to_vec();
    let outcome = Encoder::default().encode(json.as_bytes(), &mut out);
    let made = out.split_off(4);
    assert_eq!(out, b"head");
    assert!(outcome.is_ok() || made.is_empty());
    outcome.map(|()| made)
}

fn read(bytes: &[u8]) -> Value {
    let mut rest = bytes;
    let value = rmpv::decode::read_value(&mut rest).unwrap();
    assert!(rest.is_empty());
    value
}

/// Values as another library writes them, in their shortest form.
fn expected(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => {
            let unsigned = number.as_u64().map(Value::from);
            let signed = number.as_i64().map(Value::from);
            unsigned.or(signed).unwrap_or_else(|| Value::F64(number.as_f64().unwrap()))
        }
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(values) => Value::Array(values.iter().map(expected).collect()),
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| (Value::from(key.as_str()), expected(value)));
            Value::Map(members.collect())
        }
    }
}

fn written(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

#[test]
fn json_has_one_messagepack() {
    let table: [(&str, &[u8]); 31] = [
        ("null", &[0xc0]),
        (" true\r\n", &[0xc3]),
        ("[false ,{ } , [ ]]", &[0x93, 0xc2, 0x80, 0x90]),
        ("0", &[0]),
        ("127", &[0x7f]),
        ("128", &[0xcc, 0x80]),
        ("65536", &[0xce, 0, 1, 0, 0]),
        ("-32", &[0xe0]),
        ("-33", &[0xd0, 0xdf]),
        ("-32769", &[0xd2, 0xff, 0xff, 0x7f, 0xff]),
        ("18446744073709551615", &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("18446744073709551616", &[0xcb, 0x43, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("-9223372036854775808", &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("-9223372036854775809", &[0xcb, 0xc3, 0xe0, 0, 0, 0, 0, 0, 0]),
        ("-0", &[0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("1.0", &[0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("1e400", &[0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("-1E+400", &[0xcb, 0xff, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("1e-400", &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0]),
        (r#""""#, &[0xa0]),
        (r#""\"\\\/\b\f\n\r\t\u0041""#, b"\xa9\"\\/\x08\x0c\n\r\tA"),
        (r#""\u00e9\u20AC""#, b"\xa5\xc3\xa9\xe2\x82\xac"),
        (r#""\ud83d\ude00""#, b"\xa4\xf0\x9f\x98\x80"),
        (r#""a\udce9b""#, b"\xa5a\xef\xbf\xbdb"),
        (r#""\ud83d\ud83d\ude00""#, b"\xa7\xef\xbf\xbd\xf0\x9f\x98\x80"),
        (r#""\ud83d\u0041""#, b"\xa4\xef\xbf\xbdA"),
        (r#"{"a":1,"b":2,"\u0061":3}"#, b"\x82\xa1b\x02\xa1a\x03"),
        (r#"{"a":[1,2],"a":{"x":1,"x":2},"a":{"y":{}}}"#, b"\x81\xa1a\x81\xa1y\x80"),
        (r#"{"\udce9":1,"\udcea":2}"#, b"\x81\xa3\xef\xbf\xbd\x02"),
        (r#"{"a":{"a":1},"b":[{"a":1}]}"#, b"\x82\xa1a\x81\xa1a\x01\xa1b\x91\x81\xa1a\x01"),
        (r#"{"":{"":0}}"#, b"\x81\xa0\x81\xa0\x00"),
    ];
    for (json, expected) in table {
        assert_eq!(encoded(json).as_deref(), Ok(expected), "{json}");
    }
}

#[test]
fn headers_have_their_shortest_form_at_every_size() {
    for count in [15, 16, 31, 32, 33, 255, 256, 65_535, 65_536] {
        let members = (0..count).map(|nth| format!("\"k{nth}\":[{nth}]")).collect::<Vec<_>>().join(",");
        for json in [
            format!("\"{}\"", "x".repeat(count)),
            format!("[{}]", vec!["0"; count].join(",")),
            format!("{{{members}}}"),
            format!("[{{\"in\":{{{members}}},\"x\":1}}]"),
        ] {
            let value: Json = serde_json::from_str(&json).unwrap();
            assert!(encoded(&json).unwrap() == written(&expected(&value)), "{count}");
        }
        let twice = format!("{{\"first\":0,{members},{members},\"last\":1}}");
        let Value::Map(found) = read(&encoded(&twice).unwrap()) else { panic!() };
        assert_eq!(found.len(), count + 2);
    }
}

#[test]
fn too_deep_a_text_has_none() {
    let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    assert_eq!(encoded(&nested(MAX_DEPTH)).map(|bytes| bytes.len()), Ok(MAX_DEPTH));
    assert_eq!(encoded(&nested(MAX_DEPTH + 1)), Err(Unfit::TooDeep));
    assert_eq!(encoded(&"{\"a\":".repeat(1_000_000)), Err(Unfit::TooDeep));
}

#[test]
fn a_text_that_is_no_json_has_none() {
    for json in [
        "",
        " ",
        "{",
        "[",
        "}",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{1:2}",
        "[1}",
        "{\"a\":1]",
        "1 2",
        "nul",
        "tru",
        "falsy",
        "\"",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "-",
        "1e",
        "1.5.5",
        "+1",
        ".5",
        "NaN",
        "[,]",
        "{,}",
        "\u{feff}1",
        "'a'",
        "\"\\é\"",
        "\"\\u00é0\"",
    ] {
        assert_eq!(encoded(json), Err(Unfit::NotJson), "{json}");
    }
    assert_eq!(Encoder::default().encode(b"\"\xff\"", &mut Vec::new()), Err(Unfit::NotJson));
}

#[test]
fn commands_become_json_text() {
    let table: [(&[u8], Result<&str, Malformed>); 27] = [
        (b"\x82\xa4type\xa4ping\xa1n\x01", Ok(r#"{"type":"ping","n":1}"#)),
        (b"\xde\x00\x01\xd9\x01a\xdc\x00\x02\xc0\xc3", Ok(r#"{"a":[null,true]}"#)),
        (b"\xdf\x00\x00\x00\x01\xda\x00\x01a\xdd\x00\x00\x00\x00", Ok(r#"{"a":[]}"#)),
        (b"\xdb\x00\x00\x00\x02\"\x01", Ok(r#""\"\u0001""#)),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", Ok("18446744073709551615")),
        (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", Ok("-9223372036854775808")),
        (b"\xff", Ok("-1")),
        (b"\xd1\xff\x00", Ok("-256")),
        (b"\xca\x3f\x00\x00\x00", Ok("0.5")),
        (b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", Ok("1.0")),
        (b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", Err(Malformed::NoJson)),
        (b"\xca\x7f\xc0\x00\x00", Err(Malformed::NoJson)),
        (b"\xc4\x01a", Err(Malformed::NoJson)),
        (b"\xd6\xff\x00\x00\x00\x00", Err(Malformed::NoJson)),
        (b"\xc7\x00\x01", Err(Malformed::NoJson)),
        (b"\x81\x01\x01", Err(Malformed::NoJson)),
        (b"\x81\xc4\x01a\x01", Err(Malformed::NoJson)),
        (b"", Err(Malformed::Broken)),
        (b"\xc1", Err(Malformed::Broken)),
        (b"\x81\xc1", Err(Malformed::Broken)),
        (b"\x01\x02", Err(Malformed::Broken)),
        (b"\xa2a", Err(Malformed::Broken)),
        (b"\xa1\xff", Err(Malformed::Broken)),
        (b"\xcd\x01", Err(Malformed::Broken)),
        (b"\xdf\xff\xff\xff\xff", Err(Malformed::Broken)),
        (b"\xdd\xff\xff\xff\xff\x01", Err(Malformed::Broken)),
        (b"\xdb\xff\xff\xff\xffabc", Err(Malformed::Broken)),
    ];
    for (bytes, expected) in table {
        assert_eq!(decode(bytes).as_deref(), expected.as_ref().map(|json| *json), "{bytes:x?}");
    }
    let nested = |depth: usize| [vec![0x91; depth - 1], vec![0x90]].concat();
    assert!(decode(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(decode(&nested(MAX_DEPTH + 1)), Err(Malformed::TooDeep));
    assert_eq!(decode(&vec![0x91; 65_536]), Err(Malformed::TooDeep));
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-300i64..300).prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,40}".prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 60, 20, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Json::from),
            vec(("[a-c\"\\\\é]{0,3}", inner), 0..40)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_json_becomes_the_messagepack_of_another_library_and_comes_back(value in json(), is_pretty in any::<bool>()) {
        let compact = serde_json::to_string(&value).unwrap();
        let text = if is_pretty { serde_json::to_string_pretty(&value).unwrap() } else { compact.clone() };
        let bytes = encoded(&text).unwrap();
        prop_assert_eq!(read(&bytes), expected(&value));
        prop_assert_eq!(&bytes, &written(&expected(&value)));
        prop_assert_eq!(decode(&bytes).unwrap(), compact);
    }

    #[test]
    fn of_duplicate_keys_the_last_counts(members in vec(("[a-d]{1,2}", 0u8..200), 0..80)) {
        let list: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let text = format!("{{{}}}", list.join(","));
        let found = decode(&encoded(&text).unwrap()).unwrap();
        let (found, expected): (Json, Json) =
            (serde_json::from_str(&found).unwrap(), serde_json::from_str(&text).unwrap());
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(read(&encoded(&text).unwrap()).as_map().unwrap().len(), expected.as_object().unwrap().len());
    }

    #[test]
    fn any_text_becomes_well_formed_messagepack_or_none(text in "[\\[\\]{}\",:0-9eE.\\-+ truefalsn\\\\ud8cé]{0,60}") {
        let made = encoded(&text);
        if let Ok(bytes) = &made {
            read(bytes);
        }
        if serde_json::from_str::<Box<serde_json::value::RawValue>>(&text).is_ok() {
            prop_assert!(made.is_ok());
        }
    }

    #[test]
    fn any_bytes_become_json_or_an_error(bytes in vec(prop_oneof![any::<u8>(), 0x80u8..0xc4], 0..200)) {
        if let Ok(text) = decode(&bytes) {
            prop_assert!(text.len() <= bytes.len() * 6 + 20);
            let raw = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text);
            prop_assert!(raw.is_ok(), "{}", text);
        }
    }
}
