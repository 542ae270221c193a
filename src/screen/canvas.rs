//! Drawing texts on a buffer of ratatui, safely: no text of a job or a server moves the cursor or breaks a line.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::text::{Side, columns, fit, padded, printable};

/// Look of a text. Without colour only bold, dim and reversed text differs from plain text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// The look of the terminal's own text.
    #[default]
    Plain,
    /// Less conspicuous.
    Dim,
    /// A title or a figure to be seen first.
    Bold,
    /// Success.
    Good,
    /// Failure.
    Bad,
    /// Warning.
    Warn,
    /// Work under way.
    Busy,
    /// Waiting.
    Idle,
    /// The line under the cursor, and a line of keys.
    Reversed,
}

impl Tone {
    fn style(self, color: bool) -> Style {
        let plain = Style::new();
        let painted = |paint: Color| if color { plain.fg(paint) } else { plain };
        match self {
            Self::Plain => plain,
            Self::Dim => plain.add_modifier(Modifier::DIM),
            Self::Bold => plain.add_modifier(Modifier::BOLD),
            Self::Good => painted(Color::Green),
            Self::Bad => painted(Color::Red),
            Self::Warn => painted(Color::Yellow),
            Self::Busy => painted(Color::Cyan),
            Self::Idle => painted(Color::Blue),
            Self::Reversed => plain.add_modifier(Modifier::REVERSED),
        }
    }
}

/// Abilities of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Colours may be sent.
    pub(crate) color: bool,
    /// Characters beyond ASCII are shown.
    pub(crate) unicode: bool,
}

/// A buffer that is drawn on.
pub(crate) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    abilities: Abilities,
}

impl<'a> Canvas<'a> {
    /// A canvas over this buffer.
    pub(crate) fn new(buffer: &'a mut Buffer, abilities: Abilities) -> Self {
        Self { buffer, abilities }
    }

    /// Area of the buffer.
    pub(crate) fn area(&self) -> Rect {
        self.buffer.area
    }

    /// Writes a text at a place, cut to `width` columns; gives the column behind it.
    pub(crate) fn put(&mut self, (x, y): (u16, u16), width: u16, text: &str, tone: Tone) -> u16 {
        let text = shown(text, width, self.abilities.unicode);
        if y < self.buffer.area.bottom() && !text.is_empty() {
            let style = tone.style(self.abilities.color);
            self.buffer.set_stringn(x, y, &text, width.into(), style);
        }
        x.saturating_add(u16::try_from(columns(&text)).unwrap_or(width))
    }

    /// Writes texts behind each other in one row, cut at `width` columns all told.
    pub(crate) fn line<'t>(
        &mut self,
        (x, y): (u16, u16),
        width: u16,
        texts: impl IntoIterator<Item = (Cow<'t, str>, Tone)>,
    ) {
        let (mut at, end) = (x, x.saturating_add(width));
        for (text, tone) in texts {
            at = self.put((at, y), end.saturating_sub(at), &text, tone);
        }
    }

    /// Writes a text into a field of exactly `width` columns.
    pub(crate) fn field(&mut self, at: (u16, u16), width: u16, side: Side, text: &str, tone: Tone) {
        let text = shown(text, width, self.abilities.unicode);
        self.put(at, width, &padded(&text, width.into(), side), tone);
    }

    /// A bar of `width` columns for a percent, in halves of a column; a line of blanks where none is known.
    pub(crate) fn bar(&mut self, (x, y): (u16, u16), width: u16, percent: Option<f64>, tone: Tone) {
        let Some(percent) = percent else { return };
        let (full, rest) = bar(percent, width.into());
        let at = self.put((x, y), width, &full, tone);
        self.put((at, y), width.saturating_sub(at - x), &rest, Tone::Dim);
    }

    /// Makes a row look like the one under the cursor.
    pub(crate) fn highlight(&mut self, y: u16) {
        let area = self.buffer.area;
        let row = Rect { y, height: 1, ..area }.intersection(area);
        self.buffer.set_style(row, Tone::Reversed.style(self.abilities.color));
    }

    /// Rows of the canvas, without blanks at their ends.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> Vec<String> {
        let area = self.buffer.area;
        let row = |y| (area.left()..area.right()).map(move |x| (x, y));
        (area.top()..area.bottom())
            .map(|y| row(y).map(|at| self.buffer[at].symbol()).collect::<String>().trim_end().to_owned())
            .collect()
    }
}

/// The full part of a bar, and the rest.
fn bar(percent: f64, width: usize) -> (String, String) {
    // Both casts are of small numbers that are not negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let halves = (percent.clamp(0.0, 100.0) / 100.0 * (2 * width) as f64).floor() as usize;
    let full = format!("{}{}", "━".repeat(halves / 2), if halves % 2 == 1 { "╸" } else { "" });
    (full, "─".repeat(width - halves.div_ceil(2)))
}

/// A text as it is shown: printable, on one line, in characters of which all terminals agree how wide they are, and cut.
fn shown(text: &str, width: u16, unicode: bool) -> Cow<'_, str> {
    // Text beyond the width of a screen is not read.
    let text = text.char_indices().nth(8 * usize::from(width) + 64).map_or(text, |(at, _)| &text[..at]);
    let mut safe = printable(text);
    if safe.chars().any(is_disputed) {
        safe = Cow::Owned(safe.chars().filter_map(settled).collect());
    }
    if !unicode && !safe.is_ascii() {
        let cut = fit(&safe, width.into()).into_owned();
        // A mark on a letter takes no column, so that no character stands for it.
        let is_seen = |c: &char| columns(c.encode_utf8(&mut [0; 4])) > 0;
        return Cow::Owned(cut.chars().filter(is_seen).map(ascii).collect());
    }
    match fit(&safe, width.into()) {
        Cow::Borrowed(part) if part.len() == safe.len() => safe,
        other => Cow::Owned(other.into_owned()),
    }
}

/// Tells whether terminals disagree on the width of the character beside others: parts of flags and of composed pictures.
const fn is_disputed(c: char) -> bool {
    matches!(c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{20e3}')
}

/// A character in place of a disputed one: the letter of a flag; of the others, none.
fn settled(c: char) -> Option<char> {
    match c {
        '\u{1f1e6}'..='\u{1f1ff}' => char::from_u32(u32::from(c) - 0x1f1e6 + u32::from('A')),
        c => (!is_disputed(c)).then_some(c),
    }
}

/// ASCII in place of a character of a picture, and `?` in place of any other.
fn ascii(c: char) -> char {
    match c {
        ' '..='~' => c,
        '━' => '#',
        '─' | '╸' | '⊘' => '-',
        '…' => '~',
        '·' => '|',
        '●' | '▸' | '→' => '>',
        '○' | '◌' => '.',
        '✓' => '+',
        '✗' => 'x',
        '▴' | '↑' => '^',
        '▾' | '↓' => 'v',
        '⏎' => '<',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Abilities = Abilities { color: true, unicode: true };

    fn drawn(text: &str, width: u16, abilities: Abilities) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 1));
        let mut canvas = Canvas::new(&mut buffer, abilities);
        canvas.put((0, 0), width, text, Tone::Bad);
        canvas.rows().remove(0)
    }

    #[test]
    fn hostile_texts_stay_texts_on_one_line() {
        for (text, expected) in [
            ("a\u{1b}[2J\u{1b}]0;t\u{7}b\r\nc", "ab  c"),
            ("\u{202e}evil\u{2066}", "evil"),
            ("\u{1f1e9}\u{1f1ea} \u{1f44d}\u{1f3fd}", "DE \u{1f44d}"),
            ("abcdefghijklmnop", "abcdefghi…"),
            ("日本語日本語", "日 本 語 日 …"),
        ] {
            // A wide character fills two cells, the second of which is blank here.
            assert_eq!(drawn(text, 10, PLAIN), expected, "{text:?}");
        }
        let ascii = Abilities { unicode: false, ..PLAIN };
        assert_eq!(drawn("ä· ━╸─ ✓ longer", 10, ascii), "?| #-- + ~");
    }

    #[test]
    fn a_bar_is_as_wide_as_its_field() {
        for (percent, text) in
            [(0.0, "──────────"), (45.0, "━━━━╸─────"), (99.9, "━━━━━━━━━╸"), (100.0, "━━━━━━━━━━")]
        {
            let (full, rest) = bar(percent, 10);
            assert_eq!(full + &rest, text);
        }
        assert_eq!(bar(f64::NAN, 3), (String::new(), "───".to_owned()));
    }

    proptest! {
        #[test]
        fn nothing_is_drawn_beside_its_field(text in "\\PC{0,60}|[\\x00-\\x{ff}]{0,60}", width in 0_u16..30, unicode: bool) {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 1));
            let mut canvas = Canvas::new(&mut buffer, Abilities { color: false, unicode });
            let end = canvas.put((3, 0), width, &text, Tone::Plain);
            prop_assert!(end <= 3 + width);
            for x in (0..3).chain(3 + width..40) {
                prop_assert_eq!(buffer[(x, 0)].symbol(), " ");
            }
        }
    }
}
