//! The `jobwire` program: parse, dispatch, exit code.

use std::process::ExitCode;

use jobwire::cli;
use tikv_jemallocator::Jemalloc;

/// Gives back what is freed within ten seconds, by a thread of its own. glibc's keeps it for good: of payloads of 1 MiB that
/// came and went, and of the buffers of connections that have ended.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    cli::main(std::env::args_os())
}
