//! The ports that the services are going to listen on, and who does so now.

use std::collections::BTreeSet;

use bundle_format::recipe::Recipe;

use super::Problem;
use crate::config::{Values, render};
use crate::error::Result;
use crate::host::{Host, Neighbour};

/// A port that a service is going to listen on.
#[derive(Debug, Clone)]
pub(super) struct Port {
    about: String,
    /// What the recipe says, with values filled in.
    text: String,
    /// Who listens there now.
    holders: Vec<Holder>,
}

/// Who listens on a port.
#[derive(Debug, Clone)]
enum Holder {
    Known(Neighbour),
    /// The kernel itself, or a process that only root or another container sees.
    Unknown,
}

/// Finds out who listens on the recipe's ports.
pub(super) fn look(host: &Host, recipe: &Recipe, values: &Values) -> Result<Vec<Port>> {
    let mut ports = Vec::new();
    for listen in &recipe.listens {
        ports.push(Port {
            text: render(&format!("port of {}", listen.about), &listen.port, values)?,
            about: listen.about.clone(),
            holders: Vec::new(),
        });
    }
    let mut listeners = host.listeners();
    let wanted: BTreeSet<u16> = ports.iter().filter_map(Port::number).collect();
    listeners.retain(|listener| wanted.contains(&listener.port));
    let sockets = listeners.iter().map(|listener| listener.socket).collect();
    let holders = host.holders(&sockets);
    for port in &mut ports {
        let number = port.number();
        let here = listeners.iter().filter(|listener| Some(listener.port) == number);
        let holder = here.map(|listener| holders.get(&listener.socket).cloned());
        port.holders = holder
            .map(|holder| holder.map_or(Holder::Unknown, Holder::Known))
            .collect();
    }
    Ok(ports)
}

/// What speaks against the ports, if the services called `ours` may listen there.
pub(super) fn problems(ours: &[&str], ports: &[Port]) -> Vec<Problem> {
    ports.iter().filter_map(|port| port.problem(ours)).collect()
}

impl Port {
    fn number(&self) -> Option<u16> {
        self.text.parse().ok().filter(|number| *number > 0)
    }

    fn problem(&self, ours: &[&str]) -> Option<Problem> {
        let what = format!("port {}, for {}", self.text, self.about);
        if self.number().is_none() {
            return Some(Problem::refuse(
                "port",
                what,
                "a number from 1 to 65535",
                format!("`{}`", self.text),
                "correct the site file and build the run file again",
            ));
        }
        let foreign = self.holders.iter().find(|holder| !holder.is_one_of(ours))?;
        let (found, remedy) = match foreign {
            Holder::Known(Neighbour {
                id, name, services, ..
            }) => match services.first() {
                Some(service) => (
                    format!("taken by `{name}`, process {id} of service `{service}`"),
                    format!("`systemctl disable --now {service}.service`"),
                ),
                None => (
                    format!("taken by `{name}`, process {id}"),
                    format!("end process {id} and keep it from starting again"),
                ),
            },
            Holder::Unknown => (
                "taken by a process that cannot be seen from here".to_owned(),
                format!("find out whose it is, with `ss -ltnp sport = :{}`", self.text),
            ),
        };
        let remedy = format!("{remedy}, or give another port in the site file and build the run file again");
        Some(Problem::refuse("port", what, "free", found, remedy))
    }
}

impl Holder {
    fn is_one_of(&self, ours: &[&str]) -> bool {
        match self {
            Self::Known(process) => process
                .services
                .iter()
                .any(|service| ours.contains(&service.as_str())),
            Self::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, shown};
    use super::*;

    fn port(text: &str, holders: Vec<Holder>) -> Port {
        Port {
            about: "web clients".to_owned(),
            text: text.to_owned(),
            holders,
        }
    }

    fn process(services: &[&str]) -> Holder {
        Holder::Known(Neighbour {
            id: 4711,
            name: "java".to_owned(),
            command: "java -jar x.jar".to_owned(),
            services: services.iter().map(|name| (*name).to_owned()).collect(),
        })
    }

    #[test]
    fn who_holds_a_port_is_named() {
        let ports = [
            port("8080", vec![process(&[])]),
            port("8081", vec![process(&["tomcat9"])]),
            port("8082", vec![Holder::Unknown]),
            port("0", Vec::new()),
        ];
        assert_eq!(
            shown(problems(&["servoy-node"], &ports)),
            "refuse port: port 8080, for web clients
  expected: free
     found: taken by `java`, process 4711
hint: end process 4711 and keep it from starting again, or give another port in the site file and build the run file again
refuse port: port 8081, for web clients
  expected: free
     found: taken by `java`, process 4711 of service `tomcat9`
hint: `systemctl disable --now tomcat9.service`, or give another port in the site file and build the run file again
refuse port: port 8082, for web clients
  expected: free
     found: taken by a process that cannot be seen from here
hint: find out whose it is, with `ss -ltnp sport = :8082`, or give another port in the site file and build the run file again
refuse port: port 0, for web clients
  expected: a number from 1 to 65535
     found: `0`
hint: correct the site file and build the run file again
"
        );
    }

    #[test]
    fn free_ports_and_those_of_our_own_services_are_fine() {
        let ports = [
            port("8080", Vec::new()),
            port("8081", vec![process(&["servoy-node"])]),
        ];
        assert_eq!(shown(problems(&["servoy-node"], &ports)), "");
        // Version 4 and 6 of the same port can be in different hands.
        let both = [port("8080", vec![process(&["servoy-node"]), process(&[])])];
        assert_eq!(problems(&["servoy-node"], &both).len(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_port_of_this_process_is_found_under_its_name() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let number = listener.local_addr().expect("it is bound").port().to_string();
        let fixture = Fixture::new(r#"{"listen":[{"about":"a test","port":"{{port}}"}]}"#);
        let recipe = &fixture.index.description.recipe;
        let host = Host::new(std::path::Path::new("/"));
        let values = Values::from([("port".to_owned(), number)]);
        let ports = look(&host, recipe, &values).expect("it can be looked at");
        let text = shown(problems(&[], &ports));
        let process = format!("process {}", std::process::id());
        assert!(text.contains(&process), "{text}");
        assert!(look(&host, recipe, &Values::new()).is_err(), "no value");
    }
}
