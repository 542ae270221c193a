//! The key that publishing over HTTP needs, handed from a relay to its own user through a file.
//!
//! The file lies in the user's runtime folder (`$XDG_RUNTIME_DIR/jobwire`, else `jobwire-UID` in the folder for temporary
//! files) and is named after the relay's port. Folder and file belong to the user and are closed to everybody else;
//! whatever is not like that is not used, because somebody else may have put it there.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rand::RngExt;
use subtle::ConstantTimeEq;
use url::Url;

use super::is_loopback;

/// Bytes of randomness in a key that is made here; it is written in hexadecimal.
const KEY_BYTES: usize = 32;
/// The longest file that is read.
const MAX_FILE: u64 = 4096;

/// Where the key of the relay on `port` lies.
pub(crate) fn path_for(port: u16) -> PathBuf {
    file_in(&folder(), port)
}

/// Makes a key for the relay on `port` and leaves it for its user; gone when the guard is dropped.
pub(crate) fn create(port: u16) -> io::Result<(String, Guard)> {
    create_in(&folder(), port)
}

/// Makes a new key that is stored nowhere.
pub(crate) fn random() -> String {
    let bytes: [u8; KEY_BYTES] = rand::rng().random();
    bytes.iter().fold(String::new(), |key, byte| key + &format!("{byte:02x}"))
}

/// The key that a relay of this user on `port` left.
pub(crate) fn find(port: u16) -> Option<String> {
    find_in(&folder(), port)
}

/// The key that a relay of this user left for the server of a URL. The file is about relays on this machine, and a relay
/// elsewhere must not see the key, so there is none for a URL that names another machine.
pub(crate) fn for_server(server: &Url) -> Option<String> {
    server.port_or_known_default().filter(|_| is_loopback(server)).and_then(find)
}

/// The key that was given, else the one that a relay of this user left for the server.
///
/// A relay that starts again leaves another key, so a client that comes back asks again.
pub(crate) fn given_or_left(given: Option<&str>, server: &Url) -> Option<String> {
    given.map(str::to_owned).or_else(|| for_server(server))
}

/// Whether two keys are the same, in a time that tells their lengths and not where they differ.
pub(crate) fn matches(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// Removes the key's file when dropped, unless it is another relay's by now.
#[derive(Debug)]
pub(crate) struct Guard {
    path: PathBuf,
    key: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| matches(text.trim(), &self.key)) {
            // A file that cannot be removed holds a key that no relay takes any more.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn folder() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match runtime.filter(|path| path.is_absolute()) {
        Some(runtime) => runtime.join("jobwire"),
        None => std::env::temp_dir().join(format!("jobwire-{}", uid())),
    }
}

fn file_in(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!("publish-key.{port}"))
}

fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Ours, and nobody else may do anything with it: no bit of group and others is set.
fn is_private(metadata: &Metadata) -> bool {
    metadata.uid() == uid() && metadata.mode().trailing_zeros() >= 6
}

fn create_in(folder: &Path, port: u16) -> io::Result<(String, Guard)> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || !is_private(&found) {
        let message = format!("{} is not a folder that only its owner can use", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let key = random();
    let path = file_in(folder, port);
    // Written aside and renamed, so that nobody ever reads half a key.
    let draft = folder.join(format!("publish-key.{port}.{}", std::process::id()));
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = writeln!(file, "{key}").and_then(|()| fs::rename(&draft, &path));
    if let Err(error) = written {
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    Ok((key.clone(), Guard { path, key }))
}

fn find_in(folder: &Path, port: u16) -> Option<String> {
    let path = file_in(folder, port);
    // Nobody else can swap the file between the look and the opening: the folder is closed to them.
    let (outer, inner) = (fs::symlink_metadata(folder).ok()?, fs::symlink_metadata(&path).ok()?);
    if !outer.is_dir() || !inner.is_file() || !is_private(&outer) || !is_private(&inner) {
        return None;
    }
    let mut text = String::new();
    File::open(&path).ok()?.take(MAX_FILE).read_to_string(&mut text).ok()?;
    let key = text.trim();
    (!key.is_empty()).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_key_is_found_by_its_port_until_its_guard_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("jobwire");
        let (key, guard) = create_in(&folder, 8000).unwrap();
        assert_eq!(key.len(), 2 * KEY_BYTES);
        assert_eq!(find_in(&folder, 8000), Some(key.clone()));
        assert_eq!(find_in(&folder, 8001), None);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file_in(&folder, 8000))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "the draft is gone");
        let (second, second_guard) = create_in(&folder, 8000).unwrap();
        assert_ne!(key, second);
        drop(guard);
        assert_eq!(find_in(&folder, 8000), Some(second), "a guard leaves what is not its own");
        drop(second_guard);
        assert_eq!(find_in(&folder, 8000), None);
    }

    #[test]
    fn what_others_could_have_written_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("jobwire");
        let (_, _guard) = create_in(&folder, 1).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        set(&file_in(&folder, 1), 0o640);
        assert_eq!(find_in(&folder, 1), None);
        set(&file_in(&folder, 1), 0o600);
        set(&folder, 0o755);
        assert_eq!(find_in(&folder, 1), None);
        assert_eq!(create_in(&folder, 2).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        set(&folder, 0o700);
        symlink(file_in(&folder, 1), file_in(&folder, 3)).unwrap();
        assert_eq!(find_in(&folder, 3), None);
        let link = root.path().join("link");
        symlink(&folder, &link).unwrap();
        assert_eq!(find_in(&link, 1), None);
        assert!(create_in(&link, 4).is_err());
    }

    #[test]
    fn keys_match_only_themselves() {
        assert!(matches("abc", "abc"));
        for other in ["abd", "ab", "abcd", "", "xbc"] {
            assert!(!matches("abc", other) && !matches(other, "abc"), "{other:?}");
        }
    }
}
