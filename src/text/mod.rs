//! Text on its way to a terminal: made safe, measured and cut. Pure.
//!
//! A text from outside (a close reason, a header, a payload, a job's id, the content of a file, an argument that is
//! echoed) reaches a terminal only through [`printable`] or [`printable_lines`], JSON that holds one only through
//! [`safe_json`]. Nobody who publishes an event, and no server, gets to command the terminal of those who watch.

mod columns;
mod figures;
mod junit;
mod locale;

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use console::strip_ansi_codes;

pub(crate) use columns::{Side, columns, elided, fit, padded};
pub(crate) use figures::{bytes, clock, grouped, percent};
pub(crate) use junit::{TestCase, TestOutcome, TestProblem, TestSuite};
pub(crate) use locale::is_utf8;

/// Begins a synchronized update (DEC private mode 2026): the terminal shows what follows at once when it ends. One that
/// knows no such thing ignores it.
pub(crate) const BEGIN_UPDATE: &str = "\u{1b}[?2026h";
/// Ends a synchronized update.
pub(crate) const END_UPDATE: &str = "\u{1b}[?2026l";

/// Characters of [`brief`], at most: one event must not fill the screen.
pub(crate) const LONGEST: usize = 500;

/// A text on one line that neither moves the cursor, paints, reaches the clipboard nor turns the direction of writing.
///
/// Whole escape sequences go, then every other control character and every character that nobody sees. White space of
/// any kind is a blank.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    clean(text, |_| false)
}

/// [`printable`] that keeps the ends of lines.
pub(crate) fn printable_lines(text: &str) -> Cow<'_, str> {
    clean(text, |c| c == '\n')
}

/// [`printable`], cut after [`LONGEST`] characters.
pub(crate) fn brief(text: &str) -> Cow<'_, str> {
    // Cut before, too: a text of megabytes is not worth looking through. Sequences and the invisible take their share.
    let few = text.char_indices().nth(8 * LONGEST).map_or(text, |(at, _)| &text[..at]);
    let safe = printable(few);
    match safe.char_indices().nth(LONGEST) {
        Some((at, _)) => Cow::Owned(format!("{}…", safe[..at].trim_end())),
        None => safe,
    }
}

/// JSON in which every character that [`printable`] takes out of a text is written as `\uXXXX`: the same value, and
/// safe to print. What stands between its tokens, ends of lines and tabs, stays.
pub(crate) fn safe_json(json: &str) -> Cow<'_, str> {
    let is_bad = |c: char| is_unsafe(c) && !matches!(c, '\n' | '\r' | '\t');
    if !json.chars().any(is_bad) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            c if is_bad(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(safe, "\\u{unit:04x}");
                }
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Time span for people, in the largest unit (s, minutes, hours or days) of which it has at least two.
pub(crate) fn span(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).as_secs();
    match whole {
        0..120 => format!("{whole} s"),
        120..7_200 => format!("{} minutes", whole / 60),
        7_200..172_800 => format!("{} hours", whole / 3_600),
        _ => format!("{} days", whole / 86_400),
    }
}

/// Whether a terminal would obey the character, or show nothing for it.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control() || is_bidirectional(c) || is_invisible(c)
}

fn clean(text: &str, is_kept: fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| !is_kept(c) && is_changed(c)) {
        return Cow::Borrowed(text);
    }
    let plain = seven_bit(text);
    let plain = strip_ansi_codes(&plain);
    let safe = plain.chars().filter_map(|c| match c {
        c if is_kept(c) => Some(c),
        // The end of a DOS line is one, not two.
        '\r' if is_kept('\n') => None,
        c if c.is_whitespace() => Some(' '),
        c => (!is_unsafe(c)).then_some(c),
    });
    Cow::Owned(safe.collect())
}

fn is_changed(c: char) -> bool {
    is_unsafe(c) || (c.is_whitespace() && c != ' ')
}

/// The control characters of C1 as the sequences of ASCII that they stand for, so that what they introduce goes too.
fn seven_bit(text: &str) -> Cow<'_, str> {
    let is_c1 = |c: char| matches!(c, '\u{80}'..='\u{9f}');
    if !text.contains(is_c1) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match char::from_u32(u32::from(c).wrapping_sub(0x40)) {
            // NEL and its like move the cursor alone; a blank keeps the words apart.
            _ if c == '\u{85}' => plain.push(' '),
            Some(second) if is_c1(c) => plain.extend(['\u{1b}', second]),
            _ => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// The marks that turn the direction of writing.
const fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Unicode's Default_Ignorable_Code_Point, the separators of lines and paragraphs, and the marks of annotations.
///
/// Terminals disagree on their widths; with them a line wraps that should fit. Joiners and the selectors of variants are
/// among them: without them a terminal draws the parts, whose widths are agreed on.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests;
