//! `token`.

mod explain;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::keys::SecretArg;
use super::values::duration;
use crate::exit::{Exit, Failure};
use crate::jwt;

/// Claims that --claim must not set, each with the reason.
const MADE: [(&str, &str); 3] =
    [("sub", "--sub names it"), ("exp", "--exp says for how long"), ("iat", "it is the time of now")];

/// Make a token (JWT) for those who watch, or explain one
///
/// Prints a token signed by HS256 with the secret that `jobwire serve` checks tokens with: --jwt-secret, JOBWIRE_JWT_SECRET,
/// SUPABASE_JWT_SECRET, or jwt-secret in the file of --config, in its table [serve] too. The secret itself is never printed.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    after_long_help = "Examples:\n  \
    export JOBWIRE_JWT_SECRET=…                         the secret of serve, for all that follow\n  \
    jobwire token --sub alice                           for an hour\n  \
    jobwire attach tasks/123 --token \"$(jobwire token --sub alice)\"\n  \
    jobwire token --sub ci --exp 10m --claim 'watch=celery/*,channel:campaigns'\n  \
    jobwire token --sub alice --claim role=admin --claim level:=3\n  \
    jobwire token explain \"$TOKEN\"                      what is wrong with it, and what it allows\n  \
    pbpaste | jobwire token explain                     keeps it out of the list of processes"
)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    verb: Option<TokenVerb>,

    /// Whose the token is: the owner of the jobs that it opens.
    #[arg(long, value_name = "NAME", env = "JOBWIRE_SUB", required = true)]
    sub: Option<String>,

    /// How long it is good for.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_EXP", default_value = "1h", value_parser = duration)]
    exp: Duration,

    /// Another claim: NAME=TEXT, or NAME:=JSON; watch=PATTERN,PATTERN restricts the token to these targets (celery/*,
    /// channel:campaigns, room:lead:7); repeatable.
    #[arg(long, value_name = "NAME=VALUE", env = "JOBWIRE_CLAIM", value_parser = claim)]
    claim: Vec<(String, Value)>,

    #[command(flatten)]
    secret: SecretArg,

    /// The audience that the token names in its `aud`, where the relay wants one.
    #[arg(long, value_name = "AUDIENCE", env = "JOBWIRE_JWT_AUDIENCE")]
    jwt_audience: Option<String>,
}

#[derive(Debug, Subcommand)]
enum TokenVerb {
    Explain(explain::ExplainArgs),
}

impl TokenArgs {
    pub(crate) fn run(self) -> Result<Exit> {
        if let Some(TokenVerb::Explain(explain)) = self.verb {
            return explain.run(self.secret, self.jwt_audience);
        }
        let Some(secret) = &self.secret.jwt_secret else {
            return Err(Failure::usage("there is no secret to sign a token with")
                .hint("give the relay's, in JOBWIRE_JWT_SECRET or SUPABASE_JWT_SECRET, by --jwt-secret, or in the file of --config")
                .into());
        };
        let claims = self.claims(jwt::now() / 1000)?;
        let token = secret.sign(&claims).context("could not sign the token")?;
        writeln!(std::io::stdout(), "{token}").map_err(|error| Failure::stdout(&error))?;
        Ok(Exit::Success)
    }

    /// Claims of the new token at the time `now`, in seconds since the Unix epoch.
    fn claims(&self, now: u64) -> Result<Map<String, Value>, Failure> {
        let sub = self.sub.as_deref().filter(|sub| !sub.is_empty());
        let sub = sub.ok_or_else(|| Failure::usage("--sub: a token without a subject opens nothing"))?;
        let seconds = self.exp.as_secs_f64().ceil();
        // The limit is 10,000 years. Relays take later times for milliseconds and refuse them.
        if !(1.0..3.1e11).contains(&seconds) {
            return Err(Failure::usage("--exp: from 1s to some thousand years"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let exp = now + seconds as u64;
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), sub.into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), exp.into());
        claims.extend(self.jwt_audience.iter().map(|aud| ("aud".to_owned(), aud.as_str().into())));
        for (name, value) in &self.claim {
            if claims.insert(name.clone(), value.clone()).is_some() {
                return Err(Failure::usage(format!("--claim {name}: it was given something else before")));
            }
        }
        Ok(claims)
    }
}

/// Parses `NAME=TEXT` or `NAME:=JSON`. `watch=…` is a list divided by commas.
fn claim(text: &str) -> Result<(String, Value), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("a claim is NAME=TEXT or NAME:=JSON, as in watch=celery/*".to_owned());
    };
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => {
            let value = serde_json::from_str(value).map_err(|error| format!("it is no JSON: {error}"))?;
            (name, value)
        }
        None if name == "watch" => (name, value.split(',').map(str::trim).collect()),
        None => (name, Value::from(value)),
    };
    if name.is_empty() {
        return Err("a claim has a name".to_owned());
    }
    if let Some((_, where_from)) = MADE.iter().find(|(made, _)| *made == name) {
        return Err(format!("the claim {name} is none to give: {where_from}"));
    }
    if name == "watch" {
        check_watch(&value)?;
    }
    Ok((name.to_owned(), value))
}

/// Refuses a value of `watch` that relays refuse, and patterns that match nothing.
fn check_watch(value: &Value) -> Result<(), String> {
    let Some(patterns) = value.as_array() else {
        return Err("watch is a list of texts, as in watch=celery/*,channel:campaigns".to_owned());
    };
    for pattern in patterns {
        if !pattern.as_str().is_some_and(jwt::covers_anything) {
            return Err(format!(
                "{pattern} covers nothing; a pattern is DIALECT/JOB, DIALECT/*, channel:NAME, room:KIND:ID or *"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_a_text_or_json_and_watch_is_a_list() {
        let read = |text: &str| claim(text).map(|(name, value)| json!({ name: value }));
        assert_eq!(read("role=admin"), Ok(json!({"role": "admin"})));
        assert_eq!(read("level:=3"), Ok(json!({"level": 3})));
        assert_eq!(read("note=a=b"), Ok(json!({"note": "a=b"})));
        assert_eq!(read("watch=celery/*, channel:a"), Ok(json!({"watch": ["celery/*", "channel:a"]})));
        assert_eq!(read(r#"watch:=["tasks/1"]"#), Ok(json!({"watch": ["tasks/1"]})));
        for (bad, said) in [
            ("role", "NAME=TEXT"),
            ("=x", "has a name"),
            ("a:={", "no JSON"),
            ("sub=eve", "--sub names it"),
            ("exp:=1", "--exp says"),
            ("watch=celery", "covers nothing"),
            ("watch=", "covers nothing"),
            ("watch:=7", "a list of texts"),
            ("watch:=[7]", "covers nothing"),
        ] {
            assert!(read(bad).is_err_and(|error| error.contains(said)), "{bad}");
        }
    }
}
