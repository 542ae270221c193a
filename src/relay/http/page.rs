//! `GET /`: the page, one document that asks nobody but this relay.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const HTML: &str = include_str!("../page/index.html");
const STYLE: &str = include_str!("../page/style.css");

/// Modules of the page, each behind those that it imports from. They become one module, so that a name is declared in one of
/// them only.
const SCRIPTS: [&str; 7] = [
    include_str!("../page/model.js"),
    include_str!("../page/readers.js"),
    include_str!("../page/link.js"),
    include_str!("../page/dom.js"),
    include_str!("../page/list.js"),
    include_str!("../page/job.js"),
    include_str!("../page/app.js"),
];

/// Lines of the document that name the files, and are replaced by them.
const STYLE_LINE: &str = r#"<link rel="stylesheet" href="style.css">"#;
const SCRIPT_LINE: &str = r#"<script type="module" src="app.js"></script>"#;

/// The page as it is answered.
pub(super) struct Page {
    document: Bytes,
    tag: HeaderValue,
    policy: HeaderValue,
}

impl Page {
    /// Puts the files together.
    pub(super) fn new() -> Arc<Self> {
        let style = dense(&brief(STYLE));
        let script = SCRIPTS.map(one_module).concat();
        let document = HTML
            .replace(STYLE_LINE, &format!("<style>{style}</style>"))
            .replace(SCRIPT_LINE, &format!("<script type=\"module\">{script}</script>"));
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            hash(&script),
            hash(&style)
        );
        let tag = format!("\"{}\"", &hash(&document)[7..29]);
        let header = |text: String| HeaderValue::try_from(text).expect("base64 and constants are ASCII");
        Arc::new(Self { document: document.into(), tag: header(tag), policy: header(policy) })
    }

    /// Answers a request with the page, or with 304 where the client has it.
    pub(super) fn answer(&self, request: &Request) -> Response {
        let has_it = self.is_known(request.headers());
        let mut response = if has_it {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Response::new(Body::from(self.document.clone()))
        };
        let headers = response.headers_mut();
        if !has_it {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        }
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::ETAG, self.tag.clone());
        for (name, value) in [
            (header::CACHE_CONTROL, "no-cache"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        let mut lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
        lists.any(|list| {
            list.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.tag)
        })
    }
}

/// A file without its indentation, empty lines and comments, which begin with `//` and have lines of their own.
fn brief(source: &str) -> String {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).fold(
        String::new(),
        |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        },
    )
}

/// A style sheet without the blanks that rules and declarations need not have. Its selectors have no blank behind a colon.
fn dense(style: &str) -> String {
    let blanks = [(" {", "{"), ("{ ", "{"), ("; ", ";"), (" }", "}"), (": ", ":")];
    blanks.iter().fold(style.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// A module as a piece of one that has all its imports: without `import` lines and without the word `export`.
fn one_module(source: &str) -> String {
    let lines = source.lines().filter(|line| !line.starts_with("import "));
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix("export ").unwrap_or(line)).collect();
    brief(&lines.join("\n")).lines().map(dense_line).fold(String::new(), |text, line| text + &line + "\n")
}

/// A line of a script without the blanks beside signs, outside of its strings. Lines with other than plain strings, and those with
/// a slash, which may begin a regular expression, stay as they are, and so do the blanks beside `+` and `-`. Nothing but a template
/// goes on over a line's end.
fn dense_line(line: &str) -> String {
    const SIGNS: &str = "=(){}[]<>,;:?&|*!";
    if line.contains(['\'', '`', '/', '\\']) {
        return line.to_owned();
    }
    let is_sign = |c: char| SIGNS.contains(c);
    let mut text = String::with_capacity(line.len());
    let mut is_string = false;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        is_string ^= c == '"';
        let is_beside = text.ends_with(is_sign) || rest.peek().is_some_and(|&next| is_sign(next));
        if is_string || c != ' ' || !is_beside {
            text.push(c);
        }
    }
    text
}

/// The hash of a text, as a policy names it.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_become_one() {
        let source = "// About it.\nimport { a } from \"./b.js\";\n\nexport function c() {\n  // Why.\n  return a; // imported\n}\nexport const d = \"export e\";\n";
        let wanted = "function c(){\nreturn a; // imported\n}\nconst d=\"export e\";\n";
        assert_eq!(one_module(source), wanted);
    }

    #[test]
    fn a_line_of_a_script_loses_blanks_where_no_text_can_be() {
        for (line, wanted) in [
            ("const [a, b] = await f(c, { d: 1 });", "const[a,b]=await f(c,{d:1});"),
            ("for (const x of [y]) if (x && !z) return { x };", "for(const x of[y])if(x&&!z)return{x};"),
            ("a = b ? c - -d : e + +f;", "a=b?c - -d:e + +f;"),
            ("say(\"a , b\" , c ? \"d\" : \" = \");", "say(\"a , b\",c?\"d\":\" = \");"),
            ("say(\"a \\\" , b\" , c);", "say(\"a \\\" , b\" , c);"),
            ("say(`a , ${b}`);", "say(`a , ${b}`);"),
            ("'a = b';", "'a = b';"),
            ("/a = b/.test(c);", "/a = b/.test(c);"),
        ] {
            assert_eq!(dense_line(line), wanted);
        }
    }

    #[test]
    fn a_style_sheet_loses_its_blanks() {
        let source =
            "a > b:hover { color: red; margin: 0 1px; }\n\n@media (width < 9px) {\n  a { left: 0; }\n}\n";
        assert_eq!(
            dense(&brief(source)),
            "a > b:hover{color:red;margin:0 1px;}\n@media (width < 9px){\na{left:0;}\n}\n"
        );
    }

    #[test]
    fn the_files_are_in_the_document_as_the_policy_has_them() {
        let page = Page::new();
        let document = std::str::from_utf8(&page.document).unwrap();
        let within = |begin: &str, end: &str| {
            let (_, rest) = document.split_once(begin).unwrap();
            let (text, rest) = rest.split_once(end).unwrap();
            assert!(!rest.contains(begin), "one {begin}");
            text
        };
        let policy = page.policy.to_str().unwrap();
        for text in [within("<style>", "</style>"), within("<script type=\"module\">", "</script>")] {
            assert!(policy.contains(&format!("'{}'", hash(text))), "{policy}");
            assert!(!text.lines().any(|line| line.starts_with("import ") || line.starts_with("export ")));
        }
        assert!(!policy.contains("unsafe"));
        assert!(document.len() < 60_000, "{} bytes", document.len());
    }

    #[test]
    fn the_hash_of_the_empty_text_is_the_known_one() {
        assert_eq!(hash(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
