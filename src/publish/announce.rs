//! What a scenario is going to publish, and how to watch it.

use url::Url;

use super::scenario::Scenario;
use crate::emit::SinkOptions;
use crate::net;

/// Targets that are written out; a command with more is no help.
const WRITTEN_OUT: usize = 12;

/// Where `attach` looks unless it is told.
const DEFAULT_SERVER: &str = "127.0.0.1:8000";

/// Lines for people: the command that watches the scenario's jobs, and whose they are.
pub(super) fn announce(scenario: &Scenario, sink: &SinkOptions) -> Vec<String> {
    let targets: Vec<String> = scenario.targets().iter().map(|target| quoted(&target.to_string())).collect();
    let owner = scenario.owner();
    let mut command = vec!["jobwire attach".to_owned()];
    if let SinkOptions::Http { server, .. } = sink {
        command.extend(elsewhere(server));
    }
    command.extend(owner.map(|_| "--token-file FILE".to_owned()));
    command.extend(targets.iter().take(WRITTEN_OUT).cloned());
    let mut lines = vec![format!("watch with: {}", command.join(" "))];
    if let (Some(last), Some(more @ 1..)) = (targets.last(), targets.len().checked_sub(WRITTEN_OUT)) {
        lines.push(format!("and {more} more, up to {last}"));
    }
    lines.extend(owner.map(|owner| {
        let owner = owner.escape_debug();
        format!(
            "the tasks belong to {owner}: FILE holds a JWT by HS256 and the relay's --jwt-secret, with sub {owner} and exp; \
             with `jobwire serve --no-auth` leave it out"
        )
    }));
    lines
}

/// The flag for another server than the usual one; without what may be secret.
fn elsewhere(server: &Url) -> Option<String> {
    let (address, path) = (net::address(server), server.path().trim_end_matches('/'));
    let usual = address == DEFAULT_SERVER && path.is_empty();
    (!usual).then(|| format!("--server {}://{address}{}", server.scheme(), quoted(path)))
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/:._-%".contains(c)) {
        return text.to_owned();
    }
    format!("'{}'", text.escape_debug().to_string().replace("\\'", "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::super::scenario::{DEMO_OWNER, ScenarioOptions};
    use super::*;
    use crate::dialect::Dialects;

    fn announced(name: &str, jobs: u32, server: Option<&str>) -> Vec<String> {
        let options = ScenarioOptions {
            jobs,
            duration: std::time::Duration::from_secs(1),
            speed: 1.0,
            fail_rate: 0.0,
            part_fail_rate: 0.0,
            seed: 7,
            first_job: None,
            owner: DEMO_OWNER.to_owned(),
        };
        let scenario = Scenario::named(name, &Dialects::builtin(), &options).unwrap();
        let sink = match server {
            Some(server) => SinkOptions::Http {
                server: server.parse().unwrap(),
                key: None,
                tls: net::tls::Tls::default(),
            },
            None => SinkOptions::Redis { url: "redis://:secret@h".to_owned(), durable: false },
        };
        announce(&scenario, &sink)
    }

    #[test]
    fn the_command_names_every_job_and_where_they_are() {
        assert_eq!(announced("scraping", 2, None), ["watch with: jobwire attach scraping/1 scraping/2"]);
        let there = announced("downloads", 1, Some("https://u:secret@h/relay?token=secret"));
        assert_eq!(there, ["watch with: jobwire attach --server https://h:443/relay downloads/video-1"]);
        let here = announced("downloads", 1, Some("ws://127.0.0.1:8000"));
        assert_eq!(here, ["watch with: jobwire attach downloads/video-1"]);
        let channels = announced("channels", 4, None);
        assert!(
            channels[0].contains(" channel:campaigns ") && !channels[0].contains("room:"),
            "{channels:?}"
        );
    }

    #[test]
    fn many_jobs_are_counted_and_tasks_have_an_owner() {
        let many = announced("scraping", 100, None);
        assert!(many[0].ends_with("scraping/11 scraping/12"), "{many:?}");
        assert_eq!(many[1], "and 88 more, up to scraping/100");
        let tasks = announced("tasks", 1, None);
        assert_eq!(tasks[0], "watch with: jobwire attach --token-file FILE tasks/task-1");
        assert!(tasks[1].starts_with("the tasks belong to demo-user: "), "{tasks:?}");
    }

    #[test]
    fn a_word_that_a_shell_would_break_is_quoted() {
        assert_eq!(quoted("downloads/a b"), "'downloads/a b'");
        assert_eq!(quoted("downloads/it's"), r"'downloads/it'\''s'");
    }
}
