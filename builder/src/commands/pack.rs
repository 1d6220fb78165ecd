//! `pack`: a plain directory as a run file with one role.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use bundle_format::index::Description;
use bundle_format::recipe::Recipe;
use bundle_format::{Role, Target};

use super::output::{find_stub, print_written, refuse_windows};
use super::session::{Session, secret_keys};
use crate::cli::Pack;
use crate::error::Usage;
use crate::pack::Contents;
use crate::{archive, run_file};

/// 2020-01-01 00:00:00 UTC. Any fixed date would do; some programs dislike 1970.
const FIXED_DATE: i64 = 1_577_836_800;

pub(super) fn run(arguments: &Pack, session: &Session) -> anyhow::Result<()> {
    let target = arguments.target.or_else(Target::of_this_machine).ok_or_else(|| {
        Usage::new("there are no run files for machines like this one")
            .with_hint("name a platform with `--target`")
    })?;
    refuse_windows(target)?;
    check_prefix(&arguments.prefix)?;
    let mtime = source_date()?;
    let keys = secret_keys(&arguments.signing)?;
    let beside = arguments.out.parent().unwrap_or(Path::new("."));
    let stub = find_stub(target, arguments.stub.as_deref(), beside, session)?;
    let contents = Contents {
        site: arguments.name.clone(),
        sequence: arguments.sequence,
        description: description(arguments, target)?,
        tree: archive::from_directory(&arguments.directory, mtime)?,
        origins: BTreeMap::new(),
    };
    let written = run_file::write(
        &arguments.out,
        &stub,
        contents,
        &keys,
        session.jobs,
        &session.reporter,
    )?;
    print_written(&written, session)
}

/// The directory's own name stands for everything that a profile and a site would name.
fn description(arguments: &Pack, target: Target) -> anyhow::Result<Description> {
    let role: Role = arguments
        .name
        .as_str()
        .parse()
        .context("the name cannot be that of a role")?;
    Ok(Description {
        product: arguments.name.clone(),
        prefix: arguments.prefix.clone(),
        profile: arguments.name.clone(),
        profile_version: arguments.version.clone(),
        role,
        target,
        built_by: env!("CARGO_PKG_VERSION").to_owned(),
        artifacts: Vec::new(),
        recipe: Recipe {
            summary: format!("{} {}", arguments.name, arguments.version),
            ..Recipe::default()
        },
        hosts: Vec::new(),
    })
}

/// A prefix is joined with names on another machine and ends up in scripts there.
fn check_prefix(prefix: &str) -> Result<(), Usage> {
    let good = prefix.strip_prefix('/').is_some_and(|rest| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        rest.split('/')
            .all(|part| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain))
    });
    if good {
        Ok(())
    } else {
        Err(Usage::new(format!(
            "`{prefix}` is not a good prefix\n  expected: an absolute path of letters, digits, `.`, `_` and `-`"
        ))
        .with_hint("write for example `--prefix /opt/NAME`"))
    }
}

/// The time that every file gets: of `SOURCE_DATE_EPOCH` if it is set, since times of a working directory would
/// make every checkout another bundle.
fn source_date() -> Result<i64, Usage> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(FIXED_DATE);
    };
    let seconds = text.to_str().and_then(|text| text.parse::<u32>().ok());
    seconds.map(i64::from).ok_or_else(|| {
        Usage::new(format!(
            "SOURCE_DATE_EPOCH is `{}`\n  expected: seconds since 1970",
            text.to_string_lossy()
        ))
    })
}
