//! How far a value goes. All of these return lengths in bytes.

/// Spaces and tabs in front.
pub(super) fn blank(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t']).len()
}

/// What strings are put between; the longest first.
const MARKS: [&str; 5] = ["\"\"\"", "'''", "\"", "'", "&quot;"];

/// A quotation mark in front, with the backslashes that it has inside another string.
pub(super) fn quote(text: &str) -> Option<&str> {
    let backslashes = text.len() - text.trim_start_matches('\\').len();
    let mark = text.get(backslashes..)?;
    let mark = MARKS.into_iter().find(|quote| mark.starts_with(quote))?;
    text.get(..backslashes + mark.len())
}

/// Up to the mark that belongs to `quote`, which may be lines away; `None` if there is none.
pub(super) fn quoted(text: &str, quote: &str) -> Option<usize> {
    let mark = quote.trim_start_matches('\\');
    let level = quote.len() - mark.len();
    for (at, _) in text.match_indices(mark) {
        let before = text.get(..at).unwrap_or_default();
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        // With each level of strings in strings, a backslash that is meant as such doubles.
        let closes = backslashes >= level && ((backslashes - level) / (level + 1)).is_multiple_of(2);
        if closes {
            let length = at - level;
            let after = text.get(at + mark.len()..).unwrap_or_default();
            return is_end(text.get(..length).unwrap_or_default(), after).then_some(length);
        }
    }
    None
}

/// Whether a value ends here, rather than that it goes on or that another one begins: some values hold a quotation
/// mark that belongs to no other.
fn is_end(value: &str, after: &str) -> bool {
    let opens_another = value.contains('\n') && value.trim_end().ends_with(['=', ':']);
    let goes_on = |c: char| !c.is_whitespace() && !",;:)]}/>\\\"'&".contains(c);
    !opens_another && !after.starts_with(goes_on)
}

/// The rest of the line after a string, but for the end of a statement or a remark: in properties, a value may
/// start with a string and go on.
pub(super) fn after_quoted(text: &str) -> usize {
    let length = line(text);
    let rest = text.get(..length).unwrap_or_default().trim_start();
    match rest.starts_with([',', ';', '#', '}', ']', ')', '/']) {
        true => 0,
        false => length,
    }
}

/// A number, or what else stands in JSON without quotation marks.
pub(super) fn scalar(text: &str) -> Option<usize> {
    let length = text.find(|c: char| ",}]".contains(c) || c.is_whitespace());
    let length = length.unwrap_or(text.len());
    let value = text.get(..length)?;
    let is_number = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    let is_scalar = is_number || ["null", "true", "false"].contains(&value);
    is_scalar.then_some(length)
}

/// An array or object that starts here, up to its own end; `None` if it has none.
pub(super) fn bracketed(text: &str) -> Option<usize> {
    if !text.starts_with(['[', '{']) {
        return None;
    }
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_string = !is_string,
            '[' | '{' if !is_string => depth += 1,
            ']' | '}' if !is_string => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The rest of the line, and the lines that it is continued on.
pub(super) fn line(text: &str) -> usize {
    let mut length = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let backslashes = content.len() - content.trim_end_matches('\\').len();
        if backslashes % 2 == 0 {
            return length + content.len();
        }
        length += line.len();
    }
    length
}

/// Lines that follow and are indented by more than `indent`, as YAML goes on with a value.
pub(super) fn indented(text: &str, indent: usize) -> usize {
    let mut length = text.len() - text.trim_start_matches(['\r', '\n']).len();
    for line in text.get(length..).unwrap_or_default().split_inclusive('\n') {
        let content = line.trim_start_matches(' ');
        let by = line.len() - content.len();
        let is_item = by == indent && content.starts_with("- ");
        if by <= indent && !is_item && !content.trim().is_empty() {
            break;
        }
        length += line.len();
    }
    // The line end in front of the next key is not part of the value.
    let value = text.get(..length).unwrap_or_default();
    value.trim_end_matches(['\r', '\n']).len()
}

/// Whether the end of `line` is inside a string.
pub(super) fn is_inside_quotes(line: &str) -> bool {
    let (mut is_string, mut is_escaped) = (false, false);
    for character in line.chars() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_string = !is_string,
            _ => {}
        }
    }
    is_string
}

/// Up to the end of a string that we are inside of, or of the line in it: `\n`, unless the line goes on after it.
pub(super) fn rest_of_string(text: &str) -> usize {
    let mut backslashes = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '\n' => return at,
            '\\' => {
                backslashes += 1;
                continue;
            }
            '"' if backslashes.is_multiple_of(2) => return at,
            'n' if backslashes % 4 == 1 => return at - 1,
            _ => {}
        }
        backslashes = 0;
    }
    text.len()
}

/// The user and password in front of a host in a URL.
pub(super) fn user(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || "\"'<>".contains(c));
    let address = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    let host = address.find(['/', '?', '#']).unwrap_or(address.len());
    let host = address.get(..host).unwrap_or_default();
    // A password may hold what it ought not to.
    let whole = if host.contains(':') || !host.contains('.') {
        address
    } else {
        host
    };
    whole.rfind('@').unwrap_or(0)
}
