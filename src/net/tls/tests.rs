use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

const SERVER: &str = include_str!("../../broker/tests/tls/server.pem");
const KEY: &str = include_str!("../../broker/tests/tls/server.key");

struct Folder(TempDir);

impl Folder {
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

#[test]
fn a_file_that_is_of_no_use_is_named_with_what_is_wrong() {
    let folder = Folder(TempDir::new().unwrap());
    let ca = |path: PathBuf| {
        let shown = path.display().to_string();
        let error = Tls::new(&TlsFiles { ca: Some(path), ..TlsFiles::default() }).unwrap_err().to_string();
        assert!(error.contains(&shown), "{error}");
        error
    };
    assert!(ca(folder.0.path().join("none.pem")).ends_with("no such file or directory"));
    assert!(ca(folder.0.path().to_owned()).starts_with("could not read"));
    assert!(ca(folder.file("empty.pem", "")).ends_with("is empty"));
    assert!(ca(folder.file("text.pem", "hello")).contains("is no PEM file"));
    assert!(ca(folder.file("key.pem", KEY)).ends_with("holds a private key and no certificate"));
    assert!(ca(folder.file("cut.pem", &SERVER[..200])).ends_with("is a damaged PEM file"));
    let nonsense = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    assert!(ca(folder.file("nonsense.pem", nonsense)).ends_with("holds no certificate that can be trusted"));

    let (cert, key) = (folder.file("cert.pem", SERVER), folder.file("own.key", KEY));
    let pair = |cert: Option<&PathBuf>, key: Option<&PathBuf>| {
        let files = TlsFiles { cert: cert.cloned(), key: key.cloned(), ..TlsFiles::default() };
        Tls::new(&files).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(pair(Some(&cert), Some(&key)), Ok(()));
    assert!(pair(Some(&cert), None).unwrap_err().contains("needs both"));
    assert!(pair(Some(&cert), Some(&cert)).unwrap_err().ends_with("holds a certificate and no private key"));
    assert!(pair(Some(&key), Some(&key)).unwrap_err().ends_with("holds a private key and no certificate"));
    let locked = folder.file(
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    assert!(pair(Some(&cert), Some(&locked)).unwrap_err().contains("passphrase"));
}

#[test]
fn whom_a_worker_elsewhere_trusts_is_what_it_was_told() {
    assert_eq!(format!("{:?}", Tls::trusting(None, false)), "Tls(system)");
    assert!(Tls::trusting(None, true).is_insecure());
    let told = Tls::trusting(Some(SERVER.to_owned()), false);
    assert_eq!((told.authorities(), told.is_insecure()), (Some(SERVER), false));
}
