use super::endpoint::Login;
use super::{Address, Endpoint, RedisUrlError, with_parameters};
use crate::net::tls::TlsFiles;

fn tcp(host: &str, port: u16, tls: bool) -> Address {
    Address::Tcp { host: host.to_owned(), port, tls }
}

fn login(user: &str, password: &str) -> Login {
    let user = Some(user.to_owned()).filter(|user| !user.is_empty());
    Login { user, password: password.to_owned() }
}

#[test]
fn every_part_of_a_tcp_url_is_read() {
    let cases = [
        ("redis://localhost", tcp("localhost", 6379, false), None, 0),
        ("redis://127.0.0.1:7000/3", tcp("127.0.0.1", 7000, false), None, 3),
        ("redis://h/?db=4", tcp("h", 6379, false), None, 4),
        ("rediss://h:1/?ssl_cert_reqs=required", tcp("h", 1, true), None, 0),
        ("redis://:p%40ss@h/", tcp("h", 6379, false), Some(login("", "p@ss")), 0),
        ("REDIS://ann:pw@[::1]:7/2", tcp("::1", 7, false), Some(login("ann", "pw")), 2),
        ("redis://ann@h", tcp("h", 6379, false), Some(login("ann", "")), 0),
        ("redis://:@h", tcp("h", 6379, false), None, 0),
    ];
    for (text, address, login, database) in cases {
        let found = Endpoint::parse(text).unwrap();
        assert_eq!((found.address, found.login, found.database), (address, login, database), "{text}");
        assert_eq!((found.tls, found.ignored), (TlsFiles::default(), Vec::<String>::new()), "{text}");
    }
}

#[test]
fn parameters_of_redis_py_say_whom_to_trust_and_others_are_named() {
    let parse = |query: &str| Endpoint::parse(&format!("rediss://h?{query}"));
    for (query, insecure) in [
        ("ssl_cert_reqs=none", true),
        ("ssl_cert_reqs=CERT_NONE&db=1", true),
        ("ssl_cert_reqs=optional", false),
        ("ssl_cert_reqs=required", false),
    ] {
        assert_eq!(parse(query).unwrap().tls.insecure, insecure, "{query}");
    }
    assert_eq!(parse("ssl_cert_reqs=nope"), Err(RedisUrlError::CertReqs));
    let files = parse("ssl_ca_certs=/a%20b.pem&ssl_certfile=c&ssl_keyfile=k").unwrap().tls;
    assert_eq!(
        (files.ca, files.cert, files.key),
        (Some("/a b.pem".into()), Some("c".into()), Some("k".into()))
    );
    let ignored = |text: &str| Endpoint::parse(text).unwrap().ignored;
    let unknown = &ignored("rediss://h?ssl_cert_req=none&health_check_interval=3")[..];
    let [near, far] = unknown else { panic!("{unknown:?}") };
    assert!(near.ends_with("does nothing; did you mean 'ssl_cert_reqs'?"), "{near}");
    assert!(far.contains("'health_check_interval'") && far.ends_with("does nothing"), "{far}");
    assert!(ignored("redis://h?ssl_cert_reqs=none")[0].contains("rediss://"));
    for torn in ["redis://pw?hunter2@h/0", "redis://h?Hunter2", "redis://h?x=y@hunter2&hunter2=1"] {
        let said = ignored(torn).concat();
        assert!(said.contains("%3F") && !said.to_lowercase().contains("hunter2"), "{torn}: {said}");
    }
}

#[test]
fn a_socket_takes_its_settings_from_parameters() {
    let endpoint = Endpoint::parse("redis+unix:///run/my%20redis.sock?db=2&user=ann&password=pw").unwrap();
    assert_eq!(endpoint.address, Address::Unix("/run/my redis.sock".into()));
    assert_eq!((endpoint.login, endpoint.database), (Some(login("ann", "pw")), 2));
    assert_eq!(Endpoint::parse("unix:///s").unwrap().address.to_string(), "/s");
}

#[test]
fn errors_name_what_is_wrong_and_repeat_no_password() {
    let cases = [
        ("localhost:6379", RedisUrlError::Scheme),
        ("hunter2:hunter2@h", RedisUrlError::Scheme),
        ("http://user:hunter2@h", RedisUrlError::Scheme),
        ("redis:///0", RedisUrlError::NoHost),
        ("redis://h:0", RedisUrlError::NoPort),
        ("redis://h/hunter2", RedisUrlError::Database),
        ("redis://u:12/hunter2@h/0", RedisUrlError::Database),
        ("redis://u:12#hunter2@h", RedisUrlError::Fragment),
        ("redis://u:%ffhunter2@h", RedisUrlError::NotUtf8("password")),
        ("unix://run/redis.sock", RedisUrlError::NoPath),
        ("unix://", RedisUrlError::NoPath),
    ];
    for (text, error) in cases {
        assert_eq!(Endpoint::parse(text), Err(error.clone()), "{text}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    for text in
        ["redis://u:hunter2@", "redis://u:hunter2", "redis://:hunter2@h:99999", "redis://u:hunter2/@h"]
    {
        let error = Endpoint::parse(text).unwrap_err();
        assert!(matches!(error, RedisUrlError::Malformed(_)), "{text}: {error:?}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_url_is_shown_without_its_password() {
    for (text, shown) in [
        ("redis://localhost", "redis://localhost:6379"),
        ("rediss://ann:hunter2@[::1]:7/2", "rediss://ann:***@[::1]:7/2"),
        ("redis://:hunter2@h", "redis://***@h:6379"),
        ("redis://hunter2@h", "redis://***@h:6379"),
        ("unix:///run/redis.sock?db=2&password=hunter2", "unix://***@/run/redis.sock?db=2"),
    ] {
        assert_eq!(Endpoint::parse(text).unwrap().to_string(), shown, "{text}");
    }
}

#[test]
fn debug_output_holds_no_password() {
    let endpoint = Endpoint::parse("redis://ann:hunter2@h").unwrap();
    assert!(!format!("{endpoint:?}").contains("hunter2"));
}

#[test]
fn an_ipv6_address_is_shown_in_brackets() {
    assert_eq!(Endpoint::parse("redis://[::1]").unwrap().address.to_string(), "[::1]:6379");
}

#[test]
fn parameters_that_are_given_overrule_those_of_the_url() {
    let given = [("ssl_ca_certs", "/etc/my ca.pem"), ("ssl_cert_reqs", "none")];
    assert_eq!(
        with_parameters("rediss://u:p%40@h/2?ssl_cert_reqs=required&db=1&ssl_ca_certs=x", &given).unwrap(),
        "rediss://u:p%40@h/2?db=1&ssl_ca_certs=%2Fetc%2Fmy+ca.pem&ssl_cert_reqs=none"
    );
    assert_eq!(
        with_parameters("rediss://h?ssl_cert_reqs", &given[1..]).unwrap(),
        "rediss://h?ssl_cert_reqs=none"
    );
}
