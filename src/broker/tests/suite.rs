//! What every broker does.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::fixture::{Got, Running, channel, prefix, within};
use crate::broker::Broker;

macro_rules! suite {
    ({ $($test:ident)* } { $($only:ident)* }) => {
        mod embedded {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Running::embedded()).await;
            })*
            $(#[tokio::test]
            async fn $only() {
                super::$only(super::Running::embedded()).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Running::redis()).await;
            })*
            $(#[tokio::test]
            async fn $only() {
                super::$only(super::Running::redis()).await;
            })*
        }
        mod streams {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Running::streams()).await;
            })*
        }
    };
}

suite! { {
    each_matching_subscription_is_served_once
    a_prefix_is_no_pattern_and_no_channel
    payloads_come_out_as_they_went_in
    a_payload_of_one_mebibyte_arrives
    receivers_are_counted
    the_source_is_connected_once_publications_reach_it
    each_subscription_is_confirmed_before_its_publications
    stop_ends_the_source
    a_burst_arrives_whole
    a_sink_that_does_not_keep_up_pushes_back_and_loses_nothing
    order_is_kept_within_a_channel
} {
    // Streams have no order across channels: each is read by itself.
    order_is_kept_within_and_across_channels
} }

async fn order_is_kept_within_a_channel<B: Broker>(mut running: Running<B>) {
    running.subscribe(vec![channel("a"), prefix("b:")]).await;
    for number in 0..2_000 {
        running.publish(["a", "b:1", "b:2"][number % 3], number.to_string()).await;
    }
    let mut next = [0, 1, 2];
    for _ in 0..2_000 {
        let Got::Publication { channel, payload, .. } = running.next().await else { panic!() };
        let at = ["a", "b:1", "b:2"].iter().position(|name| *name == channel).unwrap();
        assert_eq!(String::from_utf8(payload).unwrap(), next[at].to_string(), "{channel}");
        next[at] += 3;
    }
}

async fn order_is_kept_within_and_across_channels<B: Broker>(mut running: Running<B>) {
    running.subscribe(vec![channel("a"), prefix("b:"), channel("c")]).await;
    let names = ["a", "b:1", "b:2", "c"];
    for number in 0..2_000 {
        assert_eq!(running.publish(names[number % 4], number.to_string()).await, 1);
    }
    for number in 0..2_000 {
        running.expect([0, 1, 1, 2][number % 4], names[number % 4], number.to_string().as_bytes()).await;
    }
}

async fn each_matching_subscription_is_served_once<B: Broker>(mut running: Running<B>) {
    running
        .subscribe(vec![channel("a"), prefix("a"), channel("a"), prefix(""), prefix("a"), channel("end")])
        .await;
    for (name, matching) in [("a", vec![0, 2, 3]), ("ab", vec![1, 3, 4]), ("b", vec![3])] {
        running.publish(name, "x").await;
        let mut served = Vec::new();
        for _ in &matching {
            let Got::Publication { subscription, channel, .. } = running.next().await else { panic!() };
            assert_eq!(channel, name);
            served.push(subscription);
        }
        served.sort_unstable();
        assert_eq!(served, matching, "{name}");
    }
}

async fn a_prefix_is_no_pattern_and_no_channel<B: Broker>(mut running: Running<B>) {
    let odd = r"j*b?[a-z]\:";
    running.subscribe(vec![prefix(odd), prefix("p:"), channel("q*")]).await;
    for miss in ["job1a:1", odd, "p:", "p", "q1", "P:1"] {
        assert_eq!(
            running.publish(miss, "miss").await,
            u64::from(running.broker.name() == "redis" && [odd, "p:"].contains(&miss)),
            "{miss}"
        );
    }
    let hits = [(0, format!("{odd}1")), (1, "p:1".to_owned()), (1, "p:*".to_owned()), (2, "q*".to_owned())];
    for (subscription, name) in &hits {
        running.publish(name, "hit").await;
        running.expect(*subscription, name, b"hit").await;
    }
}

async fn payloads_come_out_as_they_went_in<B: Broker>(mut running: Running<B>) {
    let names = ["kanäle", "with space", "line\r\nbreak", "$5\r\nhello\r\n"];
    running.subscribe(names.into_iter().map(channel).collect()).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let payloads: [&[u8]; 5] =
        [b"", b"\r\n", &every_byte, b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", b"{\"a\":1}"];
    for (index, name) in names.into_iter().enumerate() {
        for payload in payloads {
            running.publish(name, payload).await;
            running.expect(index, name, payload).await;
        }
    }
}

async fn a_payload_of_one_mebibyte_arrives<B: Broker>(mut running: Running<B>) {
    running.subscribe(vec![channel("a")]).await;
    let payload: Vec<u8> =
        (0..1024 * 1024_u32).map(|index| index.to_le_bytes()[index as usize % 3]).collect();
    for small in [&b"before"[..], b"after"] {
        running.publish("a", small).await;
        running.publish("a", payload.clone()).await;
        running.expect(0, "a", small).await;
        running.expect(0, "a", &payload).await;
    }
}

async fn receivers_are_counted<B: Broker>(mut running: Running<B>) {
    assert_eq!(running.publish("job:1", "early").await, 0);
    running.subscribe(vec![channel("job:1"), prefix("job:")]).await;
    assert_eq!(running.publish("job:1", "both").await, 2);
    assert_eq!(running.publish("job:2", "one").await, 1);
    assert_eq!(running.publish("task:1", "none").await, 0);
    running.expect(0, "job:1", b"both").await;
    running.expect(1, "job:1", b"both").await;
    running.expect(1, "job:2", b"one").await;
}

async fn the_source_is_connected_once_publications_reach_it<B: Broker>(mut running: Running<B>) {
    let before = running.broker.status().borrow().clone();
    assert_eq!((before.connected, before.connects), (false, 0));
    running.start((0..50).map(|number| channel(&number.to_string())).collect(), None);
    let status = running.status("connected", |status| status.connected).await;
    assert_eq!((status.connects, status.error), (1, None));
    for number in 0..50 {
        assert_eq!(running.publish(&number.to_string(), "x").await, 1);
    }
}

async fn each_subscription_is_confirmed_before_its_publications<B: Broker>(mut running: Running<B>) {
    running.subscribe(vec![channel("a"), prefix("b:"), channel("a"), prefix("")]).await;
    running.publish("a", "x").await;
    assert_eq!(running.confirmed(4).await, [0, 1, 2, 3]);
    for _ in 0..3 {
        assert!(matches!(running.next().await, Got::Publication { .. }));
    }
}

async fn stop_ends_the_source<B: Broker>(mut running: Running<B>) {
    running.subscribe(vec![channel("a")]).await;
    running.stop.cancel();
    running.ended().await;
    assert!(!running.broker.status().borrow().connected);
    let nobody_left = async {
        // Redis learns of it when it next looks at the connection.
        while running.publish("a", "late").await != 0 {
            tokio::task::yield_now().await;
        }
    };
    within("a broker without subscribers", nobody_left).await;
}

async fn a_burst_arrives_whole<B: Broker + 'static>(mut running: Running<B>) {
    // Many publishers, so that messages come faster than one reply at a time would let them.
    const PUBLISHERS: usize = 50;
    const EACH: usize = 1_000;
    running.subscribe(vec![prefix("job:")]).await;
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let broker = Arc::clone(&running.broker);
            tokio::spawn(async move {
                for number in 0..EACH {
                    let mut payload = vec![b'x'; 300];
                    payload.extend_from_slice(number.to_string().as_bytes());
                    assert_eq!(broker.publish(&format!("job:{publisher}"), payload.into()).await.unwrap(), 1);
                }
            })
        })
        .collect();
    let mut next = vec![0; PUBLISHERS];
    for _ in 0..PUBLISHERS * EACH {
        let Got::Publication { channel, payload, .. } = running.next().await else { panic!() };
        let publisher: usize = channel["job:".len()..].parse().unwrap();
        assert_eq!(payload[300..], *next[publisher].to_string().as_bytes(), "{channel}");
        next[publisher] += 1;
    }
    assert_eq!(next, [EACH; PUBLISHERS]);
    for publisher in publishers {
        within("a publisher", publisher).await.unwrap();
    }
}

async fn a_sink_that_does_not_keep_up_pushes_back_and_loses_nothing<B: Broker>(mut running: Running<B>) {
    const COUNT: usize = 3_000;
    // Permits for the flush of the confirmation, and for that of the history.
    let gate = Arc::new(Semaphore::new(1 + usize::from(running.broker.name() == "streams")));
    running.start(vec![channel("a")], Some(Arc::clone(&gate)));
    running.status("connected", |status| status.connected).await;
    running.publish("a", "first").await;
    assert_eq!(running.flush().await, 1);
    for number in 0..COUNT {
        let mut payload = number.to_string().into_bytes();
        payload.resize(1_000, b' ');
        running.publish("a", payload).await;
    }
    assert_eq!(running.waiting(), 0, "the sink was given more while it had not flushed");
    gate.add_permits(Semaphore::MAX_PERMITS);
    for number in 0..COUNT {
        let Got::Publication { payload, .. } = running.next().await else { panic!() };
        assert_eq!(String::from_utf8(payload).unwrap().trim_end(), number.to_string());
    }
}
