use super::endpoint::{Login, Sentinels};
use super::{Address, Endpoint, RedisUrlError, Topology, with_parameters};
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
        let servers = Topology::Single(address);
        assert_eq!((found.servers, found.login, found.database), (servers, login, database), "{text}");
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
    assert_eq!(endpoint.named(), [Address::Unix("/run/my redis.sock".into())]);
    assert_eq!((endpoint.login, endpoint.database), (Some(login("ann", "pw")), 2));
    assert_eq!(Endpoint::parse("unix:///s").unwrap().named()[0].to_string(), "/s");
}

#[test]
fn errors_name_what_is_wrong_and_repeat_no_password() {
    let cases = [
        ("localhost:6379", RedisUrlError::Scheme(None)),
        ("hunter2:hunter2@h", RedisUrlError::Scheme(None)),
        ("http://user:hunter2@h", RedisUrlError::Scheme(None)),
        ("redis:///0", RedisUrlError::NoHost("redis://host:6379/0")),
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
        assert!(matches!(error, RedisUrlError::Malformed(_) | RedisUrlError::NoHost(_)), "{text}: {error:?}");
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
    assert_eq!(Endpoint::parse("redis://[::1]").unwrap().named()[0].to_string(), "[::1]:6379");
}

#[test]
fn parameters_that_are_given_overrule_those_of_the_url() {
    let given = [("ssl_ca_certs", "/etc/my ca.pem"), ("ssl_cert_reqs", "none")];
    assert_eq!(
        with_parameters("rediss://u:p%40@h/2?ssl_cert_reqs=required&db=1&ssl_ca_certs=x", &given),
        "rediss://u:p%40@h/2?db=1&ssl_ca_certs=%2Fetc%2Fmy+ca.pem&ssl_cert_reqs=none"
    );
    assert_eq!(with_parameters("rediss://h?ssl_cert_reqs", &given[1..]), "rediss://h?ssl_cert_reqs=none");
}

fn sentinel(text: &str) -> (Endpoint, Sentinels) {
    let endpoint = Endpoint::parse(text).unwrap();
    let Topology::Sentinel(sentinels) = endpoint.servers.clone() else { panic!("{endpoint:?}") };
    (endpoint, sentinels)
}

#[test]
fn sentinels_are_listed_before_the_name_of_their_master() {
    let (endpoint, sentinels) = sentinel(
        "redis+sentinel://ann:p%40s@h,[::1]:7,10.0.0.1/my%20master/3?sentinel_password=x%26y&replica=OK",
    );
    assert_eq!(
        sentinels.addresses,
        [tcp("h", 26379, false), tcp("::1", 7, false), tcp("10.0.0.1", 26379, false)]
    );
    assert_eq!((sentinels.master.as_str(), sentinels.login), ("my master", Some(login("", "x&y"))));
    assert_eq!((endpoint.login, endpoint.database), (Some(login("ann", "p@s")), 3));
    assert!(endpoint.accepts_replica && endpoint.ignored.is_empty());
    let (endpoint, sentinels) =
        sentinel("REDISS+Sentinel://h:1/m/?db=2&ssl_cert_reqs=none&sentinel_username=u");
    assert_eq!((sentinels.addresses, endpoint.database), (vec![tcp("h", 1, true)], 2));
    assert_eq!((sentinels.login, endpoint.tls.insecure), (Some(login("u", "")), true));
    assert_eq!(sentinel("redis+sentinel://h/m/4?db=2").0.database, 4);
}

#[test]
fn nodes_of_a_cluster_are_listed_and_have_one_database() {
    for text in
        ["redis+cluster://:pw@a:7000,b,a:7000,[::2]:7001", "redis+cluster://:pw@a:7000, b ,[::2]:7001/0?db=0"]
    {
        let endpoint = Endpoint::parse(text).unwrap();
        let nodes = vec![tcp("a", 7000, false), tcp("b", 6379, false), tcp("::2", 7001, false)];
        assert_eq!(
            (endpoint.servers, endpoint.login),
            (Topology::Cluster(nodes), Some(login("", "pw"))),
            "{text}"
        );
    }
    let twice = Endpoint::parse("redis+cluster://h,h:6379").unwrap();
    assert_eq!(
        (twice.named().len(), twice.ignored),
        (1, vec!["the redis URL names h:6379 twice".to_owned()])
    );
    assert!(Endpoint::parse("rediss+cluster://h").unwrap().is_secure());
}

#[test]
fn faults_of_several_hosts_say_how_such_a_url_looks() {
    let many: Vec<String> = (0..65).map(|index| format!("hunter{index}")).collect();
    let many = format!("redis+cluster://{}", many.join(","));
    let (of_sentinels, of_clusters) =
        ("redis+sentinel://host:26379,host2:26379/MASTER", "redis+cluster://host:7000,host2:7001");
    let cases = [
        ("redis+sentinel://hunter2:1", RedisUrlError::NoMaster),
        ("redis+sentinel://hunter2:1//?db=2", RedisUrlError::NoMaster),
        ("redis+sentinel://u:12/hunter2@h:1", RedisUrlError::Master),
        ("redis+sentinel://u:12/hunter2@h:1/m/0", RedisUrlError::Master),
        ("redis+sentinel://h/m/hunter2", RedisUrlError::Database),
        ("redis+sentinel://h/%0ahunter2", RedisUrlError::Master),
        ("redis+sentinel:///hunter2", RedisUrlError::NoHost(of_sentinels)),
        ("redis+sentinel://u:hunter2@h,/m", RedisUrlError::NoHost(of_sentinels)),
        ("redis+sentinel://u:12#hunter2@h/m", RedisUrlError::Fragment),
        ("redis+sentinel://h/m?replica=hunter2", RedisUrlError::Replica),
        ("redis://h?replica=hunter2", RedisUrlError::Replica),
        ("redis+cluster://u:hunter2@,h", RedisUrlError::NoHost(of_clusters)),
        ("redis+cluster://h;hunter2", RedisUrlError::Host(of_clusters)),
        ("redis+cluster://u:hunter2@h%20", RedisUrlError::Host(of_clusters)),
        ("redis+cluster://h,hunter2:0", RedisUrlError::NoPort),
        ("redis+cluster://h/1", RedisUrlError::ClusterDatabase),
        ("redis+cluster://h/hunter2", RedisUrlError::ClusterDatabase),
        ("redis+cluster://h?db=1", RedisUrlError::ClusterDatabase),
        ("redis+cluster://u:hunter2@h,u:hunter2@h2", RedisUrlError::LoginTwice),
        ("redis+cluster://u:%ffhunter2@h", RedisUrlError::NotUtf8("password")),
        (&many, RedisUrlError::TooManyHosts(64)),
        ("redis://u:hunter2@h:1,h:2", RedisUrlError::SeveralHosts),
        ("rediss://h;hunter2", RedisUrlError::SeveralHosts),
    ];
    for (text, error) in cases {
        assert_eq!(Endpoint::parse(text), Err(error.clone()), "{text}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_scheme_of_another_client_is_answered_with_ours() {
    for (scheme, meant) in [
        ("sentinel", Some("redis+sentinel")),
        ("redis-sentinel", Some("redis+sentinel")),
        ("rediss-sentinel", Some("rediss+sentinel")),
        ("redis+sentinal", Some("redis+sentinel")),
        ("redis-cluster", Some("redis+cluster")),
        ("rediss+clusters", Some("rediss+cluster")),
        ("redis+ssl+cluster", Some("rediss+cluster")),
        ("redis+socket", Some("unix")),
        ("rediss+unix", Some("unix")),
        ("valkeys", Some("rediss")),
        ("redi", Some("redis")),
        ("http", None),
        ("hunter2", None),
    ] {
        let error = Endpoint::parse(&format!("{scheme}://u:hunter2@h:1/m")).unwrap_err();
        assert_eq!(error, RedisUrlError::Scheme(meant), "{scheme}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn several_hosts_are_shown_without_a_password() {
    for (text, shown) in [
        (
            "redis+sentinel://ann:hunter2@h,[::1]:7/m%2f/2?sentinel_password=hunter2&replica=ok",
            "redis+sentinel://ann:***@h:26379,[::1]:7/m%2F/2?replica=ok",
        ),
        ("rediss+cluster://hunter2@a,b:1", "rediss+cluster://***@a:6379,b:1"),
        ("unix:///a%3Fb?db=1&replica=ok", "unix:///a%3Fb?db=1&replica=ok"),
        ("redis://h/2?replica=ok", "redis://h:6379/2?replica=ok"),
    ] {
        let endpoint = Endpoint::parse(text).unwrap();
        assert_eq!(endpoint.to_string(), shown, "{text}");
        assert!(!format!("{endpoint:?}").contains("hunter2"), "{text}");
    }
}

#[test]
fn parameters_of_sentinels_do_nothing_without_them() {
    let ignored = Endpoint::parse("redis+cluster://h?sentinel_password=hunter2").unwrap().ignored;
    assert!(ignored[0].contains("redis+sentinel://") && !ignored[0].contains("hunter2"), "{ignored:?}");
    let given = [("sentinel_password", "a&b")];
    assert_eq!(
        with_parameters("redis+sentinel://a,b/m", &given),
        "redis+sentinel://a,b/m?sentinel_password=a%26b"
    );
}
