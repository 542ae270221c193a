//! One follower's way in: the token for each attempt, and whether after a refusal there is another to try. A refresher
//! that puts a new token into the file while the old one runs out is all that a long watch needs.

use super::verdict::Verdict;
use crate::exit::Failure;
use crate::net::token_source::{Token, TokenSource};

/// The token of one follower.
pub(super) struct Access {
    source: Option<TokenSource>,
    /// What the last attempt was made with.
    used: Option<Token>,
    /// There is a token, and it is not for this server.
    withheld: bool,
}

impl Access {
    /// A follower's access with this token, which is sent only where it `may` be.
    pub(super) fn new(source: Option<TokenSource>, may: bool) -> Self {
        let withheld = source.is_some() && !may;
        Self { source: source.filter(|_| may), used: None, withheld }
    }

    /// Whether there is a token, and it is for this server.
    pub(super) fn has_token(&self) -> bool {
        self.source.is_some()
    }

    /// The token for an attempt, as of now.
    pub(super) fn token(&mut self) -> Result<Option<&Token>, Failure> {
        self.used = self.source.as_ref().map(TokenSource::read).transpose()?;
        Ok(self.used.as_ref())
    }

    /// What comes after the refusal of the token that was used, or of none.
    pub(super) fn refused(&self, failure: Failure) -> Verdict {
        let Some(source) = &self.source else {
            return Verdict::Final(failure.hint(if self.withheld {
                "the token is not sent to this server, since there is another among the targets; give it in the URL as ?token="
            } else {
                "give a token with --token or --token-file"
            }));
        };
        match source.read() {
            Ok(now) if Some(&now) != self.used.as_ref() => {
                Verdict::Again { reason: format!("{}; the token file has a new one", failure.message) }
            }
            Ok(now) => Verdict::Final(failure.hint(source.advice(&now))),
            // It may be about to be written.
            Err(unreadable) => Verdict::retry(unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn only_a_file_that_has_changed_gives_another_try() {
        let refused = || Failure::new(Exit::Refused, "h:1 refused with 4001");
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("one\n");
        let mut access = Access::new(Some(TokenSource::File(file.path().into())), true);
        assert!(access.token().unwrap().is_some());
        let Verdict::Final(failure) = access.refused(refused()) else { panic!() };
        assert_eq!(failure.exit, Exit::Refused);
        write("two\n");
        assert!(matches!(access.refused(refused()), Verdict::Again { .. }));
        write("");
        assert!(matches!(access.refused(refused()), Verdict::Retry { .. }));
        assert_eq!(access.token().unwrap_err().exit, Exit::Usage);
        let elsewhere = Access::new(Some(TokenSource::File(file.path().into())), false).refused(refused());
        let Verdict::Final(Failure { hint: Some(hint), .. }) = elsewhere else { panic!("{elsewhere:?}") };
        assert!(hint.contains("in the URL as ?token="));
        let none = Access::new(None, true).refused(refused());
        let Verdict::Final(Failure { hint: Some(hint), .. }) = none else { panic!("{none:?}") };
        assert!(hint.contains("--token"));
    }
}
