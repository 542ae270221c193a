//! Reports of a check: text for people, JSON for programs and JUnit XML for CI servers.

use std::fmt::Write as _;
use std::time::Duration;

use colored::{Color, Colorize};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::finding::{Finding, Trial, Tried, Wrong};
use crate::exit::Exit;
use crate::text::{Side, TestCase, TestOutcome, TestProblem, TestSuite, brief, padded, printable, safe_json};

/// Width of the column of names: the longest name of a built-in dialect and one blank.
const NAMES: usize = 20;

/// Style of the lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether to write colours.
    pub(super) color: bool,
    /// Whether the terminal shows every character of Unicode.
    pub(super) unicode: bool,
}

impl Manner {
    /// Lines of steps that belong together. Steps that were all skipped for one reason become one line.
    pub(super) fn lines(self, all: &[Tried]) -> String {
        if let [Tried { dialect: Some(dialect), finding: finding @ Finding::Skipped(_), .. }, _, ..] = all
            && all.iter().all(|tried| tried.finding == *finding)
        {
            return self.drawn(dialect, finding);
        }
        all.iter().map(|tried| self.drawn(&tried.name(), &tried.finding)).collect()
    }

    /// Line of a finding, followed by a line with the advice where there is any.
    fn drawn(self, name: &str, finding: &Finding) -> String {
        let (plain, sign, color, text, hint) = match finding {
            Finding::Good(text) => ("ok", "\u{2713}", Color::Green, text, None),
            Finding::Skipped(text) => ("skip", "-", Color::BrightBlack, text, None),
            Finding::Wrong(Wrong { message, hint, .. }) => {
                ("FAIL", "\u{2717}", Color::Red, message, hint.as_ref())
            }
        };
        let (sign, width) = if self.unicode { (sign, 1) } else { (plain, 4) };
        let sign = self.paint(&padded(sign, width, Side::Left), color);
        let name = padded(&printable(name), NAMES, Side::Left);
        let mut line = format!("{sign}  {name} {}\n", brief(text));
        if let Some(hint) = hint {
            let arrow = if self.unicode { "\u{2192}" } else { "->" };
            let indent = " ".repeat(width + 2);
            let _ = writeln!(line, "{indent}{arrow} {}", brief(hint));
        }
        line
    }

    /// Last line of the report, with the counts.
    pub(super) fn sum(self, all: &[Tried], exit: Exit) -> String {
        let (good, skipped, wrong) = counts(all);
        let is_tried =
            |tried: &Tried| tried.trial == Trial::Publish && !matches!(tried.finding, Finding::Skipped(_));
        let wants = all.iter().any(|tried| tried.trial == Trial::Publish);
        let unsent = if wants && !all.iter().any(is_tried) { "; no event was sent" } else { "" };
        let stopped = if exit == Exit::Interrupted { "; interrupted" } else { "" };
        let text = format!("{good} passed, {wrong} failed, {skipped} skipped{unsent}{stopped}");
        let color = if exit == Exit::Success { Color::Green } else { Color::Red };
        format!("{}\n", self.paint(&text, color))
    }

    fn paint(self, text: &str, color: Color) -> String {
        if self.color { text.color(color).to_string() } else { text.to_owned() }
    }
}

/// Numbers of steps that passed, were skipped and failed.
fn counts(all: &[Tried]) -> (usize, usize, usize) {
    let count = |is_it: fn(&Finding) -> bool| all.iter().filter(|tried| is_it(&tried.finding)).count();
    (
        count(|finding| matches!(finding, Finding::Good(_))),
        count(|finding| matches!(finding, Finding::Skipped(_))),
        count(|finding| matches!(finding, Finding::Wrong(_))),
    )
}

/// The findings as a JSON document.
pub(super) fn json(server: &str, all: &[Tried], exit: Exit) -> String {
    let step = |tried: &Tried| -> Value {
        let (result, message, wrong) = match &tried.finding {
            Finding::Good(text) => ("passed", text, None),
            Finding::Skipped(text) => ("skipped", text, None),
            Finding::Wrong(wrong) => ("failed", &wrong.message, Some(wrong)),
        };
        json!({
            "name": tried.name(),
            "step": tried.trial.as_str(),
            "dialect": tried.dialect,
            "result": result,
            "seconds": (tried.took.as_secs_f64() * 1e6).round() / 1e6,
            "message": message,
            "kind": wrong.map(|wrong| wrong.blame.as_str()),
            "hint": wrong.and_then(|wrong| wrong.hint.as_ref()),
        })
    };
    let (passed, skipped, failed) = counts(all);
    let document = json!({
        "server": server,
        "exit": exit.code(),
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "steps": all.iter().map(step).collect::<Vec<_>>(),
    });
    format!("{}\n", safe_json(&format!("{document:#}")))
}

/// The findings as JUnit XML. `times` has the time when the check began and its duration. A check that was stopped has one more
/// case, which says so.
pub(super) fn junit(
    server: &str,
    (began, took): (Timestamp, Duration),
    all: &[Tried],
    is_stopped: bool,
) -> String {
    let case = |tried: &Tried| {
        let outcome = match &tried.finding {
            Finding::Good(_) => TestOutcome::Passed,
            Finding::Skipped(why) => TestOutcome::Skipped(why.clone()),
            Finding::Wrong(Wrong { blame, message, hint }) => {
                TestOutcome::Failed(TestProblem::hinted(blame.as_str(), message, hint.as_deref()))
            }
        };
        let group = match &tried.dialect {
            Some(dialect) => format!("jobwire.check.{dialect}"),
            None => "jobwire.check".to_owned(),
        };
        TestCase { name: tried.name(), group, took: tried.took, outcome }
    };
    let mut cases: Vec<TestCase> = all.iter().map(case).collect();
    if is_stopped {
        let message = "the check was interrupted before it was done";
        let problem = TestProblem::hinted("interrupted", message, None);
        let (name, group) = ("check".to_owned(), "jobwire.check".to_owned());
        cases.push(TestCase { name, group, took, outcome: TestOutcome::Broken(problem) });
    }
    let notes = vec![format!("jobwire check of {server}")];
    TestSuite { name: "jobwire check".to_owned(), began, took, cases, notes }.to_xml()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Blame;
    use super::super::finding::tests::tried;
    use super::*;

    fn all() -> Vec<Tried> {
        let wrong = Wrong::new(Blame::Broken, "it did not come\u{1b}[2J").hint("look there");
        vec![
            tried(Trial::Tcp, None, Finding::Good("connected".into())),
            tried(Trial::Tls, None, Finding::Skipped("plain".into())),
            tried(Trial::Websocket, Some("scraping"), Finding::Wrong(wrong)),
        ]
    }

    #[test]
    fn a_line_has_a_sign_a_name_and_what_to_do() {
        let ascii = Manner { color: false, unicode: false };
        let lines = ascii.lines(&all());
        assert_eq!(
            lines,
            "ok    tcp                  connected\n\
             skip  tls                  plain\n\
             FAIL  scraping/websocket   it did not come\n      -> look there\n"
        );
        let signs = Manner { unicode: true, ..ascii };
        assert_eq!(signs.lines(&all()[..1]), "\u{2713}  tcp                  connected\n");
        assert!(signs.lines(&all()[2..]).contains("\n   \u{2192} look there\n"));
        assert!(Manner { color: true, unicode: true }.lines(&all()[2..]).ends_with("look there\n"));
        assert_eq!(ascii.sum(&all(), Exit::Failure), "1 passed, 1 failed, 1 skipped\n");
    }

    #[test]
    fn a_dialect_that_was_skipped_altogether_is_one_line() {
        let skipped = |trial, why: &str| tried(trial, Some("tasks"), Finding::Skipped(why.into()));
        let ascii = Manner { color: false, unicode: false };
        let all = [skipped(Trial::Publish, "no token"), skipped(Trial::Sse, "no token")];
        assert_eq!(ascii.lines(&all), "skip  tasks                no token\n");
        let all = [skipped(Trial::Publish, "no token"), skipped(Trial::Sse, "too old")];
        assert_eq!(ascii.lines(&all).lines().count(), 2);
    }

    #[test]
    fn programs_get_the_same_as_json() {
        let document: Value = serde_json::from_str(&json("ws://h", &all(), Exit::Unreachable)).unwrap();
        assert_eq!((&document["exit"], &document["failed"]), (&3.into(), &1.into()));
        assert_eq!(document["steps"][2]["name"], "scraping/websocket");
        assert_eq!(document["steps"][2]["kind"], "broken");
        assert_eq!(document["steps"][0]["result"], "passed");
    }

    #[test]
    fn ci_servers_get_a_case_a_step() {
        let times = (Timestamp::UNIX_EPOCH, Duration::from_secs(1));
        let text = junit("ws://h", times, &all(), false);
        let document = roxmltree::Document::parse(&text).unwrap();
        let cases: Vec<_> = document.descendants().filter(|node| node.has_tag_name("testcase")).collect();
        assert_eq!(cases.len(), 3);
        assert_eq!(cases[2].attribute("classname"), Some("jobwire.check.scraping"));
        assert_eq!(cases[2].first_element_child().unwrap().attribute("message"), Some("it did not come"));
        let text = junit("ws://h", times, &[], true);
        let document = roxmltree::Document::parse(&text).unwrap();
        let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
        assert_eq!((suite.attribute("tests"), suite.attribute("errors")), (Some("1"), Some("1")));
    }
}
