//! Public keys from PEM files (RFC 7468).

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

use super::jwk::MAX_KEYS;
use super::key::{KeyError, PublicKey};

/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 256 << 10;

/// Beginning of the DER of a public key, up to the key itself, for P-256, P-384 and Ed25519 (RFC 5480, RFC 8410). These key
/// types have only one encoding.
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// Object identifiers of key types in DER: RSA, and elliptic curves.
const RSA_OID: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const EC_OID: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";

/// Reason why a file cannot be used as public keys, with advice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PemError {
    message: String,
    /// Advice for the user.
    pub hint: Option<String>,
}

impl PemError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl PublicKey {
    /// Reads all public keys of a PEM file. At least one is required, and no other PEM block is allowed.
    ///
    /// # Errors
    /// The file cannot be read, contains anything but public keys, or contains a key that cannot check tokens.
    pub fn read(path: &Path) -> Result<Vec<Self>, PemError> {
        let bytes = read(path).map_err(|error| PemError::new(format!("could not read it: {error}")))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(PemError::new(format!("it has over {} KiB", MAX_FILE >> 10)));
        }
        let text = String::from_utf8_lossy(&bytes);
        let blocks = blocks(&text)?;
        if blocks.is_empty() {
            return Err(no_pem(&text));
        }
        if blocks.len() > MAX_KEYS {
            return Err(PemError::new(format!("it has over {MAX_KEYS} keys")));
        }
        blocks.iter().map(|(label, der)| key_of(label, der, path)).collect()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Label and bytes of each block. Text around the blocks is ignored.
fn blocks(text: &str) -> Result<Vec<(String, Vec<u8>)>, PemError> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines().map(|line| line.trim_start_matches('\u{feff}').trim()) {
        let mark = |kind| line.strip_prefix(kind)?.strip_suffix("-----").map(str::to_owned);
        match (&mut open, mark("-----BEGIN "), mark("-----END ")) {
            (None, Some(label), _) => open = Some((label, String::new())),
            (Some(_), Some(_), _) => return Err(PemError::new("a block in it has no end")),
            (Some((label, digits)), _, Some(end)) if *label == end => {
                // Encrypted keys have headers, which are no base64. Such a key is refused later by its label.
                let der = STANDARD.decode(digits.as_bytes()).unwrap_or_default();
                blocks.push((std::mem::take(label), der));
                open = None;
            }
            (Some((_, digits)), ..) => digits.push_str(line),
            (None, ..) => {}
        }
    }
    match open {
        Some((label, _)) => Err(PemError::new(format!("its block {} has no end", label.escape_debug()))),
        None => Ok(blocks),
    }
}

fn key_of(label: &str, der: &[u8], path: &Path) -> Result<PublicKey, PemError> {
    let shown = path.display();
    match label {
        "PUBLIC KEY" => public_key(der),
        "RSA PUBLIC KEY" => rsa(der),
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
            Err(PemError::new("it is a certificate, and the public key alone is wanted")
                .hint(format!("openssl x509 -in {shown} -noout -pubkey")))
        }
        label if label.ends_with("PRIVATE KEY") => {
            let command = if label.starts_with("OPENSSH") {
                format!("ssh-keygen -e -m PKCS8 -f {shown}")
            } else {
                format!("openssl pkey -in {shown} -pubout")
            };
            Err(PemError::new(
                "it is a private key, which belongs to whoever signs; the public key is wanted",
            )
            .hint(command))
        }
        label => Err(PemError::new(format!(
            "it has a block '{}', and a PUBLIC KEY is wanted",
            label.chars().take(40).collect::<String>().escape_debug()
        ))),
    }
}

fn public_key(der: &[u8]) -> Result<PublicKey, PemError> {
    let has = |oid: &[u8]| der.windows(oid.len()).take(64).any(|window| window == oid);
    let fault = |error: KeyError| PemError::new(error.to_string());
    if let Some(point) = der.strip_prefix(P256).or_else(|| der.strip_prefix(P384)) {
        PublicKey::ec(point).map_err(fault)
    } else if let Some(key) = der.strip_prefix(ED25519) {
        PublicKey::ed25519(key).map_err(fault)
    } else if has(RSA_OID) {
        rsa(der)
    } else if has(EC_OID) {
        Err(PemError::new(
            "its key is on another curve than P-256 and P-384, or not written by the curve's name",
        ))
    } else if der.is_empty() {
        Err(PemError::new("its base64 is broken"))
    } else {
        Err(PemError::new("its key is none of RSA, P-256, P-384 and Ed25519"))
    }
}

/// Makes an RSA key from PKCS #1 or SubjectPublicKeyInfo.
fn rsa(der: &[u8]) -> Result<PublicKey, PemError> {
    let broken = |_| PemError::new(KeyError::Broken("RSA").to_string());
    let (n, e) = (DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key)(der).map_err(broken)?;
    PublicKey::rsa(&n, &e).map_err(|error| PemError::new(error.to_string()))
}

/// Error for a text without a PEM block; says what the text seems to be.
fn no_pem(text: &str) -> PemError {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        PemError::new("it is empty")
    } else if text.starts_with('{') {
        PemError::new("it is JSON, and a PEM file is wanted").hint("--jwks takes the URL of a key set")
    } else if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        PemError::new("it is a key of SSH, and a PEM file is wanted").hint("ssh-keygen -e -m PKCS8 -f FILE")
    } else {
        PemError::new("it is no PEM file; one begins with -----BEGIN PUBLIC KEY-----")
            .hint("openssl pkey -pubin -inform DER -in FILE makes one of DER")
    }
}

#[cfg(test)]
mod tests;
