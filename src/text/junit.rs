//! Results as JUnit XML, which CI servers read. Pure.
//!
//! The format began with Ant; Jenkins, GitLab and others read it. A `testsuites` element contains one `testsuite` with its
//! counts, which contains a `testcase` for each result. A case that did not pass contains `skipped`, `failure` or `error`.
//!
//! XML 1.0 forbids most control characters. Escape sequences of terminals are removed. Other forbidden characters become
//! U+FFFD. Characters that control a terminal or are invisible become references, so that the document keeps its value and is
//! safe to print.

use std::fmt::{self, Write};
use std::time::Duration;

use console::strip_ansi_codes;
use jiff::Timestamp;

use super::is_unsafe;

/// A suite of results.
#[derive(Debug, Clone)]
pub(crate) struct TestSuite {
    /// Name of the suite.
    pub name: String,
    /// Time when the suite began.
    pub began: Timestamp,
    /// Duration of the suite.
    pub took: Duration,
    /// Results, in the order of the report.
    pub cases: Vec<TestCase>,
    /// Lines of text about the suite as a whole.
    pub notes: Vec<String>,
}

/// Result of one case.
#[derive(Debug, Clone)]
pub(crate) struct TestCase {
    /// Name of the case.
    pub name: String,
    /// Group in which viewers show the case; dots divide its parts.
    pub group: String,
    /// Duration of the case.
    pub took: Duration,
    /// Outcome of the case.
    pub outcome: TestOutcome,
}

/// Outcome of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TestOutcome {
    /// The case passed.
    Passed,
    /// The case was not run; the text gives the reason.
    Skipped(String),
    /// The case failed.
    Failed(TestProblem),
    /// The case could not be run to its end.
    Broken(TestProblem),
}

/// A fault of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestProblem {
    /// Kind of the fault, in one word.
    pub kind: &'static str,
    /// Message, in one line.
    pub message: String,
    /// Details, in lines; may be empty.
    pub details: String,
}

impl TestProblem {
    /// Makes a fault whose details are the advice for the user, in a line that begins with `hint:`.
    pub(crate) fn hinted(kind: &'static str, message: &str, hint: Option<&str>) -> Self {
        let details = hint.map(|hint| format!("hint: {hint}")).unwrap_or_default();
        Self { kind, message: message.to_owned(), details }
    }
}

impl TestOutcome {
    /// Name of the XML element for the outcome; `None` for a case that passed.
    const fn element(&self) -> Option<&'static str> {
        match self {
            Self::Passed => None,
            Self::Skipped(_) => Some("skipped"),
            Self::Failed(_) => Some("failure"),
            Self::Broken(_) => Some("error"),
        }
    }
}

impl TestSuite {
    /// The XML document, with a newline at its end.
    pub(crate) fn to_xml(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
        let count =
            |element| self.cases.iter().filter(|case| case.outcome.element() == Some(element)).count();
        // Validators of the format also require the package, the id and the host.
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" package=\"jobwire\" id=\"0\" hostname=\"localhost\" timestamp=\"{}\" tests=\"{}\" \
             failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\">\n    <properties/>",
            Attribute(&self.name),
            self.began.strftime("%Y-%m-%dT%H:%M:%S"),
            self.cases.len(),
            count("failure"),
            count("error"),
            count("skipped"),
            Seconds(self.took),
        );
        for case in &self.cases {
            case.write(&mut out);
        }
        let notes = self.notes.join("\n");
        let _ =
            writeln!(out, "    <system-out>{}</system-out>\n    <system-err></system-err>", Content(&notes));
        out.push_str("  </testsuite>\n</testsuites>\n");
        out
    }
}

impl TestCase {
    fn write(&self, out: &mut String) {
        let (name, group, took) = (Attribute(&self.name), Attribute(&self.group), Seconds(self.took));
        let _ = write!(out, "    <testcase name=\"{name}\" classname=\"{group}\" time=\"{took}\"");
        let Some(element) = self.outcome.element() else {
            out.push_str("/>\n");
            return;
        };
        out.push_str(">\n      ");
        let _ = match &self.outcome {
            TestOutcome::Failed(problem) | TestOutcome::Broken(problem) => write!(
                out,
                "<{element} type=\"{}\" message=\"{}\">{}</{element}>",
                Attribute(problem.kind),
                Attribute(&problem.message),
                Content(&problem.details)
            ),
            TestOutcome::Skipped(reason) => write!(out, "<{element} message=\"{}\"/>", Attribute(reason)),
            TestOutcome::Passed => Ok(()),
        };
        out.push_str("\n    </testcase>\n");
    }
}

/// A duration in seconds, to the millisecond.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0.as_secs_f64())
    }
}

/// A text between quotes. Readers replace white space there by blanks, so newlines are written as references.
struct Attribute<'a>(&'a str);

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(f, self.0, false)
    }
}

/// A text between tags.
struct Content<'a>(&'a str);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(f, self.0, true)
    }
}

fn escaped(f: &mut fmt::Formatter<'_>, text: &str, keeps_lines: bool) -> fmt::Result {
    for c in strip_ansi_codes(text).chars() {
        match c {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            // XML forbids `]]>` in a text, so `>` is escaped too.
            '>' => f.write_str("&gt;")?,
            '"' => f.write_str("&quot;")?,
            '\n' | '\t' if keeps_lines => f.write_char(c)?,
            c if !is_of_xml(c) => f.write_char(char::REPLACEMENT_CHARACTER)?,
            c if is_unsafe(c) => write!(f, "&#{};", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

/// Whether an XML document can contain the character, directly or as a reference (XML 1.0, section 2.2).
const fn is_of_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use roxmltree::{Document, Node};

    use super::*;

    fn suite(cases: Vec<TestCase>) -> TestSuite {
        TestSuite {
            name: "jobwire <attach>".into(),
            began: Timestamp::from_second(1_800_000_000).unwrap(),
            took: Duration::from_millis(61_500),
            cases,
            notes: vec!["one".into(), "two & three".into()],
        }
    }

    fn case(name: &str, outcome: TestOutcome) -> TestCase {
        TestCase {
            name: name.into(),
            group: "jobwire.scraping".into(),
            took: Duration::from_millis(2_345),
            outcome,
        }
    }

    fn problem(message: &str, details: &str) -> TestProblem {
        TestProblem { kind: "failed", message: message.into(), details: details.into() }
    }

    fn elements<'a>(document: &'a Document<'a>, name: &'static str) -> Vec<Node<'a, 'a>> {
        document.descendants().filter(|node| node.has_tag_name(name)).collect()
    }

    #[test]
    fn a_suite_counts_its_cases_and_names_what_is_wrong() {
        let text = suite(vec![
            case("scraping/1", TestOutcome::Passed),
            case("scraping/2", TestOutcome::Failed(problem("disk full: /tmp", "line 1\nline 2"))),
            case("scraping/3", TestOutcome::Broken(problem("lost", ""))),
            case("scraping/4", TestOutcome::Skipped("another failed first".into())),
        ])
        .to_xml();
        let document = Document::parse(&text).unwrap();
        let suite = elements(&document, "testsuite")[0];
        for (name, value) in [
            ("name", "jobwire <attach>"),
            ("tests", "4"),
            ("failures", "1"),
            ("errors", "1"),
            ("skipped", "1"),
            ("time", "61.500"),
            ("timestamp", "2027-01-15T08:00:00"),
        ] {
            assert_eq!(suite.attribute(name), Some(value));
        }
        let children: Vec<&str> =
            suite.children().filter(Node::is_element).map(|node| node.tag_name().name()).collect();
        assert_eq!(
            children,
            ["properties", "testcase", "testcase", "testcase", "testcase", "system-out", "system-err"]
        );
        let failure = elements(&document, "failure")[0];
        assert_eq!(failure.attribute("message"), Some("disk full: /tmp"));
        assert_eq!((failure.attribute("type"), failure.text()), (Some("failed"), Some("line 1\nline 2")));
        assert_eq!(elements(&document, "skipped")[0].attribute("message"), Some("another failed first"));
        assert_eq!(elements(&document, "system-out")[0].text(), Some("one\ntwo & three"));
        assert_eq!(elements(&document, "testcase")[0].attribute("time"), Some("2.345"));
    }

    #[test]
    fn the_advice_of_a_fault_is_its_details() {
        assert_eq!(
            TestProblem::hinted("failed", "no", Some("look there")),
            problem("no", "hint: look there")
        );
        assert_eq!(TestProblem::hinted("failed", "no", None), problem("no", ""));
    }

    #[test]
    fn what_commands_a_terminal_is_left_out_and_what_xml_cannot_hold_is_replaced() {
        let text =
            suite(vec![case("\u{1b}[31mred\u{1b}[0m\0\u{7}\u{ffff}\u{202e}x", TestOutcome::Passed)]).to_xml();
        assert!(!text.chars().any(|c| is_unsafe(c) && c != '\n'), "{text:?}");
        let document = Document::parse(&text).unwrap();
        let name = elements(&document, "testcase")[0].attribute("name").unwrap();
        assert_eq!(name, "red\u{fffd}\u{fffd}\u{fffd}\u{202e}x");
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_far_as_xml_can_hold_it(text in any::<String>()) {
            let outcome = TestOutcome::Failed(problem(&text, &text));
            let xml = suite(vec![case(&text, outcome)]).to_xml();
            prop_assert!(!xml.chars().any(|c| is_unsafe(c) && c != '\n' && c != '\t'));
            let document = Document::parse(&xml).unwrap();
            let failure = elements(&document, "failure")[0];
            let expected: String = strip_ansi_codes(&text)
                .chars()
                .map(|c| if is_of_xml(c) { c } else { char::REPLACEMENT_CHARACTER })
                .collect();
            prop_assert_eq!(failure.attribute("message").unwrap(), &expected);
            prop_assert_eq!(failure.text().unwrap_or_default(), &expected);
        }
    }
}
