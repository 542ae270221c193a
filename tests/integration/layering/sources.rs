//! Rust sources as a tree of modules: names that each file defines, names that it imports, and paths that it writes.
//!
//! Read from tokens, not from text, so that comments and strings do not count. Code of tests does not count either.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The segments of a path, as in `super::board::Board`.
pub(super) type Segments = Vec<String>;

/// One module: a file, or a `mod` with braces inside of one.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The file that holds it, from the folder of the crate's root.
    pub file: String,
    /// Names that it defines: types, functions, constants, macros.
    pub items: Vec<String>,
    /// Names that `use` brings in, and the paths that they stand for.
    pub imports: Vec<(String, Segments)>,
    /// Modules of which `use` brings in every name.
    pub globs: Vec<Segments>,
    /// All paths that its code writes, those of `use` included.
    pub paths: Vec<Segments>,
}

/// The modules of a crate by their paths from the root, which has the empty path.
pub(super) type Modules = BTreeMap<Segments, Module>;

/// Reads the crate whose root is `lib.rs` in this folder.
pub(super) fn read(folder: &Path) -> Modules {
    let mut modules = Modules::new();
    read_file(folder, "lib.rs", &[], &mut modules);
    modules
}

fn read_file(folder: &Path, file: &str, path: &[String], modules: &mut Modules) {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    read_module(folder, file, path, tokens, modules);
}

fn read_module(folder: &Path, file: &str, path: &[String], tokens: TokenStream, modules: &mut Modules) {
    let mut module = Module { file: file.to_owned(), ..Module::default() };
    let mut children = Vec::new();
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        let end = item_end(&tokens, at);
        let (attributes, item) = split_attributes(&tokens[at..end]);
        at = end;
        if is_for_tests(attributes) {
            continue;
        }
        match definition(item) {
            Some(("mod", name)) if !["tests", "testing"].contains(&name.as_str()) => {
                children.push((name, body_of(item).map(Group::stream)));
            }
            Some(("mod", _)) => {}
            Some((_, name)) => {
                module.items.push(name);
                read_code(item, &mut module);
            }
            None => read_code(item, &mut module),
        }
    }
    modules.insert(path.to_vec(), module);
    for (name, body) in children {
        let path = [path, &[name]].concat();
        match body {
            Some(tokens) => read_module(folder, file, &path, tokens, modules),
            None => read_file(folder, &file_of(folder, &path), &path, modules),
        }
    }
}

/// The file of a module that its parent declares with `mod name;`.
fn file_of(folder: &Path, path: &[String]) -> String {
    let name = path.join("/");
    let file = format!("{name}.rs");
    if folder.join(&file).exists() { file } else { format!("{name}/mod.rs") }
}

/// Just behind the item that begins at `start`: its semicolon, or its braces.
fn item_end(tokens: &[TokenTree], start: usize) -> usize {
    let ends_with_semicolon = |from: usize| {
        let words = tokens[from..].iter().filter_map(ident);
        let mut words = words.skip_while(|word| word == "pub");
        match words.next().as_deref() {
            Some("use" | "static" | "type") => true,
            Some("const") => !matches!(words.next().as_deref(), Some("fn" | "unsafe" | "async" | "extern")),
            _ => false,
        }
    };
    let needs_semicolon = ends_with_semicolon(skip_attributes(tokens, start));
    let is_end = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => !needs_semicolon && group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    tokens[start..].iter().position(is_end).map_or(tokens.len(), |found| start + found + 1)
}

fn skip_attributes(tokens: &[TokenTree], mut at: usize) -> usize {
    while is_punct(tokens.get(at), '#') {
        at += if is_punct(tokens.get(at + 1), '!') { 3 } else { 2 };
    }
    at.min(tokens.len())
}

fn split_attributes(tokens: &[TokenTree]) -> (&[TokenTree], &[TokenTree]) {
    tokens.split_at(skip_attributes(tokens, 0))
}

/// Whether a `#[cfg(…test…)]` is among the attributes.
fn is_for_tests(attributes: &[TokenTree]) -> bool {
    attributes.iter().any(|token| {
        let text = token.to_string().replace(' ', "");
        text.starts_with("[cfg(")
            && text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "test")
            && !text.contains("not(test)")
    })
}

/// The keyword and the name of an item that defines a name.
fn definition(item: &[TokenTree]) -> Option<(&'static str, String)> {
    const KEYWORDS: [&str; 9] = ["mod", "struct", "enum", "union", "trait", "type", "static", "fn", "const"];
    let mut at = 0;
    while let Some(token) = item.get(at) {
        let word = match token {
            TokenTree::Ident(_) => ident(token).unwrap_or_default(),
            // `pub(super)`, `extern "C"`.
            TokenTree::Group(_) | TokenTree::Literal(_) => {
                at += 1;
                continue;
            }
            TokenTree::Punct(_) => return None,
        };
        let next = item.get(at + 1).and_then(ident);
        if word == "macro_rules" {
            return Some(("macro", item.get(at + 2).and_then(ident)?));
        }
        if word == "const" && matches!(next.as_deref(), Some("fn" | "unsafe" | "async" | "extern")) {
            at += 1;
            continue;
        }
        if let Some(keyword) = KEYWORDS.iter().find(|keyword| **keyword == word) {
            return Some((keyword, next?));
        }
        if !["pub", "unsafe", "async", "extern"].contains(&word.as_str()) {
            return None;
        }
        at += 1;
    }
    None
}

/// The braces of a `mod` that is written in place.
fn body_of(item: &[TokenTree]) -> Option<&Group> {
    match item.last() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

/// Collects imports and paths from code, whatever it is.
fn read_code(tokens: &[TokenTree], module: &mut Module) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => at = skip_attributes(tokens, at).max(at + 1),
            TokenTree::Group(group) => {
                read_code(&group.stream().into_iter().collect::<Vec<_>>(), module);
                at += 1;
            }
            TokenTree::Ident(_) if ident(token).as_deref() == Some("use") => {
                let length = tokens[at..].iter().position(|token| is_punct(Some(token), ';'));
                let end = length.map_or(tokens.len(), |length| at + length);
                read_use(&tokens[at + 1..end], &[], module);
                at = end;
            }
            TokenTree::Ident(_) => {
                let is_member = at > 0
                    && is_punct(tokens.get(at - 1), '.')
                    && !(at > 1 && is_punct(tokens.get(at - 2), '.'));
                let (path, end) = path_at(tokens, at);
                if !is_member {
                    module.paths.push(path);
                }
                at = end;
            }
            _ => at += 1,
        }
    }
}

/// The path that begins at `at`, and where it ends.
fn path_at(tokens: &[TokenTree], mut at: usize) -> (Segments, usize) {
    let mut path = Vec::new();
    while let Some(word) = tokens.get(at).and_then(ident) {
        path.push(word);
        at += 1;
        if !is_colons(tokens, at) || tokens.get(at + 2).and_then(ident).is_none() {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// Takes a tree of `use` apart: `{a::b, c as d, e::*}` under a prefix.
fn read_use(tokens: &[TokenTree], prefix: &[String], module: &mut Module) {
    for branch in tokens.split(|token| is_punct(Some(token), ',')) {
        if is_colons(branch, 0) {
            // `use ::name` is another crate.
            continue;
        }
        let (segments, at) = path_at(branch, 0);
        let mut path = [prefix, &segments].concat();
        let rest = if is_colons(branch, at) { &branch[at + 2..] } else { &branch[at..] };
        match rest.first() {
            Some(TokenTree::Group(group)) => {
                read_use(&group.stream().into_iter().collect::<Vec<_>>(), &path, module);
            }
            Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => module.globs.push(path),
            _ => {
                // `use a::{self}` is `use a`. `a as b` was read as the path `a`, with the rest behind it.
                if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                    path.pop();
                }
                let Some(last) = path.last() else { continue };
                let alias = rest.get(1).and_then(ident).unwrap_or_else(|| last.clone());
                module.paths.push(path.clone());
                module.imports.push((alias, path));
            }
        }
    }
}

fn ident(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}
