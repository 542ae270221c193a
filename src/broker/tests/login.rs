//! Redis: logging in, access lists, sockets and TLS.

use bytes::Bytes;

use super::fixture::{RedisServer, Running, channel, free_port, prefix, within};
use crate::broker::{Broker, BrokerError, RedisBroker, Status};
use crate::net::tls::TlsProblem;

/// Made with openssl for these tests alone, good until 2120; the key of the authority is gone.
const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/broker/tests/tls");

fn broker(url: &str) -> Running<RedisBroker> {
    Running::new(RedisBroker::new(url).unwrap())
}

#[tokio::test]
async fn a_wrong_password_is_told_apart_and_not_repeated() {
    let server = RedisServer::start(&["--requirepass", "right"]);
    for login in [":hunter2@", "ann:hunter2@", ""] {
        let mut running = broker(&format!("redis://{login}127.0.0.1:{}", server.port));
        running.start(vec![channel("a")], None);
        let status = running.status("refused", |status| status.error.is_some()).await;
        let error = status.error.unwrap();
        assert!(error.contains("refused the login") && !error.contains("hunter2"), "{error}");
        assert_eq!((status.connected, status.connects), (false, 0));
        for result in [running.broker.ping().await, running.broker.publish("a", Bytes::new()).await.map(drop)]
        {
            let error = result.unwrap_err();
            assert!(matches!(error, BrokerError::LoginRefused { .. }), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}

#[tokio::test]
async fn password_user_and_database_are_used() {
    let server = RedisServer::start(&[
        "--requirepass",
        "p@ss/word",
        "--user",
        "ann",
        "on",
        ">pw",
        "~*",
        "&*",
        "+@all",
    ]);
    for login in [":p%40ss%2Fword", "default:p%40ss%2Fword", "ann:pw"] {
        let mut running = broker(&format!("redis://{login}@127.0.0.1:{}/3", server.port));
        running.broker.ping().await.unwrap();
        running.subscribe(vec![channel("a")]).await;
        assert_eq!(running.publish("a", "x").await, 1);
        running.expect(0, "a", b"x").await;
        let user = login.split(':').next().filter(|user| !user.is_empty());
        let shown = user.map_or_else(|| "***".to_owned(), |user| format!("{user}:***"));
        assert_eq!(running.broker.address(), format!("redis://{shown}@127.0.0.1:{}/3", server.port));
    }
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_refused_by_name() {
    let server = RedisServer::start(&[]);
    let running = broker(&format!("{}/9999", server.url()));
    let error = running.broker.ping().await.unwrap_err();
    assert!(matches!(&error, BrokerError::Refused { reason, .. } if reason.contains("DB index")), "{error}");
}

#[tokio::test]
async fn a_channel_that_is_refused_leaves_the_others_alone() {
    let server = RedisServer::start(&[]);
    let rules = ["on", ">pw", "~*", "+@all", "-ping", "resetchannels", "&good:*", "&fine"];
    server.command::<()>(&[&["ACL", "SETUSER", "ann"], &rules[..]].concat()).await;
    let mut running = broker(&format!("redis://ann:pw@127.0.0.1:{}", server.port));
    running.subscribe(vec![channel("bad"), prefix("good:"), prefix("worse:"), channel("fine")]).await;
    let status = running.broker.status().borrow().clone();
    let denied: Vec<&str> = status.denied.iter().map(|denied| denied.name.as_str()).collect();
    assert_eq!((denied, status.error, status.connects), (vec!["bad", "worse:"], None, 1));
    assert!(
        status.denied.iter().all(|denied| denied.reason.starts_with("NOPERM") && !denied.revoked),
        "{:?}",
        status.denied
    );
    assert_eq!((&status.denied[0].subscriptions, &status.denied[1].subscriptions), (&vec![0], &vec![2]));
    assert_eq!(running.publish("good:1", "x").await, 1);
    running.expect(1, "good:1", b"x").await;
    running.publish("fine", "y").await;
    running.expect(3, "fine", b"y").await;
    let error = running.broker.publish("bad", Bytes::new()).await.unwrap_err();
    assert!(matches!(&error, BrokerError::Refused { reason, .. } if reason.starts_with("NOPERM")), "{error}");
    running.broker.ping().await.unwrap();
}

#[tokio::test]
async fn a_source_that_is_refused_everything_is_not_connected_until_it_may() {
    let server = RedisServer::start(&[]);
    server.command::<()>(&["ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all", "resetchannels"]).await;
    let mut running = broker(&format!("redis://ann:pw@127.0.0.1:{}", server.port));
    running.start(vec![channel("a"), prefix("b:")], None);
    let status = running.status("refused", |status| status.error.is_some()).await;
    assert_eq!((status.connected, status.denied.len(), status.connects), (false, 2, 0));
    server.command::<()>(&["ACL", "SETUSER", "ann", "allchannels"]).await;
    let status = running.status("connected", |status| status.connected).await;
    assert_eq!((status.denied, status.error), (vec![], None));
}

#[tokio::test]
async fn a_subscription_that_is_revoked_comes_back_on_the_live_connection_once_it_is_allowed_again() {
    let server = RedisServer::start(&[]);
    server.command::<()>(&["ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all", "allchannels"]).await;
    let mut running = broker(&format!("redis://ann:pw@127.0.0.1:{}", server.port));
    running.subscribe(vec![channel("a"), prefix("b:"), channel("c")]).await;
    assert_eq!(running.confirmed(3).await, [0, 1, 2]);
    // Redis ends the connection, and lets the next one subscribe a alone.
    server.command::<()>(&["ACL", "SETUSER", "ann", "resetchannels", "&a"]).await;
    let status = running.status("connected again", |status| status.connects == 2).await;
    let denied: Vec<_> = status.denied.iter().map(|denied| (denied.name.as_str(), denied.revoked)).collect();
    assert_eq!((status.connected, denied), (true, vec![("b:", true), ("c", true)]));
    assert_eq!(running.confirmed(1).await, [0]);
    server.command::<()>(&["ACL", "SETUSER", "ann", "allchannels"]).await;
    let status = running.status("allowed", |status| status.denied.is_empty()).await;
    assert_eq!((status.connected, status.connects, status.error), (true, 2, None));
    running.publish("b:1", "x").await;
    assert_eq!(running.confirmed(2).await, [1, 2]);
    running.expect(1, "b:1", b"x").await;
}

#[tokio::test]
async fn a_source_whose_subscriptions_are_all_revoked_is_not_connected_until_they_are_back() {
    let server = RedisServer::start(&[]);
    server.command::<()>(&["ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all", "allchannels"]).await;
    let mut running = broker(&format!("redis://ann:pw@127.0.0.1:{}", server.port));
    running.subscribe(vec![channel("a")]).await;
    server.command::<()>(&["ACL", "SETUSER", "ann", "resetchannels"]).await;
    let status = running.status("revoked", |status| !status.denied.is_empty()).await;
    assert!(status.denied[0].revoked, "{status:?}");
    let status = running.status("told", |status| !status.connected).await;
    assert!(status.error.as_ref().unwrap().contains("NOPERM"), "{status:?}");
    server.command::<()>(&["ACL", "SETUSER", "ann", "allchannels"]).await;
    let status = running.status("connected again", |status| status.connected).await;
    assert_eq!((status.denied, status.error), (vec![], None));
}

#[tokio::test]
async fn a_login_that_is_taken_away_and_given_back_is_used_again() {
    let server = RedisServer::start(&[]);
    let user = ["ACL", "SETUSER", "ann", "reset", "on", ">pw", "~*", "+@all", "allchannels"];
    server.command::<()>(&user).await;
    let mut running = broker(&format!("redis://ann:pw@127.0.0.1:{}", server.port));
    running.subscribe(vec![channel("a")]).await;
    let taken: [&[&str]; 2] = [&["ACL", "DELUSER", "ann"], &["ACL", "SETUSER", "ann", "resetpass", ">other"]];
    for (number, command) in (2..).zip(taken) {
        server.command::<redis::Value>(command).await;
        // A connection that stands outlives its password.
        let _: redis::Value = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        let refused =
            |status: &Status| status.error.as_ref().is_some_and(|error| error.contains("WRONGPASS"));
        running.status("refused", refused).await;
        server.command::<()>(&user).await;
        running.status("connected again", |status| status.connected && status.connects == number).await;
        assert_eq!(running.publish("a", "x").await, 1);
    }
}

#[tokio::test]
async fn a_server_that_answers_pings_with_errors_is_alive() {
    let server = RedisServer::start(&["--save", "3600 1"]);
    std::fs::create_dir(server.socket().with_file_name("dump.rdb")).unwrap();
    server.command::<()>(&["SET", "a", "b"]).await;
    server.command::<String>(&["BGSAVE"]).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let misconf = async {
        loop {
            match redis::cmd("PING").query_async::<String>(&mut connection).await {
                Err(error) if error.to_string().contains("MISCONF") => break,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    within("a Redis that cannot write its file", misconf).await;
    let mut running = server.broker();
    running.subscribe(vec![channel("a")]).await;
    // Long enough for a ping.
    let mut messages = 0;
    let pinged = async {
        loop {
            let list: String = server.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
            if list.contains("cmd=ping") {
                break;
            }
            messages += 1;
        }
    };
    within("a ping", pinged).await;
    assert_eq!(running.publish("a", "x").await, 1);
    running.expect(0, "a", b"x").await;
    assert_eq!(running.broker.status().borrow().connects, 1, "after {messages} looks");
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let server = RedisServer::start(&[]);
    let mut running = broker(&format!("unix://{}?db=2", server.socket().display()));
    running.subscribe(vec![channel("a")]).await;
    assert_eq!(running.publish("a", "x").await, 1);
    running.expect(0, "a", b"x").await;
    assert_eq!(running.broker.address(), format!("unix://{}?db=2", server.socket().display()));
}

#[tokio::test]
async fn tls_is_spoken_and_the_certificate_verified() {
    let port = free_port().to_string();
    let (cert, key) = (format!("{TLS}/server.pem"), format!("{TLS}/server.key"));
    let mut options = vec!["--tls-port", &port, "--tls-auth-clients", "no"];
    options.extend(["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &cert]);
    let _server = RedisServer::start(&options);
    // The authority's certificate, the server's own, and nobody's.
    for (host, query) in [
        ("localhost", format!("ssl_ca_certs={TLS}/ca.pem")),
        ("127.0.0.1", format!("ssl_ca_certs={TLS}/server.pem")),
        ("127.0.0.1", "ssl_cert_reqs=none".to_owned()),
    ] {
        let url = format!("rediss://{host}:{port}?{query}");
        let mut running = Running::new(RedisBroker::new(&url).unwrap());
        running.subscribe(vec![channel("a")]).await;
        let payload = vec![b'x'; 300_000];
        assert_eq!(running.publish("a", payload.clone()).await, 1);
        running.expect(0, "a", &payload).await;
    }
    let strangers = RedisBroker::new(&format!("rediss://localhost:{port}")).unwrap();
    let error = strangers.ping().await.unwrap_err();
    assert!(matches!(&error, BrokerError::Tls { problem: TlsProblem::UnknownAuthority, .. }), "{error}");
    assert!(error.hint().unwrap().starts_with("--redis-ca FILE"));
}

#[tokio::test]
async fn a_redis_that_wants_a_client_certificate_says_so_and_gets_one() {
    let (port, folder) = (free_port().to_string(), tempfile::TempDir::new().unwrap());
    let own = |name: &str| folder.path().join(name).display().to_string();
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-subj", "/CN=client", "-days", "2", "-keyout", &own("key"), "-out", &own("cert")]);
    assert!(openssl.output().unwrap().status.success(), "these tests need openssl");
    let (cert, key, ca) = (format!("{TLS}/server.pem"), format!("{TLS}/server.key"), own("cert"));
    let mut options = vec!["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key];
    options.extend(["--tls-ca-cert-file", &ca]);
    let _server = RedisServer::start(&options);
    let trusting = format!("rediss://localhost:{port}?ssl_ca_certs={TLS}/ca.pem");
    let error = RedisBroker::new(&trusting).unwrap().ping().await.unwrap_err();
    assert!(matches!(&error, BrokerError::Tls { problem: TlsProblem::Wanted, .. }), "{error}");
    assert!(error.hint().unwrap().contains("--redis-cert FILE and --redis-key FILE"));
    let url = format!("{trusting}&ssl_certfile={ca}&ssl_keyfile={}", own("key"));
    let mut running = Running::new(RedisBroker::new(&url).unwrap());
    running.subscribe(vec![channel("a")]).await;
    assert_eq!(running.publish("a", "x").await, 1);
    // One of nobody's whom that server knows.
    let url = format!("{trusting}&ssl_certfile={cert}&ssl_keyfile={key}");
    let error = RedisBroker::new(&url).unwrap().ping().await.unwrap_err();
    assert!(matches!(&error, BrokerError::Tls { problem: TlsProblem::Unaccepted, .. }), "{error}");
}

#[tokio::test]
async fn tls_to_a_redis_without_it_and_none_to_one_with_it_are_told() {
    let server = RedisServer::start(&[]);
    let tcp = server.url().replace("redis://", "rediss://") + "?ssl_cert_reqs=none";
    let error = RedisBroker::new(&tcp).unwrap().ping().await.unwrap_err();
    assert!(matches!(&error, BrokerError::Tls { problem: TlsProblem::Silent, .. }), "{error}");
}
