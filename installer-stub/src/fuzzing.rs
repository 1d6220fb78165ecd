//! Ways in for fuzzers: what reads files that a crash, a full disk or a curious hand may have mangled. The tests feed them what earlier
//! fuzzing has found.

use crate::receipt::Receipt;
use crate::{journal, mask};

/// Reads a journal, as it is and with its digests put right: no mutation gets past those by chance. What can be
/// read must say the same once it is written anew.
pub fn journal(bytes: &[u8]) {
    for bytes in [bytes, sealed(&String::from_utf8_lossy(bytes)).as_bytes()] {
        if let Ok(Some(unfinished)) = journal::parse(bytes) {
            let again = journal::parse(unfinished.to_text().as_bytes());
            assert_eq!(again, Ok(Some(unfinished)));
        }
    }
}

/// Gives each line its right digest, except those that start with an `x`.
fn sealed(text: &str) -> String {
    let seal = |line: &str| match line.split_once(' ') {
        Some((sum, json)) if !sum.starts_with('x') => journal::sealed(json),
        _ => line.to_owned(),
    };
    text.split('\n').map(seal).collect::<Vec<_>>().join("\n")
}

/// Reads a receipt. What can be read must say the same once it is written anew.
pub fn receipt(bytes: &[u8]) {
    if let Some(receipt) = parsed(bytes) {
        let written = receipt.to_json().expect("what was read can be written");
        let again = parsed(&written).expect("what was written can be read");
        // Reading a fraction may be off by its last bit. Keeping all of them exact costs the stub more than it is
        // worth: nothing that we write has any.
        if !receipt.unknown.values().any(has_fraction) {
            assert_eq!(again, receipt);
        }
    }
}

fn has_fraction(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.is_f64(),
        serde_json::Value::Array(values) => values.iter().any(has_fraction),
        serde_json::Value::Object(values) => values.values().any(has_fraction),
        _ => false,
    }
}

fn parsed(receipt: &[u8]) -> Option<Receipt> {
    let text = std::str::from_utf8(receipt).ok()?;
    Receipt::from_json(text).ok()
}

/// Masks anything. Whatever stands in front of a secret, it is found.
pub fn mask(bytes: &[u8]) {
    const SECRET: &str = "hunter2";
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    // Taking one out may put another one together.
    while text.contains(SECRET) {
        text = text.replace(SECRET, "");
    }
    for planted in [
        "\npassword=hunter2\n",
        "{\"password\":\"hunter2\"}",
        "<a password='hunter2'/>",
    ] {
        let masked = mask::mask(&format!("{text}{planted}"));
        assert!(!masked.contains(SECRET), "{masked}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(name: &str) -> Vec<Vec<u8>> {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        let files = std::fs::read_dir(directory.join(name)).expect("a corpus");
        files
            .map(|file| std::fs::read(file.expect("a file").path()).expect("it can be read"))
            .collect()
    }

    #[test]
    fn the_corpus_of_journals_is_read() {
        let corpus = corpus("journal");
        corpus.iter().for_each(|bytes| journal(bytes));
        assert!(
            corpus
                .iter()
                .any(|bytes| matches!(journal::parse(bytes), Ok(Some(_))))
        );
    }

    #[test]
    fn the_corpus_of_texts_is_masked() {
        let corpus = corpus("mask");
        assert!(!corpus.is_empty());
        corpus.iter().for_each(|bytes| mask(bytes));
    }

    #[test]
    fn the_corpus_of_receipts_is_read() {
        let corpus = corpus("receipt");
        corpus.iter().for_each(|bytes| receipt(bytes));
        assert!(corpus.iter().any(|bytes| parsed(bytes).is_some()));
    }
}
