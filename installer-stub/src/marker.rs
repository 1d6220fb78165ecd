//! A line in the executable that tells builders what this stub is, without running it.

#[cfg(debug_assertions)]
macro_rules! profile {
    () => {
        "debug"
    };
}
#[cfg(not(debug_assertions))]
macro_rules! profile {
    () => {
        "release"
    };
}

const TEXT: &str = concat!(
    "servoy-installer-stub format=1 profile=",
    profile!(),
    " target=",
    env!("TARGET"),
    "\n"
);

/// Found by scanning the file. `used` keeps it through link-time optimisation and stripping.
#[used]
static MARKER: [u8; TEXT.len()] = {
    let mut bytes = [0; TEXT.len()];
    bytes.copy_from_slice(TEXT.as_bytes());
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_one_line() {
        let text = std::str::from_utf8(&MARKER).expect("ASCII");
        assert!(text.starts_with("servoy-installer-stub format=1 profile=debug target="));
        assert_eq!(text.lines().count(), 1);
    }
}
