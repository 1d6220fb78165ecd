//! Headers of POSIX tar entries: ustar, with a PAX extended header in front where ustar has no room.

use bundle_format::RelPath;
use tar::{EntryType, Header};

use crate::tree::Node;

/// Length of a tar block, in bytes.
pub(super) const BLOCK: usize = 512;

/// The most that a field of eleven octal digits holds: sizes below 8 GiB, times until 2242.
const MAX_OCTAL: u64 = (1 << 33) - 1;

/// What kind of entry a header is for.
pub(super) enum Kind<'a> {
    Directory,
    Symlink(&'a str),
    HardLink(&'a RelPath),
    File { size: u64 },
}

/// The header blocks of one entry. Owner is root by number, and nobody by name.
pub(super) fn header(path: &RelPath, node: &Node, kind: &Kind<'_>) -> Vec<u8> {
    let (entry_type, link, size) = match kind {
        Kind::Directory => (EntryType::Directory, "", 0),
        Kind::Symlink(target) => (EntryType::Symlink, *target, 0),
        Kind::HardLink(first) => (EntryType::Link, first.as_str(), 0),
        Kind::File { size } => (EntryType::Regular, "", *size),
    };
    let name = match kind {
        Kind::Directory => format!("{path}/"),
        _ => path.to_string(),
    };
    let mut records = Records::default();
    let mut header = empty(entry_type);
    let (prefix, short_name) = split_name(&name).unwrap_or_else(|| {
        records.add("path", &name);
        ("", placeholder(&name))
    });
    let short_link = if link.is_ascii() && link.len() <= 100 {
        link
    } else {
        records.add("linkpath", link);
        placeholder(link)
    };
    let mtime = u64::try_from(node.mtime).ok().filter(|mtime| *mtime <= MAX_OCTAL);
    if mtime.is_none() {
        records.add("mtime", &node.mtime.to_string());
    }
    if size > MAX_OCTAL {
        records.add("size", &size.to_string());
    }
    if let Some(ustar) = header.as_ustar_mut() {
        fill(&mut ustar.prefix, prefix);
        fill(&mut ustar.name, short_name);
        fill(&mut ustar.linkname, short_link);
    }
    header.set_mode(node.mode & 0o777);
    header.set_mtime(mtime.unwrap_or(0));
    header.set_size(if size > MAX_OCTAL { 0 } else { size });
    header.set_cksum();
    let mut blocks = records.into_blocks();
    blocks.extend_from_slice(header.as_bytes());
    blocks
}

fn empty(entry_type: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(entry_type);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Cuts a name into the `prefix` and `name` fields, or `None` if it does not fit or is not ASCII.
fn split_name(name: &str) -> Option<(&str, &str)> {
    if !name.is_ascii() {
        return None;
    }
    if name.len() <= 100 {
        return Some(("", name));
    }
    name.match_indices('/')
        .map(|(at, _)| (name.get(..at).unwrap_or(""), name.get(at + 1..).unwrap_or("")))
        .find(|(prefix, rest)| prefix.len() <= 155 && (1..=100).contains(&rest.len()))
}

/// What a reader that knows no PAX headers sees in place of a name that does not fit: its last 100 bytes.
fn placeholder(name: &str) -> &str {
    let start = (0..=name.len())
        .find(|start| name.len() - start <= 100 && name.is_char_boundary(*start))
        .unwrap_or(name.len());
    name.get(start..).unwrap_or("").trim_start_matches('/')
}

fn fill(field: &mut [u8], text: &str) {
    for (to, from) in field.iter_mut().zip(text.bytes()) {
        *to = from;
    }
}

/// The records of a PAX extended header.
#[derive(Default)]
struct Records(Vec<u8>);

impl Records {
    /// Adds `LENGTH KEY=VALUE\n`, where the length counts its own digits.
    fn add(&mut self, key: &str, value: &str) {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len();
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        self.0.extend_from_slice(format!("{length}{rest}").as_bytes());
    }

    /// The extended header with its own header block, or nothing without records.
    fn into_blocks(self) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut header = empty(EntryType::XHeader);
        if let Some(ustar) = header.as_ustar_mut() {
            fill(&mut ustar.name, "PaxHeaders/entry");
        }
        header.set_mode(0o644);
        header.set_size(u64::try_from(self.0.len()).expect("no platform has lengths beyond 64 bits"));
        header.set_cksum();
        let mut blocks = header.as_bytes().to_vec();
        blocks.extend_from_slice(&self.0);
        blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    fn node(mtime: i64) -> Node {
        Node {
            mode: 0o644,
            mtime,
            content: Content::Directory,
        }
    }

    fn blocks(path: &str, mtime: i64, kind: &Kind<'_>) -> Vec<u8> {
        header(&path.parse().unwrap(), &node(mtime), kind)
    }

    #[test]
    fn what_fits_into_ustar_has_one_block() {
        for path in [
            "a".to_owned(),
            "n".repeat(100),
            format!("{}/{}", "p".repeat(155), "n".repeat(100)),
        ] {
            assert_eq!(
                blocks(&path, 1, &Kind::File { size: MAX_OCTAL }).len(),
                BLOCK,
                "{path}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_has_a_record() {
        let long = "n".repeat(101);
        let cases = [
            (
                blocks(&long, 1, &Kind::File { size: 1 }),
                format!("111 path={long}\n"),
            ),
            (blocks("ä", 1, &Kind::Directory), "12 path=ä/\n".to_owned()),
            (blocks("a", -1, &Kind::Directory), "12 mtime=-1\n".to_owned()),
            (
                blocks("a", 1 << 33, &Kind::Directory),
                "20 mtime=8589934592\n".to_owned(),
            ),
            (
                blocks("a", 1, &Kind::File { size: 1 << 33 }),
                "19 size=8589934592\n".to_owned(),
            ),
            (
                blocks("a", 1, &Kind::Symlink(&long)),
                format!("115 linkpath={long}\n"),
            ),
        ];
        for (blocks, record) in cases {
            assert_eq!(blocks.len(), 3 * BLOCK, "{record}");
            let text = blocks.get(BLOCK..BLOCK + record.len()).unwrap();
            assert_eq!(String::from_utf8_lossy(text), record);
        }
    }
}
