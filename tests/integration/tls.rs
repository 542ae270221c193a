//! Certificates of every kind, for relays and for Redis: in plain words where they are refused, and taken where the user
//! says so.

use std::path::Path;

use redis::Commands;

use crate::support::{
    Certificate, Kind, Output, PATIENCE, Process, RedisServer, Relay, command, free_port, jobwire,
    tls_before, until,
};

const TARGET: &str = "scraping/1";

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Attaches through TLS, without a second attempt.
fn attach(port: u16, args: &[&str]) -> Output {
    let server = format!("wss://localhost:{port}");
    let fixed = ["attach", TARGET, "--server", &server, "--retries", "0", "--progress", "quiet"];
    jobwire(&[&fixed[..], args].concat())
}

/// A relay on which the job has ended well.
fn done() -> Relay {
    let relay = Relay::start(&[]);
    assert_eq!(relay.jobwire(&["publish", TARGET, "job_completed"]).code, 0);
    relay
}

#[test]
fn each_kind_of_certificate_is_refused_in_its_own_words_with_what_to_do() {
    let relay = done();
    for (kind, said, hint) in [
        (
            Kind::SelfSigned,
            "its certificate is self-signed",
            "hint: --ca FILE trusts a copy of that certificate",
        ),
        (
            Kind::Issued,
            "is signed by an authority that is not trusted here",
            "hint: --ca FILE trusts that authority's",
        ),
        (Kind::Expired, "has expired; it was valid until 2020-01-02", "hint: is this machine's clock right?"),
        (
            Kind::Future,
            "is not valid yet; it is valid from 2099-01-02",
            "hint: is this machine's clock right?",
        ),
    ] {
        let port = tls_before(relay.address(), &Certificate::new(kind));
        let output = attach(port, &[]);
        assert_eq!(output.code, 3, "{kind:?}: {}", output.stderr);
        for part in [said, hint, "--insecure", &format!("error: scraping/1: no TLS with localhost:{port}: ")]
        {
            assert!(output.stderr.contains(part), "{kind:?}: {part:?} is not in {}", output.stderr);
        }
        assert!(!output.stderr.to_lowercase().contains("other("), "{}", output.stderr);
    }
    for (kind, said) in [
        (Kind::Foreign, "is not for localhost, but for elsewhere.example"),
        (Kind::Nameless, "names no host: it has no subjectAltName, and a common name (CN) is not looked at"),
        (Kind::Expired, "has expired"),
    ] {
        let certificate = Certificate::new(kind);
        let port = tls_before(relay.address(), &certificate);
        let output = attach(port, &["--ca", &text(&certificate.cert())]);
        assert_eq!(output.code, 3, "{kind:?}: {}", output.stderr);
        assert!(output.stderr.contains(said), "{kind:?}: {}", output.stderr);
    }
}

#[test]
fn a_certificate_of_openssl_is_trusted_by_its_copy_and_any_by_insecure() {
    let relay = done();
    let certificate = Certificate::by_openssl();
    let port = tls_before(relay.address(), &certificate);
    let refused = attach(port, &[]);
    assert!(refused.stderr.contains("its certificate is self-signed"), "{}", refused.stderr);
    let ca = text(&certificate.cert());
    let trusted = attach(port, &["--ca", &ca]);
    assert_eq!((trusted.code, trusted.stderr.as_str()), (0, ""));
    let trusted = Process::spawn(
        command(&["attach", TARGET, "--progress", "quiet"])
            .envs([("JOBWIRE_SERVER", format!("https://127.0.0.1:{port}")), ("JOBWIRE_CA", ca.clone())]),
    )
    .finish(PATIENCE);
    assert_eq!((trusted.code, trusted.stderr.as_str()), (0, ""));
    for kind in [Kind::Expired, Kind::Foreign, Kind::Nameless] {
        let port = tls_before(relay.address(), &Certificate::new(kind));
        let output = attach(port, &["--insecure"]);
        assert_eq!(output.code, 0, "{kind:?}: {}", output.stderr);
        assert!(
            output.stderr.starts_with("warning: certificates are not checked (--insecure)"),
            "{}",
            output.stderr
        );
    }
    // A copy of another certificate vouches for nobody else.
    let other = Certificate::by_openssl();
    let output = attach(port, &["--ca", &text(&other.cert())]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    let issued = Certificate::new(Kind::Issued);
    let port = tls_before(relay.address(), &issued);
    assert_eq!(attach(port, &["--ca", &text(&issued.authority())]).code, 0);
    assert_eq!(
        attach(port, &["--ca", &text(&issued.cert())]).code,
        0,
        "the server's own, without its authority"
    );
}

#[test]
fn publish_and_bench_trust_as_attach_does() {
    let relay = Relay::start(&["--publish-key", "the-key"]);
    let certificate = Certificate::by_openssl();
    let port = tls_before(relay.address(), &certificate);
    let (server, ca) = (format!("wss://localhost:{port}"), text(&certificate.cert()));
    let key = "the-key";
    let publish = ["publish", TARGET, "job_started", "--server", &server, "--publish-key", key];
    let output = jobwire(&publish);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(
        output.stderr.contains("is self-signed") && output.stderr.contains("hint: --ca FILE"),
        "{}",
        output.stderr
    );
    let output = jobwire(&[&publish[..], &["--ca", &ca]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let output = jobwire(&[&publish[..], &["--insecure"]].concat());
    assert!(output.code == 0 && output.stderr.starts_with("warning: "), "{}", output.stderr);

    let bench = [
        "bench",
        "--server",
        &server,
        "--publish-key",
        key,
        "-c",
        "4",
        "-r",
        "20",
        "-d",
        "1s",
        "--allow-client-bound",
    ];
    let output = Process::spawn(&mut command(&bench)).finish(PATIENCE * 2);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(
        output.stderr.contains("is self-signed") && output.stderr.contains("hint: --ca FILE"),
        "{}",
        output.stderr
    );
    let trusting = [&bench[..], &["--ca", &ca, "--assert", "lost==0"]].concat();
    let output = Process::spawn(&mut command(&trusting)).finish(PATIENCE * 2);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

#[test]
fn a_file_without_a_certificate_exits_2_and_is_named() {
    let certificate = Certificate::by_openssl();
    let (key, cert) = (text(&certificate.key()), text(&certificate.cert()));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--redis", "rediss://localhost:1"];
    for (args, says) in [
        (vec!["attach", TARGET, "--ca", &key], "holds a private key and no certificate"),
        (vec!["bench", "--ca", "/nowhere.pem", "--redis", "redis://h"], "could not read /nowhere.pem"),
        (vec!["publish", TARGET, "job_started", "--ca", "/dev/null"], "/dev/null is empty"),
        ([&serve[..], &["--redis-ca", &key]].concat(), "holds a private key and no certificate"),
        ([&serve[..], &["--redis-cert", &cert]].concat(), "needs both"),
        (
            [&serve[..], &["--redis-cert", &cert, "--redis-key", &cert]].concat(),
            "holds a certificate and no private key",
        ),
        (vec!["serve", "--redis", "redis://h", "--redis-ca", &cert], "--redis-ca is for a Redis with TLS"),
        (
            vec!["publish", TARGET, "job_started", "--redis", "rediss://h?ssl_cert_reqs=maybe"],
            "none, optional or required",
        ),
    ] {
        let output = jobwire(&args);
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(says), "{args:?}: {}", output.stderr);
    }
}

/// A redis-server with TLS, and its port.
fn redis_with(certificate: &Certificate, more: &[&str]) -> (RedisServer, u16) {
    let port = free_port();
    let (cert, key) = (text(&certificate.cert()), text(&certificate.key()));
    let port_text = port.to_string();
    let fixed = [
        "--tls-port",
        &port_text,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &cert,
    ];
    (RedisServer::start_with(&[&fixed[..], more].concat()), port)
}

#[test]
fn every_connection_to_redis_trusts_alike() {
    let certificate = Certificate::by_openssl();
    let (_redis, port) = redis_with(&certificate, &["--tls-auth-clients", "no"]);
    let (url, ca) = (format!("rediss://localhost:{port}"), text(&certificate.cert()));
    let output = jobwire(&["publish", TARGET, "job_started", "--redis", &url]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    for part in ["its certificate is self-signed", "hint: --redis-ca FILE", "--redis-insecure"] {
        assert!(output.stderr.contains(part), "{part:?} is not in {}", output.stderr);
    }
    let relay = Relay::start(&["--redis", &url, "--redis-ca", &ca]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    for trust in [&["--redis-ca", &ca][..], &["--redis-insecure"]] {
        let output = jobwire(&[&["publish", TARGET, "job_started", "--redis", &url], trust].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    let loose = format!("{url}?ssl_cert_reqs=none&socket_timeout=5");
    let output = jobwire(&["publish", TARGET, "job_progress", "progress=5", "--redis", &loose]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stderr.contains("warning: the certificate of Redis is not checked"), "{}", output.stderr);
    assert!(
        output.stderr.contains("warning: the parameter 'socket_timeout' of the redis URL"),
        "{}",
        output.stderr
    );
    // Both the publisher's own connection and that through which workers know each other.
    for workers in ["0", "2"] {
        relay.assert_bench_loses_nothing(workers, &["--redis", &url, "--redis-ca", &ca]);
    }
}

#[test]
fn a_redis_that_wants_a_certificate_says_so_and_takes_one() {
    let certificate = Certificate::by_openssl();
    let (_redis, port) = redis_with(&certificate, &[]);
    let url = format!("rediss://localhost:{port}");
    let (cert, key) = (text(&certificate.cert()), text(&certificate.key()));
    let publish = ["publish", TARGET, "job_started", "--redis", &url, "--redis-ca", &cert];
    let output = jobwire(&publish);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("it wants a certificate of the client"), "{}", output.stderr);
    assert!(
        output.stderr.contains("hint: give one with --redis-cert FILE and --redis-key FILE"),
        "{}",
        output.stderr
    );
    let output = jobwire(&[&publish[..], &["--redis-cert", &cert, "--redis-key", &key]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);

    let ours = ["--redis", &url, "--redis-ca", &cert, "--redis-cert", &cert, "--redis-key", &key];
    let relay = Relay::start(&ours);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    for workers in ["0", "1"] {
        relay.assert_bench_loses_nothing(workers, &ours);
    }
}

#[test]
fn nodes_of_a_cluster_are_spoken_to_in_tls_with_a_certificate() {
    let certificate = Certificate::by_openssl();
    let (redis, port) = redis_with(&certificate, &["--cluster-enabled", "yes", "--tls-cluster", "yes"]);
    let run = |words: &[&str]| -> redis::Value {
        redis::cmd("CLUSTER").arg(words).query(&mut redis.connection()).unwrap()
    };
    run(&["ADDSLOTSRANGE", "0", "16383"]);
    until(PATIENCE, "the cluster", || format!("{:?}", run(&["INFO"])).contains("cluster_state:ok"));
    let url = format!("rediss+cluster://localhost:1,localhost:{port}");
    let (cert, key) = (text(&certificate.cert()), text(&certificate.key()));
    let ours = ["--redis", &url, "--redis-ca", &cert, "--redis-cert", &cert, "--redis-key", &key];
    let relay = Relay::start(&ours);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let output = jobwire(&[&["publish", "tasks/t", "registered", "user_id=alice"][..], &ours].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let owner: String = redis.connection().hget("jobwire:tasks:t", "owner").unwrap();
    assert_eq!(owner, "alice");
    redis.publish("download_updates:a", r#"{"jobId":"a","status":"completed","progress":100}"#);
    until(PATIENCE, "the state", || {
        redis.connection().hget::<_, _, Option<String>>("jobwire:downloads:a", "ended").unwrap().as_deref()
            == Some("succeeded")
    });
}
