//! Programs in transient units: systemd ends all that belongs to one, even if the installer was killed meanwhile.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::output::{KEPT, Output, last_lines};
use super::processes::{Finished, Patience, Program, cannot_run};
use super::system::{SYSTEM_PATH, find_system_program};
use super::{Host, unix};
use crate::error::{Error, Result};

/// The first systemd whose `systemd-run` has `--wait`, `--collect` and output to a file: RHEL 7 has 219, RHEL 8 239.
const WITH_ALL_OPTIONS: u32 = 236;
/// Output of more bytes than this is that of a program gone wild, and would fill the machine's memory.
const MOST_OUTPUT: u64 = 64 << 20;
/// How much longer than we do systemd waits: it only has to if nobody else does any more.
const GRACE: Duration = Duration::from_secs(30);
/// Where the output of units is kept while they run: only there as long as the machine runs, and only for root.
const OUTPUTS: &str = "/run";

/// What there is to know about the machine's systemd, and about our use of it.
#[derive(Debug, Default)]
pub(super) struct Systemd {
    version: OnceLock<Option<u32>>,
    units: AtomicU32,
}

impl Host {
    /// Whether systemd manages this system.
    fn has_systemd(&self) -> bool {
        self.is_system() && Path::new("/run/systemd/system").is_dir()
    }

    pub(super) fn can_run_units(&self) -> bool {
        self.systemd_version()
            .is_some_and(|version| version >= WITH_ALL_OPTIONS)
    }

    fn systemd_version(&self) -> Option<u32> {
        *self.systemd.version.get_or_init(|| {
            if !self.has_systemd() {
                return None;
            }
            version(&self.run_system("systemctl", &["--version"]).ok()?)
        })
    }

    /// Stops every unit that programs with this `unit` run in, or that a run that died left behind. None is fine.
    pub(crate) fn stop_units(&self, unit: &str) -> Result<()> {
        let unit = checked(unit)?;
        if !self.can_run_units() {
            return Ok(());
        }
        self.stop_matching(&format!("{unit}-*.service"))?;
        let prefix = format!("{unit}-");
        for path in self.list(Path::new(OUTPUTS))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(&prefix) && name.ends_with(".output") {
                self.remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// A pattern rather than a name: that nothing matches it is no error.
    fn stop_matching(&self, pattern: &str) -> Result<()> {
        // Undoing depends on it, so no signal cuts it short. systemd itself kills after `TimeoutStopSec`.
        let patience = Patience::Steadfast(Duration::from_secs(60));
        self.run_system_with("systemctl", &["--no-ask-password", "stop", pattern], patience)
            .map(drop)
    }

    pub(super) fn run_in_unit(&self, program: &Program, unit: &str) -> Result<Finished> {
        let number = self.systemd.units.fetch_add(1, Ordering::Relaxed);
        let unit = format!("{}-{number}", checked(unit)?);
        let output = Path::new(OUTPUTS).join(format!("{unit}.output"));
        self.remove_file(&output)?;
        // Ours before systemd opens it: it would make it readable for everybody.
        self.create_file(&output)?;
        let finished = self.run_with_output(program, &unit, &output);
        // Without the program, its output is only in the way.
        self.remove_file(&output)?;
        finished
    }

    fn run_with_output(&self, program: &Program, unit: &str, output: &Path) -> Result<Finished> {
        let cannot = |source| cannot_run(program).with_source(source);
        let mut command = Command::new(find_system_program("systemd-run"));
        command
            .args(arguments(program, unit, output)?)
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", SYSTEM_PATH)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        unix::lead_own_group(&mut command);
        let mut client = command.spawn().map_err(cannot)?;
        let words = client.stderr.take().map(Output::of);
        let patience = Patience::UntilInterrupted(program.within);
        let waited = self.wait_while(&mut client, &program.name, patience, &|| {
            self.check_size(program, output)
        });
        if let Err(error) = waited {
            // The client first, which may be about to ask for the unit.
            let ended = self.end(&mut client, &program.name);
            return Err(
                match ended.and_then(|()| self.stop_matching(&format!("{unit}.s*"))) {
                    Ok(()) => error,
                    Err(stuck) => error.with_lines(&format!("and {stuck}")),
                },
            );
        }
        let words = words.map(Output::finish).unwrap_or_default();
        let printed = self.read_end(output, KEPT)?;
        match Ending::of(&String::from_utf8_lossy(&words)) {
            // Codes from 200 on are those of systemd: no such directory, no such account.
            Some(Ending::Exited(code)) if code < 200 || !printed.is_empty() => {
                Ok(Finished::new(Some(code), &printed))
            }
            Some(Ending::Killed) => Ok(Finished::new(None, &printed)),
            Some(Ending::Exited(_)) | None => Err(cannot_run(program).with_lines(&format!(
                "  expected: it runs as unit `{unit}`\n     found: systemd says\n{}",
                last_lines(&words, 10)
            ))),
        }
    }

    fn check_size(&self, program: &Program, output: &Path) -> Result<()> {
        let size = self.facts(output)?.map_or(0, |facts| facts.size);
        if size <= MOST_OUTPUT {
            return Ok(());
        }
        Err(Error::failed(format!(
            "{} prints without end and was ended\n  expected: at most {MOST_OUTPUT} bytes\n     found: {size} bytes",
            program.name
        )))
    }
}

/// What `systemd-run` is told.
fn arguments(program: &Program, unit: &str, output: &Path) -> Result<Vec<String>> {
    let text = |path: &Path| path.display().to_string();
    let output = text(output);
    let mut arguments = vec![
        format!("--unit={unit}"),
        format!("--description={}", program.name),
        "--no-ask-password".to_owned(),
        "--wait".to_owned(),
        "--collect".to_owned(),
    ];
    let mut set = |name: &str, value: &str| arguments.extend(["-p".to_owned(), format!("{name}={value}")]);
    // Not `exec`: of a program that fails at once systemd would say that it could not be started, and no exit code.
    set("Type", "simple");
    set("KillMode", "control-group");
    // As in a process group: once it is given up, nothing that it still does is of any use.
    set("KillSignal", "SIGKILL");
    set("RuntimeMaxSec", &(program.within + GRACE).as_secs().to_string());
    set("TimeoutStopSec", "10");
    set("StandardInput", "null");
    set("StandardOutput", &format!("file:{output}"));
    set("StandardError", &format!("file:{output}"));
    set("WorkingDirectory", &text(&program.directory));
    if let Some(user) = &program.user {
        set("User", user.as_str());
    }
    let executable = text(&program.executable);
    if executable.contains('=') {
        return Err(cannot_run(program)
            .with_lines("  expected: a path without `=`\n     found: one that `env` takes for a variable"));
    }
    // systemd would add to `--setenv` its own environment, which anybody may have put anything into: `PATH`, `LANG`,
    // `DefaultEnvironment=`; then `HOME`, `LOGNAME`, `SHELL` and `USER` of the account, `INVOCATION_ID`,
    // `SYSTEMD_EXEC_PID`, and what later versions think of. `env -i` leaves exactly what the program is to have.
    arguments.extend([
        "--".to_owned(),
        text(&find_system_program("env")),
        "-i".to_owned(),
    ]);
    let environment = program
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let words = environment
        .chain([executable])
        .chain(program.arguments.iter().cloned());
    // systemd fills in variables in the words of a command.
    arguments.extend(words.map(|word| word.replace('$', "$$")));
    Ok(arguments)
}

/// How the main process of a unit ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Exited(i32),
    Killed,
}

impl Ending {
    /// What `systemd-run --wait` says: `code=exited/status=3`, in newer versions `code=exited, status=3/NOTIMPLEMENTED`.
    /// Its exit code does not tell a program that a signal ended from one that failed.
    fn of(text: &str) -> Option<Self> {
        let line = text.lines().rev().find(|line| line.contains("code="))?;
        let (_, line) = line.split_once("code=")?;
        if !line.starts_with("exited") {
            return Some(Self::Killed);
        }
        let (_, status) = line.split_once("status=")?;
        let digits = status.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok().map(Self::Exited)
    }
}

/// The version in what `systemctl --version` prints: `systemd 252 (252.39-1~deb12u2)`.
fn version(text: &str) -> Option<u32> {
    let digits = text
        .strip_prefix("systemd ")?
        .split(|c: char| !c.is_ascii_digit())
        .next()?;
    digits.parse().ok()
}

/// A name that is safe in a pattern that units are stopped by.
fn checked(unit: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if unit.starts_with(|c: char| c.is_ascii_alphanumeric()) && unit.len() <= 200 && unit.chars().all(plain) {
        Ok(unit)
    } else {
        Err(Error::failed(format!(
            "`{}` is not the name of a unit",
            unit.escape_debug()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn program() -> Program {
        Program {
            name: "tool `index`".to_owned(),
            executable: PathBuf::from("/opt/s/bin/index"),
            arguments: vec!["-n".to_owned(), "$HOME 100%".to_owned()],
            environment: vec![
                ("LC_ALL".to_owned(), "C".to_owned()),
                ("A".to_owned(), "$1".to_owned()),
            ],
            directory: PathBuf::from("/opt/s"),
            within: Duration::from_secs(90),
            unit: Some("servoy-cluster-run-1".to_owned()),
            user: Some("servoy".parse().expect("a name")),
        }
    }

    #[test]
    fn systemd_is_told_everything_about_a_program() {
        let told = arguments(&program(), "u-0", Path::new("/run/u-0.output")).expect("it can run");
        let told = told
            .join("\n")
            .replace("-p\n", "-p ")
            .replace(&find_system_program("env").display().to_string(), "env");
        assert_eq!(
            told,
            "\
--unit=u-0
--description=tool `index`
--no-ask-password
--wait
--collect
-p Type=simple
-p KillMode=control-group
-p KillSignal=SIGKILL
-p RuntimeMaxSec=120
-p TimeoutStopSec=10
-p StandardInput=null
-p StandardOutput=file:/run/u-0.output
-p StandardError=file:/run/u-0.output
-p WorkingDirectory=/opt/s
-p User=servoy
--
env
-i
LC_ALL=C
A=$$1
/opt/s/bin/index
-n
$$HOME 100%"
        );
    }

    #[test]
    fn without_an_account_it_runs_as_root() {
        let program = Program {
            user: None,
            ..program()
        };
        let told = arguments(&program, "u-0", Path::new("/run/u-0.output")).expect("it can run");
        assert!(!told.iter().any(|word| word.starts_with("User=")), "{told:?}");
    }

    #[test]
    fn a_program_that_env_would_take_for_a_variable_is_refused() {
        let executable = PathBuf::from("/opt/a=b/index");
        let program = Program {
            executable,
            ..program()
        };
        let error = arguments(&program, "u-0", Path::new("/run/u-0.output")).expect_err("it cannot run");
        assert!(error.to_string().contains("a path without `=`"), "{error}");
    }

    #[test]
    fn systemd_of_every_age_says_how_it_ended() {
        for (text, ending) in [
            (
                "Main processes terminated with: code=exited/status=0",
                Ending::Exited(0),
            ),
            (
                "Main processes terminated with: code=exited, status=3/NOTIMPLEMENTED",
                Ending::Exited(3),
            ),
            (
                "Main processes terminated with: code=killed/status=9",
                Ending::Killed,
            ),
            (
                "Main processes terminated with: code=killed/status=KILL",
                Ending::Killed,
            ),
            (
                "Main processes terminated with: code=dumped, status=11/SEGV",
                Ending::Killed,
            ),
        ] {
            let said = format!(
                "Running as unit: u-0.service\nFinished with result: x\n{text}\nCPU time consumed: 1ms\n"
            );
            assert_eq!(Ending::of(&said), Some(ending), "{text}");
        }
        assert_eq!(
            Ending::of("Failed to start transient service unit: Access denied\n"),
            None
        );
    }

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version("systemd 252 (252.39-1~deb12u2)\n+PAM"), Some(252));
        assert_eq!(version("systemd 219\n+PAM"), Some(219));
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn a_name_that_would_stop_other_units_is_refused() {
        for name in ["", "*", "a*", "a b", "-a", "a/b", "a@b"] {
            assert!(checked(name).is_err(), "{name}");
        }
        assert!(checked("servoy-cluster-run-1.2_3").is_ok());
    }
}
