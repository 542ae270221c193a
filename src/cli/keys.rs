//! Flags for the keys that sign and check tokens, shared by several verbs.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueHint};

use crate::exit::Failure;
use crate::jwt::{PublicKey, Secret, TrustedKeys};

/// The secret for HS256.
#[derive(Debug, Clone, Args)]
pub(super) struct SecretArg {
    /// The secret that tokens (JWT) are signed with by HS256, its bytes as they stand.
    ///
    /// Without secret and keys, and without --no-auth, every socket of a dialect that wants tokens is closed with 4001. A
    /// token needs `exp`, in seconds, and `sub`, which is the job's owner where that counts.
    #[arg(
        long,
        value_name = "SECRET",
        env = "JOBWIRE_JWT_SECRET",
        hide_env_values = true,
        alias = "supabase-jwt-secret",
        value_parser = secret
    )]
    pub(super) jwt_secret: Option<Secret>,
}

/// The secret, and public keys beside it.
#[derive(Debug, Clone, Args)]
pub(super) struct KeyArgs {
    #[command(flatten)]
    pub(super) secret: SecretArg,

    /// A PEM file with public keys that tokens are signed with by RS256, PS256, ES256, ES384 or EdDSA, beside the secret;
    /// repeatable.
    #[arg(
        long,
        value_name = "FILE",
        env = "JOBWIRE_JWT_KEY",
        value_delimiter = ',',
        value_hint = ValueHint::FilePath
    )]
    jwt_key: Vec<PathBuf>,
}

fn secret(text: &str) -> Result<Secret, &'static str> {
    // A template whose variable is empty may leave only blanks.
    let secret = Secret::new(text).filter(|_| !text.trim().is_empty());
    secret.ok_or("an empty secret would let everybody sign tokens")
}

impl KeyArgs {
    /// Reads the secret and the key files. Key sets are not included.
    ///
    /// # Errors
    /// A file contains anything but public keys. The error names the file.
    pub(super) fn trusted(&self) -> Result<TrustedKeys, Failure> {
        let mut keys = Vec::new();
        for path in &self.jwt_key {
            // The text is not shown, since it may be a private key.
            if path.to_string_lossy().contains("-----BEGIN") {
                return Err(Failure::usage("--jwt-key takes the name of a file, and this is a key itself"));
            }
            let read = PublicKey::read(path).map_err(|error| {
                let failure = Failure::usage(format!("--jwt-key {}: {error}", path.display()));
                match error.hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            })?;
            keys.extend(read);
        }
        let keys: Arc<[PublicKey]> = keys.into();
        Ok(TrustedKeys { secret: self.secret.jwt_secret.clone(), keys, jwks: Vec::new() })
    }
}
