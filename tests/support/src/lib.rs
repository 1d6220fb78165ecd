//! What several test binaries share.

mod bundle;
mod ended;
pub mod faulty_server;
mod key;
#[cfg(target_os = "linux")]
pub mod machine;
mod plant;
#[cfg(unix)]
mod snapshot;
#[cfg(unix)]
mod strace;

pub use bundle::{Fake, FakeRunFile};
pub use ended::Ended;
pub use key::Key;
pub use plant::plant;
#[cfg(unix)]
pub use snapshot::{Snapshot, Times, differences, settled, snapshot, without_run_logs};
#[cfg(unix)]
pub use strace::{CHANGING, Call, LOOKING_AND_STARTING, Watched, calls, fired, strace};
