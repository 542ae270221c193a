//! Announcement of a scenario: the command that watches its jobs.

use super::scenario::Scenario;
use crate::emit::{SinkOptions, attach_command, quoted};

/// Number of targets that are written out. A longer command is hard to read.
const WRITTEN_OUT: usize = 12;

/// Lines for people: the command that watches the scenario's jobs, and the owner of the jobs.
pub(super) fn announce(scenario: &Scenario, sink: &SinkOptions) -> Vec<String> {
    let targets: Vec<String> = scenario.targets().iter().map(|target| quoted(&target.to_string())).collect();
    let owner = scenario.owner();
    let token = owner.map(|_| "--token-file FILE".to_owned());
    let words: Vec<String> = token.into_iter().chain(targets.iter().take(WRITTEN_OUT).cloned()).collect();
    let mut lines = vec![format!("watch with: {}", attach_command(&words, sink))];
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

#[cfg(test)]
mod tests {
    use super::super::scenario::{DEMO_OWNER, ScenarioOptions};
    use super::*;
    use crate::dialect::Dialects;
    use crate::net;

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
}
