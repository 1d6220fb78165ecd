//! What several test binaries share.

mod bundle;
pub mod faulty_server;
mod key;

pub use bundle::{Fake, FakeRunFile};
pub use key::Key;
