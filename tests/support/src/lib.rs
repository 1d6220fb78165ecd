//! What several test binaries share.

mod bundle;
mod ended;
pub mod faulty_server;
mod key;
#[cfg(target_os = "linux")]
pub mod machine;
#[cfg(unix)]
mod snapshot;

pub use bundle::{Fake, FakeRunFile};
pub use ended::Ended;
pub use key::Key;
#[cfg(unix)]
pub use snapshot::{Snapshot, Times, snapshot};
