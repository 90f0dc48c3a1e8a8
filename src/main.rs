//! The `lazarus` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    lazarus::cli::run()
}
