//! Whose the jobs are, where a dialect has owners.

use jiff::Timestamp;

use super::{Aim, Outlet};
use crate::dialect::{Assignment, Shorthand};
use crate::net::token;

impl Aim {
    /// Publications that tell a server whose the jobs are: place and payload. None where a dialect has no owners, or nobody
    /// says who they are.
    ///
    /// They are all `given`'s. Otherwise, where connections take several tokens in turns, a job is the subject's whose token
    /// its connections have.
    pub fn registrations(&self, given: Option<&str>) -> Vec<(Outlet, String)> {
        let Some(dialect) = self.dialect() else { return Vec::new() };
        let Some(Shorthand { event, field }) = &dialect.catalogue.registration else { return Vec::new() };
        let owners = match given {
            Some(owner) => vec![owner.to_owned()],
            None => self.subjects(),
        };
        let registration = |(job, owner): (&String, &String)| {
            let given = [Assignment::json(field, owner.as_str())];
            let payload = dialect.build(event, job, &given, Timestamp::now()).ok()?;
            Some((Outlet::of(dialect, dialect.channel_of(job)), payload))
        };
        self.jobs.iter().zip(owners.iter().cycle()).filter_map(registration).collect()
    }

    /// Subjects of the tokens, in their order; none where there are not several tokens, one cannot be read, or connections
    /// with different tokens watch one job.
    fn subjects(&self) -> Vec<String> {
        let of_tokens = || self.tokens.iter().map(|token| token::subject(token)).collect::<Option<Vec<_>>>();
        let Some(subjects) = Some(self.tokens.len()).filter(|count| *count > 1).and_then(|_| of_tokens())
        else {
            return Vec::new();
        };
        let is_one = subjects.iter().all(|subject| *subject == subjects[0]);
        let is_divided = self.manner.targets() == 1 && self.jobs.len().is_multiple_of(subjects.len());
        if is_one || is_divided { subjects } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use url::Url;

    use super::*;
    use crate::bench::aim::Place;
    use crate::dialect::Dialects;

    fn token_of(subject: &str) -> String {
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":{subject}}}"#));
        format!("e30.{claims}.x")
    }

    /// Owners by job, for as many jobs and these tokens.
    fn owners(jobs: u64, tokens: &[String], given: Option<&str>) -> Vec<String> {
        let tasks = Arc::clone(Dialects::builtin().named("tasks").unwrap().1);
        let aim =
            Aim::new(Url::parse("ws://h").unwrap(), Place::Jobs(tasks), jobs).with_tokens(tokens.into());
        let owner = |(_, payload): (Outlet, String)| {
            let payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
            payload["user_id"].as_str().unwrap().to_owned()
        };
        aim.registrations(given).into_iter().map(owner).collect()
    }

    #[test]
    fn jobs_belong_to_those_whose_tokens_their_connections_have() {
        let tokens = [token_of(r#""alice""#), token_of("7")];
        assert_eq!(owners(4, &tokens, None), ["alice", "7", "alice", "7"]);
        assert_eq!(owners(2, &tokens, Some("bob")), ["bob", "bob"]);
        // Connections of both would watch a job.
        assert_eq!(owners(3, &tokens, None), [""; 0]);
        assert_eq!(owners(2, &tokens[..1], None), [""; 0]);
        assert_eq!(owners(2, &["opaque".into(), token_of("7")], None), [""; 0]);
        assert_eq!(owners(3, &[token_of("7"), token_of("7")], None), ["7", "7", "7"]);
    }
}
