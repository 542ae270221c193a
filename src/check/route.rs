//! What each dialect is tried with: a job that nobody else has, and its events. Pure but for the chance in the job's id.

use crate::dialect::{Dialect, Sample};

/// What every job of a check is called, as far as its dialect lets it.
pub(super) const NAME: &str = "jobwire-check";

/// The same where ids are numbers: the keys of a telephone that spell CHECK.
const NUMBER: &str = "24325";

/// What a dialect is tried with.
pub(super) struct Route {
    /// The job, or the name of a channel.
    pub(super) job: String,
    /// A text that is in each event of this check and in no other.
    pub(super) marker: String,
    /// Path of the socket.
    pub(super) path: String,
    /// The same job or channel, as `/watch` names it.
    pub(super) target: String,
    /// The event that is watched for, or why there is none.
    pub(super) going: Result<Sample, String>,
    /// The event that is missed and asked for again; it ends the job.
    pub(super) ending: Option<Sample>,
}

impl Route {
    /// A job, or a channel, that nobody else has.
    pub(super) fn new(dialect: &Dialect) -> Self {
        let number = rand::random_range(10_000_000..100_000_000_u32);
        if dialect.channels.is_some() {
            return Self::of_channel(dialect, number);
        }
        let job = id(dialect, number);
        let text = "jobwire check";
        let going = match &dialect.publisher {
            Some(publisher) => Err(format!("{publisher} alone publishes its events")),
            None => dialect
                .sample_progress(&job, text)
                .ok_or_else(|| "its file names no event of a job that goes on ([publish])".to_owned()),
        };
        let ending = dialect.sample_ending(&job, text);
        let target = format!("{}/{job}", dialect.name);
        Self { path: dialect.socket_path(&job), target, marker: job.clone(), job, going, ending }
    }

    fn of_channel(dialect: &Dialect, number: u32) -> Self {
        let marker = format!("{NAME}-{number}");
        let first = dialect.sample_of_channel(&format!("{marker}-1"));
        let second = dialect.sample_of_channel(&format!("{marker}-2"));
        let names = dialect.channels.iter().flat_map(|channels| &channels.names);
        let job = first.as_ref().map(|(_, channel)| channel.clone());
        let job = job.or_else(|| names.map(ToString::to_string).next()).unwrap_or_default();
        Self {
            path: format!("{}?channels={job}", dialect.route),
            target: format!("channel:{job}"),
            job,
            marker,
            going: first
                .map(|(sample, _)| sample)
                .ok_or_else(|| "none of its events is about nobody".to_owned()),
            ending: second.map(|(sample, _)| sample),
        }
    }
}

/// An id that says what the job is, as far as the dialect takes it.
fn id(dialect: &Dialect, number: u32) -> String {
    let candidates = [format!("{NAME}-{number}"), format!("{NAME}:{number}"), format!("{NUMBER}{number}")];
    let possible = candidates.iter().find(|id| dialect.check_job(id).is_ok());
    possible.unwrap_or(&candidates[0]).clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    #[test]
    fn an_id_says_that_it_is_of_a_check_as_far_as_the_dialect_lets_it() {
        let dialects = Dialects::builtin();
        for (_, dialect) in dialects.iter().filter(|(_, dialect)| dialect.channels.is_none()) {
            let id = id(dialect, 12_345_678);
            assert_eq!(dialect.check_job(&id), Ok(()));
            assert!(id.starts_with(NAME) || id == "2432512345678", "{id}");
        }
    }

    #[test]
    fn events_of_channels_are_told_apart_by_their_marker() {
        let dialects = Dialects::builtin();
        let (_, dialect) = dialects.with_channels().unwrap();
        let route = Route::new(dialect);
        let (going, ending) = (route.going.unwrap(), route.ending.unwrap());
        assert_ne!(going.fields, ending.fields);
        assert!(route.path.starts_with("/ws?channels="), "{}", route.path);
    }
}
