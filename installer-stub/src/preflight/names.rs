//! Names and addresses: whatever is written for other machines must not lead back to the one that reads it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Problem;
use crate::config::{Values, render};
use crate::error::Result;
use crate::host::Host;
use crate::plan::Subject;

/// A machine without a network gives no answer; nobody waits longer than this for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was found out about names and addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// What the recipe writes; each value once, with everywhere that it is written.
    written: Vec<(Vec<String>, Named)>,
    /// The machine's own host name, if services are going to run on it.
    own: Option<Named>,
    /// This machine in the signed host table: its name there, and its address.
    member: Option<(String, Named)>,
    /// The addresses of the machine's interfaces.
    interfaces: Vec<IpAddr>,
}

/// A name or address, and what it means here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    text: String,
    addresses: Vec<IpAddr>,
}

/// Finds out what names mean here.
pub(super) fn look(host: &Host, subject: Subject<'_>, values: &Values) -> Result<Facts> {
    let recipe = &subject.index.description.recipe;
    let mut written: Vec<(Vec<String>, String)> = Vec::new();
    for address in &recipe.addresses {
        let text = render(&format!("address {}", address.about), &address.value, values)?;
        match written.iter_mut().find(|(_, known)| *known == text) {
            Some((abouts, _)) => abouts.push(address.about.clone()),
            None => written.push((vec![address.about.clone()], text)),
        }
    }
    // A tree without services is nobody's neighbour.
    let member = subject.member.filter(|_| !recipe.services.is_empty());
    let own = member.map(|_| host.name()).filter(|name| !name.is_empty());
    let mut names: Vec<&String> = written.iter().map(|(_, text)| text).collect();
    names.extend(&own);
    names.extend(member.map(|member| &member.address));
    let resolved = resolve(host, subject, &names)?;
    let named = |text: &String| Named {
        text: text.clone(),
        addresses: resolved.get(text).cloned().unwrap_or_default(),
    };
    Ok(Facts {
        own: own.as_ref().map(named),
        member: member.map(|member| (member.name.clone(), named(&member.address))),
        written: written
            .into_iter()
            .map(|(abouts, text)| (abouts, named(&text)))
            .collect(),
        interfaces: host.own_addresses(),
    })
}

/// Asks the file of hosts first, and the resolver, which may hang, only about what is not there.
fn resolve(host: &Host, subject: Subject<'_>, names: &[&String]) -> Result<BTreeMap<String, Vec<IpAddr>>> {
    let hosts = host.read_text_if_there(&subject.layout.rooted("etc/hosts"))?;
    let hosts = hosts.unwrap_or_default();
    let mut resolved = BTreeMap::new();
    let mut unknown: Vec<String> = Vec::new();
    for name in names {
        match known_addresses(name, &hosts) {
            found if found.is_empty() => unknown.push((*name).clone()),
            found => drop(resolved.insert((*name).clone(), found)),
        }
    }
    unknown.sort_unstable();
    unknown.dedup();
    resolved.extend(host.look_up(&unknown, PATIENCE));
    Ok(resolved)
}

/// What `name` means without asking anybody: an address means itself, anything else what `hosts` says.
fn known_addresses(name: &str, hosts: &str) -> Vec<IpAddr> {
    if let Ok(address) = name.parse() {
        return vec![address];
    }
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words
            .any(|word| word.eq_ignore_ascii_case(name))
            .then_some(address)
    };
    hosts.lines().filter_map(line).collect()
}

/// What speaks against the names and addresses.
pub(super) fn problems(facts: &Facts) -> Vec<Problem> {
    let written = facts
        .written
        .iter()
        .filter_map(|(abouts, named)| facts.written_problem(abouts, named));
    written
        .chain(facts.own_name_problem())
        .chain(facts.elsewhere_problem())
        .collect()
}

impl Facts {
    fn written_problem(&self, abouts: &[String], named: &Named) -> Option<Problem> {
        let text = &named.text;
        let what = format!("address `{text}`, written as {}", abouts.join(" and "));
        if named.addresses.is_empty() {
            let problem = Problem::refuse(
                "address-unknown",
                what,
                "an address, or a name that /etc/hosts or the resolver knows",
                format!("no answer within {} seconds", PATIENCE.as_secs()),
                format!("add the line `{}` to /etc/hosts", self.hosts_line(text)),
            );
            return Some(problem.only_warns());
        }
        let back = named.addresses.iter().find(|address| is_loopback(address))?;
        let is_literal = text.parse::<IpAddr>().is_ok();
        let found = match is_literal {
            true => "the loopback".to_owned(),
            false => format!("`{back}`, the loopback"),
        };
        let remedy = match is_literal {
            true => "give the machine's own address in the site file and build the run file again".to_owned(),
            false => format!(
                "add the line `{}` to /etc/hosts, above the one with {back}",
                self.hosts_line(text)
            ),
        };
        Some(Problem::refuse(
            "address-loopback",
            what,
            "an address that other machines reach",
            found,
            remedy,
        ))
    }

    /// Stock Debian gives a machine's own name the address 127.0.1.1, which Java then tells others.
    fn own_name_problem(&self) -> Option<Problem> {
        let own = self.own.as_ref()?;
        let back = own.addresses.first()?;
        // Told already.
        let is_written = self.written.iter().any(|(_, written)| written.text == own.text);
        if is_written || !own.addresses.iter().all(is_loopback) {
            return None;
        }
        let problem = Problem::refuse(
            "host-name-loopback",
            format!("host name `{}`", own.text),
            "an address that other machines reach",
            format!("`{back}`, the loopback"),
            format!(
                "add the line `{}` to /etc/hosts, above the one with {back}",
                self.hosts_line(&own.text)
            ),
        );
        Some(problem.only_warns())
    }

    fn elsewhere_problem(&self) -> Option<Problem> {
        let (name, address) = self.member.as_ref()?;
        let outward: Vec<String> = self.outward().map(ToString::to_string).collect();
        let is_here = address
            .addresses
            .iter()
            .any(|found| self.interfaces.contains(found));
        if is_here || address.addresses.is_empty() || self.interfaces.is_empty() {
            return None;
        }
        let found = match outward.as_slice() {
            [] => "no address but the loopback".to_owned(),
            addresses => addresses.join(", "),
        };
        let problem = Problem::refuse(
            "address-elsewhere",
            format!("address of host `{name}`"),
            format!("{} on an interface of this machine", address.text),
            found,
            format!("see that this machine is `{name}` (`--host` says which it is), or give it that address"),
        );
        Some(problem.only_warns())
    }

    /// The line of /etc/hosts that gives `name` an address, as far as it is known from here.
    fn hosts_line(&self, name: &str) -> String {
        let is_own = self.own.as_ref().is_some_and(|own| own.text == name);
        let is_member = |member: &str, address: &str| member == name || address == name;
        let this_machine = self
            .member
            .iter()
            .any(|(member, address)| is_own || is_member(member, &address.text));
        if !this_machine {
            return format!("ADDRESS {name}");
        }
        let of_table = self.member.iter().flat_map(|(_, named)| &named.addresses);
        let address = of_table
            .chain(self.outward())
            .find(|address| !is_loopback(address));
        address.map_or_else(
            || format!("ADDRESS {name}"),
            |address| format!("{address} {name}"),
        )
    }

    /// The machine's addresses that others may reach.
    fn outward(&self) -> impl Iterator<Item = &IpAddr> {
        let link_local = |address: &IpAddr| match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        self.interfaces
            .iter()
            .filter(move |address| !is_loopback(address) && !link_local(address))
    }
}

fn is_loopback(address: &IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, shown};
    use super::*;

    fn named(text: &str, addresses: &[&str]) -> Named {
        Named {
            text: text.to_owned(),
            addresses: addresses
                .iter()
                .map(|address| address.parse().expect("an address"))
                .collect(),
        }
    }

    fn facts() -> Facts {
        Facts {
            written: vec![(
                vec![
                    "`server/@host`".to_owned(),
                    "`java.rmi.server.hostname`".to_owned(),
                ],
                named("10.20.0.21", &["10.20.0.21"]),
            )],
            own: Some(named("node1", &["10.20.0.21"])),
            member: Some(("node1".to_owned(), named("10.20.0.21", &["10.20.0.21"]))),
            interfaces: named("", &["127.0.0.1", "10.20.0.21", "fe80::1", "::1"]).addresses,
        }
    }

    fn written(facts: &mut Facts, text: &str, addresses: &[&str]) -> String {
        facts.written[0].1 = named(text, addresses);
        shown(problems(facts))
    }

    #[test]
    fn what_leads_to_other_machines_is_fine() {
        assert_eq!(shown(problems(&facts())), "");
        assert_eq!(shown(problems(&Facts::default())), "");
        assert_eq!(written(&mut facts(), "tc1", &["10.20.0.11"]), "");
    }

    #[test]
    fn an_address_that_we_write_must_not_be_the_loopback() {
        assert_eq!(
            written(&mut facts(), "127.0.0.1", &["127.0.0.1"]),
            "refuse address-loopback: address `127.0.0.1`, written as `server/@host` and `java.rmi.server.hostname`
  expected: an address that other machines reach
     found: the loopback
hint: give the machine's own address in the site file and build the run file again
"
        );
        assert_eq!(
            written(&mut facts(), "tc1", &["10.20.0.11", "127.0.1.1"]),
            "refuse address-loopback: address `tc1`, written as `server/@host` and `java.rmi.server.hostname`
  expected: an address that other machines reach
     found: `127.0.1.1`, the loopback
hint: add the line `ADDRESS tc1` to /etc/hosts, above the one with 127.0.1.1
"
        );
        assert_eq!(
            written(&mut facts(), "node1", &["::ffff:127.0.0.1"]),
            "refuse address-loopback: address `node1`, written as `server/@host` and `java.rmi.server.hostname`
  expected: an address that other machines reach
     found: `::ffff:127.0.0.1`, the loopback
hint: add the line `10.20.0.21 node1` to /etc/hosts, above the one with ::ffff:127.0.0.1
"
        );
    }

    #[test]
    fn a_name_that_nobody_knows_is_a_warning() {
        assert_eq!(
            written(&mut facts(), "tc1", &[]),
            "warn address-unknown: address `tc1`, written as `server/@host` and `java.rmi.server.hostname`
  expected: an address, or a name that /etc/hosts or the resolver knows
     found: no answer within 2 seconds
hint: add the line `ADDRESS tc1` to /etc/hosts
"
        );
    }

    #[test]
    fn the_own_name_on_the_loopback_is_a_warning_with_the_line_to_add() {
        let mut facts = facts();
        facts.own = Some(named("node1", &["127.0.1.1"]));
        assert_eq!(
            shown(problems(&facts)),
            "warn host-name-loopback: host name `node1`
  expected: an address that other machines reach
     found: `127.0.1.1`, the loopback
hint: add the line `10.20.0.21 node1` to /etc/hosts, above the one with 127.0.1.1
"
        );
        facts.own = Some(named("node1", &["127.0.1.1", "10.20.0.21"]));
        assert_eq!(shown(problems(&facts)), "");
        facts.own = Some(named("node1", &[]));
        assert_eq!(shown(problems(&facts)), "");
    }

    #[test]
    fn a_machine_without_the_address_of_its_host_is_perhaps_another_one() {
        let mut facts = facts();
        facts.interfaces = named("", &["127.0.0.1", "10.20.0.22", "fd00::2", "fe80::1"]).addresses;
        assert_eq!(
            shown(problems(&facts)),
            "warn address-elsewhere: address of host `node1`
  expected: 10.20.0.21 on an interface of this machine
     found: 10.20.0.22, fd00::2
hint: see that this machine is `node1` (`--host` says which it is), or give it that address
"
        );
        facts.interfaces = named("", &["127.0.0.1"]).addresses;
        assert!(shown(problems(&facts)).contains("found: no address but the loopback\n"));
        facts.interfaces.clear();
        assert_eq!(shown(problems(&facts)), "");
    }

    #[test]
    fn addresses_mean_themselves_and_names_what_the_file_of_hosts_says() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1\tnode1.plant node1 # stock\n# 10.0.0.9 node1\n10.0.0.1 NODE1\nx y\n";
        assert_eq!(
            known_addresses("node1", hosts),
            named("", &["127.0.1.1", "10.0.0.1"]).addresses
        );
        assert!(known_addresses("node", hosts).is_empty());
        assert_eq!(
            known_addresses("10.0.0.5", hosts),
            named("", &["10.0.0.5"]).addresses
        );
        assert!(known_addresses("stock", hosts).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn each_value_is_looked_up_once_with_all_its_places() {
        let fixture = Fixture::new(
            r#"{"address":[{"about":"a","value":"{{x}}"},{"about":"b","value":"127.0.0.1"},{"about":"c","value":"localhost"}]}"#,
        );
        let host = Host::new(std::path::Path::new("/"));
        let values = Values::from([("x".to_owned(), "127.0.0.1".to_owned())]);
        let facts = look(&host, fixture.subject(), &values).expect("it can be looked at");
        let written: Vec<(String, bool)> = facts
            .written
            .iter()
            .map(|(abouts, named)| (abouts.join(","), named.addresses.iter().any(is_loopback)))
            .collect();
        assert_eq!(written, [("a,b".to_owned(), true), ("c".to_owned(), true)]);
        assert_eq!((facts.own, facts.member), (None, None));
        assert!(
            look(&host, fixture.subject(), &Values::new()).is_err(),
            "no value"
        );
    }
}
