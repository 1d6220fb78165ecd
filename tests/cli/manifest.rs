//! What people write, read back: the shipped profiles, and every mistake with its literal message.

#[path = "manifest/artifacts.rs"]
mod artifacts;
#[path = "manifest/recipes.rs"]
mod recipes;
#[path = "manifest/shipped.rs"]
mod shipped;
#[path = "manifest/sites.rs"]
mod sites;
#[path = "manifest/support.rs"]
mod support;
