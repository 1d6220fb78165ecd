//! The words that have rules: names, roles, targets, sequences and key fingerprints.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// Why text is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: expected {rule}")]
pub struct InvalidName {
    text: String,
    what: &'static str,
    rule: &'static str,
}

impl InvalidName {
    fn new(text: &str, what: &'static str, rule: &'static str) -> Self {
        Self {
            text: text.chars().take(100).collect(),
            what,
            rule,
        }
    }
}

/// The name of a site, profile, artifact, host or product: 1 to 64 of `a-z 0-9 . _ -`, starting with a letter
/// or digit. It can stand in a file name on every platform.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let good = text.bytes().next().is_some_and(allowed)
            && text.len() <= 64
            && !text.ends_with('.')
            && text
                .bytes()
                .all(|byte| allowed(byte) || matches!(byte, b'.' | b'_' | b'-'));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::new(
                text,
                "name",
                "1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, starting with a letter or digit",
            ))
        }
    }
}

/// What a machine becomes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Role(Name);

impl Role {
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Role {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        text.parse().map(Self).map_err(|error: InvalidName| InvalidName {
            what: "role",
            ..error
        })
    }
}

/// A platform that run files are made for, named by its Rust target triple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// Linux on x86-64, statically linked.
    LinuxX86_64,
    /// Linux on 64-bit ARM, statically linked.
    LinuxAarch64,
    /// Windows on x86-64. Named, so that refusing it can be clear; not installable yet.
    WindowsX86_64,
}

impl Target {
    /// Every target, in the order they are listed to people.
    pub const ALL: [Self; 3] = [Self::LinuxX86_64, Self::LinuxAarch64, Self::WindowsX86_64];

    /// The Rust target triple.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LinuxX86_64 => "x86_64-unknown-linux-musl",
            Self::LinuxAarch64 => "aarch64-unknown-linux-musl",
            Self::WindowsX86_64 => "x86_64-pc-windows-gnu",
        }
    }

    /// The target that runs on this machine, if it is one of ours.
    pub fn of_this_machine() -> Option<Self> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => Some(Self::LinuxX86_64),
            ("linux", "aarch64") => Some(Self::LinuxAarch64),
            ("windows", "x86_64") => Some(Self::WindowsX86_64),
            _ => None,
        }
    }
}

impl FromStr for Target {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::ALL
            .into_iter()
            .find(|target| target.as_str() == text)
            .ok_or_else(|| {
                InvalidName::new(
                    text,
                    "target",
                    "`x86_64-unknown-linux-musl`, `aarch64-unknown-linux-musl` or `x86_64-pc-windows-gnu`",
                )
            })
    }
}

/// A site's monotone number: raised with every change that is carried to its machines. At least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Sequence(u64);

impl Sequence {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Sequence {
    type Error = InvalidName;

    fn try_from(number: u64) -> Result<Self, InvalidName> {
        // Bounded by what TOML and JSON readers carry without loss.
        if (1..=(1 << 53)).contains(&number) {
            Ok(Self(number))
        } else {
            Err(InvalidName::new(
                &number.to_string(),
                "sequence",
                "a number from 1 to 2^53",
            ))
        }
    }
}

impl From<Sequence> for u64 {
    fn from(sequence: Sequence) -> Self {
        sequence.0
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The SHA-256 of a public key's 42 bytes in minisign form. Never the 8-byte key id, which anybody can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(Digest);

impl Fingerprint {
    /// The fingerprint of a public key's 42 bytes.
    pub fn of_key(bytes: &[u8]) -> Self {
        Self(Digest::of(bytes))
    }

    /// The first sixteen hexadecimal digits in groups of four, as printed on the walk sheet.
    pub fn spoken(&self) -> String {
        let digits: Vec<char> = self.0.short(16).chars().collect();
        digits
            .chunks(4)
            .map(|group| group.iter().collect())
            .collect::<Vec<String>>()
            .join(" ")
    }

    /// Whether `typed` is the sixteen digits of [`Self::spoken`], spaces, dashes and case aside.
    pub fn matches_spoken(&self, typed: &str) -> bool {
        let plain: String = typed
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_lowercase())
            .collect();
        plain == self.0.short(16)
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidName;

    /// Takes the 64 digits, with or without spaces, dashes or the prefix `sha256:`.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let plain: String = text
            .trim()
            .trim_start_matches("sha256:")
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .collect();
        plain
            .parse()
            .map(Self)
            .map_err(|_| InvalidName::new(text, "key fingerprint", "64 hexadecimal digits"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Text conversions that every one of these types shares.
macro_rules! text_type {
    ($($type:ident: $text:expr;)*) => {$(
        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                let text: fn(&$type) -> String = $text;
                text(&value)
            }
        }
    )*};
}

text_type! {
    Name: |name| name.0.clone();
    Role: |role| role.as_str().to_owned();
    Target: |target| target.as_str().to_owned();
    Fingerprint: |fingerprint| fingerprint.to_string();
}

/// `Display` and `Debug` for the types that wrap text.
macro_rules! show_as_text {
    ($($type:ident)*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(self.as_str())
            }
        }
    )*};
}

show_as_text! { Name Role Target }

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_file_names() {
        for text in ["a", "servoy-7.4", "node_1", &"n".repeat(64)] {
            assert!(text.parse::<Name>().is_ok(), "{text}");
        }
        for text in ["", "-a", ".a", "a.", "A", "a b", "a/b", "ü", &"n".repeat(65)] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }

    #[test]
    fn targets_are_triples() {
        for target in Target::ALL {
            assert_eq!(target.as_str().parse(), Ok(target));
        }
        let error = "linux".parse::<Target>().expect_err("no triple");
        assert!(
            error
                .to_string()
                .starts_with("`linux` is not a valid target: expected `x86_64-")
        );
    }

    #[test]
    fn sequences_start_at_one() {
        assert!(Sequence::try_from(0).is_err());
        assert!(Sequence::try_from(u64::MAX).is_err());
        assert_eq!(Sequence::try_from(7).map(u64::from), Ok(7));
    }

    #[test]
    fn fingerprints_can_be_typed() {
        let fingerprint = Fingerprint::of_key(b"key");
        let spoken = fingerprint.spoken();
        assert_eq!(spoken.len(), 19);
        assert!(fingerprint.matches_spoken(&spoken.to_uppercase().replace(' ', "-")));
        assert!(!fingerprint.matches_spoken(&spoken[1..]));
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }
}
