//! `token explain`.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read as _, Write as _};

use anyhow::{Context, Result};
use clap::Args;

use crate::cli::keys::{KeyArgs, SecretArg};
use crate::cli::locale;
use crate::exit::{Exit, Failure};
use crate::jwt::{self, Finding, Soundness};
use crate::net::token::bare;

/// Longest input that is read, in bytes. Every relay refuses shorter tokens already.
const LONGEST: u64 = 64 << 10;

/// Say what a token allows, and all that is wrong with it
///
/// Checks signature, algorithm, sub, exp, nbf, aud and watch as a relay does, and exits 1 if a relay refuses the token. Without
/// the secret, or the public key, all but the signature is checked. Neither token nor secret is printed.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    jobwire token explain \"$TOKEN\"\n  \
    echo \"$TOKEN\" | jobwire token explain --jwt-key public.pem")]
pub(super) struct ExplainArgs {
    /// The token, also behind the word Bearer [default: what standard input has].
    #[arg(value_name = "TOKEN", num_args = 0..)]
    words: Vec<String>,

    #[command(flatten)]
    keys: KeyArgs,

    /// The audience that a token must name in its `aud` [default: it may name any, or none].
    #[arg(long, value_name = "AUDIENCE", env = "JOBWIRE_JWT_AUDIENCE")]
    jwt_audience: Option<String>,
}

impl ExplainArgs {
    /// Runs the verb. `secret` and `audience` are the values from the configuration file, if any.
    pub(super) fn run(mut self, secret: SecretArg, audience: Option<String>) -> Result<Exit> {
        let own = &mut self.keys.secret.jwt_secret;
        *own = own.take().or(secret.jwt_secret);
        let keys = self.keys.trusted()?;
        let audience = self.jwt_audience.or(audience);
        let text = match self.words.as_slice() {
            [] => read_input()?,
            [dash] if dash == "-" => read_input()?,
            words => words.join(" "),
        };
        let token = bare(&text);
        if token.is_empty() {
            return Err(Failure::usage("there is no token: it is an argument, or on standard input").into());
        }
        let findings = jwt::explain(token, &keys, audience.as_deref(), jwt::now());
        let mark = if std::io::stdout().is_terminal() && !locale::is_utf8() { ascii_mark } else { mark };
        let report = report(&findings, mark);
        anstream::stdout().write_all(report.as_bytes()).map_err(|error| Failure::stdout(&error))?;
        let is_refused = findings.iter().any(|finding| finding.soundness == Soundness::Faulty);
        Ok(if is_refused { Exit::Failure } else { Exit::Success })
    }
}

fn read_input() -> Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin().take(LONGEST).read_to_end(&mut bytes).context("could not read standard input")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Report with a line for each finding, which begins with its mark, and a summary.
fn report(findings: &[Finding], mark: fn(Soundness) -> &'static str) -> String {
    let width = findings.iter().map(|finding| finding.part.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { part, text: said, soundness } in findings {
        let _ = writeln!(text, "{} {part:width$}  {said}", mark(*soundness));
    }
    let has = |wanted| findings.iter().any(|finding| finding.soundness == wanted);
    let sum = match (has(Soundness::Faulty), has(Soundness::Unchecked)) {
        (true, _) => "a relay refuses this token",
        (false, true) => "nothing else is wrong with this token",
        (false, false) => "a relay with this key accepts this token",
    };
    text.push_str(sum);
    text.push('\n');
    text
}

/// Mark of a finding.
const fn mark(soundness: Soundness) -> &'static str {
    match soundness {
        Soundness::Sound => "✓",
        Soundness::Faulty => "✗",
        Soundness::Unchecked => "?",
    }
}

/// Mark of a finding for a terminal that shows ASCII alone. All marks have one width.
const fn ascii_mark(soundness: Soundness) -> &'static str {
    match soundness {
        Soundness::Sound => "ok  ",
        Soundness::Faulty => "FAIL",
        Soundness::Unchecked => "?   ",
    }
}
