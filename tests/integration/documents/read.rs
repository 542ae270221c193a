//! Parsers of documents: Markdown, and manual pages in the macros of man(7).

use std::fs;
use std::path::Path;

/// A part of a document that is run or written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A file that the document shows.
    File { name: String, text: String },
    /// Mark for a new shell.
    NewShell,
    /// A command and its expected output.
    Step { command: String, output: Vec<String> },
}

/// Parts of a document, such as `README.md` or `man/jobwire-serve.1`.
pub(crate) fn items(document: &str) -> Vec<Item> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let is_markdown = path.extension().is_some_and(|extension| extension == "md");
    if is_markdown { markdown(&text) } else { manual(&text) }
}

/// Text of a file in a document.
pub(crate) fn shown_file(document: &str, wanted: &str) -> String {
    let files = items(document).into_iter().filter_map(|item| match item {
        Item::File { name, text } if name == wanted => Some(text),
        _ => None,
    });
    let found: Vec<String> = files.collect();
    assert_eq!(found.len(), 1, "{document} shows {wanted} once");
    found.concat()
}

/// Parts of the blocks between lines of three backticks. Marks are comments such as `<!-- file: NAME -->`.
fn markdown(text: &str) -> Vec<Item> {
    let (mut found, mut file, mut lines) = (Vec::new(), None, text.lines());
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
            found.extend(mark(comment, &mut file));
        } else if let Some(language) = line.strip_prefix("```") {
            let inside: Vec<String> =
                lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
            found.extend(block(&inside, file.take(), language == "console"));
        }
    }
    found
}

/// Parts of the blocks between `.EX` and `.EE`. Marks are comments such as `.\" file: NAME`.
fn manual(text: &str) -> Vec<Item> {
    let (mut found, mut file, mut lines) = (Vec::new(), None, text.lines());
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix(".\\\" ") {
            found.extend(mark(comment, &mut file));
        } else if line == ".EX" {
            let inside: Vec<String> = lines.by_ref().take_while(|line| *line != ".EE").map(plain).collect();
            let is_session = inside.first().is_some_and(|line| line.starts_with("$ "));
            found.extend(block(&inside, file.take(), is_session));
        } else {
            assert!(!line.starts_with("$ "), "a session stands outside of .EX and .EE: {line}");
        }
    }
    found
}

/// Parses a comment that may be a mark. A file name applies to the next block.
fn mark(comment: &str, file: &mut Option<String>) -> Option<Item> {
    if let Some(name) = comment.strip_prefix("file: ") {
        *file = Some(name.to_owned());
    }
    (comment == "new shell").then_some(Item::NewShell)
}

/// Parts of a block: a file, the steps of a session, or none.
fn block(lines: &[String], file: Option<String>, is_session: bool) -> Vec<Item> {
    match file {
        Some(name) => vec![Item::File { name, text: lines.join("\n") + "\n" }],
        None if is_session => steps(lines),
        None => Vec::new(),
    }
}

/// Text of a manual page's line without its escapes.
fn plain(line: &str) -> String {
    const ESCAPES: [(&str, char); 6] =
        [("-", '-'), ("e", '\\'), ("(aq", '\''), ("(ga", '`'), ("(ha", '^'), ("(ti", '~')];
    let mut parts = line.strip_prefix("\\&").unwrap_or(line).split('\\');
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let escape = ESCAPES.into_iter().find_map(|(name, meant)| Some((meant, part.strip_prefix(name)?)));
        let (meant, rest) = escape.unwrap_or_else(|| panic!("an escape that is not known: {line}"));
        read.push(meant);
        read.push_str(rest);
    }
    read
}

/// The commands of a session, each with its output.
fn steps(lines: &[String]) -> Vec<Item> {
    let mut found = Vec::new();
    for line in lines {
        if let Some(start) = line.strip_prefix("$ ") {
            found.push(Item::Step { command: start.to_owned(), output: Vec::new() });
            continue;
        }
        match found.last_mut() {
            Some(Item::Step { command, output }) if output.is_empty() && command.ends_with('\\') => {
                command.push('\n');
                command.push_str(line.strip_prefix("> ").unwrap_or(line));
            }
            Some(Item::Step { output, .. }) => output.push(line.clone()),
            _ => panic!("output without a command: {line}"),
        }
    }
    found
}

#[test]
fn both_forms_of_a_document_are_taken_apart_alike() {
    let step = |command: &str, output: &[&str]| Item::Step {
        command: command.to_owned(),
        output: output.iter().map(ToString::to_string).collect(),
    };
    let file = Item::File { name: "a.toml".to_owned(), text: "x = '-'\n".to_owned() };
    let expected = [Item::NewShell, file, step("one \\\n'two'", &[".out"]), step("three", &[])];
    let text = "<!-- new shell -->\n<!-- file: a.toml -->\n```toml\nx = '-'\n```\n```sh\nnot run\n```\n\
                ```console\n$ one \\\n> 'two'\n.out\n$ three\n```\n";
    assert_eq!(markdown(text), expected);
    let text = ".\\\" new shell\n.\\\" file: a.toml\n.EX\nx = \\(aq\\-\\(aq\n.EE\n.EX\nnot run\n.EE\n\
                .EX\n$ one \\e\n> \\(aqtwo\\(aq\n\\&.out\n$ three\n.EE\n";
    assert_eq!(manual(text), expected);
}
