//! A site and its profile together: what every machine gets.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::index::Host;
use bundle_format::recipe::{BUILT_IN_VARIABLES, HealthCheck, HttpUrl, Variable};
use bundle_format::{Name, Role, Sequence, Target, template};

use super::{Site, SiteHost, at};
use crate::manifest::document::{Step, place};
use crate::manifest::problem::{ManifestErrors, Problem, did_you_mean, expected_found, list, one_of};
use crate::manifest::recipe_rules::{SITE_VARIABLES, url_problem};
use crate::manifest::{Profile, RoleRecipe};

/// Roles whose machine is a Terracotta Server.
const TERRACOTTA_ROLES: [&str; 2] = ["terracotta-server", "servoy-node-with-terracotta-server"];

/// What a site's run files are built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedSite {
    /// The site.
    pub site: Name,
    /// Its sequence.
    pub sequence: Sequence,
    /// One run file each, ordered by role and target.
    pub roles: Vec<ResolvedRole>,
}

/// The machines that one run file is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRole {
    /// What they become.
    pub role: Role,
    /// Their platform.
    pub target: Target,
    /// The machines with all values of the role's variables, in the order of the site file.
    pub hosts: Vec<Host>,
}

/// Gives every variable of every host its value: the host's own, else the site's, else the recipe's default.
pub fn resolve(site: &Site, profile: &Profile) -> Result<ResolvedSite, ManifestErrors> {
    let mut resolver = Resolver {
        site,
        profile,
        problems: Vec::new(),
    };
    resolver.check_names();
    let terracotta = resolver.terracotta_values();
    let mut groups: BTreeMap<(Role, Target), Vec<Host>> = BTreeMap::new();
    for (index, host) in site.hosts.iter().enumerate() {
        let Some(role) = resolver.role(index, host) else {
            continue;
        };
        resolver.check_artifacts(index, host, role);
        let mut values = terracotta.clone();
        for variable in &role.recipe.variables {
            let value = resolver.value(host, variable);
            values.extend(value.map(|value| (variable.name.clone(), value)));
        }
        resolver.check_endpoints(index, host, role, &values);
        groups
            .entry((host.role.clone(), host.target))
            .or_default()
            .push(Host {
                name: host.name.clone(),
                address: host.address.clone(),
                values,
            });
    }
    resolver.check_missing();
    let resolved = ResolvedSite {
        site: site.name.clone(),
        sequence: site.sequence,
        roles: groups
            .into_iter()
            .map(|((role, target), hosts)| ResolvedRole { role, target, hosts })
            .collect(),
    };
    ManifestErrors::unless_empty(resolver.problems, resolved)
}

struct Resolver<'a> {
    site: &'a Site,
    profile: &'a Profile,
    problems: Vec<Problem>,
}

impl<'a> Resolver<'a> {
    fn refuse(&mut self, place: &[Step<'_>], message: String, hint: Option<String>) {
        let problem = self.site.document.problem(place, message);
        self.problems.push(problem.with_optional_hint(hint));
    }

    fn role(&mut self, index: usize, host: &SiteHost) -> Option<&'a RoleRecipe> {
        let found = self.profile.roles.get(&host.role);
        if found.is_none() {
            let known: Vec<&str> = self.profile.roles.keys().map(Role::as_str).collect();
            let message = format!(
                "host `{}` has a role that the profile `{}` does not have{}",
                host.name,
                self.profile.name,
                expected_found(one_of(&known), format_args!("`{}`", host.role))
            );
            let hint = did_you_mean(host.role.as_str(), &known);
            self.refuse(place!["host", index, "role"], message, hint);
        }
        found
    }

    /// Refuses values that no recipe asks for: mostly they are misspelt.
    fn check_names(&mut self) {
        let known: BTreeSet<&str> = self.profile.roles.values().flat_map(names).collect();
        for (name, value) in &self.site.values {
            let message = format!(
                "no role of profile `{}` has a variable `{name}`",
                self.profile.name
            );
            self.check_name(&at(place!["values"], &value.path), name, &known, message);
        }
        for (index, host) in self.site.hosts.iter().enumerate() {
            let Some(role) = self.profile.roles.get(&host.role) else {
                continue;
            };
            let known: BTreeSet<&str> = names(role).collect();
            for (name, value) in &host.values {
                let message = format!(
                    "role `{}` of host `{}` has no variable `{name}`",
                    host.role, host.name
                );
                self.check_name(
                    &at(place!["host", index, "values"], &value.path),
                    name,
                    &known,
                    message,
                );
            }
        }
    }

    fn check_name(&mut self, place: &[Step<'_>], name: &str, known: &BTreeSet<&str>, message: String) {
        if known.contains(name) {
            return;
        }
        let mut given = SITE_VARIABLES.iter().chain(BUILT_IN_VARIABLES);
        if let Some((_, meaning)) = given.find(|(given, _)| *given == name) {
            let message = format!("the value of `{name}` is not set by hand ({meaning})");
            self.refuse(place, message, Some("take the line out".to_owned()));
            return;
        }
        let versus = expected_found(one_of(known), format_args!("`{name}`"));
        self.refuse(place, format!("{message}{versus}"), did_you_mean(name, known));
    }

    /// `terracotta.*`, if there is exactly one Terracotta Server.
    fn terracotta_values(&self) -> BTreeMap<String, String> {
        match self.terracotta_servers().as_slice() {
            [only] => SITE_VARIABLES
                .iter()
                .zip([&only.name, &only.address])
                .map(|((name, _), value)| ((*name).to_owned(), value.clone()))
                .collect(),
            _ => BTreeMap::new(),
        }
    }

    fn terracotta_servers(&self) -> Vec<&'a SiteHost> {
        self.site
            .hosts
            .iter()
            .filter(|host| TERRACOTTA_ROLES.contains(&host.role.as_str()))
            .collect()
    }

    fn value(&self, host: &SiteHost, variable: &Variable) -> Option<String> {
        let name = &variable.name;
        let given = host.values.get(name).or_else(|| self.site.values.get(name));
        given
            .map(|value| value.text.clone())
            .or_else(|| variable.default.clone())
    }

    /// Every variable without a value, once per role with all hosts that lack it.
    fn check_missing(&mut self) {
        let used: BTreeSet<&Role> = self.site.hosts.iter().map(|host| &host.role).collect();
        for role in used {
            let Some(role) = self.profile.roles.get(role) else {
                continue;
            };
            let hosts: Vec<(usize, &SiteHost)> = self
                .site
                .hosts
                .iter()
                .enumerate()
                .filter(|(_, host)| host.role == role.role)
                .collect();
            for variable in &role.recipe.variables {
                self.check_value(role, variable, &hosts);
            }
            if let Some((first, _)) = hosts.first() {
                self.check_terracotta(role, *first);
            }
        }
    }

    fn check_value(&mut self, role: &RoleRecipe, variable: &Variable, hosts: &[(usize, &SiteHost)]) {
        let lacking: Vec<&(usize, &SiteHost)> = hosts
            .iter()
            .filter(|(_, host)| self.value(host, variable).is_none())
            .collect();
        let Some((first, _)) = lacking.first() else {
            return;
        };
        let message = format!(
            "the variable `{}` of role `{}` ({}) has no value for {}",
            variable.name,
            role.role,
            variable.about,
            list(lacking.iter().map(|(_, host)| &host.name))
        );
        let hint = format!(
            "add `{} = …` to the table `[values]`, or to `[host.values]` of each of these hosts",
            variable.name
        );
        self.refuse(place!["host", *first], message, Some(hint));
    }

    fn check_terracotta(&mut self, role: &RoleRecipe, host: usize) {
        let servers = self.terracotta_servers();
        let Some((name, _)) = SITE_VARIABLES.iter().find(|(name, _)| role.refers_to(name)) else {
            return;
        };
        if servers.len() == 1 {
            return;
        }
        let found = list(servers.iter().map(|host| &host.name));
        let message = format!(
            "role `{}` needs `{name}`, which takes exactly one Terracotta Server in the site{}",
            role.role,
            expected_found(
                format_args!("1 host with a role of {}", list(TERRACOTTA_ROLES)),
                format_args!("{} ({found})", servers.len())
            )
        );
        self.refuse(place!["host", host], message, None);
    }

    fn check_artifacts(&mut self, index: usize, host: &SiteHost, role: &RoleRecipe) {
        for placed in &role.recipe.places {
            if self.profile.artifact(&placed.artifact, host.target).is_some() {
                continue;
            }
            let targets = self
                .profile
                .artifacts
                .iter()
                .filter(|spec| spec.name == placed.artifact)
                .filter_map(|spec| spec.target.map(Target::as_str));
            let targets: Vec<&str> = targets.collect();
            let message = format!(
                "artifact `{}`, which host `{}` needs, is not there for its target{}",
                placed.artifact,
                host.name,
                expected_found(one_of(targets), format_args!("`{}`", host.target))
            );
            self.refuse(place!["host", index], message, None);
        }
    }

    fn check_endpoints(
        &mut self,
        index: usize,
        host: &SiteHost,
        role: &RoleRecipe,
        values: &BTreeMap<String, String>,
    ) {
        for (number, health) in role.recipe.health.iter().enumerate() {
            let (key, text) = match health {
                HealthCheck::TcpPort { port, .. } => ("port", port),
                HealthCheck::Http { url, .. } => ("url", url),
                HealthCheck::FileContains { .. } | HealthCheck::Command { .. } => continue,
            };
            // Fails only for values that are missing, which is said elsewhere.
            let Ok(rendered) = template::render(text, values) else {
                continue;
            };
            let Some((message, hint)) = endpoint_problem(health, &rendered) else {
                continue;
            };
            let names = template::variables(text).unwrap_or_default();
            let set_here = names.iter().find_map(|name| {
                let own = host.values.get(name).map(|value| (true, value));
                own.or_else(|| self.site.values.get(name).map(|value| (false, value)))
            });
            let problem = match set_here {
                Some((true, value)) => {
                    let place = at(place!["host", index, "values"], &value.path);
                    self.site.document.problem(&place, message)
                }
                Some((false, value)) => self
                    .site
                    .document
                    .problem(&at(place!["values"], &value.path), message),
                None => role.document.problem(place!["health", number, key], message),
            }
            .with_optional_hint(hint);
            // Once is enough for a value that several hosts share.
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }
}

/// What is wrong with the port or address of a health check, and what to do about it.
fn endpoint_problem(check: &HealthCheck, rendered: &str) -> Option<(String, Option<String>)> {
    if matches!(check, HealthCheck::Http { .. }) {
        return rendered
            .parse::<HttpUrl>()
            .err()
            .map(|problem| url_problem(&problem));
    }
    if rendered.parse::<u16>().is_ok_and(|port| port > 0) {
        return None;
    }
    let message = format!(
        "`{rendered}` is not a port{}",
        expected_found("a number from 1 to 65535", format_args!("`{rendered}`"))
    );
    Some((message, None))
}

fn names(role: &RoleRecipe) -> impl Iterator<Item = &str> {
    role.recipe
        .variables
        .iter()
        .map(|variable| variable.name.as_str())
}
