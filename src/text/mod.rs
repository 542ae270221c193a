//! Text on its way to a terminal: made safe, measured and cut. Pure.
//!
//! A text from outside (a close reason, a header, a payload, a job's id, the content of a file, an argument that is
//! echoed) reaches a terminal only through [`printable`] or [`printable_lines`], JSON that holds one only through
//! [`safe_json`]. Nobody who publishes an event, and no server, gets to command the terminal of those who watch.

mod columns;
mod figures;
mod junit;

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use console::strip_ansi_codes;

pub(crate) use columns::{Side, columns, elided, fit, padded};
pub(crate) use figures::{bytes, clock, grouped, percent};
pub(crate) use junit::{TestCase, TestOutcome, TestProblem, TestSuite};

/// Begins a synchronized update (DEC private mode 2026): the terminal shows all changes at once when the update ends. Other
/// terminals ignore the sequence.
pub(crate) const BEGIN_UPDATE: &str = "\u{1b}[?2026h";
/// Ends a synchronized update.
pub(crate) const END_UPDATE: &str = "\u{1b}[?2026l";

/// Most characters of [`brief`]: one event must not fill the screen.
pub(crate) const LONGEST: usize = 500;

/// Text on one line that does not move the cursor, paint, reach the clipboard or turn the direction of writing.
///
/// Escape sequences, other control characters and invisible characters are removed. White space of any kind becomes a blank.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    clean(text, |_| false)
}

/// [`printable`] that keeps the ends of lines.
pub(crate) fn printable_lines(text: &str) -> Cow<'_, str> {
    clean(text, |c| c == '\n')
}

/// [`printable`], cut after [`LONGEST`] characters.
pub(crate) fn brief(text: &str) -> Cow<'_, str> {
    brief_to(text, LONGEST)
}

/// [`printable`], cut after `most` characters.
pub(crate) fn brief_to(text: &str, most: usize) -> Cow<'_, str> {
    // The text is cut before it is cleaned too, because it may have megabytes. Removed characters count at this cut.
    let few = text.char_indices().nth(8 * most).map_or(text, |(at, _)| &text[..at]);
    let safe = printable(few);
    match safe.char_indices().nth(most) {
        Some((at, _)) => Cow::Owned(format!("{}…", safe[..at].trim_end())),
        None => safe,
    }
}

/// JSON that is safe to print. Each character that [`printable`] removes is written as `\uXXXX`, so that the value stays.
/// Newlines and tabs between tokens stay too.
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

/// Number with its noun: `1 event`, `2 events`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{number} {}", noun_for(number, noun))
}

/// Form of a noun for a number: the noun itself for 1, and otherwise its plural, which ends with `s`.
pub(crate) fn noun_for(number: u64, noun: &str) -> Cow<'_, str> {
    if number == 1 { noun.into() } else { format!("{noun}s").into() }
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
        // CR and LF end one line.
        '\r' if is_kept('\n') => None,
        c if c.is_whitespace() => Some(' '),
        c => (!is_unsafe(c)).then_some(c),
    });
    Cow::Owned(safe.collect())
}

fn is_changed(c: char) -> bool {
    is_unsafe(c) || (c.is_whitespace() && c != ' ')
}

/// Replaces the control characters of C1 by their sequences in ASCII, so that whole sequences are removed.
fn seven_bit(text: &str) -> Cow<'_, str> {
    let is_c1 = |c: char| matches!(c, '\u{80}'..='\u{9f}');
    if !text.contains(is_c1) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match char::from_u32(u32::from(c).wrapping_sub(0x40)) {
            // NEL ends a line. A blank keeps the words apart.
            _ if c == '\u{85}' => plain.push(' '),
            Some(second) if is_c1(c) => plain.extend(['\u{1b}', second]),
            _ => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// Whether a character turns the direction of writing.
const fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character is in Unicode's Default_Ignorable_Code_Point, separates lines or paragraphs, or marks an annotation.
///
/// Terminals disagree on the widths of these characters, so that a line that should fit wraps. Joiners and variation selectors
/// are among them: without these, a terminal draws the parts, whose widths are known.
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
