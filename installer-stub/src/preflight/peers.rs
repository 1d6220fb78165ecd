//! What the services talk to on other machines.

use std::time::Duration;

use bundle_format::index;
use bundle_format::recipe::{PeerLevel, Recipe};

use super::Problem;
use crate::config::{Values, render};
use crate::error::Result;
use crate::host::Host;

/// Long enough for a switch that has to learn the way, short enough for a person who waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// Another machine that was tried to reach.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    about: String,
    host: String,
    port: String,
    level: PeerLevel,
    reached: bool,
}

/// Tries to reach all peers of the recipe at the same time.
pub(super) fn look(
    host: &Host,
    recipe: &Recipe,
    member: Option<&index::Host>,
    values: &Values,
) -> Result<Vec<Asked>> {
    let mut asked = Vec::new();
    for peer in &recipe.peers {
        let what = format!("peer `{}`", peer.about);
        let name = render(&what, &peer.host, values)?;
        // What this machine is going to offer itself cannot be there before.
        if member.is_some_and(|member| member.address == name || member.name == name) {
            continue;
        }
        asked.push(Asked {
            about: peer.about.clone(),
            host: name,
            port: render(&what, &peer.port, values)?,
            level: peer.level,
            reached: false,
        });
    }
    let peers: Vec<(String, u16)> = asked.iter().filter_map(Asked::peer).collect();
    let reached = host.reachable(&peers, PATIENCE);
    for peer in &mut asked {
        peer.reached = peer
            .peer()
            .and_then(|peer| reached.get(&peer))
            .is_some_and(|reached| *reached);
    }
    Ok(asked)
}

/// What was not reached.
pub(super) fn problems(asked: &[Asked]) -> impl Iterator<Item = Problem> {
    asked.iter().filter(|asked| !asked.reached).map(|asked| {
        let (host, port) = (&asked.host, &asked.port);
        let problem = Problem::refuse(
            "peer",
            format!("{} at {host}:{port}", asked.about),
            format!("accepts connections within {} seconds", PATIENCE.as_secs()),
            "does not",
            format!(
                "start it, and see that cables, `{host}` and every firewall between let port {port} through"
            ),
        );
        match asked.level {
            PeerLevel::Refuse => problem,
            PeerLevel::Warn => problem.only_warns(),
        }
    })
}

impl Asked {
    fn peer(&self) -> Option<(String, u16)> {
        Some((self.host.clone(), self.port.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, shown};
    use super::*;

    #[test]
    fn who_is_not_reached_is_named_as_the_recipe_says() {
        let asked = |level, reached| Asked {
            about: "the Terracotta Server".to_owned(),
            host: "tc1".to_owned(),
            port: "9510".to_owned(),
            level,
            reached,
        };
        let found = [
            asked(PeerLevel::Refuse, false),
            asked(PeerLevel::Warn, false),
            asked(PeerLevel::Refuse, true),
        ];
        let text = "peer: the Terracotta Server at tc1:9510
  expected: accepts connections within 3 seconds
     found: does not
hint: start it, and see that cables, `tc1` and every firewall between let port 9510 through
";
        assert_eq!(shown(problems(&found)), format!("refuse {text}warn {text}"));
    }

    #[test]
    fn peers_are_asked_but_for_the_machine_itself() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let open = listener.local_addr().expect("it is bound").port();
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("loopback has a free port")
            .port();
        let recipe = serde_json::json!({"peer": [
            {"about": "open", "host": "127.0.0.1", "port": open.to_string(), "level": "refuse"},
            {"about": "closed", "host": "127.0.0.1", "port": closed.to_string(), "level": "refuse"},
            {"about": "nonsense", "host": "127.0.0.1", "port": "x", "level": "refuse"},
            {"about": "itself", "host": "{{host.address}}", "port": "1", "level": "refuse"},
        ]});
        let fixture = Fixture::new(&recipe.to_string());
        let member = index::Host {
            name: "node1".to_owned(),
            address: "10.0.0.1".to_owned(),
            values: Values::new(),
        };
        let values = Values::from([("host.address".to_owned(), member.address.clone())]);
        let host = Host::new(std::path::Path::new("/"));
        let recipe = &fixture.index.description.recipe;
        let asked = look(&host, recipe, Some(&member), &values).expect("it can be asked");
        let reached: Vec<(&str, bool)> = asked
            .iter()
            .map(|asked| (asked.about.as_str(), asked.reached))
            .collect();
        assert_eq!(reached, [("open", true), ("closed", false), ("nonsense", false)]);
    }
}
