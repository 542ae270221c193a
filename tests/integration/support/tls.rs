//! Certificates of every kind, and TLS in front of a server that speaks none.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key as files.
#[derive(Debug)]
pub(crate) struct Certificate {
    dir: TempDir,
}

/// Kind of certificate, by its issuer or its fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For localhost and 127.0.0.1, by itself.
    SelfSigned,
    /// By an authority, whose certificate is in [`Certificate::authority`].
    Issued,
    /// By itself, and no longer valid.
    Expired,
    /// By itself, and not valid yet.
    Future,
    /// By itself, for another host.
    Foreign,
    /// By itself, with nothing but a common name.
    Nameless,
}

impl Certificate {
    /// Makes one.
    pub(crate) fn new(kind: Kind) -> Self {
        let names: &[&str] = match kind {
            Kind::Foreign => &["elsewhere.example"],
            Kind::Nameless => &[],
            _ => &["localhost", "127.0.0.1"],
        };
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        match kind {
            Kind::Expired => params.not_after = date_time_ymd(2020, 1, 2),
            Kind::Future => params.not_before = date_time_ymd(2099, 1, 2),
            _ => {}
        }
        let key = KeyPair::generate().unwrap();
        let this = Self { dir: TempDir::new().unwrap() };
        let pem = if kind == Kind::Issued {
            let mut authority = CertificateParams::new(Vec::new()).unwrap();
            authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            authority.distinguished_name.push(DnType::CommonName, "an authority of the tests");
            let own = KeyPair::generate().unwrap();
            this.write("ca.pem", &authority.self_signed(&own).unwrap().pem());
            params.signed_by(&key, &Issuer::new(authority, own)).unwrap().pem()
        } else {
            params.self_signed(&key).unwrap().pem()
        };
        this.write("cert.pem", &pem);
        this.write("key.pem", &key.serialize_pem());
        this
    }

    /// Makes a certificate with the plain `openssl req -x509` that most people use. It is marked as an authority's.
    pub(crate) fn by_openssl() -> Self {
        let this = Self { dir: TempDir::new().unwrap() };
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-days",
            "9",
        ]);
        openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        openssl.arg("-keyout").arg(this.key()).arg("-out").arg(this.cert());
        let output = openssl.output().expect("these tests need openssl: install it, or run scripts/test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        this
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// The certificate's file.
    pub(crate) fn cert(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    /// The key's file.
    pub(crate) fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// The file of the authority's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}

/// Speaks TLS on a port and hands what comes on to a server, as long as the test runs. Returns its port.
pub(crate) fn tls_before(server: &str, certificate: &Certificate) -> u16 {
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(certificate.cert()).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(certificate.key()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let (acceptor, server) = (TlsAcceptor::from(Arc::new(config)), server.to_owned());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
    });
    port
}
