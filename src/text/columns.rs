//! The columns that a text takes on a terminal, and texts cut and padded to some.
//!
//! Terminals have tables of their own. Each character counts as the widest that one of them draws it, so that a line may
//! be shorter than thought and never wraps.

use std::borrow::Cow;
use std::fmt::Write;

use console::AnsiCodeIterator;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_width::UnicodeWidthChar;

/// Side of a wider column where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// At its beginning.
    Left,
    /// At its end.
    Right,
}

/// Most columns that a text takes. Sequences that paint take none.
pub(crate) fn columns(text: &str) -> usize {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.len();
    }
    pieces(text).filter(|(_, is_paint)| !is_paint).flat_map(|(piece, _)| piece.chars()).map(width).sum()
}

/// Cuts a text to `most` columns, with an ellipsis where something is missing. Sequences that paint stay.
pub(crate) fn fit(text: &str, most: usize) -> Cow<'_, str> {
    if columns(text) <= most {
        return Cow::Borrowed(text);
    }
    let Some(mut room) = most.checked_sub(1) else { return Cow::Borrowed("") };
    let (mut cut, mut is_cut) = (String::with_capacity(text.len()), false);
    for (piece, is_paint) in pieces(text) {
        if is_paint {
            cut.push_str(piece);
            continue;
        }
        let head = head(piece, if is_cut { 0 } else { room });
        room -= columns(head);
        if !is_cut {
            cut.push_str(head);
        }
        if !is_cut && head.len() < piece.len() {
            is_cut = true;
            cut.push('…');
        }
    }
    Cow::Owned(cut)
}

/// Cuts a text without paint in the middle to `most` columns, so that its beginning and its end can be read.
pub(crate) fn elided(text: &str, most: usize) -> Cow<'_, str> {
    if columns(text) <= most {
        return Cow::Borrowed(text);
    }
    let Some(room) = most.checked_sub(1) else { return Cow::Borrowed("") };
    let front = head(text, room.div_ceil(2));
    let back = tail(&text[front.len()..], room - columns(front));
    let mut cut = String::with_capacity(front.len() + back.len() + 3);
    let _ = write!(cut, "{front}…{back}");
    Cow::Owned(cut)
}

/// Pads a text with blanks to at least `least` columns.
pub(crate) fn padded(text: &str, least: usize, side: Side) -> String {
    let blanks = " ".repeat(least.saturating_sub(columns(text)));
    match side {
        Side::Left => format!("{text}{blanks}"),
        Side::Right => format!("{blanks}{text}"),
    }
}

/// Longest beginning of a text that takes at most `room` columns, with the marks on its last letter.
fn head(text: &str, room: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, c)| {
        taken += width(*c);
        taken > room
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// Longest end of a text that takes at most `room` columns and does not begin with a mark on a letter.
fn tail(text: &str, room: usize) -> &str {
    let (mut taken, mut from) = (0, text.len());
    for (at, c) in text.char_indices().rev() {
        let own = width(c);
        taken += own;
        if taken > room {
            break;
        }
        if own > 0 {
            from = at;
        }
    }
    &text[from..]
}

/// Pieces of a text, each with whether it is a sequence that paints.
fn pieces(text: &str) -> impl Iterator<Item = (&str, bool)> {
    AnsiCodeIterator::new(text)
}

/// Most columns of one character.
fn width(c: char) -> usize {
    let by_table = c.width().unwrap_or(0);
    match c {
        ' '..='~' => 1,
        // A flag is two letters, and some terminals draw each of them wide.
        '\u{1f1e6}'..='\u{1f1ff}' => 2,
        // Every terminal draws these marks onto the letter before them. Spacing vowel signs are not among them: they
        // count as one column, though newer tables give them none.
        _ if matches!(
            c.general_category(),
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
        ) =>
        {
            by_table
        }
        _ => by_table.max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_wide_as_the_widest_terminal_draws_it() {
        let cases = [
            ("plain", 5),
            ("ä日本語", 7),
            ("e\u{301}", 1),
            ("বাংলা", 5),
            ("தமிழ்", 4),
            ("हिन्दी", 5),
            ("🇩🇪", 4),
            ("👍🏽", 4),
            ("→±é", 3),
            ("\u{1b}[31mred\u{1b}[0m", 3),
        ];
        for (text, wide) in cases {
            assert_eq!(columns(text), wide, "{text}");
        }
    }

    #[test]
    fn a_cut_text_says_so_and_fits() {
        assert_eq!(fit("ä日本語", 6), "ä日本…");
        assert_eq!(fit("ä日本語", 5), "ä日…");
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!((fit("abc", 1), fit("abc", 0)), ("…".into(), "".into()));
        assert_eq!(fit("a\u{1b}[31mbcd\u{1b}[0me", 3), "a\u{1b}[31mb…\u{1b}[0m");
        assert_eq!(padded("ab", 4, Side::Right), "  ab");
    }

    #[test]
    fn a_long_name_keeps_its_head_and_its_tail() {
        assert_eq!(elided("celery/0f8fad5b-d9cb-469f-a165-70867728950e", 20), "celery/0f8…67728950e");
        assert_eq!(elided("abcdef", 5), "ab…ef");
        assert_eq!(elided("日本語日本語", 6), "日…語");
        assert_eq!(elided("abc", 3), "abc");
        assert_eq!((elided("abc", 1), elided("abc", 0)), ("…".into(), "".into()));
        assert_eq!(elided("abcde\u{301}", 3), "a…e\u{301}");
    }

    proptest::proptest! {
        #[test]
        fn nothing_cut_is_wider_than_allowed(text in "\\PC{0,40}", most in 0_usize..30) {
            for cut in [fit(&text, most), elided(&text, most)] {
                assert!(columns(&cut) <= most, "{cut:?}");
            }
        }
    }
}
