use clap::value_parser;

use super::*;

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
    let settings = settings(&command(), text, Path::new("/etc/jobwire")).unwrap();
    settings.into_iter().map(|setting| (setting.verb, setting.arg, setting.values)).collect()
}

fn fault(text: &str) -> (usize, String) {
    let fault = settings(&command(), text, Path::new("")).unwrap_err();
    (line_at(text, fault.at.expect("a place").start), fault.message)
}

#[test]
fn the_table_of_a_verb_wins_over_what_verbs_share() {
    let text = "redis = 1\n[serve]\nredis = 2\n";
    let command =
        settings(&command(), text, Path::new("")).unwrap().into_iter().fold(command(), |c, s| s.apply(c));
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
    let command =
        settings(&command(), text, Path::new("")).unwrap().into_iter().fold(command(), |c, s| s.apply(c));
    let matches = command.try_get_matches_from(["jobwire", "publish"]).unwrap();
    assert!(matches.subcommand().unwrap().1.get_flag("quiet"), "a required flag may come from the file");
}

#[test]
fn faults_have_a_line_a_key_and_the_nearest_one() {
    for (text, line, message) in [
        ("\n[serve]\npng-interval = 3", 3, "unknown key 'serve.png-interval'; did you mean 'ping-interval'?"),
        ("[serv]\n", 1, "unknown key 'serv'; did you mean 'serve'?"),
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
