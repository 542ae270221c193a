//! Character set of a terminal. Pure.

/// Whether the locale uses UTF-8, by the first of the three variables that is set.
pub(crate) fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let set = names.into_iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
    set.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_says_whether_there_is_utf_8() {
        let is = |all: &[(&str, &str)]| {
            is_utf8(|name| all.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(is(&[("LANG", "en_GB.UTF-8")]) && is(&[("LC_CTYPE", "C.utf8")]));
        assert!(!is(&[]) && !is(&[("LANG", "C")]));
        assert!(
            !is(&[("LC_ALL", "POSIX"), ("LANG", "C.UTF-8")]) && is(&[("LC_ALL", ""), ("LANG", "C.UTF-8")])
        );
    }
}
