//! Connections of the command's streams: a pipe or a pty for each, and whether the command gets a session of its own. Pure.

/// Condition under which a stream goes through a pty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PtyChoice {
    /// Use a pty for each stream of jobwire's that is a terminal.
    Auto,
    /// Use a pty always, so that the command draws as on a terminal.
    Always,
    /// Use pipes only.
    Never,
}

/// Terminals among jobwire's own streams. Equal device numbers mean the same terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outside {
    /// Whether standard input is a terminal.
    pub(super) is_stdin: bool,
    /// Device number of the terminal at standard output.
    pub(super) stdout: Option<u64>,
    /// Device number of the terminal at standard error.
    pub(super) stderr: Option<u64>,
}

/// Connection of one stream of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitting {
    /// A pipe.
    Pipe,
    /// The pty of standard output, which standard error may share.
    First,
    /// A second pty, for standard error alone.
    Second,
}

/// Connections of both output streams of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Connection of standard output; never [`Fitting::Second`].
    pub(super) stdout: Fitting,
    /// Connection of standard error.
    pub(super) stderr: Fitting,
    /// Whether the first pty is the command's controlling terminal and its standard input, so that typed keys go to the pty.
    /// Otherwise the command shares jobwire's terminal and standard input, and the pty only carries output. Another command of
    /// the same pipeline may then read the terminal.
    pub(super) is_session: bool,
}

impl Layout {
    pub(super) fn of(choice: PtyChoice, outside: Outside) -> Self {
        let is_pty = |terminal: Option<u64>| match choice {
            PtyChoice::Auto => terminal.is_some(),
            PtyChoice::Always => true,
            PtyChoice::Never => false,
        };
        let stdout = if is_pty(outside.stdout) { Fitting::First } else { Fitting::Pipe };
        let is_same = outside.stdout.is_some() && outside.stdout == outside.stderr;
        let stderr = match (is_pty(outside.stderr), is_same) {
            (false, _) => Fitting::Pipe,
            (true, true) => Fitting::First,
            (true, false) => Fitting::Second,
        };
        let is_session = outside.is_stdin && outside.stdout.is_some() && stdout == Fitting::First;
        Self { stdout, stderr, is_session }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gets_a_pty_where_it_is_a_terminal() {
        use Fitting::{First, Pipe, Second};
        let here = Some(1);
        for (choice, is_stdin, terminals, stdout, stderr, is_session) in [
            (PtyChoice::Auto, true, (here, here), First, First, true),
            (PtyChoice::Auto, true, (here, Some(2)), First, Second, true),
            (PtyChoice::Auto, true, (here, None), First, Pipe, true),
            // In a pipeline the next command may read the terminal, as `less` does.
            (PtyChoice::Auto, true, (None, here), Pipe, Second, false),
            (PtyChoice::Auto, false, (here, here), First, First, false),
            (PtyChoice::Auto, true, (None, None), Pipe, Pipe, false),
            (PtyChoice::Never, true, (here, here), Pipe, Pipe, false),
            (PtyChoice::Always, true, (None, None), First, Second, false),
            (PtyChoice::Always, true, (here, here), First, First, true),
        ] {
            let outside = Outside { is_stdin, stdout: terminals.0, stderr: terminals.1 };
            let layout = Layout::of(choice, outside);
            assert_eq!(layout, Layout { stdout, stderr, is_session }, "{choice:?} {outside:?}");
        }
    }
}
