//! What the long help of `bench` says below its flags.

use crate::bench::verdict;

/// What the manual page has below the flags, too.
pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  jobwire bench -c 5k --jobs 50 -r 500 -d 10s --redis redis://127.0.0.1
  jobwire bench fanout channel:campaigns -c 1k --assert 'delivery.p99<50ms' --assert lost==0
  jobwire bench connect ws://127.0.0.1:9000/echo -c 1k --connect-rate 500
  jobwire bench idle ws://127.0.0.1:9000/echo -c 18k -d 60s --server-pid 4711
  jobwire bench storm -c 1k --cut 50% -r 100
  jobwire bench storm -c 1k --resume --transport sse --assert gaps==0
  jobwire bench -c 1k -d 60s --durable --resume --assert missing==0,twice==0
  jobwire bench -c 200 --jobs 1k --watch --targets-per-connection 50 --deflate --msgpack
  jobwire bench idle 'ws://127.0.0.1:9000/ws/{job}?client={conn}' -H 'X-Client: {conn}' --token-file tokens
  jobwire bench idle -c 60k --workers 4 --source-ip 127.0.0.1-127.0.0.3 --redis redis://127.0.0.1
  jobwire bench worker --redis redis://host        wait here for work from a bench elsewhere
  jobwire bench --find rate --within 'delivery.p99<50ms,lost==0'

A percentage or a number with k or m is taken wherever it makes sense. Latency counts from the time at which an event \
should have left, so that nothing that falls behind looks good. Exits 99 where an assertion failed, and 98 where this \
client was the bottleneck, so that the figures say nothing about the server.";

/// The examples, and the names of what can be demanded, which the manual page has with their meanings.
pub(super) fn below() -> String {
    let list = |names: Vec<String>| names.join(", ");
    let (timings, parts) = (list(verdict::timings()), list(verdict::parts()));
    format!(
        "{EXAMPLES}\n\nMetrics of assertions are parts of timings, as in delivery.p99<50ms: {timings}; each with {parts}. \
         Counts, as in lost==0 or connect.failed<0.1%: {}. Others: {}. What they mean is in jobwire-bench(1), which \
         `jobwire man DIR` writes.",
        list(verdict::counted()),
        list(verdict::others())
    )
}
