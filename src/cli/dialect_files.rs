//! Dialect files in the environment of a command.

use std::ffi::OsString;
use std::path::PathBuf;

/// Variable with the dialect files.
pub(super) const DIALECT_FILES: &str = "JOBWIRE_DIALECT_FILE";

/// Value of [`DIALECT_FILES`], with absolute paths, since the command may run in another folder. `None` without files, or if a
/// path contains a comma, which divides the list.
pub(super) fn dialect_files(files: &[PathBuf]) -> Option<OsString> {
    let absolute = files.iter().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    let paths: Vec<OsString> = absolute.map(PathBuf::into_os_string).collect();
    let is_list = !paths.is_empty() && !paths.iter().any(|path| path.as_encoded_bytes().contains(&b','));
    is_list.then(|| paths.join(OsString::from(",").as_os_str()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn dialect_files_are_a_list_of_absolute_paths() {
        let value = |files: &[&str]| dialect_files(&files.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(value(&["/a.toml", "/b.toml"]), Some("/a.toml,/b.toml".into()));
        assert!(PathBuf::from(value(&["a.toml"]).unwrap()).is_absolute());
        assert_eq!(value(&[]), None);
        assert_eq!(value(&["/a,b.toml"]), None);
        let odd = OsString::from_vec(b"/a\xff.toml".to_vec());
        assert_eq!(dialect_files(&[odd.clone().into()]), Some(odd));
    }
}
