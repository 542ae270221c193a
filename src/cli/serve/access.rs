//! Flags for access control: tokens, keys and owners.

use std::time::Duration;

use clap::{Args, ValueEnum};
use url::Url;

use crate::cli::keys::KeyArgs;
use crate::cli::values::{auth, duration, key_set};
use crate::dialect::{Auth, Dialect, Dialects, with_nearest};
use crate::exit::Failure;
use crate::jwt::TrustedKeys;
use crate::relay::{AuthPolicy, ListsPolicy, Ownerless};

/// Key sets at most: each is asked about keys that are not known.
const MAX_SETS: usize = 8;

#[derive(Debug, Args)]
#[command(next_help_heading = "Tokens and owners")]
pub(super) struct Access {
    /// Access to a dialect's jobs or channels: none (everybody watches), token (holders of a valid token) or owner (the one
    /// whose sub the job belongs to); repeatable [default: owner for tasks, what its file says for a dialect of your own, none for all
    /// others].
    ///
    /// A job's owner is what its events name, else `owner` in the Redis hash jobwire:DIALECT:JOB. A token's claim watch, a
    /// list of patterns such as celery/*, channel:campaigns and room:lead:7, restricts it to these.
    #[arg(long, value_name = "DIALECT=WHO", env = "JOBWIRE_AUTH", value_delimiter = ',', value_parser = auth)]
    auth: Vec<(String, Auth)>,

    #[command(flatten)]
    keys: KeyArgs,

    /// URL of a JSON Web Key Set with such keys; repeatable.
    ///
    /// Fetched at the start, which does not wait for it, hourly, and when a token names a key that is not known, at most every
    /// 30 s. Keys that were fetched stay while it is away. Redirects are not followed. For Supabase:
    /// https://PROJECT.supabase.co/auth/v1/.well-known/jwks.json
    #[arg(long, value_name = "URL", env = "JOBWIRE_JWKS", value_delimiter = ',', value_parser = key_set)]
    jwks: Vec<Url>,

    /// The audience that a token must name in its `aud` [default: it may name any, or none].
    #[arg(long, value_name = "AUDIENCE", env = "JOBWIRE_JWT_AUDIENCE")]
    pub(super) jwt_audience: Option<String>,

    /// Ask nobody for a token: everybody may watch everything. Goes before --jwt-secret, --jwt-key and --jwks.
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

    /// Who may list jobs, by GET /jobs and the target DIALECT/*, besides bearers of the publish key and of tokens whose claim
    /// watch covers them; local: whoever addresses a loopback listener by a loopback name.
    #[arg(long, value_enum, value_name = "WHO", env = "JOBWIRE_LISTS", default_value_t)]
    lists: ListsChoice,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ListsChoice {
    #[default]
    Local,
    Open,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum OwnerlessChoice {
    #[default]
    Refuse,
    Allow,
}

impl Access {
    /// Who may list jobs.
    pub(super) const fn lists(&self) -> ListsPolicy {
        match self.lists {
            ListsChoice::Local => ListsPolicy::Local,
            ListsChoice::Open => ListsPolicy::Open,
        }
    }

    /// By which tokens are checked, given whether any are asked for at all. Reads the files with keys.
    ///
    /// # Errors
    /// One of the files holds something else; the error names it.
    pub(super) fn policy(&self, no_auth: bool) -> Result<AuthPolicy, Failure> {
        let trusted = self.keys.trusted()?;
        if self.jwks.len() > MAX_SETS {
            return Err(Failure::usage(format!("--jwks: at most {MAX_SETS} key sets")));
        }
        if no_auth {
            return Ok(AuthPolicy::Open);
        }
        Ok(AuthPolicy::Keys(TrustedKeys { jwks: self.jwks.clone(), ..trusted }))
    }

    /// The dialects, with who may watch them as the flags want it.
    pub(super) fn apply(&self, mut dialects: Dialects) -> Result<Dialects, Failure> {
        for (at, (name, who)) in self.auth.iter().enumerate() {
            let text = format!("--auth {name}={}", word(*who));
            let Some((_, dialect)) = dialects.named(name) else {
                let message = format!("--auth: there is no dialect '{}'", name.escape_debug());
                return Err(Failure::usage(with_nearest(&message, name, dialects.names())));
            };
            if self.auth[..at].iter().any(|(other, before)| other == name && before != who) {
                return Err(Failure::usage(format!("{text}: it was given something else before")));
            }
            if dialect.channels.is_some() && *who == Auth::Owner {
                return Err(Failure::usage(format!("{text}: channels and rooms belong to nobody")).hint(
                    format!(
                        "--auth {name}=token, and a claim watch in the token for what its bearer may see"
                    ),
                ));
            }
            if self.no_auth && *who != Auth::None {
                return Err(Failure::usage(format!("{text}: --no-auth asks nobody for a token"))
                    .hint("leave out one of the two"));
            }
            dialects.set_auth(name, *who);
        }
        Ok(dialects)
    }

    pub(super) const fn ownerless(&self) -> Ownerless {
        match self.ownerless {
            OwnerlessChoice::Refuse => Ownerless::Refuse,
            OwnerlessChoice::Allow => Ownerless::Allow,
        }
    }
}

const fn word(auth: Auth) -> &'static str {
    match auth {
        Auth::None => "none",
        Auth::Token => "token",
        Auth::Owner => "owner",
    }
}

/// What the start says of a dialect's access.
pub(super) fn describe(dialect: &Dialect, policy: &AuthPolicy) -> &'static str {
    match (dialect.auth, policy) {
        (Auth::None, _) => "auth none",
        (_, AuthPolicy::Open) => "auth none, by --no-auth: everybody may watch",
        (_, AuthPolicy::Keys(keys)) if keys.is_empty() => {
            "auth refuses everybody: no --jwt-secret or SUPABASE_JWT_SECRET, no --jwks or --jwt-key, and no --no-auth"
        }
        (Auth::Token, _) => "auth token",
        (Auth::Owner, _) => "auth token of the owner",
    }
}

/// List of the keys that check tokens, for the log at the start; empty where there are none.
pub(super) fn keys(policy: &AuthPolicy) -> String {
    let AuthPolicy::Keys(keys) = policy else { return String::new() };
    let secret = keys.secret.as_ref().map(|_| "secret HS256".to_owned());
    let files = keys.keys.iter().map(|key| format!("key {}", key.describe()));
    let sets = keys.jwks.iter().map(|url| format!("key set {}{}", crate::net::address(url), url.path()));
    let all: Vec<String> = secret.into_iter().chain(files).chain(sets).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Secret;

    fn policy(secret: Option<&str>) -> AuthPolicy {
        let secret = secret.and_then(Secret::new);
        AuthPolicy::Keys(TrustedKeys { secret, ..TrustedKeys::default() })
    }

    #[test]
    fn a_start_names_each_of_the_three_states() {
        let mut all = Dialects::builtin();
        assert!(all.set_auth("downloads", Auth::Token) && !all.set_auth("nonsense", Auth::Token));
        let named = |name| all.named(name).unwrap().1;
        let states = [policy(None), policy(Some("hunter2")), AuthPolicy::Open];
        let said = |name| {
            let said = states.each_ref().map(|policy| describe(named(name), policy));
            said.map(|text| text.split([':', ',']).next().unwrap())
        };
        assert_eq!(said("tasks"), ["auth refuses everybody", "auth token of the owner", "auth none"]);
        assert_eq!(said("downloads"), ["auth refuses everybody", "auth token", "auth none"]);
        assert_eq!(said("scraping"), ["auth none"; 3]);
        assert_eq!(states.each_ref().map(keys), ["", "secret HS256", ""]);
    }
}
