//! The keys that tokens are checked with: what the user configured last, and the key sets fetched so far.

use std::sync::{Arc, PoisonError, RwLock};

use super::auth::{self, AuthPolicy, Checker, Claims, Refusal, Token};
use super::jwks::Jwks;
use super::settings::Reloadable;

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

    /// Checks a request's token with the keys that are known by now.
    pub(super) fn check_if_any(&self, token: Option<&str>) -> Result<Claims, Refusal> {
        let settings = self.settings();
        let AuthPolicy::Keys(trusted) = &settings.auth else { return Err(Refusal::NoSecret) };
        let (fetched, token) = (self.jwks.keys(), token.map(Token));
        Checker::new(trusted, &fetched, self.audience.as_deref()).check(token.as_ref(), auth::now())
    }
}
