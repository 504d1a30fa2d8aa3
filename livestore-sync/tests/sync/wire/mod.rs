//! The sync-cf wire: what real peers send is read, what we send is what they read, and nothing makes the codec panic.

mod frames;
mod query;
mod random;
