//! Packages of Node's that tests use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Packages that scripts/test installs too.
const PACKAGES: [&str; 6] = ["redis", "bullmq", "ioredis", "typescript", "playwright-core", "axe-core"];

/// The folder `node_modules` with [`PACKAGES`], which are installed where they are missing.
pub(crate) fn node_modules() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-node");
        let modules = folder.join("node_modules");
        if !PACKAGES.iter().all(|name| modules.join(name).join("package.json").exists()) {
            fs::create_dir_all(&folder).unwrap();
            let args =
                ["install", "--silent", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", "."];
            let installed = Command::new("npm").args(args).args(PACKAGES).current_dir(&folder).status();
            assert!(
                installed.is_ok_and(|status| status.success()),
                "this test needs npm and its packages {}; run scripts/test",
                PACKAGES.join(", ")
            );
        }
        modules
    })
}
