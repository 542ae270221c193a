//! No file needs another one that needs it back, by whatever detour.
//!
//! An arrow goes from a file to the file that defines a name it writes, however many re-exports lie between them. `mod x;` makes no
//! arrow, and neither does a name that a module above defines: a module is a part of those above it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::sources::{self, Modules};

/// Files, and for each the files that it needs, with the names it takes from them.
type Arrows = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
    Module(Vec<String>),
    /// An item, and the file that defines it.
    Item(String, String),
}

#[test]
fn no_files_need_each_other() {
    let arrows = arrows(&sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
    assert!(arrows.len() > 100, "the sources are elsewhere");
    let told: Vec<String> = circles(&arrows).iter().map(|circle| tell(circle, &arrows)).collect();
    assert!(told.is_empty(), "files that need each other:\n{}", told.join("\n"));
}

/// Arrows from each file to the files that define what it names.
fn arrows(modules: &Modules) -> Arrows {
    let mut arrows = Arrows::new();
    for (path, module) in modules {
        let from = arrows.entry(module.file.clone()).or_default();
        for written in &module.paths {
            for meaning in resolve(modules, path, written, 0) {
                if let Meaning::Item(file, name) = meaning
                    && file != module.file
                    && !is_above(modules, &file, path)
                {
                    from.entry(file).or_default().insert(name);
                }
            }
        }
    }
    arrows
}

/// Whether a file holds a module above `path`: a module is a part of those above it, and speaks their words.
fn is_above(modules: &Modules, file: &str, path: &[String]) -> bool {
    (0..path.len()).any(|length| modules.get(&path[..length]).is_some_and(|above| above.file == file))
}

/// What a path stands for where it is written in the module `here`; nothing where it leads out of the crate.
fn resolve(modules: &Modules, here: &[String], mut path: &[String], depth: usize) -> Vec<Meaning> {
    let mut place = here.to_vec();
    let mut is_absolute = false;
    while let Some((first, rest)) = path.split_first() {
        match first.as_str() {
            "crate" => place.clear(),
            "self" => {}
            "super" => {
                place.pop();
            }
            _ => break,
        }
        (path, is_absolute) = (rest, true);
    }
    let Some((first, rest)) = path.split_first() else {
        return if is_absolute { vec![Meaning::Module(place)] } else { vec![] };
    };
    let mut found = BTreeSet::new();
    for meaning in meanings(modules, &place, first, depth) {
        match meaning {
            Meaning::Module(inner) if !rest.is_empty() => {
                let written = [vec!["self".to_owned()], rest.to_vec()].concat();
                found.extend(resolve(modules, &inner, &written, depth));
            }
            other => {
                found.insert(other);
            }
        }
    }
    found.into_iter().collect()
}

/// What a name stands for in a module: its own items and modules, what it imports, what a glob brings in.
fn meanings(modules: &Modules, place: &[String], name: &String, depth: usize) -> Vec<Meaning> {
    /// Imports of imports, so that two modules that import each other's globs do not go on for ever.
    const DEEPEST: usize = 8;
    let Some(module) = modules.get(place).filter(|_| depth < DEEPEST) else { return vec![] };
    let mut found = Vec::new();
    let child = [place, std::slice::from_ref(name)].concat();
    if modules.contains_key(&child) {
        found.push(Meaning::Module(child));
    }
    if module.items.contains(name) {
        found.push(Meaning::Item(module.file.clone(), name.clone()));
    }
    for (_, path) in
        module.imports.iter().filter(|(alias, path)| alias == name && path != std::slice::from_ref(name))
    {
        found.extend(resolve(modules, place, path, depth + 1));
    }
    if found.is_empty() {
        found.extend(module.globs.iter().flat_map(|glob| {
            let path = [glob.clone(), vec![name.clone()]].concat();
            resolve(modules, place, &path, depth + 1)
        }));
    }
    found
}

/// Files that reach each other, each group once.
fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        arrows.keys().map(|file| (file, reachable(arrows, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, reaches) in &reached {
        let back = |other: &&&String| reached.get(*other).is_some_and(|from| from.contains(file));
        let circle: Vec<String> = reaches.iter().filter(back).map(|file| (*file).clone()).collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// Every file that `from` needs, directly or not; itself only where it is in a circle.
fn reachable<'a>(arrows: &'a Arrows, from: &'a String) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for next in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    found
}

/// The arrows of a circle, with the names that make them.
fn tell(circle: &[String], arrows: &Arrows) -> String {
    let mut lines = vec![format!("circle of {} files:", circle.len())];
    for from in circle {
        for (to, names) in arrows[from].iter().filter(|(to, _)| circle.contains(to)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lines.push(format!("  {from} -> {to}: {}", names.join(", ")));
        }
    }
    lines.join("\n")
}

/// A made-up crate of these files, and the circles in it.
fn circles_in(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    circles(&arrows(&sources::read(folder.path())))
}

#[test]
fn a_circle_is_found_however_its_paths_are_written() {
    // Three files in a room; each needs the next, and in every case the last needs the first in another way.
    let last = [
        "use super::one::First;",
        "use super::{three::nothing, one::{self, First}};",
        "use crate::room::one::First as Other;",
        "use super::First;",
        "use crate::{other, room::{First}};",
        "use super::one; fn f() -> one::First { one::First }",
        "fn f() { let x = super::one::First; }",
        "fn f() { assert!(matches!(x, crate::room::First)); }",
        "use super::one::*; fn f(first: &First) {}",
        "use super::*; const LAST: First = First;",
        "use crate::through::First;",
        "mod inner { use super::super::one::First; }",
        "pub(super) fn f() { use self::super::one::First; }",
    ];
    for text in last {
        let found = circles_in(&[
            ("lib.rs", "pub mod room; mod through; mod other;"),
            ("room/mod.rs", "mod one; mod two; mod three; pub use one::{First, Unused}; use two::Second;"),
            ("room/one.rs", "use super::Second; pub struct First; pub struct Unused;"),
            ("room/two.rs", "use super::three::Third; pub struct Second;"),
            ("room/three.rs", &format!("pub struct Third; {text}")),
            ("through.rs", "pub use crate::room::First;"),
            ("other.rs", ""),
        ]);
        assert_eq!(found, [["room/one.rs", "room/three.rs", "room/two.rs"]], "{text}");
    }
}

#[test]
fn what_makes_no_circle_is_let_be() {
    let last = [
        "#[cfg(test)] mod tests { use super::super::one::First; }",
        "#[cfg(test)] use super::one::First;",
        "#[cfg(all(test, unix))] fn f() { super::one::First; }",
        "mod tests; mod testing;",
        "// use super::one::First;\n/* super::one::First */ fn f() { \"super::one::First\"; }",
        "/// [`First`](super::one::First)\n#[doc = \"super::one::First\"] fn f() {}",
        // Words of the module that they are in.
        "use super::{Owned, Second}; const OWNED: Owned = Owned;",
        // A field and a method are no paths.
        "fn f(x: &T) { x.First; x.one.First(); }",
        "use ::one::First; use std::one::First;",
    ];
    for text in last {
        let found = circles_in(&[
            ("lib.rs", "pub mod room;"),
            ("room/mod.rs", "mod one; mod two; pub use {one::First, two::Second}; pub struct Owned(First);"),
            ("room/one.rs", "use super::Second; pub struct First;"),
            ("room/two.rs", &format!("pub struct Second; {text}")),
        ]);
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}
