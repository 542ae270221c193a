use std::collections::HashMap;

use clap::{CommandFactory, ValueHint, value_parser};
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::cli::Cli;

fn command() -> Command {
    let ping = Arg::new("ping").long("ping-interval").value_parser(value_parser!(u64));
    let redis = Arg::new("redis").long("redis").hide_env_values(true).value_parser(value_parser!(u16));
    let listen = Arg::new("listen").long("listen").action(ArgAction::Append);
    let origins = Arg::new("origins").long("allowed-origins").value_delimiter(',');
    let progress = Arg::new("progress").long("progress").value_parser(["auto", "bars", "json"]);
    let quiet = Arg::new("quiet").long("quiet").action(ArgAction::SetTrue);
    let scenario = Arg::new("scenario").long("scenario").value_parser(value_parser!(PathBuf));
    let color = Arg::new("color").long("color").global(true).default_value("auto");
    Command::new("jobwire")
        .arg(color)
        .subcommand(Command::new("serve").args([ping, redis.clone(), listen, origins]))
        .subcommand(Command::new("publish").args([redis, progress, quiet, scenario.required(true)]))
}

fn found(text: &str) -> Vec<(Option<String>, String, Vec<String>)> {
    let settings = settings::read(&command(), text, Path::new("/etc/jobwire")).unwrap();
    settings.into_iter().map(|setting| (setting.verb, setting.arg, setting.values)).collect()
}

fn fault(text: &str) -> (usize, String) {
    let fault = settings::read(&command(), text, Path::new("")).unwrap_err();
    (line_at(text, fault.at.expect("a place").start), fault.message)
}

#[test]
fn the_table_of_a_verb_wins_over_what_verbs_share() {
    let text = "redis = 1\n[serve]\nredis = 2\n";
    let command = settings::read(&command(), text, Path::new(""))
        .unwrap()
        .into_iter()
        .fold(command(), |c, s| s.apply(c));
    let redis = |args: &[&str]| {
        let matches = command.clone().try_get_matches_from(args).unwrap();
        *matches.subcommand().unwrap().1.get_one::<u16>("redis").unwrap()
    };
    assert_eq!(redis(&["jobwire", "serve"]), 2);
    assert_eq!(redis(&["jobwire", "publish", "--scenario", "x"]), 1);
    assert_eq!(redis(&["jobwire", "serve", "--redis", "3"]), 3);
}

#[test]
fn values_are_written_as_on_the_command_line() {
    let text = "color = 'never'\n[serve]\nping-interval = 30\nlisten = ['a', 'b']\nallowed-origins = 'x,y'\n\
                [publish]\nquiet = true\nscenario = 'mine.toml'\n";
    let one = |verb: &str, arg: &str, values: &[&str]| {
        let verb = (!verb.is_empty()).then(|| verb.to_owned());
        (verb, arg.to_owned(), values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    };
    let mut actual = found(text);
    actual.sort();
    let mut expected = vec![
        one("", "color", &["never"]),
        one("serve", "ping", &["30"]),
        one("serve", "listen", &["a", "b"]),
        one("serve", "origins", &["x,y"]),
        one("publish", "quiet", &["true"]),
        one("publish", "scenario", &["/etc/jobwire/mine.toml"]),
    ];
    expected.sort();
    assert_eq!(actual, expected);
    let command = settings::read(&command(), text, Path::new(""))
        .unwrap()
        .into_iter()
        .fold(command(), |c, s| s.apply(c));
    let matches = command.try_get_matches_from(["jobwire", "publish"]).unwrap();
    assert!(matches.subcommand().unwrap().1.get_flag("quiet"), "a required flag may come from the file");
}

#[test]
fn faults_have_a_line_a_key_and_the_nearest_one() {
    for (text, line, message) in [
        ("\n[serve]\npng-interval = 3", 3, "unknown key 'serve.png-interval'; did you mean 'ping-interval'?"),
        ("[serv]\n", 1, "unknown table [serv]; did you mean [serve]?"),
        ("[Serve]\nlisten = 'x'", 1, "unknown table [Serve]; did you mean [serve]?"),
        ("[listen]\na = 1", 1, "listen is a key and no table; there is one a verb: [serve], [publish]"),
        ("[relay]\nlisten = 'x'", 1, "unknown table [relay]; did you mean [serve]?"),
        ("[[serv]]\n", 1, "unknown table [serv]; did you mean [serve]?"),
        ("[serve.limits]\na = 1", 1, "unknown key 'serve.limits'; [serve] has keys alone and no tables"),
        ("[serve]\nlisten = []", 2, "serve.listen: an empty list; leave the key out for the default"),
        (
            "[serve]\nredis = { env = 'A', file = 'b' }",
            2,
            "serve.redis: takes { env = \"NAME\" } or { file = \"PATH\" }, and one of them",
        ),
        ("[serve]\nredis = { env = '' }", 2, "serve.redis: '' names no variable and no file"),
        ("[serve]\nredis = {}", 2, "serve.redis: takes text, a number or true or false"),
        ("listen = 'x'", 1, "listen: belongs in the table [serve]"),
        ("serve = 1", 1, "serve: a verb is a table, [serve]"),
        (
            "[serve]\ncolor = 'never'",
            2,
            "unknown key 'serve.color'; it belongs at the top of the file, before any table",
        ),
        ("[serve]\nlisten = [\n'a',\n{},\n]", 4, "serve.listen: takes text, a number or true or false"),
        ("[serve]\nping-interval = [1]", 2, "serve.ping-interval: takes one value, not a list"),
        (
            "[serve]\nping-interval = 'soon'",
            2,
            "serve.ping-interval: invalid value 'soon': invalid digit found in string",
        ),
        ("[publish]\nprogress = 'bar'", 2, "publish.progress: invalid value 'bar'; did you mean 'bars'?"),
        ("[publish]\nredis = 'secret'", 2, "publish.redis: invalid value: invalid digit found in string"),
        (
            "config = 'x'",
            1,
            "unknown key 'config'; known: allowed-origins, color, listen, ping-interval, progress, publish, quiet, redis, scenario, serve",
        ),
    ] {
        assert_eq!(fault(text), (line, message.to_owned()), "{text}");
    }
    assert!(fault("\n\nserve").1.starts_with("not TOML: "));
}

#[test]
fn every_switch_of_every_verb_takes_the_usual_words_and_no_other() {
    fn switches(command: &Command) -> Vec<&Arg> {
        let below = command.get_subcommands().flat_map(switches);
        command.get_arguments().filter(|arg| is_switch(arg)).chain(below).collect()
    }
    let command = with_environment(Cli::command());
    let switches = switches(&command);
    assert!(switches.len() > 12, "{}", switches.len());
    for arg in switches {
        for word in ["1", "On", "YES", "t", "0", "off", "No", "f", ""] {
            assert_eq!(settings::check(arg, word), Ok(()), "{} {word}", arg.get_id());
        }
        let slip = settings::check(arg, "disabled").unwrap_err();
        assert!(slip.starts_with("invalid value 'disabled': a switch is "), "{} {slip}", arg.get_id());
    }
}

/// No flag reads the environment that the tests happen to run in.
fn without_variables(command: Command) -> Command {
    let silent = |arg: Arg| if arg.get_env().is_some() { arg.env(Resettable::Reset) } else { arg };
    command.mut_args(silent).mut_subcommands(without_variables)
}

/// The configuration that a command line comes to, with this file and these variables for its references.
fn effective(args: &[String], file: Option<&str>, variables: &HashMap<String, String>) -> Result<Effective> {
    let command = without_variables(with_environment(Cli::command()));
    let early = command.clone().ignore_errors(true).try_get_matches_from(args)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("jobwire.toml");
    let environment = |name: &str| variables.get(name).map(OsString::from);
    let file = match file {
        None => None,
        Some(text) => {
            fs::write(&path, text)?;
            Some(read(&command, &path, Called::of(&early), &environment)?)
        }
    };
    let applied = file.as_ref().map_or_else(|| command.clone(), |file| file.apply(command.clone()));
    let matches = applied.try_get_matches_from(args)?;
    Ok(Effective::of(&command, &matches, file.as_ref()))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[test]
fn a_reference_is_read_where_it_counts_and_missed_by_name() {
    let file = "redis = { env = 'PLACE' }\n[serve]\njwt-secret = { file = '/nowhere/secret' }\n";
    let variables = HashMap::from([("PLACE".to_owned(), "redis://h:1".to_owned())]);
    let publish = words(&["jobwire", "publish", "scraping/1", "job_started"]);
    let redis = |effective: Effective| effective.shown("redis");
    assert_eq!(redis(effective(&publish, Some(file), &variables).unwrap()), "redis = \"redis://h:1\"");
    let missed = effective(&publish, Some(file), &HashMap::new()).unwrap_err();
    assert!(
        missed.to_string().ends_with(":1: publish.redis: the environment variable PLACE is not set"),
        "{missed}"
    );
    // A command line that sets the flag, or a verb without the flag, does not need the reference.
    let said = [publish, words(&["--redis", "redis://h:2"])].concat();
    assert_eq!(redis(effective(&said, Some(file), &HashMap::new()).unwrap()), "redis = \"redis://h:2\"");
    effective(&words(&["jobwire", "attach", "scraping/1"]), Some(file), &HashMap::new()).unwrap();
    let serve = effective(&words(&["jobwire", "serve"]), Some(file), &variables).unwrap_err();
    assert!(serve.to_string().contains(":3: serve.jwt-secret: could not read /nowhere/secret"), "{serve}");
}

#[test]
fn a_reference_of_a_file_loses_the_newline_at_its_end_and_must_hold_something() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let value = |text: &str| {
        fs::write(&path, text).unwrap();
        Reference::File(path.clone()).value(&|_| None).map_err(|(message, _)| message)
    };
    assert_eq!(value("hunter2\r\n"), Ok("hunter2".to_owned()));
    assert_eq!(value(" a\n\n"), Ok(" a\n".to_owned()));
    for empty in ["", "\n"] {
        assert!(value(empty).unwrap_err().ends_with("is empty"), "{empty:?}");
    }
}

/// Values of every form that a flag of serve takes, good and bad for each.
const VALUES: [&str; 27] = [
    "0",
    "7",
    "23",
    "1.5s",
    "500ms",
    "2h",
    "65536",
    "64KiB",
    "1m",
    "127.0.0.1:0",
    "[::1]:8000",
    "10.0.0.0/8",
    "redis://h:1",
    "redis://:hunter2@h:1/2",
    "redis://user:hunter2@h",
    "unix:///s?pass=hunter2",
    "allow",
    "refuse",
    "never",
    "always",
    "warn,jobwire=debug",
    "debug",
    "https://a.example",
    "*",
    "sesame",
    "a=b # c",
    "\"'\\",
];

/// A command line of serve with a value for each flag that is chosen one: of [`VALUES`], or this text.
fn serve_with(choices: &[(usize, String)]) -> (Vec<String>, HashMap<String, String>) {
    let command = with_environment(Cli::command());
    let serve = command.find_subcommand("serve").unwrap();
    let (mut args, mut variables) = (words(&["jobwire", "serve"]), HashMap::new());
    for ((long, arg), (choice, text)) in flags(&command).chain(flags(serve)).zip(choices) {
        if is_switch(arg) {
            args.extend((choice % 2 == 0).then(|| format!("--{long}")));
            continue;
        }
        let fits: Vec<&str> = VALUES
            .into_iter()
            .chain([text.as_str()])
            .filter(|value| settings::check(arg, value).is_ok())
            .filter(|value| arg.is_hide_env_values_set() || !value.contains("hunter2"))
            // A flag has no way of saying a comma in one of several values, nor that a path is nothing.
            .filter(|value| arg.get_value_delimiter().is_none_or(|comma| !value.contains(comma)))
            .filter(|value| !value.is_empty() || arg.get_value_hint() == ValueHint::Unknown)
            .collect();
        let Some(value) = fits.get(choice % (fits.len() + 1)) else { continue };
        args.push(format!("--{long}={value}"));
        variables.insert(variables::own_variable(arg).unwrap(), (*value).to_owned());
        // A second value of a list.
        if matches!(arg.get_action(), ArgAction::Append) && choice % 3 == 0 {
            args.push(format!("--{long}={}", fits[0]));
        }
    }
    (args, variables)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_as_the_same_and_printed_alike(
        choices in proptest::collection::vec((0_usize..1000, "\\PC{0,12}|[\\x00-\\x7f]{0,12}"), 40)
    ) {
        let (args, variables) = serve_with(&choices);
        let first = effective(&args, None, &variables).unwrap();
        let printed = first.to_string();
        prop_assert!(!printed.contains("hunter2"), "{printed}");
        let bare = words(&["jobwire", "serve"]);
        let second = effective(&bare, Some(&printed), &variables).unwrap();
        prop_assert_eq!(first.changed(&second), Vec::<&str>::new(), "{}", printed);
        let again = second.to_string();
        let table = |text: &str| text.parse::<toml::Table>().unwrap();
        prop_assert_eq!(table(&printed), table(&again));
        // A start that lacks a secret fails.
        if printed.contains("{ env = ") {
            prop_assert!(effective(&bare, Some(&printed), &HashMap::new()).is_err());
        }
    }
}
