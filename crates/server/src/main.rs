//! The `lapwing` binary: all of it is in the library, so that the Python wheel can carry the same program.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    lapwing_server::cli_main(std::env::args_os())
}
