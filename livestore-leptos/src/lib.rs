//! livestore-leptos.
