//! Takes secrets out of text that is going to be shown to others: the values of keys whose name says so, the user
//! in front of a host in a URL, and private keys.
//!
//! No file is parsed, since what is damaged or of an unknown kind has secrets, too: properties, XML, JSON, YAML, unit
//! files, command lines and logs are read by one scanner. Where it cannot tell how far a value goes, it takes more.

mod keys;
mod private_key;
mod values;
mod xml;

use std::ops::Range;

use keys::is_secret;

/// What stands for a secret.
const MASK: &str = "***";

/// `text` without its secrets. Empty values stay: that something is not set is no secret.
pub(crate) fn mask(text: &str) -> String {
    let text = private_key::removed(text);
    let mut scanner = Scanner {
        text: &text,
        at: 0,
        masked: String::with_capacity(text.len()),
        previous: 0..0,
        named: false,
        named_element: false,
    };
    while let Some(character) = scanner.rest().chars().next() {
        scanner.next(character);
    }
    scanner.masked
}

#[derive(Debug)]
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    masked: String,
    /// Where the last word is.
    previous: Range<usize>,
    /// Whether a value of the name `value` is one of a secret: `{"name": "password", "value": "…"}`.
    named: bool,
    /// Whether the text of the next element is: `<param-name>password</param-name> <param-value>…`.
    named_element: bool,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn copy(&mut self, length: usize) {
        self.masked
            .push_str(self.rest().get(..length).unwrap_or(self.rest()));
        self.at += length;
    }

    fn hide(&mut self, length: usize) {
        let secret = self.rest().get(..length).unwrap_or(self.rest());
        if secret.trim().is_empty() {
            self.masked.push_str(secret);
        } else {
            self.masked.push_str(MASK);
        }
        self.at += length;
    }

    fn next(&mut self, character: char) {
        let rest = self.rest();
        match character {
            '<' => match xml::element(rest, self.named_element) {
                Some((masked, length)) => {
                    self.masked.push_str(&masked);
                    self.at += length;
                    self.named_element = false;
                }
                None => self.copy(1),
            },
            ':' if rest.starts_with("://") => {
                self.copy(3);
                self.hide(values::user(self.rest()));
            }
            _ if keys::is_in_word(character) => self.word(),
            _ => {
                self.named &= character != '}';
                self.copy(character.len_utf8());
            }
        }
    }

    fn word(&mut self) {
        let rest = self.rest();
        let length = rest.find(|c| !keys::is_in_word(c)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or(rest);
        if word.starts_with("AGE-SECRET-KEY-") {
            return self.hide(length);
        }
        let between = self.text.get(self.previous.end..self.at).unwrap_or_default();
        let before = self.text.get(self.previous.clone()).filter(|_| between == " ");
        let secret = is_secret(word)
            || before.is_some_and(|before| keys::is_secret_pair(before, word))
            || (self.named && word == "value");
        self.previous = self.at..self.at + length;
        let prefix = self.line_so_far();
        self.copy(length);
        if secret {
            self.after_key(word, prefix);
        } else if word == "thin" && self.rest().starts_with(':') {
            // Oracle's: `jdbc:oracle:thin:user/password@host`
            self.copy(1);
            self.hide(values::user(self.rest()));
        } else if word == "Bearer" {
            self.argument();
        }
    }

    /// What stands on this line in front of what comes next.
    fn line_so_far(&self) -> &'a str {
        let before = self.text.get(..self.at).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default()
    }

    fn after_key(&mut self, key: &str, prefix: &str) {
        let rest = self.rest();
        let quote = values::quote(rest).map_or(0, str::len);
        let after = rest.get(quote..).unwrap_or_default();
        let blank = match quote {
            0 => values::blank(after),
            _ => after.len() - after.trim_start().len(),
        };
        let after = after.get(blank..).unwrap_or_default();
        let separator = ["=>", ":=", "=", ":"]
            .into_iter()
            .find(|separator| after.starts_with(separator));
        if let Some(separator) = separator {
            self.named = false;
            self.copy(quote + blank + separator.len());
            self.value(quote > 0, separator, prefix);
        } else if quote > 0 && after.starts_with(',') {
            self.copy(quote + blank + 1);
            self.string_that_follows();
        } else if key.starts_with('-') {
            self.copy(quote);
            self.argument();
        } else if prefix.trim().is_empty() && blank > 0 && key.contains(['.', '_']) {
            // Properties may do without a sign between key and value.
            self.copy(blank);
            self.hide(values::line(self.rest()));
        } else if after.starts_with("</") {
            self.named_element = true;
        } else {
            self.named |= after.is_empty() || after.starts_with(['\n', '\r', '}']);
        }
    }

    /// A value, after its separator.
    fn value(&mut self, key_is_quoted: bool, separator: &str, prefix: &str) {
        let rest = self.rest();
        self.copy(match key_is_quoted {
            true => rest.len() - rest.trim_start().len(),
            false => values::blank(rest),
        });
        let rest = self.rest();
        let is_first = !key_is_quoted && prefix.trim_start_matches([' ', '\t', '-']).is_empty();
        if let Some(quote) = values::quote(rest) {
            let inside = rest.get(quote.len()..).unwrap_or_default();
            if let Some(length) = values::quoted(inside, quote) {
                self.copy(quote.len());
                self.hide(length);
                self.copy(quote.len());
                if is_first {
                    self.hide(values::after_quoted(self.rest()));
                }
                return;
            }
        } else if let Some(length) = values::bracketed(rest) {
            return self.hide(length);
        } else if let Some(length) = values::scalar(rest).filter(|_| key_is_quoted) {
            return self.hide(length);
        } else if !key_is_quoted && values::is_inside_quotes(prefix) {
            return self.hide(values::rest_of_string(rest));
        }
        let line = values::line(rest);
        let below = match separator == ":" && is_first {
            true => values::indented(rest.get(line..).unwrap_or_default(), prefix.len()),
            false => 0,
        };
        self.hide(line + below);
    }

    /// A word of a command line, after the option that says what it is.
    fn argument(&mut self) {
        self.copy(values::blank(self.rest()));
        let rest = self.rest();
        if let Some(quote) = values::quote(rest) {
            self.copy(quote.len());
            let inside = self.rest();
            return self.hide(values::quoted(inside, quote).unwrap_or_else(|| values::line(inside)));
        }
        self.hide(rest.find(char::is_whitespace).unwrap_or(rest.len()));
    }

    /// A string after `"password",`: the value, or the name of one.
    fn string_that_follows(&mut self) {
        let rest = self.rest();
        self.copy(rest.len() - rest.trim_start().len());
        let rest = self.rest();
        let Some(quote) = values::quote(rest) else {
            return;
        };
        let inside = rest.get(quote.len()..).unwrap_or_default();
        let length = values::quoted(inside, quote).unwrap_or_else(|| values::line(inside));
        let after = inside.get(length + quote.len()..).unwrap_or_default();
        if after.trim_start().starts_with(':') {
            self.named = true;
        } else {
            self.copy(quote.len());
            self.hide(length);
        }
    }
}

#[cfg(test)]
mod tests;
