//! The configuration as a user meets it: what `serve --print-config` prints, and what SIGHUP does.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Output, PATIENCE, Process, Relay, command, until};

/// A folder with a `jobwire.toml`.
struct Configured {
    dir: TempDir,
}

impl Configured {
    fn new(text: &str) -> Self {
        let configured = Self { dir: TempDir::new().unwrap() };
        configured.write(text);
        configured
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("jobwire.toml")
    }

    /// The file and a line of it, as messages name it.
    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path().display())
    }
}

fn printed(config: Option<&Path>, args: &[&str], env: &[(&str, &str)]) -> String {
    let output = print_config(config, args, env);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    output.stdout
}

fn print_config(config: Option<&Path>, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = command(&["serve", "--print-config"]);
    command.args(config.iter().flat_map(|path| ["--config", path.to_str().unwrap()])).args(args);
    Process::spawn(command.envs(env.iter().copied())).finish(PATIENCE)
}

/// The line of a key, its comment apart.
#[track_caller]
fn line<'a>(printed: &'a str, key: &str) -> (&'a str, &'a str) {
    let found = printed.lines().find(|line| line.trim_start_matches("# ").starts_with(key));
    let (setting, origin) =
        found.unwrap_or_else(|| panic!("no {key} in {printed}")).rsplit_once("  # ").unwrap();
    (setting.trim_end(), origin)
}

#[test]
fn flag_beats_own_variable_beats_the_usual_one_beats_file_beats_default() {
    let file = Configured::new("[serve]\nping-interval = \"21s\"\n");
    let (own, usual) = (("JOBWIRE_PING_INTERVAL", "23"), ("WEBSOCKET_PING_INTERVAL", "22"));
    let ping = |config, args: &[&str], env: &[(&str, &str)]| {
        let printed = printed(config, args, env);
        let (setting, origin) = line(&printed, "ping-interval");
        format!("{setting} {origin}")
    };
    let (path, flag) = (file.path(), ["--ping-interval", "24s"]);
    let path = Some(path.as_path());
    assert_eq!(ping(path, &flag, &[own, usual]), "ping-interval = \"24s\" flag");
    assert_eq!(ping(path, &[], &[own, usual]), "ping-interval = 23 JOBWIRE_PING_INTERVAL");
    assert_eq!(ping(path, &[], &[usual]), "ping-interval = 22 WEBSOCKET_PING_INTERVAL");
    assert_eq!(
        ping(path, &[], &[("JOBWIRE_PING_INTERVAL", "")]),
        format!("ping-interval = \"21s\" {}", file.at(2))
    );
    assert_eq!(ping(None, &[], &[]), "ping-interval = \"30s\" default");
}

#[test]
fn what_is_printed_can_be_read_back() {
    let file = Configured::new(
        "color = \"never\"\nredis = \"redis://h:1\"\nlog-level = 'warn,jobwire=debug'\n[serve]\nkeep-jobs = 7\n",
    );
    let args = ["--listen", "127.0.0.1:1,127.0.0.1:2", "--unknown-grace", "3"];
    let first =
        printed(Some(&file.path()), &args, &[("ALLOWED_ORIGINS", "https://a.example,https://b.example")]);
    assert_eq!(line(&first, "redis"), ("redis = \"redis://h:1\"", file.at(2).as_str()));
    let copy = Configured::new(&first);
    let second = printed(Some(&copy.path()), &[], &[]);
    let settings = |printed: &str| -> Vec<String> {
        let lines = printed.lines().filter(|line| !line.starts_with('#') && line.contains(" = "));
        lines.map(|line| line.rsplit_once("  # ").unwrap().0.trim_end().to_owned()).collect()
    };
    assert_eq!(settings(&first), settings(&second));
    assert!(settings(&first).len() > 12, "{first}");
    let expected = "allowed-origins = [\"https://a.example\", \"https://b.example\"]";
    assert_eq!(line(&second, "allowed-origins").0, expected);
    assert!(second.lines().filter(|line| !line.starts_with('#')).all(|line| !line.ends_with("# flag")));
}

#[test]
fn a_secret_is_not_printed_and_a_start_that_lacks_it_fails_by_name() {
    let file = Configured::new("redis = \"redis://app:hunter2@h:1/2\"\n[serve]\npublish-key = \"hunter2\"\n");
    let secret = ("SUPABASE_JWT_SECRET", "hunter2");
    let text = printed(Some(&file.path()), &[], &[secret]);
    assert!(!text.contains("hunter2"), "{text}");
    let expected = ("jwt-secret = { env = \"SUPABASE_JWT_SECRET\" }", "SUPABASE_JWT_SECRET");
    assert_eq!(line(&text, "jwt-secret"), expected);
    let origin = format!("{}, redis://app:***@h:1/2; put it into JOBWIRE_REDIS", file.at(1));
    assert_eq!(line(&text, "redis"), ("redis = { env = \"JOBWIRE_REDIS\" }", origin.as_str()));
    let origin = format!("{}; put it into JOBWIRE_PUBLISH_KEY", file.at(3));
    assert_eq!(
        line(&text, "publish-key"),
        ("publish-key = { env = \"JOBWIRE_PUBLISH_KEY\" }", origin.as_str())
    );

    let copy = Configured::new(&text);
    let redis = ("JOBWIRE_REDIS", "redis://app:hunter2@h:1/2");
    let mut given = vec![];
    for (missing, key) in
        [(redis, "redis"), (("JOBWIRE_PUBLISH_KEY", "hunter2"), "publish-key"), (secret, "jwt-secret")]
    {
        let output = print_config(Some(&copy.path()), &[], &given);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""));
        let says = format!("serve.{key}: the environment variable {} is not set\nhint: ", missing.0);
        assert!(output.stderr.contains(&says), "{}", output.stderr);
        given.push(missing);
    }
    let bare = |text: &str| text.parse::<toml::Table>().unwrap();
    assert_eq!(bare(&printed(Some(&copy.path()), &[], &given)), bare(&text));
}

#[test]
fn a_switch_is_one_of_the_usual_words_and_a_slip_exits_2_and_names_where_it_is() {
    for (word, is_open) in [("ON", true), ("y", true), ("0", false), ("No", false), ("", false)] {
        let text = printed(None, &[], &[("JOBWIRE_NO_AUTH", word)]);
        assert_eq!(line(&text, "no-auth").0, format!("no-auth = {is_open}"), "{word}");
    }
    for slip in ["disabled", "none", "e", " ", "2"] {
        let output = print_config(None, &[], &[("JOBWIRE_NO_AUTH", slip)]);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{slip}");
        assert!(output.stderr.ends_with("environment variable JOBWIRE_NO_AUTH\n"), "{}", output.stderr);
    }
    let file = Configured::new("[serve]\nno-auth = \"disabled\"\n");
    let output = print_config(Some(&file.path()), &[], &[]);
    let expected = format!("error: {}: serve.no-auth: invalid value 'disabled': a switch is ", file.at(2));
    assert!(output.code == 2 && output.stderr.starts_with(&expected), "{}", output.stderr);
}

#[test]
fn a_variable_that_sets_nothing_is_named_except_where_only_a_script_is_printed() {
    let slip = ("JOBWIRE_NOAUTH", "1");
    let output = print_config(None, &[], &[slip]);
    assert_eq!(output.code, 0);
    assert!(
        output.stderr.contains("JOBWIRE_NOAUTH sets nothing; did you mean JOBWIRE_NO_AUTH?"),
        "{}",
        output.stderr
    );
    let output = Process::spawn(command(&["completions", "bash"]).envs([slip])).finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
}

#[test]
fn an_empty_secret_or_key_opens_nothing() {
    for (name, value) in
        [("JOBWIRE_JWT_SECRET", " "), ("SUPABASE_JWT_SECRET", "\n"), ("JOBWIRE_PUBLISH_KEY", " ")]
    {
        let output = print_config(None, &[], &[(name, value)]);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{name}");
        assert!(output.stderr.contains(name), "{}", output.stderr);
    }
    for text in ["publish-key = ' '", "jwt-secret = ''", "allowed-origins = []", "listen = []"] {
        let file = Configured::new(&format!("[serve]\n{text}\n"));
        let output = print_config(Some(&file.path()), &[], &[]);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{text}");
        assert!(output.stderr.starts_with(&format!("error: {}: serve.", file.at(2))), "{}", output.stderr);
    }
}

#[test]
fn a_configuration_that_is_no_good_is_not_printed() {
    let file = Configured::new("[serve]\nallowed-origins = [\"https://a.example\",\n\"b.example\"]\n");
    let output = print_config(Some(&file.path()), &[], &[]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    let expected = format!("error: {}: serve.allowed-origins: invalid value 'b.example': ", file.at(3));
    assert!(output.stderr.starts_with(&expected), "{}", output.stderr);
    let file = Configured::new("[attach]\nallowed-origins = \"https://a.example\"\n");
    let output = print_config(Some(&file.path()), &[], &[]);
    let expected =
        format!("error: {}: unknown key 'attach.allowed-origins'; it belongs in [serve]", file.at(2));
    assert!(output.stderr.starts_with(&expected), "{}", output.stderr);
}

/// What a socket's path says to a page of that origin: 403, or 426 since this is no upgrade.
fn visit(relay: &Relay, origin: &str) -> u16 {
    relay.exchange("GET", "/ws/download/a", &[("Origin", origin)], b"").status
}

/// What it says to a publication with that key.
fn publish(relay: &Relay, key: &str) -> u16 {
    let bearer = format!("Bearer {key}");
    let body = br#"{"jobId":"a","status":"queued","progress":0}"#;
    relay.exchange("POST", "/publish/download_updates:a", &[("Authorization", &bearer)], body).status
}

/// Sends SIGHUP, waits until the log says this, and gives what it has said since.
fn reload(relay: &Relay, expected: &str) -> String {
    let before = relay.stderr().len();
    relay.signal(Signal::HUP);
    until(PATIENCE, expected, || {
        let log = relay.stderr();
        log[before..].contains(expected) && log.ends_with('\n')
    });
    relay.stderr()[before..].to_owned()
}

#[test]
fn a_hangup_reloads_what_can_be_and_names_what_cannot() {
    let file =
        Configured::new("[serve]\npublish-key = \"first-key\"\nallowed-origins = \"https://a.example\"\n");
    let relay = Relay::start(&["--config", file.path().to_str().unwrap()]);
    assert_eq!((visit(&relay, "https://a.example"), visit(&relay, "https://b.example")), (426, 403));
    assert_eq!((publish(&relay, "first-key"), publish(&relay, "second-key")), (200, 401));

    file.write(
        "log-level = \"debug\"\n[serve]\npublish-key = \"second-key\"\nallowed-origins = \"https://b.example\"\n\
         ping-interval = \"7s\"\nkeep-jobs = 3\n",
    );
    let log = reload(&relay, "needs a restart");
    assert!(log.contains("allowed-origins = [\"https://b.example\"]"), "{log}");
    assert!(log.contains("publish-key = \"***\"") && log.contains("log-level = \"debug\""), "{log}");
    assert!(log.contains("it needs a restart: ping-interval, keep-jobs"), "{log}");
    assert!(!relay.stderr().contains("second-key"), "{log}");
    assert_eq!((visit(&relay, "https://a.example"), visit(&relay, "https://b.example")), (403, 426));
    assert_eq!((publish(&relay, "first-key"), publish(&relay, "second-key")), (401, 200));
    let cors = relay.exchange("GET", "/health", &[("Origin", "https://b.example")], b"");
    assert_eq!(cors.header("access-control-allow-origin"), Some("https://b.example"), "{cors:?}");

    // What could not be applied is named again, until the file agrees with what runs.
    let log = reload(&relay, "needs a restart");
    assert!(log.contains("nothing that could be reloaded has changed"), "{log}");
    // Without a key in the file the relay makes one, and leaves it where its user finds it.
    file.write("[serve]\nallowed-origins = \"https://b.example\"\n");
    let log = reload(&relay, "reloaded from");
    assert!(!log.contains("restart"), "{log}");
    assert_eq!(publish(&relay, "second-key"), 401);
    let key = fs::read_to_string(relay.key_file()).unwrap();
    assert_eq!(publish(&relay, key.trim()), 200);
    file.write("[serve]\nallowed-origins = \"https://b.example\"\npublish-key = \"third\"\n");
    reload(&relay, "reloaded from");
    assert_eq!(publish(&relay, "third"), 200);
    assert!(!relay.key_file().exists(), "a file with a key that no relay takes");
    assert_eq!(relay.stop().code, 0);
}

#[test]
fn a_hangup_with_a_broken_file_changes_nothing() {
    let good = "[serve]\nallowed-origins = \"https://a.example\"\n";
    let file = Configured::new(good);
    let relay = Relay::start(&["--config", file.path().to_str().unwrap()]);
    for (text, line, says) in [
        ("[serve]\nallowed-origins = \"https://b.example\"\nlisen = 1\n", 3, "did you mean 'listen'?"),
        ("[serve]\nallowed-origins = \"https://b.example\"\n[", 3, "not TOML"),
        (
            "[serve]\nallowed-origins = \"https://b.example\"\nredis = \"hunter2\"\n",
            3,
            "serve.redis: invalid value: ",
        ),
    ] {
        file.write(text);
        let log = reload(&relay, "the configuration stays as it was");
        assert!(log.contains(&file.at(line)) && log.contains(says), "{log}");
        assert!(!relay.stderr().contains("hunter2"), "{log}");
        assert_eq!((visit(&relay, "https://a.example"), visit(&relay, "https://b.example")), (426, 403));
    }
    fs::remove_file(file.path()).unwrap();
    assert!(reload(&relay, "the configuration stays as it was").contains("could not read"));
    file.write(good);
    reload(&relay, "nothing that could be reloaded has changed");
    assert_eq!(relay.stop().code, 0);
}

#[test]
fn a_hangup_without_a_file_says_so_and_ends_nothing() {
    let relay = Relay::start(&[]);
    reload(&relay, "there is no configuration file to read again");
    assert_eq!(relay.get("/health").0, 200);
    assert_eq!(relay.stop().code, 0);
}
