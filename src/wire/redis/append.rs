//! Appending to a Redis Stream; pure.

/// Entries that a stream is trimmed to, about, where this program appends to it.
const LENGTH: &[u8] = b"100000";

/// Words of the command that appends a payload to a stream; with the job's id where the stream has the entries of many jobs.
pub(crate) fn append<'a>(key: &'a str, job: Option<&'a str>, payload: &'a [u8]) -> Vec<&'a [u8]> {
    let mut words: Vec<&[u8]> =
        vec![b"XADD", key.as_bytes(), b"MAXLEN", b"~", LENGTH, b"*", b"data", payload];
    words.extend(job.into_iter().flat_map(|job| [b"job", job.as_bytes()]));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_payload_and_the_job_where_there_is_one() {
        let words =
            |job| append("task_updates", job, b"{}").iter().map(|word| word.to_vec()).collect::<Vec<_>>();
        assert_eq!(words(None).join(&b' '), b"XADD task_updates MAXLEN ~ 100000 * data {}");
        assert_eq!(words(Some("a b"))[8..], [b"job".to_vec(), b"a b".to_vec()]);
    }
}
