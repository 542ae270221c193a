//! Key pairs for tests, and tokens signed by them.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

/// Bytes that PKCS #8 puts before a 2048-bit RSA key. The library wants the key without them.
const PKCS8: usize = 26;

/// A private key, with its public key in every format.
pub(crate) struct Pair {
    pub(crate) algorithm: Algorithm,
    private: EncodingKey,
    /// Members of the JSON Web Key that hold the key itself.
    pub(crate) jwk: Value,
    /// SubjectPublicKeyInfo of the public key, in DER.
    pub(crate) spki: Vec<u8>,
}

impl Pair {
    /// Makes a new pair; RSA keys have 2048 bits.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::ES256 => Self::ec(algorithm, "P-256"),
            Algorithm::ES384 => Self::ec(algorithm, "P-384"),
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let private = EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref());
                let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
                let spki = AsDer::<PublicKeyX509Der>::as_der(pair.public_key()).unwrap().as_ref().to_vec();
                Self { algorithm, private, jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": x}), spki }
            }
            _ => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let public = pair.public_key();
                let [n, e] = [
                    public.modulus().big_endian_without_leading_zero(),
                    public.exponent().big_endian_without_leading_zero(),
                ]
                .map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
                let spki = AsDer::<PublicKeyX509Der>::as_der(public).unwrap().as_ref().to_vec();
                let private = AsDer::<Pkcs8V1Der>::as_der(&pair).unwrap();
                let private = EncodingKey::from_rsa_der(&private.as_ref()[PKCS8..]);
                Self { algorithm, private, jwk: json!({"kty": "RSA", "n": n, "e": e}), spki }
            }
        }
    }

    fn ec(algorithm: Algorithm, curve: &str) -> Self {
        let signing = if algorithm == Algorithm::ES256 {
            &ECDSA_P256_SHA256_FIXED_SIGNING
        } else {
            &ECDSA_P384_SHA384_FIXED_SIGNING
        };
        let pair = EcdsaKeyPair::generate(signing).unwrap();
        let private = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        let point = pair.public_key().as_ref()[1..].to_vec();
        let (x, y) = point.split_at(point.len() / 2);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let spki = AsDer::<PublicKeyX509Der>::as_der(pair.public_key()).unwrap().as_ref().to_vec();
        Self { algorithm, private, jwk: json!({"kty": "EC", "crv": curve, "x": x, "y": y}), spki }
    }

    /// The public key as a JSON Web Key with this id.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = id.into();
        jwk
    }

    /// The public key in PEM.
    pub(crate) fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki)
    }

    /// Signs a token with these claims and this header, to which the algorithm is added.
    pub(crate) fn token(&self, mut header: Value, claims: &Value) -> String {
        header["alg"] = format!("{:?}", self.algorithm).into();
        let message = format!("{}.{}", encode(&header), encode(claims));
        let signature = crypto::sign(message.as_bytes(), &self.private, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// A block of PEM.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let digits = STANDARD.encode(der);
    let lines: Vec<&str> =
        digits.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A part of a token in base64url.
pub(crate) fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
