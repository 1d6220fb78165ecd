//! Looking into an executable without running it.

/// Whether an ELF executable for 64 bits runs by itself, without a dynamic loader. `None` for other files.
pub(crate) fn is_static(bytes: &[u8]) -> Option<bool> {
    const PROGRAM_HEADER_INTERPRETER: u32 = 3;
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = usize::try_from(u64::from_le_bytes(*bytes.get(0x20..)?.first_chunk()?)).ok()?;
    let size = usize::from(half(bytes, 0x36)?);
    let count = usize::from(half(bytes, 0x38)?);
    for number in 0..count {
        let start = table.checked_add(size.checked_mul(number)?)?;
        let kind = u32::from_le_bytes(*bytes.get(start..)?.first_chunk()?);
        if kind == PROGRAM_HEADER_INTERPRETER {
            return Some(false);
        }
    }
    Some(true)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header with one program header of `kind`.
    fn elf(kind: u32) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(0x40, 0);
        bytes[0x20] = 0x40;
        bytes[0x36] = 56;
        bytes[0x38] = 1;
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes
    }

    #[test]
    fn a_program_with_a_loader_is_not_static() {
        assert_eq!(is_static(&elf(3)), Some(false));
        assert_eq!(is_static(&elf(1)), Some(true));
    }

    #[test]
    fn other_files_are_not_judged() {
        assert_eq!(is_static(b"MZ"), None);
        assert_eq!(is_static(&elf(3)[..0x30]), None);
        assert_eq!(is_static(&elf(3)[..0x41]), None);
    }
}
