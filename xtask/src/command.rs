//! Running other programs so that a person sees what was run and why it failed.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs `command` with our standard streams and fails unless it ends with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// What `command` prints on standard output. What it prints on standard error goes to ours.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed something that is not UTF-8"))
}

/// Program and arguments on one line, for people.
pub(crate) fn line(command: &Command) -> String {
    // Cargo is called by its full path; people know it by its name.
    let program = std::path::Path::new(command.get_program());
    let program = match program.file_stem() {
        Some(name) if name == "cargo" => name,
        _ => command.get_program(),
    };
    let words = std::iter::once(program).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_command() {
        let error = output(Command::new("rustc").arg("--no-such-option")).expect_err("there is none");
        assert!(
            error.to_string().starts_with("`rustc --no-such-option` failed: "),
            "{error}"
        );
        let error = run(&mut Command::new("no-such-program")).expect_err("there is none");
        assert_eq!(error.to_string(), "cannot start `no-such-program`");
    }

    #[test]
    fn cargo_goes_by_its_name() {
        assert_eq!(
            line(Command::new("/somewhere/bin/cargo").arg("check")),
            "cargo check"
        );
        assert_eq!(
            line(Command::new("/somewhere/x.run").arg("status")),
            "/somewhere/x.run status"
        );
    }
}
