//! The seam between the app and where it runs: `web` and `desktop` have the same names.

#[cfg(feature = "desktop")]
mod desktop;
#[cfg(all(feature = "desktop", feature = "testing"))]
mod driven;
#[cfg(all(feature = "web", not(feature = "desktop")))]
mod web;

#[cfg(feature = "desktop")]
pub(crate) use desktop::{STORAGE, follow, run, use_filter, use_options};
#[cfg(all(feature = "web", not(feature = "desktop")))]
pub(crate) use web::{STORAGE, follow, run, use_filter, use_options};
