//! The `playbook` binary: nothing but the way into the library.

fn main() -> std::process::ExitCode {
    playbook::cli::main()
}
