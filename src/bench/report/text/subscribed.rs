//! How connections subscribed, in words.

use crate::bench::manner::Transport;
use crate::bench::numbers::as_f64;
use crate::bench::report::figures::{bytes, count, counted, printable};
use crate::bench::summary::Subscribing;

/// How they subscribed and what came of it; `received` is what came on the wire, in bytes.
pub(in crate::bench::report) fn facts(subscribing: &Subscribing, received: u64) -> Vec<String> {
    let Subscribing { transport, msgpack, targets_per_connection, deflate, message_bytes, .. } = subscribing;
    let mut facts = vec![match (transport, msgpack) {
        (Transport::Sse, _) => "event streams".to_owned(),
        (Transport::Ws, true) => "WebSockets with MessagePack".to_owned(),
        (Transport::Ws, false) => "WebSockets".to_owned(),
    }];
    facts.extend(
        targets_per_connection.map(|targets| format!("{} each over /watch", counted(targets, "target"))),
    );
    facts.extend(subscribing.resume.then(|| "resumed by cursor".to_owned()));
    if let Some(deflate) = deflate {
        facts.push(match (deflate.agreed, deflate.declined) {
            (agreed, 0) => format!("permessage-deflate agreed with {}", counted(agreed, "opening")),
            (0, declined) => format!("permessage-deflate DECLINED by the server, {} times", count(declined)),
            (agreed, declined) => {
                format!("permessage-deflate agreed {} times, declined {}", count(agreed), count(declined))
            }
        });
    }
    if *message_bytes > 0 {
        let messages = bytes(as_f64(*message_bytes));
        let wire = bytes(as_f64(received));
        facts.push(format!("{messages} of messages in {wire} on the wire"));
    }
    if let Some(deflate) = deflate.as_ref().filter(|deflate| deflate.compressed_bytes > 0) {
        let times = as_f64(deflate.inflated_bytes) / as_f64(deflate.compressed_bytes);
        facts.push(format!("{} compressed, {times:.1} times smaller", counted(deflate.messages, "message")));
    }
    facts
}

/// Gaps that the server told of; `None` where there were none.
pub(in crate::bench::report) fn gaps(subscribing: &Subscribing) -> Option<String> {
    let each = subscribing.gaps.iter().map(|gap| format!("{} {}", count(gap.count), printable(&gap.reason)));
    let each: Vec<String> = each.collect();
    (!each.is_empty())
        .then(|| format!("{} told: {}", counted(subscribing.gap_count(), "gap"), each.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::summary::Deflated;

    #[test]
    fn what_was_agreed_and_what_came_is_said() {
        let mut seen = Subscribing { message_bytes: 4_000_000, ..Subscribing::default() };
        seen.deflate = Some(Deflated {
            agreed: 100,
            declined: 0,
            messages: 1000,
            compressed_bytes: 1_000_000,
            inflated_bytes: 3_500_000,
        });
        let text = facts(&seen, 1_200_000).join("; ");
        for part in [
            "WebSockets;",
            "agreed with 100 openings",
            "of messages in",
            "1,000 messages compressed, 3.5 times",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        seen.deflate = Some(Deflated { declined: 5, ..Deflated::default() });
        seen.targets_per_connection = Some(10);
        assert!(
            facts(&seen, 0).join("; ").contains("10 targets each over /watch; permessage-deflate DECLINED")
        );
        assert_eq!(gaps(&seen), None);
        seen.count_gap("too_old", 2);
        assert_eq!(gaps(&seen).unwrap(), "2 gaps told: 2 too_old");
    }
}
