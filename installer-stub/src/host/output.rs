//! What programs print, gathered while they run.

use std::io::Read;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How much of a program's output is kept: its last bytes, since the end tells what went wrong.
pub(super) const KEPT: usize = 1 << 20;

/// The output of a program that runs. On a thread of its own, so that nobody blocks on a full pipe, and so that
/// a descendant that keeps the pipe open keeps nobody waiting.
#[derive(Debug)]
pub(super) struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
}

impl Output {
    /// Gathers what comes out of `reader`.
    pub(super) fn of(mut reader: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let (sender, end) = channel();
        // Without a thread the program's output is lost, and nobody waits for it.
        let _lost = std::thread::Builder::new().spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => keep(&shared, buffer.get(..count).unwrap_or_default()),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            // Nobody listens any more if the program was not worth waiting for.
            let _unheard = sender.send(());
        });
        Self { bytes, end }
    }

    /// What was printed, once the program has ended.
    pub(super) fn finish(self) -> Vec<u8> {
        // All of it is in the pipe by now; longer takes only what somebody else still writes.
        let _late = self.end.recv_timeout(Duration::from_secs(1));
        let mut bytes = self.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let surplus = bytes.len().saturating_sub(KEPT);
        bytes.split_off(surplus)
    }
}

fn keep(shared: &Mutex<Vec<u8>>, new: &[u8]) {
    let mut bytes = shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    bytes.extend_from_slice(new);
    // Not each time, since cutting the start off moves all the rest.
    if bytes.len() > 2 * KEPT {
        let surplus = bytes.len().saturating_sub(KEPT);
        bytes.drain(..surplus);
    }
}

/// The last `count` lines of some output that are not blank, indented, for showing beneath an error.
pub(crate) fn last_lines(output: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let skipped = lines.len().saturating_sub(count);
    lines
        .into_iter()
        .skip(skipped)
        .map(|line| format!("  | {}", shown(line)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A line that cannot do anything to a terminal, nor fill it.
fn shown(line: &str) -> String {
    let plain = |c: char| if c.is_control() && c != '\t' { '?' } else { c };
    let mut shown: String = line.chars().take(300).map(plain).collect();
    if line.chars().nth(300).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_long_output_is_shown() {
        let output: String = (0..100).map(|line| format!("line {line}\n")).collect();
        let shown = last_lines(output.as_bytes(), 10);
        assert_eq!(shown.lines().count(), 10);
        assert!(shown.ends_with("  | line 99"));
    }

    #[test]
    fn output_does_nothing_to_the_terminal() {
        assert_eq!(last_lines(b"a\x1b[2Jb\tc\xff\n", 10), "  | a?[2Jb\tc\u{fffd}");
        let long = last_lines("ä".repeat(1000).as_bytes(), 10);
        assert_eq!(long, format!("  | {}…", "ä".repeat(300)));
    }

    #[test]
    fn only_the_end_of_endless_output_is_kept() {
        let endless = std::io::repeat(b'x').take(5 << 20).chain(&b"the end"[..]);
        let kept = Output::of(endless).finish();
        assert_eq!(kept.len(), KEPT);
        assert!(kept.ends_with(b"xthe end"));
    }

    #[test]
    fn whoever_keeps_the_pipe_open_keeps_nobody_waiting() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let output = Output::of(reader);
        std::io::Write::write_all(&mut writer, b"said").expect("written");
        // The writer lives on.
        assert_eq!(output.finish(), b"said");
        drop(writer);
    }
}
