//! Whether a server's certificate is accepted, and why not.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::problem::TlsProblem;

/// Checks chain, dates and names, and says in plain words what is wrong.
#[derive(Debug)]
pub(super) struct Verifier {
    /// `None` without any root: then no chain leads anywhere.
    chains: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are trusted themselves. A self-signed one is usually marked as that of an authority, and webpki
    /// accepts no authority's certificate as a server's.
    pinned: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(roots: RootCertStore, pinned: Vec<CertificateDer<'static>>) -> Self {
        let provider = aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider));
        Self { chains: builder.build().ok(), pinned, algorithms }
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let chains = self.chains.as_ref().ok_or_else(unknown)?;
        let Err(error) = chains.verify_server_cert(certificate, between, name, ocsp, now) else {
            return Ok(());
        };
        // webpki looks at the dates first, so these are in order where it finds fault with something else.
        let is_pinned = self.pinned.iter().any(|pinned| pinned.as_ref() == certificate.as_ref());
        if is_pinned && is_about_the_chain(&error) {
            return verify_server_name(&ParsedCertificate::try_from(certificate)?, name);
        }
        Err(error)
    }
}

/// Whether a certificate that is trusted itself may have this fault: it is about who signed it, and for what.
fn is_about_the_chain(error: &Error) -> bool {
    let Error::InvalidCertificate(error) = error else { return false };
    match error {
        // Another certificate of the same name is an authority here.
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => true,
        CertificateError::Other(OtherError(cause)) => {
            matches!(cause.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(certificate, between, name, ocsp, now).map_err(|error| {
            let problem = TlsProblem::of_certificate(&error, certificate, name);
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(problem))))
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Accepts whoever answers, as the user asked for. Signatures are not checked either: whoever may show any certificate has
/// the key of one.
#[derive(Debug)]
pub(super) struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
