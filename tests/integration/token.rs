//! Tests of `token`: it makes tokens that relays accept, and explains tokens.

use std::fs;
use std::io::Write as _;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Output, PATIENCE, Process, Pty, Relay, SECRET, command, jobwire, signed, unix_now};

/// Runs `token` with the secret in the environment.
fn with_secret(args: &[&str]) -> Output {
    Process::spawn(command(&[&["token"], args].concat()).env("JOBWIRE_JWT_SECRET", SECRET)).finish(PATIENCE)
}

#[track_caller]
fn made(output: &Output) -> String {
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    assert_eq!(output.stdout.lines().count(), 1, "{output:?}");
    output.stdout.trim().to_owned()
}

#[test]
fn a_token_that_was_made_opens_what_is_its_sub_s() {
    let relay = Relay::start(&["--jwt-secret", SECRET, "--auth", "scraping=token"]);
    let good = made(&with_secret(&["--sub", "alice", "--exp", "1h"]));
    let restricted = made(&with_secret(&["--sub", "alice", "--claim", "watch=scraping/1,channel:emails"]));
    let other = made(&jobwire(&["token", "--sub", "alice", "--jwt-secret", "another"]));
    let status = |token: &str, job: u32| {
        let bearer = format!("Bearer {token}");
        relay
            .exchange("GET", &format!("/ws/scraping/{job}/status"), &[("Authorization", &bearer)], b"")
            .status
    };
    assert_eq!((status(&good, 1), status(&good, 2)), (404, 404), "let in: nothing is known of the job");
    assert_eq!((status(&restricted, 1), status(&restricted, 2)), (404, 403));
    assert_eq!(status(&other, 1), 401);
}

#[test]
fn the_secret_is_found_where_serve_finds_it() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    let config = |text: &str| {
        let path = folder.path().join("jobwire.toml");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let explain = |token: &str| with_secret(&["explain", token]).code;
    let sub = ["--sub", "alice"];
    let by_alias = Process::spawn(command(&["token", "--sub", "alice"]).env("SUPABASE_JWT_SECRET", SECRET));
    assert_eq!(explain(&made(&by_alias.finish(PATIENCE))), 0);
    for text in [
        format!("jwt-secret = \"{SECRET}\"\n"),
        format!("[serve]\njwt-secret = \"{SECRET}\"\n"),
        "[serve]\njwt-secret = { file = \"secret\" }\n".to_owned(),
        format!("[serve]\njwt-secret = \"of serve\"\n[token]\njwt-secret = \"{SECRET}\"\n"),
    ] {
        let path = config(&text);
        let token = made(&jobwire(&[&["token", "--config", &path], &sub[..]].concat()));
        assert_eq!(explain(&token), 0, "{text}");
        let explained = jobwire(&["token", "explain", "--config", &path, &token]);
        assert!(explained.stdout.contains("✓ signature  good"), "{text}: {explained:?}");
    }
    let none = jobwire(&["token", "--sub", "alice"]);
    assert_eq!(none.code, 2, "{none:?}");
    assert!(none.stderr.contains("JOBWIRE_JWT_SECRET"), "{none:?}");
}

#[test]
fn what_is_asked_for_in_a_wrong_way_is_bad_usage() {
    for (args, said) in [
        (&[][..], "--sub <NAME>"),
        (&["--sub", ""], "without a subject"),
        (&["--sub", "a", "--exp", "0"], "--exp: from 1s"),
        (&["--sub", "a", "--exp", "soon"], "--exp"),
        (&["--sub", "a", "--claim", "sub=b"], "--sub names it"),
        (&["--sub", "a", "--claim", "watch=celery"], "covers nothing"),
        (&["--sub", "a", "--claim", "x=1", "--claim", "x=2"], "something else before"),
        (&["explain", ""], "there is no token"),
        (&["explain"], "there is no token"),
    ] {
        let output = with_secret(args);
        assert_eq!(output.code, 2, "{args:?}: {output:?}");
        assert!(output.stderr.contains(said), "{args:?}: {output:?}");
        assert!(!output.stderr.contains(SECRET) && output.stdout.is_empty(), "{args:?}: {output:?}");
    }
}

#[test]
fn an_explanation_says_what_a_token_allows_or_all_that_is_wrong_with_it() {
    let token = made(&with_secret(&["--sub", "alice", "--claim", "watch=celery/*", "--claim", "role=x"]));
    let good = with_secret(&["explain", &token]);
    assert_eq!((good.code, good.stderr.as_str()), (0, ""), "{good:?}");
    for line in [
        "✓ alg        HS256",
        "✓ signature  good",
        "✓ sub        alice",
        "only celery/*",
        "role, which no relay",
    ] {
        assert!(good.stdout.contains(line), "{line:?} is not in {}", good.stdout);
    }
    let unsigned = jobwire(&["token", "explain", &token]);
    assert_eq!(unsigned.code, 0, "{unsigned:?}");
    assert!(unsigned.stdout.contains("? signature  not checked"), "{unsigned:?}");

    let claims = json!({"exp": unix_now() - 300.0, "nbf": unix_now() + 3600.0, "watch": "celery/*"});
    let bad = with_secret(&["explain", &signed("HS256", &claims, "another")]);
    assert_eq!(bad.code, 1, "{bad:?}");
    for line in ["✗ signature", "✗ sub        missing", "expired 5 minutes ago", "✗ nbf", "✗ watch"] {
        assert!(bad.stdout.contains(line), "{line:?} is not in {}", bad.stdout);
    }
    for output in [good, unsigned, bad] {
        assert!(!output.stdout.contains(&token) && !output.stdout.contains(SECRET), "{output:?}");
    }
}

#[test]
fn a_terminal_without_utf_8_gets_an_explanation_in_ascii() {
    let token = signed("HS256", &json!({"sub": "alice", "exp": unix_now() - 300.0}), "another");
    let shown = |locale: &str| {
        let env = [("JOBWIRE_JWT_SECRET", SECRET.to_owned()), ("LC_ALL", locale.to_owned())];
        let mut terminal = Pty::jobwire(24, 100, &["token", "explain", &token], &env);
        assert_eq!(terminal.finish(PATIENCE), 1);
        terminal.raw()
    };
    let (ascii, utf8) = (shown("C"), shown("C.UTF-8"));
    assert!(ascii.is_ascii(), "{ascii}");
    assert!(ascii.contains("ok   alg        HS256") && ascii.contains("FAIL signature"), "{ascii}");
    assert!(utf8.contains("✓ alg        HS256") && utf8.contains("✗ signature"), "{utf8}");
}

#[test]
fn a_token_that_was_cut_off_or_torn_apart_is_refused_with_the_reason() {
    let token = made(&with_secret(&["--sub", "alice"]));
    let whole = with_secret(&["explain", "Bearer", &token]);
    assert_eq!(whole.code, 0, "the word before it needs no quotes: {whole:?}");
    let (start, rest) = token.split_at(token.len() / 2);
    for (args, said) in [
        (&["explain", &token[..token.len() - 5]][..], "✗ signature"),
        (&["explain", start, rest], "there is a space or a line break in it"),
        (&["explain", &token[..20]], "it has no dots"),
    ] {
        for output in [with_secret(args), jobwire(&[&["token"], args].concat())] {
            assert_eq!((output.code, output.stderr.as_str()), (1, ""), "{args:?}: {output:?}");
            assert!(output.stdout.contains(said), "{args:?}: {output:?}");
            assert!(output.stdout.ends_with("a relay refuses this token\n"), "{args:?}: {output:?}");
        }
    }
}

#[test]
fn a_token_in_a_wrong_place_is_not_repeated() {
    let token = made(&with_secret(&["--sub", "alice"]));
    for args in
        [&["token", &token][..], &["token", "--sub", "a", &token], &["serve", &token], &["demo", &token]]
    {
        let output = jobwire(args);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:?}");
        assert!(!output.stderr.contains(&token) && output.stderr.contains("'…'"), "{output:?}");
    }
}

#[test]
fn a_token_comes_by_standard_input_as_it_was_copied() {
    let token = made(&with_secret(&["--sub", "alice"]));
    for text in
        [format!("{token}\n"), format!("Authorization: Bearer {token}").split_off(15), format!("\"{token}\"")]
    {
        for args in [&["token", "explain"][..], &["token", "explain", "-"]] {
            let mut explain = command(args);
            let (process, mut stdin) = Process::spawn_fed(explain.env("JOBWIRE_JWT_SECRET", SECRET));
            stdin.write_all(text.as_bytes()).unwrap();
            drop(stdin);
            let output = process.finish(PATIENCE);
            assert_eq!(output.code, 0, "{text:?}: {output:?}");
        }
    }
    let output = with_secret(&["explain", "no-token"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stdout.contains("the token is no JWT"), "{output:?}");
}
