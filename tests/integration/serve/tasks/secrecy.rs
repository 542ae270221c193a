//! What nobody may find in a log or an answer.

use super::{bearer, completion, publish, refusal, registered, relay_on, socket_of};
use crate::support::{RedisServer, SECRET, WebSocket, signed, token, unix_now};

#[test]
fn neither_token_nor_secret_is_in_the_log_or_an_answer() {
    for level in ["trace", "hyper=trace,axum=trace,jobwire=trace,redis=trace,trace"] {
        let redis = RedisServer::start();
        let relay = relay_on(&redis, &["--log-level", level, "--unknown-grace", "100ms"]);
        let good = token("alice");
        let expired = signed("HS256", &serde_json::json!({"sub": "alice", "exp": unix_now() - 1.0}), SECRET);
        let forged = signed("none", &serde_json::json!({"sub": "alice", "exp": unix_now() + 60.0}), "x");
        publish(&relay, "t1", &registered("t1", "alice"));
        let mut served = relay.connect(&format!("/ws/t1?token={good}"));
        publish(&relay, "t1", &completion("t1"));
        served.expect(&completion("t1"));
        served.close();
        let mut answers = String::new();
        for token in [&expired, &forged, &good] {
            for path in [format!("/ws/t2?token={token}"), format!("/ws/t2?x=1&token={token}&y")] {
                answers += &refusal(&mut relay.connect(&path)).1;
            }
            let offer = format!("jobwire.json, jobwire.token.{token}");
            let offered = [("sec-websocket-protocol", offer.as_str())];
            answers += &refusal(&mut WebSocket::try_connect(&relay.ws("/ws/t2"), &offered).unwrap()).1;
            let (name, value) = bearer(token);
            answers +=
                &refusal(&mut WebSocket::try_connect(&relay.ws("/ws/t2"), &[(name, &value)]).unwrap()).1;
            for path in ["/task/t1", "/task/t2", "/ws/t1", "/nowhere", "/publish/x", "/health", "/ws/stats"] {
                for answer in [
                    relay.exchange("GET", &format!("{path}?token={token}"), &[], b""),
                    relay.exchange("POST", path, &[(name, &value)], b"{}"),
                    relay.exchange("GET", path, &[(name, &value)], b""),
                    relay.exchange("GET", path, &offered, b""),
                ] {
                    answers += &answer.head;
                    answers += &answer.body;
                }
            }
        }
        // A request that breaks off, and one that is none.
        drop(relay.raw(&socket_of("t1", "alice")));
        relay.exchange("GET", &format!("/task/t1 {good}"), &[], b"");
        relay.until_connections(0);
        let log = relay.stop().stderr;
        for text in [&log, &answers] {
            assert!(!text.contains(SECRET));
            for token in [&good, &expired, &forged] {
                // Not even its last part, which alone is worth nothing.
                let (claims, signature) = token.rsplit_once('.').unwrap();
                assert!(!text.contains(claims) && !text.contains(signature), "{text}");
            }
        }
    }
}
