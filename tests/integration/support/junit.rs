//! Parser of JUnit XML, which also checks the structure that CI servers require.

use roxmltree::{Document, Node};

/// One test case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JunitCase {
    pub(crate) name: String,
    pub(crate) group: String,
    /// Element of a fault: `skipped`, `failure` or `error`; `None` for a case that passed.
    pub(crate) wrong: Option<String>,
    /// Message of the fault; empty for a case that passed.
    pub(crate) message: String,
}

/// Cases of a document. Panics where the structure is wrong.
#[track_caller]
pub(crate) fn junit(text: &str) -> Vec<JunitCase> {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let suites = elements(root);
    assert_eq!(suites.len(), 1, "{text}");
    let suite = suites[0];
    holds(
        suite,
        "testsuite",
        &["name", "package", "id", "hostname", "timestamp", "tests", "failures", "errors", "skipped", "time"],
    );
    let children = elements(suite);
    let names: Vec<&str> = children.iter().map(|node| node.tag_name().name()).collect();
    let (cases, rest) = (&children[1..children.len() - 2], &names[names.len() - 2..]);
    assert_eq!((names[0], rest), ("properties", &["system-out", "system-err"][..]), "{text}");
    let cases: Vec<JunitCase> = cases.iter().map(|node| case(*node)).collect();
    let count =
        |wrong: Option<&str>| cases.iter().filter(|case| case.wrong.as_deref() == wrong).count().to_string();
    for (attribute, wrong) in [("failures", "failure"), ("errors", "error"), ("skipped", "skipped")] {
        assert_eq!(suite.attribute(attribute), Some(&*count(Some(wrong))), "{text}");
    }
    assert_eq!(suite.attribute("tests"), Some(&*cases.len().to_string()));
    assert!(suite.attribute("time").unwrap().parse::<f64>().is_ok());
    // The format is `xs:dateTime` without a zone.
    let stamp = suite.attribute("timestamp").unwrap();
    assert!(stamp.parse::<jiff::civil::DateTime>().is_ok() && stamp.len() == 19, "{stamp}");
    cases
}

/// Finds the case with this name.
#[track_caller]
pub(crate) fn junit_case<'a>(cases: &'a [JunitCase], name: &str) -> &'a JunitCase {
    cases.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no {name} in {cases:#?}"))
}

fn case(node: Node<'_, '_>) -> JunitCase {
    holds(node, "testcase", &["name", "classname", "time"]);
    assert!(node.attribute("time").unwrap().parse::<f64>().is_ok());
    let children = elements(node);
    assert!(children.len() <= 1, "a case has one outcome");
    let wrong = children.first();
    if let Some(child) = wrong {
        let name = child.tag_name().name();
        let attributes: &[&str] = if name == "skipped" { &["message"] } else { &["type", "message"] };
        assert!(["skipped", "failure", "error"].contains(&name), "{name}");
        holds(*child, name, attributes);
    }
    JunitCase {
        name: node.attribute("name").unwrap().to_owned(),
        group: node.attribute("classname").unwrap().to_owned(),
        wrong: wrong.map(|child| child.tag_name().name().to_owned()),
        message: wrong.and_then(|child| child.attribute("message")).unwrap_or_default().to_owned(),
    }
}

fn elements<'a, 'i>(node: Node<'a, 'i>) -> Vec<Node<'a, 'i>> {
    node.children().filter(Node::is_element).collect()
}

/// Asserts the name of an element, and that it has exactly these attributes.
#[track_caller]
fn holds(node: Node<'_, '_>, name: &str, attributes: &[&str]) {
    assert_eq!(node.tag_name().name(), name);
    let found: Vec<&str> = node.attributes().map(|attribute| attribute.name()).collect();
    assert_eq!(found, attributes, "attributes of {name}");
}
