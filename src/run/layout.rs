//! Decision where each stream of the command goes: through a pipe or a pty, and whether the command gets a session of its own;
//! pure.

/// When a stream goes through a pty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PtyChoice {
    /// Where jobwire's own stream is a terminal.
    Auto,
    /// Always, so that a command draws as for a terminal.
    Always,
    /// Never.
    Never,
}

/// Terminals among jobwire's own streams; two that are equal are the same terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outside {
    /// Whether standard input is a terminal.
    pub(super) is_stdin: bool,
    /// Device number of the terminal at standard output.
    pub(super) stdout: Option<u64>,
    /// Device number of the terminal at standard error.
    pub(super) stderr: Option<u64>,
}

/// What a stream of the command is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitting {
    /// A pipe.
    Pipe,
    /// The pty of standard output, whichever stream it is.
    First,
    /// A pty of standard error's own.
    Second,
}

/// Connections of the command's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Of standard output; never [`Fitting::Second`].
    pub(super) stdout: Fitting,
    /// Of standard error.
    pub(super) stderr: Fitting,
    /// Whether the first pty is the command's controlling terminal and its standard input, to which what is typed goes.
    /// Otherwise the command shares jobwire's terminal and standard input, and a pty only shows what it writes: another
    /// command of the same pipeline may be reading that terminal.
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
            // A pipeline: what follows it may be reading the terminal, as less does.
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
