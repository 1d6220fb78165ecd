//! A bundle on its way to a machine, for the actions that fill a release directory.

use std::collections::{BTreeMap, BTreeSet};

use clap::Parser as _;
use test_support::{Fake, Key};

use super::*;
use crate::cli::{Cli, Source};
use crate::layout::ReleaseLayout;
use crate::payload::{self, Bundle};
use crate::plan::{Circumstances, Plan, Subject, plan};

const RECIPE: &str = r#"{"summary":"",
    "template":[{"to":"etc/a.conf","mode":416,"content":"home={{current}}\n"}],
    "patch":[{"file":"a.properties","kind":"property","key":"port","value":"9510"}]}"#;

/// A machine, and a bundle on its way to it.
pub(super) struct Delivery {
    pub(super) machine: Machine,
    bundle: Bundle,
    plan: Plan,
    pub(super) release: ReleaseLayout,
}

impl Delivery {
    pub(super) fn new() -> Self {
        let machine = Machine::new();
        let key = Key::generate();
        let mut fake = Fake::new()
            .file("a.properties", 0o640, "port=1\n")
            .file("lib/a.jar", 0o644, vec![7; 10_000])
            .symlink("lib/link.jar", "a.jar");
        fake.description.recipe = serde_json::from_str(RECIPE).expect("a recipe");
        fake.description.prefix = "/there".to_owned();
        let run_file = machine.root().join("x.run");
        std::fs::write(&run_file, fake.build(&key).bytes).expect("it is written");
        let key_file = machine.root().join("key.pub");
        std::fs::write(&key_file, key.pub_file()).expect("it is written");
        let words = ["installer".as_ref(), "--trust-key".as_ref(), key_file.as_os_str()];
        let options = Cli::parse_from(words).options;
        let source = Source { file: Some(run_file) };
        let bundle = payload::open(&machine.host, &source, &options).expect("it is trusted");
        let (plan, release) = planned(&machine, &bundle);
        std::fs::create_dir(&release.releases).expect("it is made");
        Self {
            machine,
            bundle,
            plan,
            release,
        }
    }

    /// Does `act` with what fills the release.
    pub(super) fn with<T>(&self, act: impl FnOnce(&Staging<'_>) -> T) -> T {
        let report = Report::silent(&self.machine.host);
        let staging = Staging::new(
            &self.machine.host,
            &self.bundle,
            &self.release,
            &self.plan,
            1,
            &report,
        );
        act(&staging.expect("it can be opened"))
    }

    pub(super) fn create(&self) -> Action {
        Action::CreateRelease {
            path: self.release.directory.clone(),
        }
    }

    /// The actions that fill it, in order.
    pub(super) fn filling(&self) -> [Action; 3] {
        [
            Action::Unpack {
                entries: 4,
                bytes: 10_007,
            },
            Action::Configure {
                templates: 1,
                patches: 1,
            },
            Action::Seal {
                release: self.release.directory.clone(),
            },
        ]
    }

    /// One of them.
    pub(super) fn filler(&self, number: usize) -> Action {
        let filler = self.filling().into_iter().nth(number);
        filler.expect("there are three")
    }

    #[track_caller]
    pub(super) fn execute(&self, action: &Action) {
        self.with(|staging| action.execute(&self.machine.host, Some(staging)))
            .expect("nothing is in its way");
    }

    /// Makes the release, and does the first `count` of the actions that fill it.
    #[track_caller]
    pub(super) fn fill(&self, count: usize) {
        self.machine.execute(&self.create());
        self.filling()
            .iter()
            .take(count)
            .for_each(|action| self.execute(action));
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.release.directory.join(path)
    }

    #[track_caller]
    pub(super) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).expect("it is there")
    }

    pub(super) fn put(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.at(path).parent().expect("it has one")).expect("they are made");
        std::fs::write(self.at(path), text).expect("it is written");
    }
}

fn planned(machine: &Machine, bundle: &Bundle) -> (Plan, ReleaseLayout) {
    let layout = bundle.layout(&machine.host);
    let (identity, release) = (bundle.identity(), bundle.release(&layout));
    let subject = Subject {
        index: bundle.index(),
        identity: &identity,
        signers: bundle.signers(),
        member: None,
        layout: &layout,
        release: &release,
    };
    let circumstances = Circumstances {
        root: machine.root(),
        system: false,
        start: false,
        existing: BTreeSet::new(),
        present: BTreeMap::new(),
        made: &[],
        account_exists: false,
        keys: &[],
        site: None,
        installed: None,
        others: &[],
        kept: false,
        keep: 1,
        running: service::Running::default(),
        bundle: None,
        overrides: Vec::new(),
        now: 0,
        operator: None,
    };
    (plan(subject, &circumstances).expect("it can be planned"), release)
}
