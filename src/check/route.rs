//! Job and events that a check uses in each dialect. Pure except for the random number in the job's id.

use crate::dialect::{Dialect, Sample};

/// Beginning of the name of every job of a check, where the dialect allows letters.
pub(super) const NAME: &str = "jobwire-check";

/// Beginning of the job's id where ids are numbers: CHECK on the keys of a telephone.
const NUMBER: &str = "24325";

/// Job or channel of a check in one dialect, and its events.
pub(super) struct Route {
    /// Name of the job or the channel.
    pub(super) job: String,
    /// Text that every event of this check contains, and no other event does.
    pub(super) marker: String,
    /// Path of the dialect's socket for the job.
    pub(super) path: String,
    /// Name of the job or channel on `/watch`.
    pub(super) target: String,
    /// Event that the watchers wait for, or the reason why there is none.
    pub(super) going: Result<Sample, String>,
    /// Event that is sent while no watcher is connected, and that ends the job.
    pub(super) ending: Option<Sample>,
}

impl Route {
    /// Chooses a job or channel with a random name that nobody else uses.
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

/// An id that names the check, in the first form that the dialect accepts.
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
