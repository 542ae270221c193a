//! Who may watch what belongs to somebody: the flags about tokens and owners.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::values::duration;
use crate::dialect::{Auth, Dialect};
use crate::relay::{AuthPolicy, Ownerless, Secret};

#[derive(Debug, Args)]
#[command(next_help_heading = "Tokens and owners")]
pub(super) struct Access {
    /// The secret that tokens (JWT, HS256) are signed with, its bytes as they stand. Without one, and without --no-auth,
    /// every socket of a dialect that wants tokens is closed with 4001. A token needs `exp`, in seconds, and `sub`, which is
    /// the task's owner: the user_id that it was registered with.
    #[arg(
        long,
        value_name = "SECRET",
        env = "JOBWIRE_JWT_SECRET",
        hide_env_values = true,
        alias = "supabase-jwt-secret",
        value_parser = secret
    )]
    jwt_secret: Option<Secret>,

    /// The audience that a token must name in its `aud` [default: it may name any, or none].
    #[arg(long, value_name = "AUDIENCE", env = "JOBWIRE_JWT_AUDIENCE")]
    pub(super) jwt_audience: Option<String>,

    /// Ask nobody for a token: everybody may watch every task. Goes before --jwt-secret.
    #[arg(long, env = "JOBWIRE_NO_AUTH")]
    pub(super) no_auth: bool,

    /// What becomes of who watches a task that is unknown, or that nobody owns, once its grace is over; allow: it is held
    /// open for any valid token, until the task turns out to be another's.
    #[arg(long, value_enum, value_name = "WHAT", env = "JOBWIRE_OWNERLESS", default_value_t)]
    ownerless: OwnerlessChoice,

    /// How long a connection lives at most, in dialects that limit it; they end spread over the last tenth of it, with
    /// 1001, or 1000 if the job has ended. 0 lifts the limit [default: what the dialect says, 60m for tasks].
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_MAX_LIFETIME", value_parser = duration)]
    pub(super) max_lifetime: Option<Duration>,

    /// Send the polling body after each event of a task, for clients that understand nothing else.
    #[arg(long, env = "JOBWIRE_ECHO_POLLING")]
    pub(super) echo_polling: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum OwnerlessChoice {
    #[default]
    Refuse,
    Allow,
}

fn secret(text: &str) -> Result<Secret, &'static str> {
    // Blanks alone are what a template leaves behind whose variable is empty.
    let secret = Secret::new(text).filter(|_| !text.trim().is_empty());
    secret.ok_or("an empty secret would let everybody sign tokens")
}

impl Access {
    /// By which tokens are checked, given whether any are asked for at all.
    pub(super) fn policy(&self, no_auth: bool) -> AuthPolicy {
        match (&self.jwt_secret, no_auth) {
            (_, true) => AuthPolicy::Open,
            (Some(secret), false) => AuthPolicy::Secret(secret.clone()),
            (None, false) => AuthPolicy::NoSecret,
        }
    }

    pub(super) const fn ownerless(&self) -> Ownerless {
        match self.ownerless {
            OwnerlessChoice::Refuse => Ownerless::Refuse,
            OwnerlessChoice::Allow => Ownerless::Allow,
        }
    }
}

/// What the start says of a dialect's access.
pub(super) const fn describe(dialect: &Dialect, policy: &AuthPolicy) -> &'static str {
    match (dialect.auth, policy) {
        (Auth::None, _) => "auth none",
        (Auth::Owner, AuthPolicy::Secret(_)) => "auth token of the owner",
        (Auth::Owner, AuthPolicy::NoSecret) => {
            "auth refuses everybody: no --jwt-secret or SUPABASE_JWT_SECRET, and no --no-auth"
        }
        (Auth::Owner, AuthPolicy::Open) => "auth none, by --no-auth: everybody may watch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    #[test]
    fn a_start_names_each_of_the_three_states() {
        let all = Dialects::builtin();
        let (tasks, scraping) = (all.named("tasks").unwrap().1, all.named("scraping").unwrap().1);
        let secret = AuthPolicy::Secret(Secret::new("hunter2").unwrap());
        let states = [&AuthPolicy::NoSecret, &secret, &AuthPolicy::Open];
        let said = states.map(|policy| describe(tasks, policy));
        assert_eq!(
            said.map(|text| text.split([':', ',']).next().unwrap()),
            ["auth refuses everybody", "auth token of the owner", "auth none"]
        );
        assert!(states.iter().all(|policy| describe(scraping, policy) == "auth none"));
        assert!(said.iter().all(|text| !text.contains("hunter2")));
    }
}
