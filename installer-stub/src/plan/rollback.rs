//! Going back to the release before.

use bundle_format::recipe::OnUpgrade;

use super::steps::Steps;
use super::{Circumstances, history};
use crate::action::{Action, Closing};
use crate::error::{Error, ExitCode, Result};
use crate::layout::Layout;
use crate::receipt::Receipt;

/// Works out what it takes to go from `current` back to `previous`. What the machine has learned of the site stays.
pub(crate) fn rollback(
    layout: &Layout,
    current: &Receipt,
    previous: &Receipt,
    snapshots: &[usize],
    circumstances: &Circumstances<'_>,
) -> Result<(Vec<Action>, Vec<Closing>)> {
    refuse_one_way(current)?;
    let mut steps = Steps::new(circumstances);
    steps.stop_services(current, layout.starting());
    data(&mut steps, layout, current, previous, snapshots);
    let first = steps.actions.len();
    for unit in &previous.operation.units {
        steps.text(layout.unit(&unit.service), 0o644, unit.text.clone());
    }
    let gone: Vec<_> = current
        .services
        .iter()
        .filter(|name| !previous.services.contains(name))
        .cloned()
        .collect();
    for name in &gone {
        if steps.is_present(&layout.unit(name)).is_some() {
            steps.set_aside(layout.unit(name));
        }
    }
    if circumstances.system && steps.actions.len() > first {
        steps.actions.insert(first, Action::ReloadUnits);
    }
    let release = previous.release_layout(layout);
    steps.actions.push(Action::SwitchCurrent {
        link: release.current.clone(),
        target: release.current_target.clone(),
        previous: Some(current.release_layout(layout).current_target),
    });
    if circumstances.system && previous.registered {
        if !gone.is_empty() {
            steps.actions.push(Action::UnregisterServices { services: gone });
        }
        let is_new = |name: &&bundle_format::Name| !current.services.contains(name);
        steps.actions.push(Action::RegisterServices {
            services: previous.services.iter().filter(is_new).cloned().collect(),
        });
        if circumstances.start && !circumstances.running.services.is_empty() {
            steps.actions.push(Action::StartServices {
                services: previous.services.clone(),
                checks: previous.operation.health.clone(),
                flag: layout.starting(),
            });
        }
    }
    let mut closings = vec![history(layout, circumstances, "rollback", previous)];
    closings.extend(steps.proof(layout, &previous.release));
    closings.extend(steps.cleaning());
    Ok((steps.actions, closings))
}

fn refuse_one_way(current: &Receipt) -> Result<()> {
    let one_way = current.operation.data.iter();
    let paths: Vec<String> = one_way
        .filter(|data| data.on_upgrade == OnUpgrade::OneWay)
        .map(|data| format!("`{}`", data.path.display()))
        .collect();
    if paths.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ExitCode::Refused,
        format!(
            "release {} has changed data in a way that the one before cannot read: {}",
            current.release,
            paths.join(", ")
        ),
    )
    .with_hint("install a release with a higher sequence, or uninstall and restore that data from a backup"))
}

/// Data that was kept for going back takes the place of what is there, which is kept in its turn.
fn data(steps: &mut Steps<'_>, layout: &Layout, current: &Receipt, previous: &Receipt, snapshots: &[usize]) {
    let kept = layout.snapshots(&format!("{}-{}", current.release, steps.circumstances.now));
    for (number, data) in current.operation.data.iter().enumerate() {
        if !snapshots.contains(&number) {
            continue;
        }
        steps.directory(&kept, 0o700, None);
        steps.actions.push(Action::Move {
            path: data.path.clone(),
            to: kept.join(number.to_string()),
        });
        steps.actions.push(Action::CopyTree {
            from: layout.snapshots(&previous.release).join(number.to_string()),
            to: data.path.clone(),
        });
    }
}
