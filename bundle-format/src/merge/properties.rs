//! Properties files, key by key.

use std::collections::{BTreeMap, BTreeSet};

use super::{DEFECT, Decision, Merged, Place, Prefer};
use crate::syntax::properties::{MALFORMED_ESCAPE, append, logical_lines};
use crate::syntax::{line_at, splice};

/// Keys and values as UTF-16 units.
type Properties = BTreeMap<Vec<u16>, Vec<u16>>;

/// The bundle's bytes with the operator's changes, or why they cannot be merged.
pub(super) fn merge(
    base: Option<&[u8]>,
    operator: &[u8],
    bundle: &[u8],
    prefer: Prefer,
) -> Result<Merged, String> {
    let base = base.map_or(Ok(Properties::new()), |base| parse("base", base))?;
    let changed = parse("operator's", operator)?;
    let brought = parse("bundle's", bundle)?;
    let mut merged = Merged::of(bundle);
    let mut wanted = brought.clone();
    let keys: BTreeSet<&Vec<u16>> = [&base, &changed, &brought]
        .into_iter()
        .flat_map(Properties::keys)
        .collect();
    for key in keys {
        let (old, mine, new) = (base.get(key), changed.get(key), brought.get(key));
        let text = |value: Option<&Vec<u16>>| value.map(|value| String::from_utf16_lossy(value));
        let place = Place {
            name: String::from_utf16_lossy(key),
            context: String::from_utf16_lossy(key),

            base: text(old),
            operator: text(mine),
            bundle: text(new),
        };
        let decision = Decision::of(&old, &mine, &new);
        if decision == Decision::Conflict {
            merged.conflicts.push(place.conflict());
        }
        if !decision.takes_operator(prefer) {
            continue;
        }
        merged.carried.push(place.carried());
        match mine {
            Some(value) => wanted.insert(key.clone(), value.clone()),
            None => wanted.remove(key),
        };
    }
    merged.content = written(bundle, &brought, &wanted);
    if parse("merged", &merged.content)? == wanted {
        Ok(merged)
    } else {
        Err(DEFECT.to_owned())
    }
}

/// Of a key that is there several times the last one counts, as in Java.
fn parse(whose: &str, content: &[u8]) -> Result<Properties, String> {
    logical_lines(content)
        .map(|line| match (line.key(), line.value()) {
            (Some(key), Some(value)) => Ok((key, value)),
            _ => Err(format!(
                "the {whose} version cannot be read, line {}: {MALFORMED_ESCAPE}",
                line_at(content, line.offset())
            )),
        })
        .collect()
}

/// `content`, which holds `found`, changed so that it holds `wanted`.
fn written(content: &[u8], found: &Properties, wanted: &Properties) -> Vec<u8> {
    let mut edits = Vec::new();
    let mut seen = BTreeSet::new();
    let lines: Vec<_> = logical_lines(content).collect();
    // From the end on, since the last line of a key is the one that counts.
    for line in lines.iter().rev() {
        let key = line.key().unwrap_or_default();
        match wanted.get(&key) {
            None => edits.push((line.whole.clone(), Vec::new())),
            Some(value) if seen.insert(key.clone()) && found.get(&key) != Some(value) => {
                edits.push(line.with_value(value));
            }
            Some(_) => {}
        }
    }
    edits.reverse();
    let spliced = splice(
        content,
        edits
            .iter()
            .map(|(range, bytes)| (range.clone(), bytes.as_slice())),
    );
    wanted
        .iter()
        .filter(|(key, _)| !found.contains_key(*key))
        .fold(spliced, |content, (key, value)| append(&content, key, value))
}
