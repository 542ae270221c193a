//! Bad usage and bad configuration: exit 2, the place, the nearest known name.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::{Output, PATIENCE, Process, command, jobwire};

/// A file in a folder of its own.
fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    (dir, path)
}

/// Runs a harmless verb with a configuration file.
fn configured(text: &str) -> (Output, String) {
    let (_dir, path) = file("jobwire.toml", text);
    let path = path.to_str().unwrap();
    (jobwire(&["--config", path, "completions", "fish"]), path.to_owned())
}

#[track_caller]
fn assert_usage(output: &Output, expected: &str) {
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains(expected), "{expected:?} is not in {}", output.stderr);
}

#[test]
fn help_and_version_are_on_stdout_and_succeed() {
    for args in
        [&["--help"][..], &["-h"], &["help"], &["--version"], &["serve", "--help"], &["help", "attach"]]
    {
        let output = jobwire(args);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{args:?}");
        assert!(!output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn no_verb_at_all_gets_the_help_on_stderr() {
    assert_usage(&jobwire(&[]), "Usage: jobwire");
}

#[test]
fn slips_get_the_nearest_known_name() {
    for (args, expected) in [
        (&["serv"][..], "similar subcommand exists: 'serve'"),
        (&["serve", "--lisen", "x"], "similar argument exists: '--listen'"),
        (&["attach", "scrapin/1"], "there is no dialect 'scrapin'; did you mean 'scraping'?"),
        (&["--log-level", "inof", "demo"], "no such log level; did you mean 'info'?"),
        (&["attach", "campaigns"], "did you mean 'channel:campaigns'?"),
        (&["attach", "tasks"], "did you mean 'tasks/ID'?"),
        (&["serve", "--port", "8000"], "hint: `jobwire serve --listen HOST:PORT`"),
        (&["attach", "a/1", "--server", "localhost:8000"], "did you mean --server ws://localhost:8000?"),
        (&["serve", "--redis", "localhost:6379"], "did you mean --redis redis://localhost:6379?"),
        (&["--color", "alway", "demo"], "tip: a similar value exists: 'always'"),
        (&["completions", "bas"], "tip: a similar value exists: 'bash'"),
    ] {
        assert_usage(&jobwire(args), expected);
    }
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_key() {
    let (output, path) = configured("color = \"never\"\n\n[serve]\nlisen = \"127.0.0.1:0\"\n");
    assert_usage(&output, &format!("error: {path}:4: unknown key 'serve.lisen'; did you mean 'listen'?"));
    let (output, path) = configured("[atach]\n");
    assert_usage(&output, &format!("error: {path}:1: unknown table [atach]; did you mean [attach]?"));
}

#[test]
fn a_file_that_is_not_toml_names_its_line() {
    let (output, path) = configured("color = \"never\"\n[serve\n");
    assert_usage(&output, &format!("error: {path}:2: not TOML: "));
    let output = jobwire(&["--config", "/nowhere/jobwire.toml", "demo"]);
    assert_usage(&output, "could not read the configuration /nowhere/jobwire.toml: ");
}

#[test]
fn a_refused_value_names_file_line_and_key() {
    let (output, path) = configured("\ncolor = \"sometimes\"\n");
    assert_usage(&output, &format!("error: {path}:2: color: invalid value 'sometimes'"));
    let (output, path) = configured("[serve]\nlisten = [\"127.0.0.1:0\"]\nping-interval = \"soon\"\n");
    assert_usage(&output, &format!("error: {path}:3: serve.ping-interval: invalid value 'soon'"));
}

#[test]
fn help_never_shows_a_redis_url() {
    let mut help = command(&["serve", "--help"]);
    let output = Process::spawn(help.env("REDIS_URL", "redis://:hunter2@localhost")).finish(PATIENCE);
    assert_eq!(output.code, 0);
    assert!(output.stdout.contains("[env: REDIS_URL]"), "{}", output.stdout);
    assert!(!output.stdout.contains("hunter2"), "{}", output.stdout);
}

#[test]
fn flag_beats_environment_beats_file() {
    let (_dir, path) = file("jobwire.toml", "color = \"always\"\n");
    let is_coloured = |env: &str, args: &[&str]| {
        let mut command = command(&["attach", "nope/1", "--config", path.to_str().unwrap()]);
        let output = Process::spawn(command.args(args).env("JOBWIRE_COLOR", env)).finish(PATIENCE);
        assert_usage(&output, "there is no dialect 'nope'");
        output.stderr.contains('\u{1b}')
    };
    assert!(is_coloured("", &[]), "the file; an empty variable is none");
    assert!(!is_coloured("never", &[]), "the environment beats the file");
    assert!(is_coloured("never", &["--color", "always"]), "the flag beats both");
}

#[test]
fn a_refused_variable_is_named_and_its_own_name_comes_first() {
    let run = |env: &[(&str, &str)]| {
        let mut command = command(&["completions", "fish"]);
        Process::spawn(command.envs(env.iter().copied())).finish(PATIENCE)
    };
    let output = run(&[("JOBWIRE_LOG", "other")]);
    assert_usage(&output, "invalid value 'other'");
    assert_usage(&output, "hint: the value comes from the environment variable JOBWIRE_LOG\n");
    let output = run(&[("JOBWIRE_LOG", "other"), ("JOBWIRE_LOG_LEVEL", "own")]);
    assert_usage(&output, "hint: the value comes from the environment variable JOBWIRE_LOG_LEVEL\n");
}

#[test]
fn a_dialect_file_is_found_beside_the_configuration() {
    let (dir, path) = file("jobwire.toml", "dialect-file = \"mine.toml\"\n");
    let mine = dir.path().join("mine.toml");
    let run = || jobwire(&["--config", path.to_str().unwrap(), "completions", "fish"]);
    assert_usage(&run(), &format!("error: {}: could not read the dialect: ", mine.display()));
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dialect/builtin/scraping.toml");
    let text = fs::read_to_string(builtin).unwrap();
    fs::write(&mine, text.replace("name = \"scraping\"", "name = \"mine\"")).unwrap();
    assert_usage(&run(), "the dialect scraping listens there already");
    let text = text.replace("\"scraping\"", "\"mine\"").replace("/scraping/", "/mine/");
    fs::write(&mine, text.replace("scraping_events", "mine_events")).unwrap();
    assert_eq!(run().code, 0);
}

#[test]
fn a_dialect_file_with_a_wrong_pointer_names_file_line_and_key() {
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dialect/builtin/scraping.toml");
    let text = fs::read_to_string(builtin).unwrap().replacen("\"/progress\"", "\"progress\"", 1);
    let (_dir, path) = file("mine.toml", &text);
    let path = path.to_str().unwrap();
    let output = jobwire(&["--dialect-file", path, "completions", "fish"]);
    assert_usage(&output, &format!("error: {path}:17: pointers.percent: a pointer starts with '/'"));
}

#[test]
fn a_closed_stdout_is_success() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command(&["completions", "bash"]).stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn colour_is_asked_for_or_not_there() {
    let run = |args: &[&str], no_color: &str| {
        let mut command = command(args);
        Process::spawn(command.env("NO_COLOR", no_color)).finish(PATIENCE).stderr
    };
    assert!(!run(&["attach", "nope/1"], "").contains('\u{1b}'), "stderr is no terminal");
    assert!(
        run(&["attach", "nope/1", "--color", "always"], "1").contains("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m")
    );
    assert!(!run(&["attach", "nope/1", "--color", "never"], "").contains('\u{1b}'));
}
