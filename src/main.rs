//! The `seccomp-gen` binary: parses, calls, and turns errors into exit codes.

fn main() -> std::process::ExitCode {
    seccomp_gen::cli::main()
}
