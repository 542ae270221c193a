//! TLS as all clients in here speak it: whom they trust, what they show of themselves, and how a failure is worded.
//!
//! Sockets, requests, Redis and the bench's own streams take their configuration from a [`Tls`], so that a certificate is
//! accepted by all of them or by none.

mod problem;
mod verifier;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use self::verifier::{Anyone, Verifier};

pub(crate) use self::problem::{Peer, TlsProblem, problem_of};

/// The longest file that is read, in bytes. The bundle of a whole system has 250 KB.
const MAX_FILE: u64 = 4 << 20;

/// Files and switches, as the user gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates that are trusted in place of the system's, as PEM.
    pub ca: Option<PathBuf>,
    /// The client's own certificate and those that lead from it to an authority, as PEM.
    pub cert: Option<PathBuf>,
    /// The private key of the client's own certificate, as PEM.
    pub key: Option<PathBuf>,
    /// Trust whoever answers.
    pub insecure: bool,
}

/// Why a file is of no use for TLS; each names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFileError {
    /// The system does not let it be read.
    #[error("could not read {}: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The content is not what this file is given for, such as a certificate or a key.
    #[error("{} {what}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Fault of the content, as the end of a sentence that begins with the path.
        what: &'static str,
    },
    /// Certificate and key do not belong together, or cannot be used.
    #[error("the certificate in {} and the key in {} cannot be used together: {reason}", .cert.display(), .key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        reason: String,
    },
    /// One of the two is missing.
    #[error("a client certificate needs both its file and its key's")]
    Half,
}

/// A client's configuration, cheap to clone. The default trusts the system's root certificates, read at the first use.
#[derive(Clone, Default)]
pub struct Tls(Option<Arc<Given>>);

/// A configuration of the user's own.
struct Given {
    config: Arc<ClientConfig>,
    /// The trusted certificates, as PEM.
    authorities: Option<String>,
    insecure: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            None => "Tls(system)",
            Some(given) if given.insecure => "Tls(insecure)",
            Some(_) => "Tls(given)",
        })
    }
}

impl Tls {
    /// Reads the files. Nothing in them is repeated in an error.
    pub fn new(files: &TlsFiles) -> Result<Self, TlsFileError> {
        if *files == TlsFiles::default() {
            return Ok(Self::default());
        }
        let identity = match (&files.cert, &files.key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((certificates(cert)?.1, private_key(key)?, cert, key)),
            _ => return Err(TlsFileError::Half),
        };
        let given = files.ca.as_deref().map(certificates).transpose()?;
        if let (Some((_, chain)), Some(path)) = (&given, &files.ca)
            && anchors(chain).is_empty()
        {
            return Err(content(path, "holds no certificate that can be trusted"));
        }
        let (text, trusted) = given.unzip();
        let builder = builder(trusted, files.insecure);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, private, cert, key)) => {
                builder.with_client_auth_cert(chain, private).map_err(|error| TlsFileError::Pair {
                    cert: cert.clone(),
                    key: key.clone(),
                    reason: error.to_string().to_lowercase(),
                })?
            }
        };
        Ok(Self::given(config, text, files.insecure))
    }

    /// Configuration that another process handed over. `authorities`, as PEM, are trusted in place of the system's
    /// certificates. With `insecure` any server is trusted.
    pub fn trusting(authorities: Option<String>, insecure: bool) -> Self {
        if authorities.is_none() && !insecure {
            return Self::default();
        }
        let trusted = authorities.as_ref().map(|text| of_pem(text.as_bytes()));
        Self::given(builder(trusted, insecure).with_no_client_auth(), authorities, insecure)
    }

    fn given(config: ClientConfig, authorities: Option<String>, insecure: bool) -> Self {
        Self(Some(Arc::new(Given { config: Arc::new(config), authorities, insecure })))
    }

    /// The certificates that are trusted in place of the system's, as PEM.
    pub fn authorities(&self) -> Option<&str> {
        self.0.as_ref()?.authorities.as_deref()
    }

    /// Whether whoever answers is trusted.
    pub fn is_insecure(&self) -> bool {
        self.0.as_ref().is_some_and(|given| given.insecure)
    }

    /// The configuration. It fails where the system's certificates are to be trusted and there are none.
    pub fn config(&self) -> Result<Arc<ClientConfig>, TlsProblem> {
        match &self.0 {
            Some(given) => Ok(Arc::clone(&given.config)),
            None => system(),
        }
    }
}

/// The system's roots, read once: a process that watches a thousand jobs must not read them a thousand times.
fn system() -> Result<Arc<ClientConfig>, TlsProblem> {
    static CONFIG: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let verifier = Verifier::new(roots, Vec::new());
        (added > 0).then(|| Arc::new(verified_by(Arc::new(verifier)).with_no_client_auth()))
    });
    config.clone().ok_or(TlsProblem::NoRoots)
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

/// A client that trusts these certificates, in place of the system's, or anybody.
fn builder(trusted: Option<Vec<CertificateDer<'static>>>, insecure: bool) -> Builder {
    if insecure {
        return verified_by(Arc::new(Anyone));
    }
    let Some(trusted) = trusted else {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return verified_by(Arc::new(Verifier::new(roots, Vec::new())));
    };
    verified_by(Arc::new(Verifier::new(anchors(&trusted), trusted)))
}

fn verified_by(verifier: Arc<dyn rustls::client::danger::ServerCertVerifier>) -> Builder {
    // Named, since a process may have compiled in more than one provider and then has no default.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports rustls' default versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
}

fn anchors(certificates: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().cloned());
    roots
}

fn content(path: &Path, what: &'static str) -> TlsFileError {
    TlsFileError::Content { path: path.to_owned(), what }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| TlsFileError::Unreadable {
        path: path.to_owned(),
        reason: super::reason(&error),
    };
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(unreadable)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.is_empty() {
        return Err(content(path, "is empty"));
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(content(path, "is far too long for certificates"));
    }
    Ok(bytes)
}

/// All certificates of a PEM text that can be read.
fn of_pem(text: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(text).filter_map(Result::ok).collect()
}

/// The text and the certificates of a PEM file, one at least.
fn certificates(path: &Path) -> Result<(String, Vec<CertificateDer<'static>>), TlsFileError> {
    let bytes = read(path)?;
    let is_pem = bytes.windows(11).any(|window| window == b"-----BEGIN ");
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match all {
        Ok(all) if !all.is_empty() => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok((text, all))
        }
        Ok(_) if is_pem && PrivateKeyDer::from_pem_slice(&bytes).is_ok() => {
            Err(content(path, "holds a private key and no certificate"))
        }
        Ok(_) if is_pem => Err(content(path, "holds no certificate (-----BEGIN CERTIFICATE-----)")),
        Ok(_) => Err(content(path, "is no PEM file: it has no line -----BEGIN CERTIFICATE-----")),
        Err(_) => Err(content(path, "is a damaged PEM file")),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let bytes = read(path)?;
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    if let Ok(key) = PrivateKeyDer::from_pem_slice(&bytes) {
        return Ok(key);
    }
    Err(content(
        path,
        if holds("ENCRYPTED") {
            "holds a key with a passphrase; `openssl pkey -in FILE -out PLAIN` takes it off"
        } else if holds("-----BEGIN CERTIFICATE") {
            "holds a certificate and no private key"
        } else if holds("-----BEGIN ") {
            "holds no private key (-----BEGIN PRIVATE KEY-----)"
        } else {
            "is no PEM file: it has no line -----BEGIN PRIVATE KEY-----"
        },
    ))
}

#[cfg(test)]
mod tests;
