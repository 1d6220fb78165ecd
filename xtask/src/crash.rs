//! `cargo xtask crash`: the installer is killed, or its system calls fail, at places drawn by chance; then the
//! machine must be as it was, or as it should be.

mod fault;
mod oracle;
mod report;
mod scenario;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use bundle_format::Target;
use test_support::Key;

use self::fault::{Fault, Population};
use self::report::Report;
use self::scenario::{Machine, Prepared, SCENARIOS, Scenario};
use crate::tools;
use crate::workspace::Workspace;

/// What `crash` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many runs
    #[arg(long, value_name = "N", default_value_t = 300)]
    count: usize,
    /// What the faults are drawn from; the same seed draws the same faults
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Only this scenario; may be repeated
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// Only this fault, as a report names it; the machine is kept
    #[arg(long, value_name = "FAULT")]
    only: Option<Fault>,
    /// How many runs at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
    /// Where the machines are made; in memory by default, since a disk's syncs take most of the time
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    scratch: PathBuf,
}

impl Arguments {
    /// So many runs, everything else by default.
    pub(crate) fn of_count(count: usize) -> Self {
        Self {
            count,
            seed: 1,
            scenarios: Vec::new(),
            only: None,
            jobs: 2,
            scratch: PathBuf::from("/dev/shm"),
        }
    }
}

/// Runs a campaign and fails if a fault did not happen, or a machine did not survive one.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    tools::require(&[tools::STRACE])?;
    let stub = workspace.stub(Target::LinuxX86_64);
    ensure!(
        stub.is_file(),
        "`{}` is missing\nhint: `cargo xtask stubs --target {}` makes it",
        stub.display(),
        Target::LinuxX86_64
    );
    let scenarios = chosen(arguments)?;
    let scratch = tempfile::Builder::new()
        .prefix("crash-")
        .tempdir_in(&arguments.scratch)?;
    let campaign = Campaign::new(&stub, scratch.path(), &scenarios)?;
    let faults = match &arguments.only {
        Some(fault) => vec![fault.clone()],
        None => campaign.draw(arguments)?,
    };
    let start = Instant::now();
    let report = campaign.run(faults, arguments.jobs.max(1))?;
    print!("{}", report.text(arguments.seed, start.elapsed()));
    if arguments.only.is_some() {
        println!("the machine is kept: `{}`", scratch.keep().display());
    }
    ensure!(
        report.failures.is_empty(),
        "{} of {} runs failed",
        report.failures.len(),
        report.total()
    );
    Ok(())
}

fn chosen(arguments: &Arguments) -> Result<Vec<&'static Scenario>> {
    let names: Vec<&str> = match &arguments.only {
        Some(fault) => vec![&fault.scenario],
        None if arguments.scenarios.is_empty() => return Ok(SCENARIOS.iter().collect()),
        None => arguments.scenarios.iter().map(String::as_str).collect(),
    };
    let find = |name: &str| {
        let known = || {
            SCENARIOS
                .iter()
                .map(|scenario| scenario.name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
        found.with_context(|| format!("there is no scenario `{name}`\n  expected: one of {}", known()))
    };
    names.into_iter().map(find).collect()
}

/// Everything that the workers share.
struct Campaign<'a> {
    stub: &'a Path,
    scratch: &'a Path,
    scenarios: &'a [&'static Scenario],
    key: Key,
    /// Files that were written later were written by a run.
    moment: i64,
}

impl<'a> Campaign<'a> {
    fn new(stub: &'a Path, scratch: &'a Path, scenarios: &'a [&'static Scenario]) -> Result<Self> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(Self {
            stub,
            scratch,
            scenarios,
            key: Key::generate(),
            moment: i64::try_from(now.as_secs())?,
        })
    }

    /// Counts the calls of clean runs and draws from them.
    fn draw(&self, arguments: &Arguments) -> Result<Vec<Fault>> {
        let machine = self.machine("0")?;
        let mut populations = Vec::new();
        for scenario in self.scenarios {
            let prepared = machine.prepare(scenario, self.moment)?;
            let population = Population::of(&prepared.calls);
            println!(
                "{:<12} {} system calls, of which strace can reach {}",
                scenario.name,
                population.len() + population.unreachable,
                population.len()
            );
            populations.push((scenario.name, population));
        }
        let faults = fault::draw(&populations, arguments.count, arguments.seed);
        if faults.is_empty() {
            bail!("nothing to do");
        }
        Ok(faults)
    }

    fn machine(&self, name: &str) -> Result<Machine> {
        Machine::new(&self.scratch.join(name), self.stub, &self.key)
    }

    fn run(&self, faults: Vec<Fault>, jobs: usize) -> Result<Report> {
        let waiting = Mutex::new(faults.into_iter());
        let report = Mutex::new(Report::default());
        std::thread::scope(|scope| {
            // Names of one length, so that all machines make the same calls.
            let workers: Vec<_> = (1..=jobs)
                .map(|number| {
                    scope.spawn({
                        let (waiting, report) = (&waiting, &report);
                        move || self.work(&number.to_string(), waiting, report)
                    })
                })
                .collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(worked) => worked,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        Ok(report
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Judges faults on a machine of its own until none is left.
    fn work(
        &self,
        name: &str,
        waiting: &Mutex<std::vec::IntoIter<Fault>>,
        report: &Mutex<Report>,
    ) -> Result<()> {
        let machine = self.machine(name)?;
        let mut prepared: Vec<(&Scenario, Prepared)> = Vec::new();
        for scenario in self.scenarios {
            prepared.push((scenario, machine.prepare(scenario, self.moment)?));
        }
        loop {
            let Some(fault) = waiting
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .next()
            else {
                return Ok(());
            };
            let known = prepared
                .iter()
                .find(|(scenario, _)| scenario.name == fault.scenario);
            let (scenario, start) = known.context("faults are drawn from known scenarios")?;
            let name = fault.to_string();
            let verdict =
                oracle::judge(&machine, scenario, start, self.moment, fault).with_context(|| name)?;
            let mut report = report.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            report.add(verdict);
            if report.total().is_multiple_of(500) {
                eprintln!("{} runs, {} failures", report.total(), report.failures.len());
            }
        }
    }
}
