//! Verdict of a run as JUnit XML: a case for each part of the run that can make it invalid, and a case for each assertion.

use std::time::Duration;

use jiff::Timestamp;

use super::search;
use crate::bench::summary::{Assertion, Summary};
use crate::exit::Failure;
use crate::text::{TestCase, TestOutcome, TestProblem, TestSuite};

/// The document of a run.
pub fn junit(summary: &Summary) -> String {
    let group = format!("jobwire.bench.{}", summary.mode.as_str());
    let took = Duration::try_from_secs_f64(summary.setup.elapsed_seconds).unwrap_or_default();
    let case =
        |name: &str, took, outcome| TestCase { name: name.to_owned(), group: group.clone(), took, outcome };
    let mut cases = vec![case("run", took, run(summary)), case("client", Duration::ZERO, client(summary))];
    match &summary.find {
        Some(find) => {
            let outcome = match find.found {
                Some(_) => TestOutcome::Passed,
                None => failed("not-found", search::answer(find)),
            };
            cases.push(case(&format!("find {} within {}", find.of, find.within), Duration::ZERO, outcome));
        }
        None => cases.push(case("connections", Duration::ZERO, connections(summary))),
    }
    let assertions = summary.verdict.assertions.iter();
    cases.extend(assertions.map(|assertion| case(&assertion.text, Duration::ZERO, held(assertion))));
    let began = summary.setup.started.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let notes = vec![
        format!(
            "jobwire bench {} of {} at {}",
            summary.mode.as_str(),
            summary.setup.target,
            summary.setup.server
        ),
        summary.headline.clone(),
    ];
    TestSuite { name: "jobwire bench".to_owned(), began, took, cases, notes }.to_xml()
}

/// The document of a run that could not begin.
pub fn unbegun(failure: &Failure) -> String {
    let problem = TestProblem::hinted("not-begun", &failure.message, failure.hint.as_deref());
    let case = TestCase {
        name: "run".to_owned(),
        group: "jobwire.bench".to_owned(),
        took: Duration::ZERO,
        outcome: TestOutcome::Broken(problem),
    };
    let name = "jobwire bench".to_owned();
    TestSuite { name, began: Timestamp::now(), took: Duration::ZERO, cases: vec![case], notes: Vec::new() }
        .to_xml()
}

/// Outcome of the case `run`: whether the run lasted as long as planned.
fn run(summary: &Summary) -> TestOutcome {
    match &summary.partial {
        None => TestOutcome::Passed,
        Some(why) => broken("partial", format!("the result is not of the whole run: {why}"), String::new()),
    }
}

/// Outcome of the case `client`: whether this client kept up.
fn client(summary: &Summary) -> TestOutcome {
    let verdict = &summary.verdict;
    if !verdict.client_bound || verdict.client_bound_allowed {
        return TestOutcome::Passed;
    }
    let message = "the client was the bottleneck, so the figures say nothing about the server".to_owned();
    broken("client-bound", message, summary.client.bound.join("\n"))
}

/// Outcome of the case `connections`: whether all wanted connections were there.
fn connections(summary: &Summary) -> TestOutcome {
    match &summary.verdict.unclean {
        None => TestOutcome::Passed,
        Some(why) => {
            let failures = summary.connections.failures.iter();
            let lines =
                failures.map(|failure| format!("{}: {} ({})", failure.step, failure.reason, failure.count));
            broken("unclean", why.clone(), lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

fn held(assertion: &Assertion) -> TestOutcome {
    if assertion.passed {
        return TestOutcome::Passed;
    }
    let Assertion { text, metric, value, .. } = assertion;
    failed("assertion", format!("{metric} was {value}; {text} was demanded"))
}

fn failed(kind: &'static str, message: String) -> TestOutcome {
    TestOutcome::Failed(TestProblem { kind, message, details: String::new() })
}

fn broken(kind: &'static str, message: String, details: String) -> TestOutcome {
    TestOutcome::Broken(TestProblem { kind, message, details })
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;
    use crate::bench::summary::{Mode, Verdict};
    use crate::exit::Exit;

    /// Name of each case, with the element and the message of its fault.
    fn cases(text: &str) -> Vec<(String, Option<(String, String)>)> {
        let document = Document::parse(text).unwrap();
        let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
        let problem = |node: roxmltree::Node<'_, '_>| {
            let child = node.first_element_child()?;
            Some((child.tag_name().name().to_owned(), child.attribute("message")?.to_owned()))
        };
        cases.map(|node| (node.attribute("name").unwrap().to_owned(), problem(node))).collect()
    }

    #[test]
    fn an_assertion_is_a_case_and_so_is_what_spoils_a_run() {
        let mut summary = Summary::empty(Mode::Fanout);
        summary.setup.started = "2026-01-02T03:04:05Z".into();
        let assertion = |text: &str, value: &str, passed| Assertion {
            text: text.into(),
            metric: "lost".into(),
            limit: "0".into(),
            value: value.into(),
            passed,
        };
        summary.verdict = Verdict {
            assertions: vec![assertion("lost==0", "3", false), assertion("lost<10", "3", true)],
            ..Verdict::default()
        };
        let names: Vec<String> = cases(&junit(&summary)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["run", "client", "connections", "lost==0", "lost<10"]);
        let wrong = |summary: &Summary| -> Vec<(String, Option<(String, String)>)> {
            cases(&junit(summary)).into_iter().filter(|(_, problem)| problem.is_some()).collect()
        };
        let failure = ("failure".to_owned(), "lost was 3; lost==0 was demanded".to_owned());
        assert_eq!(wrong(&summary), [("lost==0".to_owned(), Some(failure))]);
        summary.verdict.assertions.clear();
        summary.verdict.client_bound = true;
        assert_eq!(wrong(&summary)[0].0, "client");
        summary.verdict.client_bound_allowed = true;
        assert_eq!(wrong(&summary), []);
        summary.partial = Some("interrupted".into());
        summary.verdict.unclean = Some("5% of the connections failed: 5 of 100".into());
        let names: Vec<String> = wrong(&summary).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["run", "connections"]);
    }

    #[test]
    fn a_run_that_could_not_begin_is_an_error() {
        let failure = Failure::new(Exit::Unreachable, "nothing listens at h:1").hint("start one");
        let found = cases(&unbegun(&failure));
        let error = ("error".to_owned(), "nothing listens at h:1".to_owned());
        assert_eq!(found, [("run".to_owned(), Some(error))]);
    }
}
