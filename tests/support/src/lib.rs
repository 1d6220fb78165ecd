//! What several test binaries share.

pub mod faulty_server;
