//! What several test binaries share.

mod bundle;
mod key;

pub use bundle::{Fake, FakeRunFile};
pub use key::Key;
