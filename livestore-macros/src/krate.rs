//! The path by which generated code reaches `livestore-core`, and what all derives share.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, Result};

/// The crates an app can depend on; each has the same `__private`.
const CRATES: [&str; 3] = ["livestore-core", "livestore-leptos", "livestore-dioxus"];

/// The `__private` module of whichever crate the app depends on.
pub(crate) fn private() -> Result<TokenStream> {
    let found = CRATES.iter().find_map(|name| match crate_name(name).ok()? {
        FoundCrate::Itself => Some(name.replace('-', "_")),
        FoundCrate::Name(name) => Some(name),
    });
    let Some(found) = found else {
        let message =
            format!("add one of these crates to your dependencies: {}", CRATES.join(", "));
        return Err(Error::new(Span::call_site(), message));
    };
    let krate = format_ident!("{found}");
    Ok(quote!(::#krate::__private))
}

/// Refuses type parameters, lifetimes and constants.
pub(crate) fn refuse_generics(input: &DeriveInput, what: &str) -> Result<()> {
    if input.generics.params.is_empty() {
        return Ok(());
    }
    let message =
        format!("{what} can't be generic: it is stored under one name, so it must be one type");
    Err(Error::new_spanned(&input.generics, message))
}

/// `TodoItem` as `todo_item`.
pub(crate) fn snake_case(ident: &syn::Ident) -> String {
    let name = unraw(ident);
    let mut snake = String::new();
    let mut previous_lower = false;
    for c in name.chars() {
        if c.is_uppercase() && previous_lower {
            snake.push('_');
        }
        previous_lower = !c.is_uppercase();
        snake.extend(c.to_lowercase());
    }
    snake
}

/// An identifier's text without `r#`.
pub(crate) fn unraw(ident: &syn::Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map_or_else(|| name.clone(), ToOwned::to_owned)
}
