//! `support-bundle`: all that whoever helps needs to know, in one text file that a person can read and mail.

mod logs;
mod machine;
mod product;

use std::path::{Path, PathBuf};

use crate::date::{date, stamp};
use crate::error::{Error, ExitCode, Result};
use crate::host::Host;
use crate::layout::Layout;
use crate::mask::mask;
use crate::receipt::{self, Receipt};
use crate::verbs::Context;

/// Writes the file. Changes nothing else, and needs nothing to be whole.
pub(super) fn run(context: Context<'_>, to: Option<&Path>) -> Result<ExitCode> {
    let Context { host, report, .. } = context;
    let layout = context.installed_layout()?;
    if !host.is_administrator() {
        report.warn("not started as root: what only root may read is missing");
    }
    let path = to.map_or_else(|| file_name(host, &layout), Path::to_owned);
    let mut file = host.create_file(&path).map_err(|error| {
        let is_there = error.is_already_there();
        match Error::from(error) {
            error if is_there => error
                .with_code(ExitCode::Usage)
                .with_hint("name another file with `--to`: none is ever overwritten"),
            error => error,
        }
    })?;
    let text = collect(context, &layout);
    let written = host.write_all(&path, &mut file, text.as_bytes());
    if let Err(error) = written.and_then(|()| host.sync_data(&path, &file)) {
        host.remove_file(&path)?;
        return Err(error.into());
    }
    report.outcome(
        &format!(
            "wrote `{}`; secrets in it are masked, but read it before you send it",
            path.display()
        ),
        &serde_json::json!({"event": "support-bundle", "file": path}),
    )?;
    Ok(ExitCode::Done)
}

fn file_name(host: &Host, layout: &Layout) -> PathBuf {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let machine = host.name().replace(|c| !plain(c), "-");
    let stamp = stamp(host.now());
    PathBuf::from(format!("{}-support-{machine}-{stamp}.txt", layout.product()))
}

fn collect(context: Context<'_>, layout: &Layout) -> String {
    let subject = Subject {
        context,
        layout,
        receipt: last_receipt(context.host, layout),
    };
    let mut document = Document {
        text: format!(
            "{} on {}, {}\nMade for whoever helps. Secrets are masked as ***; read it before you send it.\n",
            layout.product(),
            context.host.name(),
            date(context.host.now())
        ),
    };
    machine::describe(&subject, &mut document);
    product::describe(&subject, &mut document);
    logs::describe(&subject, &mut document);
    document.text
}

/// What the file is about.
struct Subject<'a> {
    context: Context<'a>,
    layout: &'a Layout,
    /// What is installed, as far as that can be told.
    receipt: Option<Receipt>,
}

/// The receipt of what is installed; among damaged ones, the newest that can be read.
fn last_receipt(host: &Host, layout: &Layout) -> Option<Receipt> {
    if let Ok(installed) = receipt::installed(host, layout) {
        return installed.last();
    }
    let paths = host.list(&layout.receipts()).unwrap_or_default();
    let readable = paths.iter().filter_map(|path| receipt::read(host, path).ok());
    readable.max_by_key(|receipt| receipt.installed_at)
}

/// The text so far. Everything that goes into it is masked on the way.
struct Document {
    text: String,
}

impl Document {
    /// Adds a section; what cannot be told is said so, and hides nothing else.
    fn section(&mut self, name: &str, content: Result<String>) {
        // A file's name is whatever its owner likes.
        let name = mask(&name.replace(char::is_control, "?"));
        let content = match content {
            Ok(text) if text.trim().is_empty() => "nothing\n".to_owned(),
            Ok(text) => mask(text.trim_end_matches('\n')) + "\n",
            Err(error) => format!("cannot be told: {}", mask(&error.for_people())),
        };
        self.text.push_str(&format!("\n==> {name}\n{content}"));
    }

    /// Adds a section with the end of a file: at most `limit` bytes of at most `lines` lines.
    fn file(&mut self, host: &Host, path: &Path, limit: u64, lines: usize) {
        let content = end_of(host, path, limit).map(|text| last_lines(&mask(&text), lines));
        self.section(&path.display().to_string(), content);
    }
}

/// The end of a file, from the start of a line on.
fn end_of(host: &Host, path: &Path, limit: u64) -> Result<String> {
    let (bytes, is_cut) = host.read_regular_end(path, limit)?;
    if bytes.contains(&0) {
        return Err(Error::failed(format!("`{}` is no text", path.display())));
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(match text.split_once('\n').filter(|_| is_cut) {
        Some((_, whole_lines)) => whole_lines.to_owned(),
        None => text.into_owned(),
    })
}

fn last_lines(text: &str, count: usize) -> String {
    let skipped = text.lines().count().saturating_sub(count);
    let lines = text.lines().skip(skipped).map(|line| format!("{line}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_masked_and_what_is_missing_is_said() {
        let mut document = Document { text: String::new() };
        document.section("a\nb", Ok("password=hunter2\n".to_owned()));
        document.section("c", Ok("\n".to_owned()));
        document.section("d", Err(Error::failed("no such thing; token=hunter2")));
        assert_eq!(
            document.text,
            "\n==> a?b\npassword=***\n\n==> c\nnothing\n\n==> d\ncannot be told: error: no such thing; token=***\n"
        );
    }

    #[test]
    fn the_end_of_a_file_starts_with_a_whole_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        std::fs::write(&path, "first\nsecond\nthird\n").expect("it is written");
        let host = Host::new(directory.path());
        let end = |limit| end_of(&host, &path, limit).expect("it can be read");
        assert_eq!(end(100), "first\nsecond\nthird\n");
        assert_eq!(end(10), "third\n");
        assert_eq!(last_lines(&end(100), 2), "second\nthird\n");
        std::fs::write(&path, b"a\0b").expect("it is written");
        assert!(end_of(&host, &path, 10).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_what_nobody_should_read_is_not_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (secret, link) = (directory.path().join("secret"), directory.path().join("a.log"));
        std::fs::write(&secret, "hunter2").expect("it is written");
        std::os::unix::fs::symlink(&secret, &link).expect("it is made");
        assert!(end_of(&Host::new(directory.path()), &link, 10).is_err());
    }
}
