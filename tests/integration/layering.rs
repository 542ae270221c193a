//! Dependencies point one way; this test reads the sources and fails on any other arrow.

mod circles;
mod sources;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules that each module may import. A module may skip layers below it. It may not import a module beside it.
const ALLOWED: [(&str, &[&str]); 27] = [
    ("main", &["cli"]),
    (
        "cli",
        &[
            "demo",
            "simulate",
            "relay",
            "publish",
            "attach",
            "run",
            "bench",
            "check",
            "top",
            "pick",
            "screen",
            "lists",
            "emit",
            "broker",
            "child",
            "jwt",
            "wire",
            "net",
            "dialect",
            "progress",
            "exit",
            "outfile",
            "telemetry",
            "text",
        ],
    ),
    (
        "demo",
        &[
            "relay",
            "publish",
            "attach",
            "bench",
            "emit",
            "broker",
            "wire",
            "net",
            "dialect",
            "exit",
            "telemetry",
            "text",
        ],
    ),
    ("simulate", &["relay", "publish", "emit", "broker", "dialect", "text"]),
    ("relay", &["broker", "wire", "jwt", "net", "dialect", "exit", "telemetry", "usage", "text"]),
    ("publish", &["emit", "broker", "wire", "net", "dialect", "progress", "exit", "telemetry", "text"]),
    ("attach", &["broker", "wire", "net", "dialect", "exit", "outfile", "telemetry", "text"]),
    ("run", &["emit", "broker", "wire", "net", "child", "dialect", "progress", "exit", "telemetry", "text"]),
    ("bench", &["broker", "wire", "net", "dialect", "exit", "outfile", "telemetry", "usage", "text"]),
    ("check", &["emit", "broker", "wire", "net", "dialect", "exit", "outfile", "text"]),
    ("top", &["screen", "lists", "wire", "net", "dialect", "exit", "text"]),
    ("pick", &["screen", "lists", "net", "dialect", "exit", "text"]),
    // A table of jobs has the rows of a list.
    ("screen", &["lists", "net", "dialect", "exit", "text"]),
    ("lists", &["net", "dialect", "exit", "text"]),
    // Each feature that sends events uses this module.
    ("emit", &["broker", "wire", "net", "dialect", "exit", "text"]),
    // For the back-off, and the streams that TLS is spoken over.
    ("broker", &["wire", "net", "dialect", "text"]),
    // The end of a command determines an exit code.
    ("child", &["exit"]),
    ("jwt", &["dialect", "text"]),
    // It knows which exit code a failed connection or a signal means.
    ("net", &["dialect", "exit", "text"]),
    // Close reasons are the dialects', TLS and back-off the net's.
    ("wire", &["net", "dialect", "text"]),
    ("telemetry", &["dialect", "text"]),
    ("dialect", &["text"]),
    ("progress", &["text"]),
    ("exit", &["text"]),
    ("outfile", &["exit"]),
    // Helpers for printing, which every module may use.
    ("text", &[]),
    ("usage", &[]),
];

/// Crates that a module must not know: flags are the command line's, and a dialect is pure.
const FOREIGN: [(&str, &[&str]); 21] = [
    ("dialect", &["clap", "tokio", "axum", "hyper", "redis", "indicatif"]),
    ("emit", &["clap", "axum", "indicatif", "redis"]),
    ("progress", &["clap", "tokio", "axum", "hyper", "redis", "indicatif"]),
    ("broker", &["clap", "axum", "indicatif"]),
    ("jwt", &["clap", "tokio", "axum", "hyper", "redis", "indicatif"]),
    ("child", &["clap", "axum", "hyper", "indicatif", "redis"]),
    ("net", &["clap", "indicatif", "redis"]),
    ("wire", &["clap", "axum", "indicatif", "redis"]),
    ("relay", &["clap", "indicatif", "redis"]),
    ("publish", &["clap", "axum", "indicatif"]),
    ("attach", &["clap", "axum", "redis"]),
    ("run", &["clap", "axum", "indicatif", "redis"]),
    ("bench", &["clap", "axum"]),
    ("check", &["clap", "axum", "indicatif", "redis"]),
    ("top", &["clap", "axum", "hyper", "indicatif", "redis"]),
    ("pick", &["clap", "axum", "hyper", "indicatif", "redis"]),
    ("screen", &["clap", "axum", "hyper", "indicatif", "redis"]),
    ("lists", &["clap", "axum", "indicatif", "ratatui", "redis"]),
    ("demo", &["clap"]),
    ("simulate", &["clap", "axum", "hyper", "redis", "indicatif"]),
    ("exit", &["clap", "tokio"]),
];

#[test]
fn imports_point_down() {
    let mut wrong = BTreeSet::new();
    for (module, file) in sources() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
            panic!("{} belongs to no module of the architecture page: name it here", file.display());
        };
        for import in imports(&module, &file) {
            if import != module && !allowed.contains(&import.as_str()) {
                wrong.insert(format!("{}: {module} -> {import}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the direction of dependencies:\n{wrong:#?}");
}

#[test]
fn features_know_no_clap_and_dialects_no_sockets() {
    let mut wrong = BTreeSet::new();
    for (module, file) in sources() {
        let foreign = FOREIGN.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, crates)| crates);
        let code = code(&file);
        for name in foreign {
            let (path, import) = (format!("{name}::"), format!("use {name};"));
            let starts_word =
                |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
            if code.match_indices(&path).chain(code.match_indices(&import)).any(|(at, _)| starts_word(at)) {
                wrong.insert(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "crates that do not belong there:\n{wrong:#?}");
}

/// Every source file but the crate's root, with the top-level module it belongs to.
fn sources() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&root).unwrap();
            let top = inside.iter().next().unwrap().to_str().unwrap();
            if path.extension().is_some_and(|extension| extension == "rs") && top != "lib.rs" {
                found.push((top.trim_end_matches(".rs").to_owned(), path));
            }
        }
    }
    assert!(found.len() > 10, "the sources are elsewhere");
    found
}

/// A file without its comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The top-level modules that a file names.
fn imports(module: &str, file: &Path) -> BTreeSet<String> {
    let code = code(file);
    let is_top = file.file_stem().is_some_and(|stem| stem == module)
        || file.ends_with(Path::new(module).join("mod.rs"));
    let mut prefixes = vec![if module == "main" { "jobwire::" } else { "crate::" }];
    if is_top {
        // There, and only there, the parent is the crate.
        prefixes.push("super::");
    }
    let mut found = BTreeSet::new();
    for prefix in prefixes {
        for (at, _) in code.match_indices(prefix) {
            if !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_$".contains(c)) {
                found.extend(first_segments(&code[at + prefix.len()..]));
            }
        }
    }
    if is_top {
        // `super` in a test module inside of that file is the module itself.
        found.retain(|name| ALLOWED.iter().any(|(known, _)| known == name));
    }
    found
}

/// The first segment of a path, or of each path in a group: `a::b` is `a`, `{a::b, c}` is `a` and `c`.
fn first_segments(path: &str) -> Vec<String> {
    let segment = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![segment(path)] };
    let (mut depth, mut start, mut found) = (0_u32, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(segment(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(segment(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn groups_are_taken_apart() {
    assert_eq!(first_segments("exit::Exit;"), ["exit"]);
    assert_eq!(first_segments("{\n    net::{a, b},\n    exit,\n};"), ["net", "exit"]);
}
