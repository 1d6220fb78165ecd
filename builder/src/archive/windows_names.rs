//! Names that Windows does not accept or takes for something else.

/// Device names in every directory, with and without an extension.
/// Source: <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// Why Windows does not accept `component`, as the end of a sentence.
pub(super) fn refusal(component: &str) -> Option<&'static str> {
    if component.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return Some("which has a character that is reserved");
    }
    if component.ends_with(['.', ' ']) {
        return Some("whose last character is cut off");
    }
    // `NUL.txt` and `NUL .txt` are the device too.
    let stem = component
        .split('.')
        .next()
        .unwrap_or(component)
        .trim_end_matches(' ')
        .to_uppercase();
    let numbered = ["COM", "LPT"].iter().any(|prefix| {
        stem.strip_prefix(prefix).is_some_and(|number| {
            let mut characters = number.chars();
            let digit = characters
                .next()
                .is_some_and(|digit| digit.is_ascii_digit() || matches!(digit, '¹' | '²' | '³'));
            digit && characters.next().is_none()
        })
    });
    (numbered || DEVICES.contains(&stem.as_str())).then_some("which names a device")
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn reserved_names_are_known_in_every_disguise() {
        for name in [
            "CON",
            "con",
            "Nul.txt",
            "nul .tar.gz",
            "COM1",
            "lpt9.log",
            "COM²",
            "conin$",
        ] {
            assert_eq!(refusal(name), Some("which names a device"), "{name}");
        }
        for name in ["a:b", "what?", "a*", "<a>", "a|b", "\"a\""] {
            assert_eq!(
                refusal(name),
                Some("which has a character that is reserved"),
                "{name}"
            );
        }
        for name in ["a.", "a ", "..."] {
            assert_eq!(refusal(name), Some("whose last character is cut off"), "{name}");
        }
    }

    #[test]
    fn ordinary_names_are_left_alone() {
        for name in [
            "console",
            "com",
            "COM10",
            "com1x",
            "null",
            "a b",
            ".hidden",
            "aux-files",
        ] {
            assert_eq!(refusal(name), None, "{name}");
        }
    }
}
