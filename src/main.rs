//! The binary: hands the process over to the command line.

fn main() -> std::process::ExitCode {
    tokentrail::cli::main()
}
