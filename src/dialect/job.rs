//! Job ids: what is possible, and how they stand in a path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Dialect, JobIdType, Source};

/// The longest job id, in bytes.
pub const MAX_JOB_BYTES: usize = 256;

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why an id can be no job's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImpossibleJob {
    /// It has no character at all.
    #[error("a job id cannot be empty")]
    Empty,
    /// It is longer than [`MAX_JOB_BYTES`].
    #[error("a job id has at most 256 bytes")]
    TooLong,
    /// It has a slash or a control character.
    #[error("a job id has no slash and no control character")]
    Character,
    /// The dialect's ids are integers.
    #[error("a job id of this dialect is an integer, as in 123")]
    NotInteger,
    /// The dialect's jobs are in queues.
    #[error("a job id of this dialect is QUEUE:ID, as in videos:1")]
    NoQueue,
}

impl Dialect {
    /// Whether `job` can be the id of a job of this dialect.
    pub fn check_job(&self, job: &str) -> Result<(), ImpossibleJob> {
        check(self.job_id, self.slash, job)?;
        let has_queue = || job.split_once(':').is_some_and(|(queue, id)| !queue.is_empty() && !id.is_empty());
        match self.source {
            Source::Queues { .. } if !has_queue() => Err(ImpossibleJob::NoQueue),
            _ => Ok(()),
        }
    }
}

/// `slash`: whether a text may hold one.
pub(super) fn check(id: JobIdType, slash: bool, job: &str) -> Result<(), ImpossibleJob> {
    if job.is_empty() {
        return Err(ImpossibleJob::Empty);
    }
    if job.len() > MAX_JOB_BYTES {
        return Err(ImpossibleJob::TooLong);
    }
    match id {
        JobIdType::Integer if !is_canonical_integer(job) => Err(ImpossibleJob::NotInteger),
        JobIdType::String if job.chars().any(|c| (c == '/' && !slash) || c.is_control()) => {
            Err(ImpossibleJob::Character)
        }
        _ => Ok(()),
    }
}

/// Whether the text is what the number it stands for prints as: no plus, no leading zero, no `-0`.
fn is_canonical_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = match digits.as_bytes() {
        [b'0'] => text == "0",
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    canonical && text.parse::<i64>().is_ok()
}

/// Puts a job's id in the `{job}` segment of a route.
pub(super) fn fill_route(route: &str, job: &str) -> String {
    route.replace("{job}", &utf8_percent_encode(job, SEGMENT).to_string())
}

/// The job's id in a path, percent-decoded, if the path has the route's shape. Bytes that are no UTF-8 become
/// replacement characters: such an id names no job.
pub(super) fn match_route(route: &str, path: &str) -> Option<String> {
    let mut found = None;
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return found,
            (Some("{job}"), Some(segment)) if !segment.is_empty() => {
                found = Some(percent_decode_str(segment).decode_utf8_lossy().into_owned());
            }
            (Some(w), Some(g)) if w == g => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_integer_ids() {
        for good in ["0", "7", "-5", "9223372036854775807"] {
            assert_eq!(check(JobIdType::Integer, false, good), Ok(()), "{good}");
        }
        for bad in ["", "+5", "05", "-0", "-", "1.0", "1e3", " 1", "9223372036854775808", "१"] {
            assert!(check(JobIdType::Integer, false, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_with_a_slash_a_newline_or_257_bytes_is_impossible() {
        assert_eq!(check(JobIdType::String, false, "a/b"), Err(ImpossibleJob::Character));
        assert_eq!(check(JobIdType::String, true, "a/b"), Ok(()), "unless the dialect allows it");
        assert_eq!(check(JobIdType::String, true, "a\nb"), Err(ImpossibleJob::Character));
        assert_eq!(check(JobIdType::String, false, "a\nb"), Err(ImpossibleJob::Character));
        assert_eq!(check(JobIdType::String, false, &"x".repeat(257)), Err(ImpossibleJob::TooLong));
        assert_eq!(check(JobIdType::String, false, &"x".repeat(256)), Ok(()));
    }

    #[test]
    fn routes_round_trip_any_id() {
        for job in ["abc", "a/b", "ä ö", "100%", "a?b#c", "..", "{job}"] {
            let path = fill_route("/ws/x/{job}/status", job);
            assert_eq!(match_route("/ws/x/{job}/status", &path).as_deref(), Some(job), "{path}");
        }
        assert_eq!(match_route("/ws/x/{job}", "/ws/x/"), None);
        assert_eq!(match_route("/ws/x/{job}", "/ws/x/1/2"), None);
    }
}
