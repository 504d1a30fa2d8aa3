//! `#[derive(ClientDocument)]`: a name and an owner.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, LitStr, Result};

use crate::krate::{private, refuse_generics, snake_case};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    refuse_generics(input, "a client document")?;
    let p = private()?;
    let ident = &input.ident;
    let mut name = snake_case(ident);
    let mut owner = format_ident!("Tab");
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("document")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                let literal = meta.value()?.parse::<LitStr>()?;
                name = literal.value();
                if name.is_empty() {
                    return Err(Error::new_spanned(literal, "a document needs a name"));
                }
                return Ok(());
            }
            if meta.path.is_ident("owner") {
                let literal = meta.value()?.parse::<LitStr>()?;
                owner = match literal.value().as_str() {
                    "tab" => format_ident!("Tab"),
                    "client" => format_ident!("Client"),
                    _ => {
                        return Err(Error::new_spanned(
                            literal,
                            "the owner is \"tab\" or \"client\"",
                        ));
                    }
                };
                return Ok(());
            }
            Err(meta.error("a document takes `name = \"…\"` and `owner = \"tab\"` or `\"client\"`"))
        })?;
    }
    Ok(quote! {
        #[automatically_derived]
        impl #p::ClientDocument for #ident {
            const DEF: &'static #p::DocumentDef =
                &#p::DocumentDef { name: #name, owner: #p::DocumentOwner::#owner };
        }
    })
}
