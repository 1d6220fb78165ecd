//! The account that services run as, if the machine has it already, and how it is made if not.

use bundle_format::recipe::ServiceUser;

use super::Problem;
use crate::error::Result;
use crate::host::Host;
use crate::layout::Layout;

/// What was found out about accounts.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The text of `/etc/passwd`.
    users: String,
    /// The text of `/etc/group`.
    groups: String,
    /// Whether accounts can be made.
    useradd: bool,
}

/// Looks at the machine's accounts.
pub(super) fn look(host: &Host, layout: &Layout) -> Result<Facts> {
    let read = |path| host.read_text_if_there(&layout.rooted(path));
    Ok(Facts {
        users: read("etc/passwd")?.unwrap_or_default(),
        groups: read("etc/group")?.unwrap_or_default(),
        useradd: host.has_program("useradd"),
    })
}

/// What speaks against the account that the recipe names.
pub(super) fn problems(user: Option<&ServiceUser>, facts: &Facts) -> Option<Problem> {
    let name = user?.name.as_str();
    let has_group = fields_of(&facts.groups, name).is_some();
    match (fields_of(&facts.users, name), has_group) {
        (Some(fields), has_group) => unfit(name, &fields, has_group),
        (None, true) => Some(Problem::refuse(
            "group",
            format!("group `{name}`"),
            "an account and its group, or neither",
            "a group without an account",
            format!("`groupdel {name}` if nobody needs it, or `useradd --system --gid {name} {name}`"),
        )),
        (None, false) if !facts.useradd => Some(Problem::refuse(
            "useradd",
            format!("account `{name}`"),
            "the account, or `useradd` to make it",
            "neither",
            "install the package that has `useradd`: `passwd` on Debian, `shadow-utils` on Red Hat",
        )),
        (None, false) => None,
    }
}

/// What speaks against an account that exists.
fn unfit(name: &str, fields: &[&str], has_group: bool) -> Option<Problem> {
    // From here on useradd numbers people.
    const FIRST_PERSON: u32 = 1000;
    let id: u32 = fields.get(2)?.parse().ok()?;
    let shell = fields.get(6).copied().unwrap_or_default();
    let what = format!("account `{name}`");
    if id == 0 {
        return Some(Problem::refuse(
            "account",
            what,
            "an account with no special rights",
            "user id 0, which is root's",
            "build the run file with another account in the recipe",
        ));
    }
    if !has_group {
        return Some(Problem::refuse(
            "group",
            what,
            format!("a group `{name}` besides it"),
            "no such group",
            format!("`groupadd --system {name}`"),
        ));
    }
    let can_log_in = !["nologin", "false", "sync", "shutdown", "halt"]
        .iter()
        .any(|end| shell.ends_with(&format!("/{end}")));
    (can_log_in || id >= FIRST_PERSON).then(|| {
        Problem::refuse(
            "account",
            what,
            "an account of the system's, without a login shell",
            format!("user id {id}, shell `{shell}`"),
            format!(
                "see that it is no person's; `usermod --shell /usr/sbin/nologin {name}` keeps people out"
            ),
        )
        .only_warns()
    })
}

/// The fields of the line that starts with `name:`.
fn fields_of<'a>(table: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let mut lines = table.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find(|fields| fields.first() == Some(&name))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::shown;
    use super::*;

    fn found(users: &str, groups: &str, useradd: bool) -> String {
        let user = ServiceUser {
            name: "servoy".parse().expect("a name"),
        };
        let facts = Facts {
            users: format!("root:x:0:0:root:/root:/bin/bash\n{users}\n"),
            groups: format!("root:x:0:\n{groups}\n"),
            useradd,
        };
        assert_eq!(problems(None, &facts), None);
        shown(problems(Some(&user), &facts))
    }

    #[test]
    fn a_fit_account_or_none_is_fine() {
        assert_eq!(found("servoys:x:0:0::/:/bin/sh", "servoys:x:1:", true), "");
        assert_eq!(
            found(
                "servoy:x:998:998::/nonexistent:/usr/sbin/nologin",
                "servoy:x:998:",
                false
            ),
            ""
        );
    }

    #[test]
    fn unfit_accounts_and_groups_are_refused() {
        assert_eq!(
            found("servoy:x:0:0::/root:/bin/sh", "servoy:x:5:", true),
            "refuse account: account `servoy`
  expected: an account with no special rights
     found: user id 0, which is root's
hint: build the run file with another account in the recipe
"
        );
        assert_eq!(
            found("", "servoy:x:5:", true),
            "refuse group: group `servoy`
  expected: an account and its group, or neither
     found: a group without an account
hint: `groupdel servoy` if nobody needs it, or `useradd --system --gid servoy servoy`
"
        );
        assert_eq!(
            found("servoy:x:998:100::/:/bin/false", "", true),
            "refuse group: account `servoy`
  expected: a group `servoy` besides it
     found: no such group
hint: `groupadd --system servoy`
"
        );
    }

    #[test]
    fn an_account_that_may_be_a_persons_is_a_warning() {
        assert_eq!(
            found(
                "servoy:x:1001:1001:Sir Voy:/home/servoy:/bin/bash",
                "servoy:x:1001:",
                true
            ),
            "warn account: account `servoy`
  expected: an account of the system's, without a login shell
     found: user id 1001, shell `/bin/bash`
hint: see that it is no person's; `usermod --shell /usr/sbin/nologin servoy` keeps people out
"
        );
        assert_ne!(found("servoy:x:998:998::/:/bin/sh", "servoy:x:998:", true), "");
        assert_ne!(
            found("servoy:x:1001:1001::/:/bin/false", "servoy:x:1001:", true),
            ""
        );
    }

    #[test]
    fn without_useradd_there_must_be_an_account() {
        assert_eq!(
            found("", "", false),
            "refuse useradd: account `servoy`
  expected: the account, or `useradd` to make it
     found: neither
hint: install the package that has `useradd`: `passwd` on Debian, `shadow-utils` on Red Hat
"
        );
    }
}
