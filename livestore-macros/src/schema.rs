//! `#[derive(Schema)]`: tables, events and documents under one type.
//!
//! Names that are there twice fail the build where a constant can tell, else `Schema::def` returns the error.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    DeriveInput, Error, LitInt, Path, Result, Token, meta::ParseNestedMeta, parenthesized,
    punctuated::Punctuated,
};

use crate::krate::{private, refuse_generics};

#[derive(Default)]
struct Parts {
    tables: Vec<Path>,
    events: Vec<Path>,
    documents: Vec<Path>,
    materializers: u32,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    refuse_generics(input, "a schema")?;
    let p = private()?;
    let name = &input.ident;
    let Parts { tables, events, documents, materializers } = parse(input)?;
    Ok(quote! {
        #[automatically_derived]
        impl #p::Schema for #name {
            fn def() -> ::core::result::Result<&'static #p::SchemaDef, #p::SchemaError> {
                static DEF: ::std::sync::OnceLock<::core::result::Result<#p::SchemaDef, #p::SchemaError>> =
                    ::std::sync::OnceLock::new();
                DEF.get_or_init(|| {
                    #p::SchemaDef::new(
                        &[#(<#tables as #p::Table>::DEF),*],
                        &[#(<#events as #p::EventSet>::DEFS),*],
                        &[#(<#documents as #p::ClientDocument>::DEF),*],
                        #materializers,
                    )
                })
                .as_ref()
                .map_err(::core::clone::Clone::clone)
            }
        }

        #(#[automatically_derived] impl #p::HasTable<#tables> for #name {})*
        #(#[automatically_derived] impl #p::HasEvents<#events> for #name {})*
        #(#[automatically_derived] impl #p::HasDocument<#documents> for #name {})*

        const _: () = {
            #p::assert_unique_tables(&[#(<#tables as #p::Table>::DEF),*]);
            #p::assert_unique_events(&[#(<#events as #p::EventSet>::DEFS),*]);
            #p::assert_unique_documents(&[#(<#documents as #p::ClientDocument>::DEF),*]);
        };
    })
}

fn parse(input: &DeriveInput) -> Result<Parts> {
    let mut parts = Parts::default();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("schema")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("tables") {
                return paths(&meta, &mut parts.tables);
            }
            if meta.path.is_ident("events") {
                return paths(&meta, &mut parts.events);
            }
            if meta.path.is_ident("documents") {
                return paths(&meta, &mut parts.documents);
            }
            if meta.path.is_ident("materializers") {
                parts.materializers = meta.value()?.parse::<LitInt>()?.base10_parse()?;
                return Ok(());
            }
            Err(meta.error(
                "a schema takes `tables(…)`, `events(…)`, `documents(…)` and `materializers = 1`",
            ))
        })?;
    }
    Ok(parts)
}

/// Appends the types in parentheses, each at most once.
fn paths(meta: &ParseNestedMeta<'_>, into: &mut Vec<Path>) -> Result<()> {
    let content;
    parenthesized!(content in meta.input);
    for path in Punctuated::<Path, Token![,]>::parse_terminated(&content)? {
        if into.contains(&path) {
            let message = format!("`{}` is listed twice", path.to_token_stream());
            return Err(Error::new_spanned(path, message));
        }
        into.push(path);
    }
    Ok(())
}
