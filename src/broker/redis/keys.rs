//! The key of a command, which decides about the node that it is sent to; pure.

use redis::{Arg, Cmd};

/// The first key of a command, as all of a command's keys are in one slot; `None` where it has none.
///
/// Any command that is not named here has its key first, which is so for all that work on one key.
pub(super) fn key_of(command: &Cmd) -> Option<&[u8]> {
    const KEYLESS: [&str; 18] = [
        "ACL", "ASKING", "AUTH", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "ECHO", "HELLO", "INFO", "PING",
        "PUBLISH", "ROLE", "SCAN", "SCRIPT", "SELECT", "TIME", "WAIT",
    ];
    let mut words = command.args_iter().filter_map(|word| match word {
        Arg::Simple(word) => Some(word),
        _ => None,
    });
    let name = words.next()?;
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    if KEYLESS.into_iter().any(is) {
        None
    } else if ["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"].into_iter().any(is) {
        // The script, and the number of keys.
        if words.nth(1)? == b"0" { None } else { words.next() }
    } else if ["XINFO", "XGROUP", "OBJECT", "MEMORY"].into_iter().any(is) {
        words.nth(1)
    } else if ["XREAD", "XREADGROUP"].into_iter().any(is) {
        words.find(|word| word.eq_ignore_ascii_case(b"STREAMS"))?;
        words.next()
    } else {
        words.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_found_wherever_a_command_has_it() {
        for (words, key) in [
            ("HMGET k owner", Some("k")),
            ("xadd k * data x", Some("k")),
            ("EVALSHA 00ff 2 k l 86400", Some("k")),
            ("EVAL return 0 86400", None),
            ("XINFO STREAM k", Some("k")),
            ("XREAD COUNT 5 BLOCK 0 STREAMS k l 0 0", Some("k")),
            ("XREAD COUNT 5", None),
            ("PUBLISH channel k", None),
            ("ping", None),
            ("SCRIPT LOAD k", None),
            ("GET", None),
        ] {
            let mut command = Cmd::new();
            words.split(' ').for_each(|word| {
                command.arg(word);
            });
            assert_eq!(key_of(&command), key.map(str::as_bytes), "{words}");
        }
        assert_eq!(key_of(&Cmd::new()), None);
    }
}
