//! Commands, in the form that every server version takes: an array of strings.

/// Appends a command of these words.
pub(crate) fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    header(out, b'*', words.len());
    for word in words {
        header(out, b'$', word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

fn header(out: &mut Vec<u8>, kind: u8, len: usize) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_command_is_an_array_of_strings_with_their_lengths() {
        let mut out = Vec::new();
        command(&mut out, &[b"PUBLISH", b"a", &[b'x'; 120], b""]);
        let expected = format!("*4\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$120\r\n{}\r\n$0\r\n\r\n", "x".repeat(120));
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
