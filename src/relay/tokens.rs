//! The keys that tokens are checked with: what the user configured last, and the key sets fetched so far.

use std::sync::{Arc, PoisonError, RwLock};

use super::auth::{AuthPolicy, Refusal};
use super::jwks::Jwks;
use super::settings::Reloadable;
use crate::jwt::{self, Checker, Claims, Fault, Flaw, Token};

/// Checks tokens, by the settings as of now.
#[derive(Debug)]
pub(super) struct Tokens {
    settings: RwLock<Arc<Reloadable>>,
    /// Key sets, where there are any.
    pub(super) jwks: Jwks,
    audience: Option<String>,
}

impl Tokens {
    /// Checks by these settings until they are replaced. A token needs `audience` in its `aud` only where there is one.
    pub(super) fn new(settings: Reloadable, jwks: Jwks, audience: Option<String>) -> Self {
        Self { settings: RwLock::new(Arc::new(settings)), jwks, audience }
    }

    /// The settings as of now.
    pub(super) fn settings(&self) -> Arc<Reloadable> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes by these settings from now on.
    ///
    /// Whether tokens are wanted at all stays as it was at the start: that is no setting to change by a slip in a file.
    pub(super) fn replace(&self, mut settings: Reloadable) {
        let mut current = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        if settings.auth.is_open() != current.auth.is_open() {
            settings.auth = current.auth.clone();
        }
        self.jwks.replace(settings.jwks());
        *current = Arc::new(settings);
    }

    /// Checks a token with the keys that are known by now.
    pub(super) fn check(&self, token: &str) -> Result<Claims, Refusal> {
        self.check_if_any(Some(token))
    }

    /// Whether another key, one that is still to be fetched, might make a token a good one.
    pub(super) fn may_know_more(&self, checked: &Result<Claims, Refusal>) -> bool {
        checked.as_ref().is_err_and(is_for_want_of_a_key) && !self.settings().jwks().is_empty()
    }

    /// Checks a token for which a key was missing, with the keys that are fetched now; waits up to `Timing::patience`.
    pub(super) async fn check_again(&self, token: Option<&str>) -> Result<Claims, Refusal> {
        self.jwks.refresh().await;
        let checked = self.check_if_any(token);
        let is_doubtful = checked.as_ref().is_err_and(is_for_want_of_a_key) && self.jwks.is_in_doubt();
        if is_doubtful { Err(Refusal::KeysAway) } else { checked }
    }

    /// Checks a request's token with the keys that are known by now.
    pub(super) fn check_if_any(&self, token: Option<&str>) -> Result<Claims, Refusal> {
        let settings = self.settings();
        let AuthPolicy::Keys(trusted) = &settings.auth else { return Err(Refusal::NoSecret) };
        if trusted.is_empty() {
            return Err(Refusal::NoSecret);
        }
        let (fetched, token) = (self.jwks.keys(), token.map(Token));
        let checker = Checker::new(trusted, &fetched, self.audience.as_deref());
        checker.check(token.as_ref(), jwt::now()).map_err(Refusal::Token)
    }
}

/// Whether another key might make the token a good one.
fn is_for_want_of_a_key(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Token(Flaw { fault: Fault::NoKeyForIt | Fault::UnknownKey, .. }) => true,
        // Without a name any key may have been meant, one that is new included.
        Refusal::Token(Flaw { fault: Fault::Signature, detail }) => detail.ends_with("no kid"),
        _ => false,
    }
}
