//! The completions, asked for as a user would: in the shells themselves.
//!
//! Without bash, zsh and fish the tests fail; `scripts/test` installs them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{PATIENCE, Process, Pty, Relay, jobwire, search_path, until};

/// What a line is completed to; in bash without what stands before the last `:` or `=`, which readline keeps.
const OFFERS: [(&str, &[&str]); 29] = [
    ("ser", &["serve"]),
    ("attach scr", &["scraping/"]),
    ("attach --progress json scraping/1 down", &["downloads/"]),
    ("attach channel:cam", &["channel:campaigns"]),
    ("attach tasks/1 room:e", &["room:email:"]),
    ("publish down", &["downloads/"]),
    ("publish chan", &["channels"]),
    ("publish channels campaign:la", &["campaign:launched"]),
    ("publish scraping/1 job_", &["job_completed", "job_failed", "job_progress", "job_started"]),
    ("publish --redis redis://h:1 downloads/a:b proc", &["processing"]),
    ("publish scraping/1 job_started so", &["source="]),
    ("publish downloads/a completed storageProvider=g", &["storageProvider=gcs"]),
    ("attach --progress qu", &["quiet"]),
    ("serve --log-level de", &["debug"]),
    ("bench fa", &["fanout"]),
    ("bench co", &["compare", "connect"]),
    ("bench down", &["downloads", "downloads/"]),
    ("bench room:le", &["room:lead:"]),
    ("bench -c 5 wor", &["worker"]),
    ("bench idle --jobs 5 channel:em", &["channel:emails"]),
    ("bench --find r", &["rate"]),
    ("bench --ramp li", &["linear"]),
    ("bench echo --echo te", &["text"]),
    ("bench --output js", &["json"]),
    ("bench --assert round_trip.l", &["round_trip.lost"]),
    ("bench fanout --within delivery.p99", &["delivery.p99", "delivery.p99.9", "delivery.p99.99"]),
    ("bench storm --assert reconnect.al", &["reconnect.all_back"]),
    ("bench compare --output qu", &["quiet"]),
    ("bench compare --fail-on", &["--fail-on-regression"]),
];

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(name)
}

/// Runs a shell's own script and gives its lines, sorted.
#[track_caller]
fn run(shell: &str, args: &[&str], text: &str) -> Vec<String> {
    let mut command = Command::new(shell);
    command.args(args).args(["-c", text]).env_remove("BASH_ENV");
    let output = Process::spawn(&mut command).finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{text}");
    let mut lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// What readline makes of a line: it splits words at colons and equals signs too.
fn readline_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in line.split(' ') {
        let mut rest = word;
        while let Some(at) = rest.find([':', '=']) {
            if at > 0 {
                words.push(rest[..at].to_owned());
            }
            words.push(rest[at..=at].to_owned());
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() || word.is_empty() {
            words.push(rest.to_owned());
        }
    }
    words
}

fn bash_offers(line: &str) -> Vec<String> {
    let line = format!("jobwire {line}");
    let words = readline_words(&line);
    let mut text = format!("source '{}'\n", script("jobwire.bash").display());
    let quoted: String = words.iter().fold(String::new(), |text, word| text + &format!("'{word}' "));
    let _ = writeln!(text, "COMP_LINE='{line}' COMP_POINT={} COMP_WORDS=({quoted})", line.len());
    let last = words.len() - 1;
    let _ = writeln!(text, "COMP_CWORD={last}; [[ $(complete -p jobwire) =~ -F\\ ([a-z_]+) ]]");
    let _ = writeln!(text, "${{BASH_REMATCH[1]}} jobwire '{}' '{}'", words[last], words[last - 1]);
    run("bash", &["--norc"], &(text + "printf '%s\\n' \"${COMPREPLY[@]}\""))
}

#[test]
fn bash_completes() {
    for (line, offers) in OFFERS {
        let kept = line.rsplit(' ').next().unwrap().rfind([':', '=']).map_or(0, |at| at + 1);
        let offers: Vec<&str> = offers.iter().map(|offer| &offer[kept..]).collect();
        assert_eq!(bash_offers(line), offers, "{line}");
    }
}

#[test]
fn bash_completes_on_a_terminal() {
    let mut shell = Pty::shell(24, 100, &[]);
    shell.send(&format!("source '{}' && echo loa''ded\r", script("jobwire.bash").display()));
    shell.until_shown("loaded");
    shell.send("jobwire publish scrap\t1 job_pr\tmes\t");
    shell.until_shown("jobwire publish scraping/1 job_progress message=");
    shell.send("x\u{15}jobwire attach channel:em\troom:camp\t1");
    shell.until_shown("jobwire attach channel:emails room:campaign:1");
    shell.send("\u{15}jobwire publish channels campaign:la\tcampaign_n\tx");
    shell.until_shown("jobwire publish channels campaign:launched campaign_name=x");
    shell.send("\u{15}jobwire publish downloads/a:b completed storageProvider=g\tfileS\t");
    shell.until_shown("storageProvider=gcs fileSize=");
    shell.send("\u{15}jobwire bench fan\tchannel:em\t--assert 'connect.fa\t<1%' --within connect.ra\t=");
    shell.until_shown(
        "jobwire bench fanout channel:emails --assert 'connect.failed<1%' --within connect.rate=",
    );
    let folder = script("").display().to_string();
    shell.send(&format!("\u{15}cd '{folder}' && echo mo''ved\r"));
    shell.until_shown("moved");
    shell.send("jobwire bench --html jobwire.fi\t");
    shell.until_shown("jobwire bench --html jobwire.fish");
    shell.send("\u{15}jobwire bench compare jobwire.fi\t");
    shell.until_shown("jobwire bench compare jobwire.fish");
}

#[test]
fn fish_completes() {
    let path = script("jobwire.fish");
    let path = path.to_str().unwrap();
    assert_eq!(run("fish", &["--no-config", "--no-execute", path], ""), Vec::<String>::new());
    for (line, offers) in OFFERS {
        let text = format!("source {path}; complete -C'jobwire {line}'");
        let found = run("fish", &["--no-config"], &text);
        let words: Vec<&str> = found.iter().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(words, offers, "{line}");
    }
}

#[test]
fn zsh_completes_on_a_terminal() {
    let path = script("_jobwire");
    assert_eq!(run("zsh", &["-f", "-n", path.to_str().unwrap()], ""), Vec::<String>::new());
    let home = TempDir::new().unwrap();
    let mut shell = Pty::zsh(24, 100, &[("HOME", home.path().display().to_string())]);
    let folder = path.parent().unwrap().display().to_string();
    shell.send(&format!("fpath=('{folder}' $fpath); autoload -Uz compinit; compinit -u -D; echo loa''ded\r"));
    shell.until_shown("loaded");
    for (line, whole) in [
        ("jobwire ser\t--shar\t", "jobwire serve --shards"),
        ("jobwire publish scrap\t1 job_pr\tmes\tx", "jobwire publish scraping/1 job_progress message=x"),
        (
            "jobwire publish --redis redis://h:1 downloads/a:b completed storageProvider=g\tx",
            "downloads/a:b completed storageProvider=gcs x",
        ),
        ("jobwire attach --progress qu\tdown\tx", "jobwire attach --progress quiet downloads/x"),
        ("jobwire attach channel:em\troom:camp\t1", "jobwire attach channel:emails room:campaign:1"),
        ("jobwire publish chan\tcampaign:la\tx", "jobwire publish channels campaign:launched x"),
        ("jobwire bench fan\tchannel:em\t--fin\tr\tx", "jobwire bench fanout channel:emails --find=rate x"),
        ("jobwire bench -c 5 downloads\t/1", "jobwire bench -c 5 downloads/1"),
        ("jobwire bench --assert 'connect.fa\t<1%'", "jobwire bench --assert 'connect.failed<1%'"),
        ("jobwire bench idle --within connect.ra\t=", "jobwire bench idle --within connect.rate="),
        ("jobwire bench compare --fail-o\tx", "jobwire bench compare --fail-on-regression x"),
        ("jobwire --log-level de\tx", "jobwire --log-level debug x"),
    ] {
        shell.send(line);
        shell.until_shown(whole);
        shell.send("\u{15}");
    }
}

/// A relay that knows jobs with all kinds of ids.
fn relay_with_jobs() -> Relay {
    let relay = Relay::start(&[]);
    for job in ["clip-1", "a b", "it's", "x@y:z", "q\"$HOME", "größe"] {
        let target = format!("downloads/{job}");
        let published = relay.jobwire(&["publish", &target, "processing", "progress=40"]);
        assert_eq!(published.code, 0, "{}", published.stderr);
    }
    let published = relay.jobwire(&["publish", "build-42", "40%"]);
    assert_eq!(published.code, 0, "{}", published.stderr);
    until(PATIENCE, "all jobs", || relay.get("/jobs").1.matches("\"target\"").count() == 7);
    relay
}

/// Keys up to the completion, and the line that the shell makes of them.
const TYPED: [(&str, &str); 7] = [
    ("jobwire attach buil\t", "jobwire attach build-42"),
    ("jobwire attach downloads/cl\t", "jobwire attach downloads/clip-1"),
    ("jobwire publish downloads/cl\t", "jobwire publish downloads/clip-1"),
    ("jobwire attach scraping/1 downloads/a\t", "jobwire attach scraping/1 downloads/a\\ b"),
    ("jobwire attach downloads/it\t", "jobwire attach downloads/it\\'s"),
    ("jobwire attach downloads/x@y\t", "jobwire attach downloads/x@y:z"),
    ("jobwire attach 'downloads/a\t", "jobwire attach 'downloads/a b'"),
];

/// Types the lines in a shell that has loaded its completions.
fn type_jobs(shell: &mut Pty) {
    for (keys, line) in TYPED {
        shell.send(keys);
        shell.until_shown(line);
        shell.send("\u{15}");
    }
}

#[test]
fn bash_completes_the_jobs_that_a_relay_knows() {
    let relay = relay_with_jobs();
    let mut shell = Pty::shell(24, 100, &relay.env());
    shell.send(&format!("source '{}' && echo loa''ded\r", script("jobwire.bash").display()));
    shell.until_shown("loaded");
    type_jobs(&mut shell);
    // Jobs that do not fit after the quote are not offered.
    shell.send("jobwire attach \"downloads/q\tx");
    shell.until_shown("jobwire attach \"downloads/qx");
}

#[test]
fn zsh_completes_the_jobs_that_a_relay_knows() {
    let relay = relay_with_jobs();
    let home = TempDir::new().unwrap();
    let env = [&relay.env()[..], &[("HOME", home.path().display().to_string())]].concat();
    let mut shell = Pty::zsh(24, 100, &env);
    let folder = script("").display().to_string();
    shell.send(&format!("fpath=('{folder}' $fpath); autoload -Uz compinit; compinit -u -D; echo loa''ded\r"));
    shell.until_shown("loaded");
    type_jobs(&mut shell);
}

#[test]
fn fish_completes_the_jobs_that_a_relay_knows() {
    let relay = relay_with_jobs();
    let path = script("jobwire.fish");
    for (line, offers) in [
        ("attach buil", "build-42\tprocessing 40%"),
        ("attach downloads/cl", "downloads/clip-1\tprocessing 40%"),
        ("publish downloads/cl", "downloads/clip-1\tprocessing 40%"),
        ("attach downloads/gr", "downloads/größe\tprocessing 40%"),
        ("attach downloads/a", "downloads/a b\tprocessing 40%"),
    ] {
        let mut command = Command::new("fish");
        let text = format!("source {}; complete -C'jobwire {line}'", path.display());
        command.args(["--no-config", "-c", &text]).envs(relay.env()).env("PATH", search_path());
        let output = Process::spawn(&mut command).finish(PATIENCE);
        let offers = offers.replace("processing", "running");
        assert_eq!(
            (output.code, output.stdout.trim_end()),
            (0, offers.as_str()),
            "{line}: {}",
            output.stderr
        );
    }
}

#[test]
fn without_an_answer_nothing_is_offered_and_nothing_is_said() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent = format!("ws://{}", silent.local_addr().unwrap());
    for words in [
        &["attach", "--server", "ws://127.0.0.1:1", "downloads/"][..],
        &["attach", "--server", &silent, "downloads/"],
        &["attach", "--server", "nonsense", "--timeout", "x", "downloads/"],
        &["attach", "--server", "wss://127.0.0.1:1", "--ca", "/nowhere", ""],
        &["attach", "--token-file", "/nowhere", ""],
        &["publish", "--server", "ws://127.0.0.1:1", "--no-such-flag", ""],
        &["bench", "downloads/"],
        &["--config"],
        &[""],
        &[],
    ] {
        let output = jobwire(&[&["complete", "--"], words].concat());
        assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (0, "", ""), "{words:?}");
    }
}

#[test]
fn a_dialect_of_the_user_s_is_completed_whatever_its_events_are_called() {
    let dir = TempDir::new().unwrap();
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dialect/builtin/scraping.toml");
    let text = std::fs::read_to_string(builtin).unwrap();
    let text = text.replace("\"scraping\"", "\"mine\"").replace("/scraping/", "/mine/");
    let text = text.replace("scraping_events", "mine_events");
    let text = text.replace("job_failed =", "\"it's $(broken)\" =");
    let text = text.replace("[publish.events.job_failed]", "[publish.events.\"it's $(broken)\"]");
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, text).unwrap();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let output = jobwire(&["completions", shell, "--dialect-file", file.to_str().unwrap()]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        assert!(output.stdout.contains("mine/"), "{}", output.stdout);
        let script = dir.path().join(shell);
        std::fs::write(&script, output.stdout).unwrap();
        let status = Command::new(shell).arg(check).arg(script).status().unwrap();
        assert!(status.success(), "{shell}");
    }
}
