//! Runs the README and the manual pages from top to bottom, as a reader would. Each document has one shell, with the built
//! binary first in its PATH.
//!
//! A session of the README is a ```` ```console ```` block. A session of a manual page is a block between `.EX` and `.EE` that
//! begins with a command. Lines that start with `$ ` are commands, which have to succeed. The lines up to the next command are
//! the expected output. Each of them has to be part of a printed line, in this order. `…` and times of day stand for any text.
//! A comment `file: NAME` before a block makes the block a file, which is written first. The comment `new shell` ends
//! everything in the background and begins a new folder. Ports in the documents are replaced by free ports.

mod links;
mod read;
mod shell;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::{RedisServer, free_port};
use read::{Item, items};
use shell::Shell;

pub(crate) use read::shown_file;

/// Defines a test for each document, which has at least so many commands, and the list of these documents.
macro_rules! follow {
    ($($test:ident: $document:literal, $least:literal;)*) => {
        $(#[test]
        fn $test() {
            follow($document, $least);
        })*

        const FOLLOWED: &[&str] = &[$($document),*];
    };
}

follow! {
    the_readme_is_true: "README.md", 20;
    the_page_about_attach_is_true: "man/jobwire-attach.1", 15;
    the_page_about_bench_is_true: "man/jobwire-bench.1", 4;
    the_page_about_comparisons_is_true: "man/jobwire-bench-compare.1", 2;
    the_page_about_the_demo_is_true: "man/jobwire-demo.1", 1;
    the_page_about_dialect_files_is_true: "man/jobwire-dialects.5", 4;
    the_page_about_the_protocol_is_true: "man/jobwire-protocol.7", 4;
    the_page_about_publish_is_true: "man/jobwire-publish.1", 12;
    the_page_about_redis_is_true: "man/jobwire-redis.7", 4;
    the_page_about_serve_is_true: "man/jobwire-serve.1", 4;
    the_page_about_tokens_is_true: "man/jobwire-tokens.7", 3;
    the_page_about_workers_is_true: "man/jobwire-workers.7", 6;
    the_page_about_configuration_is_true: "man/jobwire.toml.5", 3;
}

/// Runs all commands of a document. There must be at least `least`, so that none is overlooked in silence.
fn follow(document: &str, least: usize) {
    let items = items(document);
    let commands = items.iter().filter(|item| matches!(item, Item::Step { .. })).count();
    assert!(commands >= least, "{document} has {commands} commands, and {least} are expected at least");
    let redis = RedisServer::start();
    let ports = [("8000", free_port()), ("8001", free_port()), ("6379", redis.port())];
    let local = |text: &str| {
        ports.iter().fold(text.to_owned(), |text, (documented, actual)| {
            text.replace(&format!("127.0.0.1:{documented}"), &format!("127.0.0.1:{actual}"))
        })
    };
    let start = || Shell::start(&local("127.0.0.1:8000"), redis.port());
    let mut shell = start();
    for item in items {
        match item {
            Item::File { name, text } => fs::write(shell.dir.path().join(name), local(&text)).unwrap(),
            Item::NewShell => {
                drop(shell);
                shell = start();
            }
            Item::Step { command, output } => {
                let output: Vec<String> = output.iter().map(|line| local(line)).collect();
                shell.step(&local(&command), &output);
            }
        }
    }
}

#[test]
fn every_document_with_commands_is_followed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = fs::read_dir(root.join("man")).unwrap();
    let pages = pages.map(|page| format!("man/{}", page.unwrap().file_name().to_str().unwrap()));
    let has_steps = |document: &String| items(document).iter().any(|item| matches!(item, Item::Step { .. }));
    let found: BTreeSet<String> = pages.chain(["README.md".to_owned()]).filter(has_steps).collect();
    assert_eq!(found, FOLLOWED.iter().map(ToString::to_string).collect());
}
