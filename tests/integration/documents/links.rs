//! Links from one document to another have to lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(document: &Path) -> String {
    fs::read_to_string(document).unwrap_or_else(|error| panic!("{}: {error}", document.display()))
}

fn manual_pages() -> Vec<PathBuf> {
    fs::read_dir(root().join("man")).unwrap().map(|page| page.unwrap().path()).collect()
}

/// Manual pages that a text names, such as `jobwire-redis(7)`, as names of files.
fn named_pages(text: &str) -> Vec<String> {
    let text = ["\\fB", "\\fR"].iter().fold(text.replace("\\-", "-"), |text, font| text.replace(font, ""));
    let text = text.replace(" (", "(");
    let is_name = |c: char| c.is_ascii_lowercase() || "-.".contains(c);
    let mut found = Vec::new();
    for section in ["1", "5", "7"] {
        for (end, _) in text.match_indices(&format!("({section})")) {
            let before = &text[..end];
            let name = &before[before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1)..];
            found.extend(name.starts_with("jobwire").then(|| format!("{name}.{section}")));
        }
    }
    found
}

/// Targets of the links of a Markdown document that lead to files or sections of this project.
fn links(markdown: &str) -> Vec<&str> {
    let targets = markdown.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target).filter(|target| !target.contains("://")).collect()
}

/// Fragment of links to a heading.
fn fragment(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    format!("#{}", kept.replace(|c: char| !c.is_alphanumeric() && c != '-', ""))
}

#[test]
fn every_page_that_is_named_exists() {
    let markdown = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name));
    for document in markdown.into_iter().chain(manual_pages()) {
        for page in named_pages(&text(&document)) {
            assert!(root().join("man").join(&page).exists(), "{} names {page}", document.display());
        }
    }
    assert_eq!(
        named_pages("see \\fBjobwire\\-redis\\fR(7) and\n.BR jobwire.toml (5)"),
        ["jobwire.toml.5", "jobwire-redis.7"]
    );
}

#[test]
fn every_link_of_the_readme_leads_to_a_file_or_a_section() {
    let readme = text(&root().join("README.md"));
    let sections: Vec<String> = readme.lines().filter(|line| line.starts_with('#')).map(fragment).collect();
    for link in links(&readme) {
        let leads = if link.starts_with('#') {
            sections.iter().any(|it| it == link)
        } else {
            root().join(link).exists()
        };
        assert!(leads, "README.md links to {link}");
    }
}

#[test]
fn every_page_is_of_this_version() {
    let version = concat!("\"jobwire ", env!("CARGO_PKG_VERSION"), "\"");
    for page in manual_pages() {
        assert!(text(&page).contains(version), "{}", page.display());
    }
}

#[test]
fn the_readme_is_for_a_reader_who_has_a_minute() {
    let lines = text(&root().join("README.md")).lines().count();
    assert!(lines < 300, "README.md has {lines} lines; details belong in the manual pages");
}
