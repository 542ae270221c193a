//! The `jobwire` program: parse, dispatch, exit code.

use std::process::ExitCode;

use jobwire::cli;

fn main() -> ExitCode {
    cli::exit_code(cli::parse(std::env::args_os()).and_then(cli::Cli::dispatch))
}
