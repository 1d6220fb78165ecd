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
        present: BTreeMap::new(),
        made: &[],
        account_exists: false,
        keys: &[],
        site: None,
        installed: None,
        others: &[],
        running: service::Running::default(),
        kept: false,
        keep: 1,
        bundle: None,
        overrides: Vec::new(),
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
