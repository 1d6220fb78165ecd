//! What people write: profiles, artifacts, role recipes and site files.

pub mod artifact;
