//! An identity provider that is not ours: PyJWT and a key set that rotates.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use super::{PATIENCE, Process, unix_now, wait_for};

/// A running issuer.
#[derive(Debug)]
pub(crate) struct Issuer {
    process: Process,
    commands: RefCell<ChildStdin>,
    answered: Cell<usize>,
    port: Value,
}

impl Issuer {
    /// Starts one without a key.
    pub(crate) fn start() -> Self {
        let mut probe = Command::new("python3");
        let found = probe.args(["-c", "import jwt, cryptography"]).stderr(Stdio::null()).status();
        assert!(
            found.is_ok_and(|status| status.success()),
            "these tests need python3 with its packages PyJWT and cryptography (scripts/test installs them)"
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/issuer.py");
        let (process, commands) = Process::spawn_fed(Command::new("python3").arg("-u").arg(script));
        let mut issuer =
            Self { process, commands: RefCell::new(commands), answered: Cell::new(0), port: Value::Null };
        issuer.port = issuer.answer();
        issuer
    }

    /// The URL of its key set.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/jwks.json", self.port)
    }

    /// Makes a key of that name; its public half in PEM.
    pub(crate) fn make(&self, name: &str, alg: &str) -> String {
        self.ask(&json!({"make": name, "alg": alg})).as_str().unwrap().to_owned()
    }

    /// Publishes the keys of these names, and no others.
    pub(crate) fn publish(&self, names: &[&str]) {
        self.ask(&json!({"publish": names}));
    }

    /// Sets how the issuer answers from now on: `set`, `html`, `redirect` or `hang`.
    pub(crate) fn mode(&self, mode: &str) {
        self.ask(&json!({"mode": mode}));
    }

    /// A token of a subject by a key, good for an hour.
    pub(crate) fn token(&self, key: &str, subject: &str) -> String {
        self.sign(key, &json!({"sub": subject, "exp": unix_now() + 3600.0}), &json!({}))
    }

    /// A token with these claims and headers.
    pub(crate) fn sign(&self, key: &str, claims: &Value, headers: &Value) -> String {
        let token = self.ask(&json!({"sign": key, "claims": claims, "headers": headers}));
        token.as_str().unwrap().to_owned()
    }

    /// A token by HS256.
    pub(crate) fn by_secret(&self, secret: &str, subject: &str) -> String {
        let claims = json!({"sub": subject, "exp": unix_now() + 3600.0});
        self.ask(&json!({"secret": secret, "claims": claims})).as_str().unwrap().to_owned()
    }

    fn ask(&self, command: &Value) -> Value {
        writeln!(self.commands.borrow_mut(), "{command}").unwrap();
        self.answer()
    }

    fn answer(&self) -> Value {
        let nth = self.answered.replace(self.answered.get() + 1);
        let line = wait_for(PATIENCE, &format!("the issuer: {}", self.process.stderr()), || {
            let printed = self.process.stdout();
            let whole = printed.rsplit_once('\n').map_or("", |(whole, _)| whole);
            whole.lines().nth(nth).map(str::to_owned)
        });
        serde_json::from_str(&line).unwrap()
    }
}
