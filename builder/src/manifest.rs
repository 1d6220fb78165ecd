//! What people write: profiles, artifacts, role recipes and site files.

pub mod artifact;
mod artifact_list;
pub(crate) mod document;
pub mod embedded;
mod network_rules;
pub(crate) mod problem;
mod profile;
pub(crate) mod recipe_rules;
mod rendered;
mod role;

pub use problem::{ManifestErrors, Problem};
pub use profile::Profile;
pub use role::RoleRecipe;
