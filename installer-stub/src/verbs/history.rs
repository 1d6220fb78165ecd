//! `history`: what was done on this machine, when, by whom, and from which run file.

use serde_json::{Value, json};

use crate::date::date;
use crate::error::{ExitCode, Result};
use crate::report::Audience;
use crate::verbs::Context;

/// Shows the history. A line that is damaged hides no other.
pub(super) fn run(context: Context<'_>) -> Result<ExitCode> {
    let layout = context.installed_layout()?;
    let text = match context.host.read(&layout.history()) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.is_not_found() => String::new(),
        Err(error) => return Err(error.into()),
    };
    let entries = entries(&text);
    if entries.is_empty() {
        let nothing = format!("{} has no history here\n", layout.product());
        context.report.data(&nothing, &json!({"event": "no-history"}))?;
    } else if context.report.audience() == Audience::Programs {
        for entry in &entries {
            context.report.data("", &entry.object())?;
        }
    } else {
        context.report.data(&table(&entries), &())?;
    }
    let is_damaged = |entry: &Entry| matches!(entry, Entry::Damaged { .. });
    Ok(if entries.iter().any(is_damaged) {
        ExitCode::Unhealthy
    } else {
        ExitCode::Done
    })
}

/// A line of the history.
#[derive(Debug, PartialEq)]
enum Entry {
    Event(Value),
    Damaged { line: usize, text: String },
}

fn entries(text: &str) -> Vec<Entry> {
    let entry = |(number, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(event @ Value::Object(_)) => Entry::Event(event),
        _ => Entry::Damaged {
            line: number + 1,
            text: line.to_owned(),
        },
    };
    let lines = text.lines().enumerate();
    lines.filter(|(_, line)| !line.is_empty()).map(entry).collect()
}

impl Entry {
    fn object(&self) -> Value {
        match self {
            Self::Event(event) => event.clone(),
            Self::Damaged { line, text } => json!({"event": "damaged", "line": line, "text": text}),
        }
    }

    fn cells(&self) -> Option<[String; 5]> {
        match self {
            Self::Event(event) => Some(COLUMNS.map(|(_, name)| cell(event.get(name)))),
            Self::Damaged { .. } => None,
        }
    }
}

/// Titles, and the fields below them.
const COLUMNS: [(&str, &str); 5] = [
    ("when", "time"),
    ("what", "event"),
    ("release", "release"),
    ("by", "operator"),
    ("from", "bundle"),
];

/// One line for each entry.
fn table(entries: &[Entry]) -> String {
    let rows: Vec<[String; 5]> = entries.iter().filter_map(Entry::cells).collect();
    let mut widths = COLUMNS.map(|(title, _)| title.len());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: [String; 5]| {
        let cells = row.iter().zip(widths);
        let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(COLUMNS.map(|(title, _)| title.to_owned()));
    for entry in entries {
        match entry {
            Entry::Event(_) => text.extend(entry.cells().map(line)),
            Entry::Damaged { line, .. } => text.push_str(&format!("line {line} is damaged\n")),
        }
    }
    text
}

/// What is not known is a dash.
fn cell(value: Option<&Value>) -> String {
    match value {
        Some(Value::Number(time)) => date(time.as_u64().unwrap_or_default()),
        // The operator's name comes from the environment, and must not steer the terminal of whoever reads it.
        Some(Value::String(text)) => text.replace(char::is_control, "?"),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HISTORY: &str = r#"{"format_version":1,"event":"install","release":"plant-1-1bc04b5291c2","time":1795348830,"operator":"anna","bundle":"plant-node.run"}
{"format_version":1,"event":"inst
{"format_version":9,"event":"uninstall","release":"plant-1-1bc04b5291c2","time":1795348890,"operator":"\u001b[2Jeve"}
"#;

    #[test]
    fn a_table_shows_every_line() {
        assert_eq!(
            table(&entries(HISTORY)),
            "\
when                     what       release               by       from
2026-11-22 12:00:30 UTC  install    plant-1-1bc04b5291c2  anna     plant-node.run
line 2 is damaged
2026-11-22 12:01:30 UTC  uninstall  plant-1-1bc04b5291c2  ?[2Jeve  -
"
        );
    }

    #[test]
    fn programs_get_every_field() {
        let entries = entries(HISTORY);
        let objects: Vec<Value> = entries.iter().map(Entry::object).collect();
        assert_eq!(objects.len(), 3);
        assert_eq!(objects[1]["line"], 2);
        assert_eq!(objects[2]["format_version"], 9);
    }
}
