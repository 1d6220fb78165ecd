//! The executable, which is nothing but the library's way in.

fn main() -> std::process::ExitCode {
    installer_stub::run()
}
