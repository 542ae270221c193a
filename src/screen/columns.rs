//! Columns of a table of jobs, for a screen of some width. Pure.

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Mark of the row.
    Mark,
    /// State as one character.
    State,
    /// Name of the job.
    Job,
    /// State as a word.
    Word,
    /// Percent done.
    Percent,
    /// Percent done, as a bar.
    Bar,
    /// Time for which the job has run.
    Elapsed,
    /// Estimated time to its end.
    Left,
    /// Number of its watchers.
    Watchers,
    /// Last message of the job.
    Message,
}

impl Column {
    /// Columns of the screen that it takes at least, and from what width of the screen on there is room for it.
    const fn least(self) -> (u16, u16) {
        match self {
            Self::Mark | Self::State => (1, 0),
            Self::Percent => (4, 0),
            Self::Job | Self::Message => (12, 0),
            Self::Bar => (8, 0),
            Self::Elapsed => (7, 0),
            Self::Watchers => (5, 0),
            Self::Left => (7, 76),
            Self::Word => (9, 110),
        }
    }
}

/// Order of the columns on the screen.
const ORDER: [Column; 10] = [
    Column::Mark,
    Column::State,
    Column::Job,
    Column::Word,
    Column::Percent,
    Column::Bar,
    Column::Elapsed,
    Column::Left,
    Column::Watchers,
    Column::Message,
];

/// Columns that a narrow screen lacks; the last one goes first.
const WORTH: [Column; 6] =
    [Column::Message, Column::Bar, Column::Elapsed, Column::Watchers, Column::Left, Column::Word];

/// The columns for a screen of this width, each with its own, from left to right with a blank between them. `longest` is the
/// longest name of a job.
pub(super) fn layout(width: u16, longest: u16, has_marks: bool) -> Vec<(Column, u16)> {
    let mut taken = vec![Column::State, Column::Job, Column::Percent];
    taken.extend(has_marks.then_some(Column::Mark));
    let sum =
        |columns: &[Column]| columns.iter().map(|column| column.least().0 + 1).sum::<u16>().saturating_sub(1);
    for column in WORTH {
        let (least, from) = column.least();
        if width < from || sum(&taken) + 1 + least > width {
            break;
        }
        taken.push(column);
    }
    let mut spare = width.saturating_sub(sum(&taken));
    let mut give = |wanted: u16| {
        let given = wanted.min(spare);
        spare -= given;
        given
    };
    let has = |column| taken.contains(&column);
    let least = |column: Column| column.least().0;
    // A name is what a job is known by; beyond a third of the screen it is cut in its middle.
    let most = if has(Column::Message) { width * 3 / 10 } else { width };
    let job = least(Column::Job) + give(longest.min(most).saturating_sub(least(Column::Job)));
    let bar = least(Column::Bar)
        + if has(Column::Bar) { give((width / 8).min(30).saturating_sub(least(Column::Bar))) } else { 0 };
    let message = least(Column::Message) + give(u16::MAX);
    let wide = |column| match column {
        Column::Job => job.min(width.saturating_sub(if has_marks { 9 } else { 7 })),
        Column::Bar => bar,
        Column::Message => message,
        other => least(other),
    };
    ORDER.into_iter().filter(|column| has(*column)).map(|column| (column, wide(column))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(width: u16, has_marks: bool) -> Vec<Column> {
        layout(width, 20, has_marks).into_iter().map(|(column, _)| column).collect()
    }

    #[test]
    fn a_narrow_screen_drops_columns_and_a_wide_one_gives_messages_room() {
        use Column::*;
        assert_eq!(names(20, false), [State, Job, Percent]);
        assert_eq!(names(40, true), [Mark, State, Job, Percent, Message]);
        assert_eq!(names(60, false), [State, Job, Percent, Bar, Elapsed, Watchers, Message]);
        assert_eq!(names(80, false), [State, Job, Percent, Bar, Elapsed, Left, Watchers, Message]);
        assert_eq!(names(200, false), [State, Job, Word, Percent, Bar, Elapsed, Left, Watchers, Message]);
        let wide = layout(200, 300, false);
        assert_eq!(wide.iter().find(|(column, _)| *column == Job), Some(&(Job, 60)));
    }

    proptest! {
        #[test]
        fn columns_fit_the_screen(width in 20_u16..500, longest in 0_u16..400, has_marks: bool) {
            let columns = layout(width, longest, has_marks);
            let sum: u16 = columns.iter().map(|(_, wide)| wide + 1).sum::<u16>() - 1;
            prop_assert!(sum <= width, "{columns:?}");
            let has_message = columns.iter().any(|(column, _)| *column == Column::Message);
            prop_assert_eq!(has_message, width >= if has_marks { 34 } else { 32 });
        }
    }
}
