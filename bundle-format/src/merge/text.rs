//! What people get to see of a file: short, free of control characters, and without secrets.

use super::Format;

/// The most lines of each version that are shown.
const LINES: usize = 19;
/// The most characters of a line that are shown.
const WIDTH: usize = 160;
const MASK: &str = "***";
/// What the names of secrets have in them.
const SECRETS: [&str; 9] = [
    "pass",
    "pwd",
    "secret",
    "credential",
    "token",
    "private",
    "apikey",
    "api_key",
    "api-key",
];

/// `text` as the value of what `context` names: masked if one of the two suggests a secret.
pub(super) fn shown(context: &str, text: &str) -> String {
    if behind_secret(context).is_some() || behind_secret(text).is_some() {
        return MASK.to_owned();
    }
    escaped(text)
}

/// `text` without control characters.
pub(super) fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// The lines that only the bundle's version has (`-`) and those that only the operator's has (`+`), without what
/// both begin and end with.
pub(super) fn difference(format: Format, bundle: &[u8], operator: &[u8]) -> String {
    let sizes = |why: &str| {
        format!(
            "- {} bytes, {why}\n+ {} bytes, {why}",
            bundle.len(),
            operator.len()
        )
    };
    let (Some(old), Some(new)) = (readable(bundle), readable(operator)) else {
        return sizes("not text");
    };
    // In XML, a value may stand lines before the name that says it is secret.
    let hidden = |text: &str| {
        text.contains("PRIVATE KEY-----") || (format == Format::Xml && behind_secret(text).is_some())
    };
    if hidden(&old) || hidden(&new) {
        return sizes("not shown because of the secrets in it");
    }
    let (old, new) = (lines(&old), lines(&new));
    if old
        .iter()
        .map(|line| line.text)
        .eq(new.iter().map(|line| line.text))
    {
        return sizes("with other line ends");
    }
    let head = common(old.iter(), new.iter());
    let (old, new) = (
        old.get(head..).unwrap_or_default(),
        new.get(head..).unwrap_or_default(),
    );
    let tail = common(old.iter().rev(), new.iter().rev());
    let only =
        |lines: &[Line<'_>], sign: &str| marked(lines.get(..lines.len() - tail).unwrap_or_default(), sign);
    [only(old, "-"), only(new, "+")].concat().join("\n")
}

struct Line<'a> {
    text: &'a str,
    shown: String,
}

/// The text of a file without control characters, in UTF-8 or else in ISO-8859-1.
fn readable(content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).map_or_else(
        |_| content.iter().copied().map(char::from).collect(),
        str::to_owned,
    );
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    (!text.contains(control)).then_some(text)
}

/// Masked with the lines before them in view, since a value may begin on the line below its name.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut open = false;
    text.lines()
        .map(|text| {
            let secret = behind_secret(text);
            let shown = match secret {
                _ if open => MASK.to_owned(),
                // Here, the value may stand in front of its name.
                Some(_) if text.contains('<') => MASK.to_owned(),
                Some(end) => masked(text, end),
                None => shortened(text),
            };
            open = (open && text.ends_with('\\'))
                || (secret.is_some()
                    && text
                        .trim_end()
                        .ends_with(['\\', '=', ':', '>', '"', '\'', '|', '[', '(', '{']));
            Line { text, shown }
        })
        .collect()
}

/// `line` up to the value of the name that has a secret's word up to `end`.
fn masked(line: &str, end: usize) -> String {
    let (name, behind) = line.split_at(end);
    let value = behind
        .trim_start_matches(|c: char| c.is_alphanumeric() || "._-".contains(c))
        .trim_start_matches(|c: char| c.is_whitespace() || ":=\"'".contains(c));
    let before = behind.strip_suffix(value).unwrap_or_default();
    let mask = if value.is_empty() { "" } else { MASK };
    format!("{}{mask}", shortened(&format!("{name}{before}")))
}

fn shortened(line: &str) -> String {
    let mut short: String = line
        .chars()
        .take(WIDTH)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if line.chars().nth(WIDTH).is_some() {
        short.push('…');
    }
    short
}

fn marked(lines: &[Line<'_>], sign: &str) -> Vec<String> {
    let mut marked: Vec<String> = lines
        .iter()
        .take(LINES)
        .map(|line| format!("{sign} {}", line.shown))
        .collect();
    if let Some(more) = lines.len().checked_sub(LINES).filter(|more| *more > 0) {
        marked.push(format!("{sign} … lines not shown: {more}"));
    }
    marked
}

/// How many lines are the same from the start on.
fn common<'a>(old: impl Iterator<Item = &'a Line<'a>>, new: impl Iterator<Item = &'a Line<'a>>) -> usize {
    old.zip(new).take_while(|(old, new)| old.text == new.text).count()
}

/// Where the first word ends that suggests a secret.
fn behind_secret(text: &str) -> Option<usize> {
    let text = text.to_ascii_lowercase();
    let find = |word: &str| text.find(word).map(|start| start + word.len());
    let licence = || {
        // Servoy's `license.0.code`, but not how many licences there are.
        let start = find("license").or_else(|| find("licence"))?;
        text.get(start..)?.contains("code").then_some(start)
    };
    SECRETS
        .iter()
        .filter_map(|word| find(word))
        .chain(licence())
        .min()
}
