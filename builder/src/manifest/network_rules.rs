//! What a recipe's ports and addresses must keep to, as far as they are known before there is a site.

use std::collections::BTreeMap;

use bundle_format::template;

use super::document::{Step, place};
use super::problem::{Problem, expected_found};
use super::role::RoleRecipe;

/// Checks what the recipe of `role` says of the network.
pub(super) fn check(role: &RoleRecipe, problems: &mut Vec<Problem>) {
    let recipe = &role.recipe;
    let mut ports: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, listen) in recipe.listens.iter().enumerate() {
        let place = place!["listen", index, "port"];
        problems.extend(port_problem(role, place, &listen.port));
        if let Some(earlier) = ports.insert(listen.port.as_str(), index) {
            let message = format!(
                "the port `{}` is there twice, as `listen[{}]` too",
                listen.port,
                earlier + 1
            );
            let hint = "two services cannot listen on the same port; name each port once";
            problems.push(role.document.problem(place, message).with_hint(hint));
        }
    }
    for (index, peer) in recipe.peers.iter().enumerate() {
        problems.extend(host_problem(role, place!["peer", index, "host"], &peer.host));
        problems.extend(port_problem(role, place!["peer", index, "port"], &peer.port));
    }
    for (index, address) in recipe.addresses.iter().enumerate() {
        problems.extend(host_problem(
            role,
            place!["address", index, "value"],
            &address.value,
        ));
    }
}

/// Refuses a port that is known to be none: one without variables, or a variable whose default is none.
fn port_problem(role: &RoleRecipe, place: &[Step<'_>], text: &str) -> Option<Problem> {
    let port = known(role, text)?;
    if port.parse::<u16>().is_ok_and(|port| port > 0) {
        return None;
    }
    let message = format!(
        "`{text}` is not a port{}",
        expected_found("a number from 1 to 65535", format_args!("`{port}`"))
    );
    Some(role.document.problem(place, message))
}

/// Refuses what is known to be no host name or address.
fn host_problem(role: &RoleRecipe, place: &[Step<'_>], text: &str) -> Option<Problem> {
    let host = known(role, text)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if !host.is_empty() && host.chars().all(good) {
        return None;
    }
    let message = format!(
        "`{text}` is not a host{}",
        expected_found("a host name or an address", format_args!("`{host}`"))
    );
    let hint = "write the host alone, without a scheme and without a path".to_owned();
    Some(role.document.problem(place, message).with_hint(hint))
}

/// What `text` says on every machine that gives no value of its own; `None` if only a site can tell.
fn known(role: &RoleRecipe, text: &str) -> Option<String> {
    let variables = role.recipe.variables.iter();
    let defaults = variables.filter_map(|variable| Some((variable.name.clone(), variable.default.clone()?)));
    template::render(text, &defaults.collect()).ok()
}
