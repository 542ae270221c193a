//! A terminal as one full screen: entered, drawn, left however it ends; keys; and a table of jobs that verbs share.
//!
//! [`FullScreen`] owns the terminal. [`JobTable`] decides which rows are shown, in which order and which one is under the
//! cursor; `columns` which columns there is room for. Both are pure. [`Canvas`] draws on a buffer of ratatui and
//! lets no text through that could move a cursor.

mod canvas;
mod columns;
mod input;
mod key;
mod rows;
mod table;
mod terminal;
mod time;

pub(crate) use canvas::{Abilities, Canvas, Tone};
pub(crate) use input::Keyboard;
pub(crate) use key::KeyPress;
pub(crate) use rows::{draw_table, glyph};
#[cfg(test)]
pub(crate) use table::tests;
pub(crate) use table::{JobTable, Order, RowFilter};
pub(crate) use terminal::{FullScreen, Place, Wake, is_on_terminal};
pub(crate) use time::{elapsed, remaining};
