//! `build`: the signed run files of a site.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bundle_format::Target;

use super::output::{find_stub, print_written, refuse_windows};
use super::session::{Session, require_keys, secret_keys};
use super::site::{LoadedSite, lock_and_fetch};
use crate::build::{Order, Workshop};
use crate::cli::Build;
use crate::error::Usage;
use crate::run_file::{self, RunFile};
use crate::site::ResolvedRole;
use crate::stub::Stub;

pub(super) fn run(arguments: &Build, session: &Session) -> anyhow::Result<()> {
    for written in build(arguments, session)? {
        print_written(&written, session)?;
    }
    Ok(())
}

/// Builds what is asked for. Everything that can be refused early is, before anything is downloaded.
pub(super) fn build(arguments: &Build, session: &Session) -> anyhow::Result<Vec<RunFile>> {
    require_keys(&arguments.signing)?;
    let loaded = LoadedSite::load(&arguments.site, session)?;
    let chosen = choose(arguments, &loaded)?;
    let stubs = stubs(arguments, &chosen, session)?;
    let keys = secret_keys(&arguments.signing)?;
    let LoadedSite { profile, resolved } = &loaded;
    let needed = |spec: &_| {
        chosen.iter().any(|role| {
            let artifacts = profile.artifacts_of(&role.role, role.target);
            artifacts.iter().any(|artifact| std::ptr::eq(*artifact, spec))
        })
    };
    let fetched = lock_and_fetch(profile, &needed, &arguments.obtain, session)?;
    let mut workshop = Workshop::new(profile, &fetched, session.cache_directory()?)?;
    let mut written = Vec::new();
    for ResolvedRole { role, target, hosts } in chosen {
        let Some(stub) = stubs.get(target) else {
            continue;
        };
        let contents = workshop.contents(Order {
            site: resolved.site.clone(),
            sequence: resolved.sequence,
            role: role.clone(),
            target: *target,
            hosts: hosts.clone(),
        })?;
        let name = run_file::file_name(&contents.site, contents.sequence, &contents.description);
        let path = arguments.out.join(name);
        written.push(run_file::write(
            &path,
            stub,
            contents,
            &keys,
            session.jobs,
            &session.reporter,
        )?);
    }
    Ok(written)
}

/// The bundles that the command line asks for: all, or those of a role or platform.
fn choose<'a>(arguments: &Build, loaded: &'a LoadedSite) -> Result<Vec<&'a ResolvedRole>, Usage> {
    let all = &loaded.resolved.roles;
    let fits = |role: &&ResolvedRole| {
        arguments.role.as_ref().is_none_or(|wanted| *wanted == role.role)
            && arguments.target.is_none_or(|wanted| wanted == role.target)
    };
    let chosen: Vec<&ResolvedRole> = all.iter().filter(fits).collect();
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let known: Vec<String> = all
        .iter()
        .map(|role| format!("`{}` on `{}`", role.role, role.target))
        .collect();
    let role = arguments.role.as_ref().map(|role| format!(" the role `{role}`"));
    let target = arguments.target.map(|target| format!(" the platform `{target}`"));
    let asked = [role, target]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" and");
    Err(Usage::new(format!(
        "no machine of site `{}` has{asked}\n  expected: {}",
        loaded.resolved.site,
        known.join(", ")
    )))
}

fn stubs(
    arguments: &Build,
    chosen: &[&ResolvedRole],
    session: &Session,
) -> anyhow::Result<BTreeMap<Target, Stub>> {
    let mut stubs = BTreeMap::new();
    for target in chosen.iter().map(|role| role.target) {
        refuse_windows(target)?;
        if let Entry::Vacant(missing) = stubs.entry(target) {
            missing.insert(find_stub(
                target,
                arguments.stub.as_deref(),
                &arguments.out,
                session,
            )?);
        }
    }
    Ok(stubs)
}
