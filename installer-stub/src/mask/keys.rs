//! Which names are those of secrets.

/// Parts of names whose values nobody else should see, without what separates words.
const SECRET: [&str; 15] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "kennwort",
    "pwd",
    "secret",
    "token",
    "privatekey",
    "apikey",
    "accesskey",
    "credential",
    "authorization",
    "cookie",
    "sessionid",
];

/// Whether a name may have this character.
pub(super) fn is_in_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || !character.is_ascii() || matches!(character, '.' | '_' | '-')
}

/// Whether a name is that of a secret: `db.password`, `keystorePass`, `licenseCode`.
pub(super) fn is_secret(name: &str) -> bool {
    let name = plain(name);
    SECRET.iter().any(|part| name.contains(part))
        || ["pass", "pw"].iter().any(|end| name.ends_with(end))
        || is_license(&name)
}

/// Whether two words are the name of a secret only together: `private key`, `license code`.
pub(super) fn is_secret_pair(first: &str, second: &str) -> bool {
    let name = plain(first) + &plain(second);
    is_license(&name) || ["privatekey", "passphrase", "apikey", "accesskey"].contains(&name.as_str())
}

fn is_license(name: &str) -> bool {
    let rest = ["license", "licence"]
        .iter()
        .find_map(|word| name.split_once(word));
    rest.is_some_and(|(_, rest)| ["code", "key", "number"].iter().any(|word| rest.contains(word)))
}

fn plain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}
