//! What an installation is going to do: a pure function of the bundle and of facts about the machine. Printing
//! it is the dry run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bundle_format::index::{self, Index};
use bundle_format::recipe::DataKind;
use bundle_format::{Identity, Name, PublicKey};

use crate::action::{Action, Closing, outside_file};
use crate::config::{self, ToolRun, Values};
use crate::error::Result;
use crate::keyring::Site;
use crate::layout::{Layout, ReleaseLayout, ancestors_below};
use crate::receipt::Receipt;
use crate::{health, service};

/// Facts about the machine and the command line that a plan depends on.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances<'a> {
    /// The root directory.
    pub root: &'a Path,
    /// Whether accounts and services are touched.
    pub system: bool,
    /// Whether services are started.
    pub start: bool,
    /// Directories that exist.
    pub existing: BTreeSet<PathBuf>,
    /// Directories that this run had to make already, for its lock and journal.
    pub made: &'a [PathBuf],
    /// Whether the recipe's account exists.
    pub account_exists: bool,
    /// Keys to pin; empty if the host has a keyring.
    pub keys: &'a [PublicKey],
    /// What is known of the site.
    pub site: Option<&'a Site>,
    /// Seconds since 1970.
    pub now: u64,
    /// Who started the installer.
    pub operator: Option<String>,
}

/// The bundle that is going to be installed, and as what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Its table of contents.
    pub index: &'a Index,
    /// What tells it from others.
    pub identity: &'a Identity,
    /// The keys that signed it.
    pub signers: &'a [PublicKey],
    /// This machine in the signed host table.
    pub member: Option<&'a index::Host>,
    /// The product's paths.
    pub layout: &'a Layout,
    /// The release's paths.
    pub release: &'a ReleaseLayout,
}

/// What is going to be done.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Before the commit.
    pub actions: Vec<Action>,
    /// After it.
    pub closings: Vec<Closing>,
    /// The receipt, but for what the release holds once it is staged.
    pub receipt: Receipt,
    /// What `{{name}}` stands for.
    pub values: Values,
    /// The unit files, by service.
    pub units: Vec<(Name, String)>,
}

/// Works out what installing `subject` takes.
pub(crate) fn plan(subject: Subject<'_>, circumstances: &Circumstances<'_>) -> Result<Plan> {
    let Subject { index, layout, .. } = subject;
    let recipe = &index.description.recipe;
    let site = index.envelope.site.as_str();
    let values = config::values(&index.description, site, subject.member, layout, subject.release);
    let mut units = Vec::new();
    for service in &recipe.services {
        let unit = service::unit(service, recipe.user.as_ref(), &values)?;
        units.push((service.name.clone(), unit));
    }
    let mut steps = Steps {
        circumstances,
        known: circumstances.existing.clone(),
        actions: Vec::new(),
    };
    stage(&mut steps, subject, &values)?;
    place(&mut steps, subject, &units);
    let receipt = receipt(subject, circumstances, &steps.actions);
    activate(&mut steps, subject, &values)?;
    Ok(Plan {
        actions: steps.actions,
        closings: closings(subject, circumstances, &receipt)?,
        receipt,
        values,
        units,
    })
}

/// The actions so far, and which directories exist by then.
struct Steps<'a> {
    circumstances: &'a Circumstances<'a>,
    known: BTreeSet<PathBuf>,
    actions: Vec<Action>,
}

impl Steps<'_> {
    /// Makes what is missing on the way to `path`; only the last directory gets `mode` and `owner`.
    fn directory(&mut self, path: &Path, mode: u32, owner: Option<&Name>) {
        for step in ancestors_below(self.circumstances.root, path) {
            if self.known.insert(step.clone()) {
                let last = step == path;
                self.actions.push(Action::CreateDirectory {
                    mode: if last { mode } else { 0o755 },
                    owner: owner.filter(|_| last).cloned(),
                    path: step,
                });
            }
        }
    }

    fn file(&mut self, path: PathBuf, mode: u32, content: String) {
        self.actions.push(Action::WriteFile { path, mode, content });
    }
}

/// Fills the release directory. Nothing that is in use changes.
fn stage(steps: &mut Steps<'_>, subject: Subject<'_>, values: &Values) -> Result<()> {
    let Subject { index, release, .. } = subject;
    let recipe = &index.description.recipe;
    steps.directory(&release.releases, 0o755, None);
    steps.actions.push(Action::CreateRelease {
        path: release.directory.clone(),
    });
    steps.actions.push(Action::Unpack {
        entries: index.entries.len(),
        bytes: index.installed_size(),
    });
    if !(recipe.templates.is_empty() && recipe.patches.is_empty() && recipe.services.is_empty()) {
        steps.actions.push(Action::Configure {
            templates: recipe.templates.len() + recipe.services.len(),
            patches: recipe.patches.len(),
        });
    }
    for tool in &recipe.tools {
        let run = ToolRun::new(tool, recipe.java_home.as_ref(), values, &release.directory)?;
        steps.actions.push(Action::RunTool(run));
    }
    Ok(())
}

/// Puts everything else where it belongs, and takes stock. Nothing refers to it yet.
fn place(steps: &mut Steps<'_>, subject: Subject<'_>, units: &[(Name, String)]) {
    let Subject { index, layout, .. } = subject;
    let recipe = &index.description.recipe;
    let system = steps.circumstances.system;
    let account = recipe.user.as_ref().map(|user| &user.name).filter(|_| system);
    if let Some(name) = account.filter(|_| !steps.circumstances.account_exists) {
        steps.actions.push(Action::CreateAccount { name: name.clone() });
    }
    let keeps_logs = recipe.data.iter().any(|data| data.kind == DataKind::Log);
    if keeps_logs || !recipe.services.is_empty() {
        steps.directory(&layout.log(), 0o755, account);
    }
    for data in &recipe.data {
        steps.directory(&layout.data(data), 0o750, account);
    }
    steps.directory(&layout.receipts(), 0o755, None);
    steps.directory(&layout.configuration(), 0o750, None);
    steps.directory(&layout.keyring(), 0o755, None);
    for key in steps.circumstances.keys {
        let path = layout.keyring().join(format!("{}.pub", key.fingerprint()));
        steps.file(path, 0o644, key.to_pub_file());
    }
    if let Some(parent) = layout.installer().parent() {
        steps.directory(parent, 0o755, None);
    }
    steps.actions.push(Action::InstallCopy {
        path: layout.installer(),
        sha256: index.envelope.stub_sha256,
    });
    if !units.is_empty() {
        steps.directory(&layout.units(), 0o755, None);
    }
    for (service, text) in units {
        steps.file(layout.unit(service), 0o644, text.clone());
    }
    steps.actions.push(Action::Seal {
        receipt: layout.receipt(&subject.identity.release_name()),
    });
}

/// Makes the release the one that is in use.
fn activate(steps: &mut Steps<'_>, subject: Subject<'_>, values: &Values) -> Result<()> {
    let recipe = &subject.index.description.recipe;
    steps.actions.push(Action::SwitchCurrent {
        link: subject.release.current.clone(),
        target: subject.release.current_target.clone(),
        previous: None,
    });
    if recipe.services.is_empty() || !steps.circumstances.system {
        return Ok(());
    }
    let services = service_names(subject.index);
    steps.actions.push(Action::RegisterServices {
        services: services.clone(),
    });
    if steps.circumstances.start {
        let release = subject.identity.release_name();
        let checks = health::Checks::new(recipe, services.clone(), &release, values)?;
        steps.actions.push(Action::StartServices { services, checks });
    }
    Ok(())
}

/// The recipe's services in the order in which they start: each after those that it names.
fn service_names(index: &Index) -> Vec<Name> {
    let services = &index.description.recipe.services;
    let mut ordered: Vec<Name> = Vec::new();
    // As many rounds as there are services suffice; whoever waits for each other in a circle comes last.
    for _ in services {
        for service in services {
            let waits = service
                .after
                .iter()
                .any(|name| !ordered.contains(name) && services.iter().any(|other| other.name == *name));
            if !waits && !ordered.contains(&service.name) {
                ordered.push(service.name.clone());
            }
        }
    }
    let rest = services.iter().map(|service| &service.name);
    let rest: Vec<Name> = rest.filter(|name| !ordered.contains(name)).cloned().collect();
    ordered.extend(rest);
    ordered
}

fn closings(
    subject: Subject<'_>,
    circumstances: &Circumstances<'_>,
    receipt: &Receipt,
) -> Result<Vec<Closing>> {
    let json = |error| crate::error::Error::failed("cannot put the site into words").with_source(error);
    let site = Site::of(subject.identity, circumstances.site);
    let event = serde_json::json!({
        "format_version": 1, "event": "install", "release": receipt.release, "identity": receipt.identity,
        "time": receipt.installed_at, "installer": receipt.installer, "operator": receipt.operator,
    });
    Ok(vec![
        Closing::ClearMark {
            release: subject.release.directory.clone(),
        },
        Closing::ReplaceFile {
            path: subject.layout.site(),
            mode: 0o644,
            content: serde_json::to_string(&site).map_err(json)? + "\n",
        },
        Closing::AppendHistory {
            path: subject.layout.history(),
            line: event.to_string(),
        },
    ])
}

fn receipt(subject: Subject<'_>, circumstances: &Circumstances<'_>, actions: &[Action]) -> Receipt {
    let Subject {
        index,
        identity,
        layout,
        ..
    } = subject;
    let description = &index.description;
    let keyring = layout.keyring();
    let mut directories = circumstances.made.to_vec();
    let mut account = None;
    let mut files = Vec::new();
    for action in actions {
        match action {
            Action::CreateDirectory { path, .. } => directories.push(path.clone()),
            Action::CreateAccount { name } => account = Some(name.clone()),
            // Keys outlive every release.
            Action::WriteFile { path, .. } if path.starts_with(&keyring) => {}
            other => files.extend(outside_file(other, index.envelope.stub_length)),
        }
    }
    Receipt {
        format_version: 1,
        identity: identity.clone(),
        product: description.product.clone(),
        prefix: description.prefix.clone(),
        release: identity.release_name(),
        profile: description.profile.clone(),
        profile_version: description.profile_version.clone(),
        host: subject.member.map(|member| member.name.clone()),
        installed_at: circumstances.now,
        installer: env!("CARGO_PKG_VERSION").to_owned(),
        operator: circumstances.operator.clone(),
        signers: subject.signers.iter().map(PublicKey::fingerprint).collect(),
        release_entries: Vec::new(),
        files,
        directories,
        data: description
            .recipe
            .data
            .iter()
            .map(|data| layout.data(data))
            .collect(),
        account,
        services: service_names(index),
        registered: circumstances.system && !description.recipe.services.is_empty(),
        unknown: Default::default(),
    }
}

/// Every directory that a plan may want to make, for finding out which exist.
pub(crate) fn directories(subject: Subject<'_>, root: &Path) -> BTreeSet<PathBuf> {
    let Subject { index, layout, .. } = subject;
    let recipe = &index.description.recipe;
    let mut wanted = vec![
        subject.release.releases.clone(),
        layout.receipts(),
        layout.keyring(),
        layout.installer(),
        layout.units(),
        layout.log(),
    ];
    wanted.extend(recipe.data.iter().map(|data| layout.data(data)));
    wanted
        .iter()
        .flat_map(|path| ancestors_below(root, path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bundle_format::Digest;
    use bundle_format::index::{Description, Envelope, Payload, PayloadLocation};
    use bundle_format::recipe::Recipe;

    fn index(recipe: &str) -> Index {
        let recipe: Recipe = serde_json::from_str(recipe).expect("a recipe");
        Index {
            envelope: Envelope {
                format: 1,
                site: "lab".parse().expect("a name"),
                sequence: 1.try_into().expect("a sequence"),
                stub_length: 10,
                stub_sha256: Digest::of(b"stub"),
            },
            description: Description {
                product: "lab".parse().expect("a name"),
                prefix: "/opt/lab".to_owned(),
                profile: "sample".parse().expect("a name"),
                profile_version: "1".to_owned(),
                role: "server".parse().expect("a role"),
                target: bundle_format::Target::LinuxX86_64,
                built_by: "0".to_owned(),
                artifacts: Vec::new(),
                recipe,
                hosts: Vec::new(),
            },
            payload: Payload {
                location: PayloadLocation::Inline,
                length: 0,
                chunks: Vec::new(),
            },
            frames: Vec::new(),
            entries: Vec::new(),
        }
    }

    fn planned(root: &str, recipe: &str, existing: &[&str]) -> Plan {
        let index = index(recipe);
        let identity = Identity::new(&index, Digest::of(b"index"));
        let layout = Layout::new(Path::new(root), &index.description.product);
        let release = layout.release("/opt/lab", &identity.release_name());
        let circumstances = Circumstances {
            root: Path::new(root),
            system: root == "/",
            start: true,
            existing: existing.iter().map(PathBuf::from).collect(),
            made: &[],
            account_exists: false,
            keys: &[],
            site: None,
            now: 0,
            operator: None,
        };
        let subject = Subject {
            index: &index,
            identity: &identity,
            signers: &[],
            member: None,
            layout: &layout,
            release: &release,
        };
        plan(subject, &circumstances).expect("it can be planned")
    }

    const WITH_SERVICES: &str = r#"{"summary":"","user":{"name":"lab"},
        "data":[{"kind":"state","name":"db","on_upgrade":"keep"}],
        "service":[{"name":"late","description":"","command":["/x"],"working_directory":"/","after":["early"]},
                   {"name":"early","description":"","command":["/x"],"working_directory":"/"}]}"#;

    #[test]
    fn on_the_system_accounts_and_services_are_touched() {
        let plan = planned("/", WITH_SERVICES, &["/opt", "/var", "/var/lib", "/etc"]);
        let text: Vec<String> = plan.actions.iter().map(Action::describe).collect();
        let text = text.join("\n");
        assert!(text.contains("create account `lab`"), "{text}");
        assert!(
            text.contains("create directory `/var/lib/lab/db` for `lab`"),
            "{text}"
        );
        assert!(
            text.ends_with("start services early, late, wait for 0 health checks"),
            "{text}"
        );
        assert!(!text.contains("create directory `/opt`\n"), "{text}");
        assert!(plan.receipt.registered);
    }

    #[test]
    fn below_another_root_services_are_only_written() {
        let plan = planned("/r", WITH_SERVICES, &[]);
        let text: Vec<String> = plan.actions.iter().map(Action::describe).collect();
        let text = text.join("\n");
        assert!(
            text.contains("write `/r/etc/systemd/system/early.service`"),
            "{text}"
        );
        assert!(!text.contains("account") && !text.contains("services"), "{text}");
        assert!(
            text.ends_with("switch `/r/opt/lab/current` to `releases/lab-1-1bc04b5291c2`"),
            "{text}"
        );
        assert!(!plan.receipt.registered);
    }

    #[test]
    fn the_same_facts_give_the_same_plan() {
        let (first, second) = (
            planned("/r", WITH_SERVICES, &[]),
            planned("/r", WITH_SERVICES, &[]),
        );
        assert_eq!(first.actions, second.actions);
        assert_eq!(first.closings, second.closings);
        assert_eq!(first.receipt, second.receipt);
    }
}
