use super::*;

/// A terminal of any size, and what was written to it since it was last looked at.
#[derive(Debug, Clone)]
struct Paper {
    written: Arc<Mutex<String>>,
    size: Arc<Mutex<(u16, u16)>>,
}

impl Paper {
    fn taken(&self) -> String {
        std::mem::take(&mut self.written.lock().unwrap())
    }
}

impl TermLike for Paper {
    fn width(&self) -> u16 {
        self.size.lock().unwrap().1
    }

    fn height(&self) -> u16 {
        self.size.lock().unwrap().0
    }

    fn move_cursor_up(&self, _n: usize) -> io::Result<()> {
        unreachable!("a frame is one text")
    }

    fn move_cursor_down(&self, _n: usize) -> io::Result<()> {
        unreachable!("a frame is one text")
    }

    fn move_cursor_right(&self, _n: usize) -> io::Result<()> {
        unreachable!("a frame is one text")
    }

    fn move_cursor_left(&self, _n: usize) -> io::Result<()> {
        unreachable!("a frame is one text")
    }

    fn write_line(&self, _text: &str) -> io::Result<()> {
        unreachable!("a frame is one text")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.written.lock().unwrap().push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        unreachable!("a frame is one text")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn frame() -> (Frame<Paper>, Paper) {
    let paper = Paper { written: Arc::default(), size: Arc::new(Mutex::new((24, 80))) };
    (Frame::new(paper.clone()), paper)
}

/// Text that is written for these lines, without the sequences that begin and end every frame.
fn shown(frame: &Frame<Paper>, paper: &Paper, lines: &[&str], scrolled: usize) -> String {
    for line in lines {
        frame.write_line(line).unwrap();
    }
    frame.show(scrolled).unwrap();
    let text = paper.taken();
    let text = text.strip_prefix("\u{1b}[?2026h\u{1b}[?25l\u{1b}[?7l\r").unwrap();
    text.strip_suffix("\u{1b}[J\u{1b}8\u{1b}[?7h\u{1b}[?2026l").unwrap().to_owned()
}

#[test]
fn a_frame_begins_and_ends_at_the_beginning_of_the_picture() {
    let (frame, paper) = frame();
    let room = "\u{1b}[K\n\u{1b}[J\u{1b}[1A";
    let two = "\u{1b}7a\u{1b}[K\r\u{1b}[Bb\u{1b}[K";
    assert_eq!(shown(&frame, &paper, &["a", "b"], 0), format!("{room}{two}"));
    assert_eq!(shown(&frame, &paper, &["a", "b"], 0), two, "the rows are there");
    assert_eq!(
        shown(&frame, &paper, &["event", "a", "b"], 1),
        format!("event\u{1b}[K\r\n{room}{two}"),
        "what stays goes up"
    );
    *paper.size.lock().unwrap() = (24, 60);
    assert_eq!(
        shown(&frame, &paper, &["a", "b"], 0),
        format!("{room}{two}"),
        "the terminal may have broken it"
    );
    assert_eq!(shown(&frame, &paper, &["a"], 0), "\u{1b}7a\u{1b}[K");
}

#[test]
fn a_frame_without_lines_is_none() {
    let (frame, paper) = frame();
    frame.show(0).unwrap();
    frame.restore().unwrap();
    assert_eq!(paper.taken(), "");
}

#[test]
fn the_terminal_is_left_with_the_cursor_below() {
    let (frame, paper) = frame();
    shown(&frame, &paper, &["a", "b"], 0);
    frame.restore().unwrap();
    assert_eq!(paper.taken(), "\r\u{1b}[B\r\n\u{1b}[?25h");
    frame.restore().unwrap();
    assert_eq!(paper.taken(), "", "once");
    let full = "x".repeat(80);
    frame.leave(&["a".to_owned(), full.clone()]).unwrap();
    let expected = format!("\u{1b}[?2026h\ra\u{1b}[K\r\n{full}\r\n\u{1b}[J\u{1b}[?25h\u{1b}[?2026l");
    assert_eq!(paper.taken(), expected, "a full line keeps its last letter");
}

#[test]
fn what_indicatif_draws_is_the_lines_and_the_last_drawing_counts() {
    let (frame, paper) = frame();
    for line in ["old", "new"] {
        frame.move_cursor_up(0).unwrap();
        frame.write_str(line).unwrap();
        frame.write_str(&" ".repeat(77)).unwrap();
        frame.write_str("").unwrap();
        frame.write_str(&" ".repeat(80)).unwrap();
        frame.flush().unwrap();
    }
    frame.show(0).unwrap();
    let text = paper.taken();
    assert!(
        text.contains("\u{1b}7new\u{1b}[K\r\u{1b}[B\u{1b}[K\u{1b}[J") && !text.contains("old"),
        "{text:?}"
    );
}
