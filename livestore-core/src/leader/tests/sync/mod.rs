//! The leader with a backend: log, state, machine and courier together, against the backend in memory; with crashes
//! between the two databases, backends that lose what they had, and peers that lie.

mod backlog;
mod client;
mod converge;
mod lies;

use client::{Client, Site, settle, wait};
