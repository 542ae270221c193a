use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::KeyPair as _;
use jsonwebtoken::Algorithm;

use super::super::testing::{Pair, pem};
use super::*;

fn read_text(text: impl AsRef<[u8]>) -> Result<Vec<PublicKey>, PemError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    PublicKey::read(file.path())
}

#[test]
fn what_is_no_public_key_is_told_apart_and_what_helps_is_said() {
    let good = Pair::new(Algorithm::ES256);
    let broken = good.pem().replace("-----END PUBLIC KEY-----", "");
    let p521 = b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23rest";
    let cases = [
        (String::new(), "it is empty", ""),
        ("\u{feff}\r\n \n".to_owned(), "it is empty", ""),
        ("hello".to_owned(), "it is no PEM file", "openssl pkey"),
        (r#"{"keys":[]}"#.to_owned(), "it is JSON", "--jwks"),
        ("ssh-ed25519 AAAA me@h".to_owned(), "a key of SSH", "ssh-keygen"),
        (pem("PRIVATE KEY", b"x"), "it is a private key", "-pubout"),
        (pem("RSA PRIVATE KEY", b"x"), "it is a private key", "-pubout"),
        (pem("EC PRIVATE KEY", b"x"), "it is a private key", "-pubout"),
        (pem("ENCRYPTED PRIVATE KEY", b"x"), "it is a private key", "-pubout"),
        (pem("OPENSSH PRIVATE KEY", b"x"), "it is a private key", "ssh-keygen"),
        (pem("CERTIFICATE", b"x"), "it is a certificate", "-pubkey"),
        (pem("EC PARAMETERS", b"x"), "it has a block 'EC PARAMETERS'", ""),
        (format!("{}{}", good.pem(), pem("PRIVATE KEY", b"x")), "it is a private key", "-pubout"),
        (broken, "has no end", ""),
        (pem("PUBLIC KEY", b""), "its base64 is broken", ""),
        (pem("PUBLIC KEY", b"nonsense"), "none of RSA, P-256, P-384 and Ed25519", ""),
        (pem("PUBLIC KEY", p521), "on another curve", ""),
        (pem("PUBLIC KEY", &good.spki[..60]), "the EC key is broken", ""),
        (pem("RSA PUBLIC KEY", b"nonsense"), "the RSA key is broken", ""),
        (good.pem().repeat(40), "over 32 keys", ""),
        ("x".repeat(300_000), "over 256 KiB", ""),
    ];
    for (text, message, hint) in cases {
        let error = read_text(&text).unwrap_err();
        assert!(error.to_string().contains(message), "{error} for {}", &text[..text.len().min(80)]);
        let said = error.hint.unwrap_or_default();
        assert!(said.contains(hint) && said.is_empty() == hint.is_empty(), "{said}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(PublicKey::read(folder.path()).unwrap_err().to_string(), "could not read it: it is a folder");
    let missing = PublicKey::read(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.starts_with("could not read it: No such file"), "{missing}");
    assert!(read_text([0, 159, 146, 150]).is_err());
}

#[test]
fn a_short_rsa_key_is_refused_by_its_length() {
    // openssl genrsa 1024 | openssl rsa -pubout
    let weak = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC7VJTUt9Us8cKjMzEfYyjiWA4R
4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvuNMoSfm76oqFv
Ap8Gy0iz5sxjZmSnXyCdPEovGhLa0VzMaQ8s+CLOyS56YyCFGeJZqgtzJ6GR3eqo
YSW9b9UMvkBpZODSctWSNGj3P7jRFDO5VoTwCQAWbFnOjDfH5Ulgp2PKSQnSJP3A
-----END PUBLIC KEY-----";
    assert!(read_text(weak).is_err());
    let one = PublicKey::rsa(&[0xff; 128], &[1, 0, 1]).unwrap_err();
    assert_eq!(one.to_string(), "the RSA key has 1024 bits; it needs 2048 to 8192");
    assert!(PublicKey::rsa(&[0x7f; 256], &[1, 0, 1]).is_err(), "2047 bits");
    assert!(PublicKey::rsa(&[&[0], &[0xff; 256][..]].concat(), &[1, 0, 1]).is_ok());
    assert!(PublicKey::rsa(&[0xff; 1_025], &[1, 0, 1]).is_err());
    assert!(PublicKey::rsa(&[0xff; 256], &[2]).is_err() && PublicKey::rsa(&[0xff; 256], &[]).is_err());
}

#[test]
fn an_rsa_key_may_be_written_in_both_ways() {
    let pair = aws_lc_rs::signature::RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let spki = AsDer::<PublicKeyX509Der>::as_der(pair.public_key()).unwrap();
    for text in [pem("PUBLIC KEY", spki.as_ref()), pem("RSA PUBLIC KEY", pair.public_key().as_ref())] {
        assert_eq!(read_text(text).unwrap()[0].describe(), "RS256/PS256");
    }
}
