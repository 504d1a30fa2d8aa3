//! The public face of livestore-sync, tested from outside.

mod args;
mod backend;
mod build;
mod confirmed;
mod leader;
mod merge;
mod messages;
mod pending;
mod session;
mod wire;
