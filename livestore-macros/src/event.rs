//! `#[derive(Event)]`: each variant is an event with a name and serde arguments.
//!
//! Arguments go through private structs with serde derives, one for writing (borrowing the fields) and one for reading,
//! so the enum itself needs none and its own derives, if any, change nothing.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, Ident, LitStr, Meta, Result, Token,
    Variant, punctuated::Punctuated,
};

use crate::krate::{private, refuse_generics};

/// One variant, as its attributes describe it.
struct Event<'a> {
    variant: &'a Variant,
    name: LitStr,
    client_only: bool,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    refuse_generics(input, "an event")?;
    let p = private()?;
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "events are the variants of an enum"));
    };
    let all_client_only = enum_attributes(input)?;
    let mut events: Vec<Event<'_>> = Vec::new();
    for variant in &data.variants {
        let event = variant_attributes(variant, all_client_only)?;
        if events.iter().any(|other| other.name.value() == event.name.value()) {
            let message = format!("the event name `{}` is there twice", event.name.value());
            return Err(Error::new_spanned(event.name, message));
        }
        events.push(event);
    }
    if events.is_empty() {
        return Err(Error::new_spanned(&input.ident, "an event set needs at least one event"));
    }
    let ident = &input.ident;
    let defs = events.iter().map(|event| def(event, ident, &p));
    let encoders =
        events.iter().map(|event| encoder(event, input, &p)).collect::<Result<Vec<_>>>()?;
    let decoders =
        events.iter().map(|event| decoder(event, input, &p)).collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        #[automatically_derived]
        #[allow(clippy::all, clippy::pedantic, unused_qualifications, missing_docs)]
        const _: () = {
            impl #p::EventSet for #ident {
                const DEFS: &'static [#p::EventDef] = &[#(#defs),*];

                fn encode(&self) -> ::core::result::Result<#p::EncodedEvent, #p::EncodeError> {
                    let (name, lane, args) = match self {
                        #(#encoders)*
                    };
                    ::core::result::Result::Ok(#p::EncodedEvent { name, lane, args: args? })
                }

                fn decode(
                    name: &str,
                    args: &str,
                ) -> ::core::option::Option<::core::result::Result<Self, #p::MaterializeError>> {
                    match name {
                        #(#decoders)*
                        _ => ::core::option::Option::None,
                    }
                }
            }
        };
    })
}

/// Whether `#[event(client_only)]` stands on the enum.
fn enum_attributes(input: &DeriveInput) -> Result<bool> {
    let mut client_only = false;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("client_only") {
                return Err(meta.error(
                    "the enum takes `#[event(client_only)]` only; names stand on its variants",
                ));
            }
            client_only = true;
            Ok(())
        })?;
    }
    Ok(client_only)
}

fn variant_attributes(variant: &Variant, all_client_only: bool) -> Result<Event<'_>> {
    let mut name: Option<LitStr> = None;
    let mut client_only = all_client_only;
    for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                let literal = meta.value()?.parse::<LitStr>()?;
                if literal.value().is_empty() {
                    return Err(Error::new_spanned(literal, "an event needs a name"));
                }
                name = Some(literal);
                return Ok(());
            }
            if meta.path.is_ident("client_only") {
                client_only = true;
                return Ok(());
            }
            Err(meta.error("an event takes `name = \"v1.…\"` and `client_only`"))
        })?;
    }
    let Some(name) = name else {
        let message = format!(
            "every event needs a versioned name that outlives its Rust name: `#[event(name = \"v1.{}\")]`",
            variant.ident
        );
        return Err(Error::new_spanned(&variant.ident, message));
    };
    if let Fields::Unnamed(fields) = &variant.fields
        && fields.unnamed.len() != 1
    {
        return Err(Error::new_spanned(
            fields,
            "an event has named fields, one value or nothing: name the fields, so that they can be added and removed later",
        ));
    }
    Ok(Event { variant, name, client_only })
}

fn lane(event: &Event<'_>, p: &TokenStream) -> TokenStream {
    if event.client_only { quote!(#p::Lane::ClientOnly) } else { quote!(#p::Lane::Synced) }
}

fn def(event: &Event<'_>, ident: &Ident, p: &TokenStream) -> TokenStream {
    let (name, lane) = (&event.name, lane(event, p));
    quote! {
        #p::EventDef {
            name: #name,
            lane: #lane,
            materialize: |args, state| #p::materialize::<#ident>(#name, args, state),
        }
    }
}

/// The match arm that writes an event's arguments.
fn encoder(event: &Event<'_>, input: &DeriveInput, p: &TokenStream) -> Result<TokenStream> {
    let (name, lane, variant) = (&event.name, lane(event, p), &event.variant.ident);
    let krate = serde_path(p);
    let container = container_attributes(input, event.variant)?;
    Ok(match &event.variant.fields {
        Fields::Unit => quote! {
            Self::#variant => (#name, #lane, #p::encode_args(#name, &())),
        },
        Fields::Unnamed(fields) => {
            let fields = fields.unnamed.iter().map(borrowed_field);
            quote! {
                Self::#variant(value) => {
                    #[derive(#p::serde::Serialize)]
                    #[serde(crate = #krate, transparent)]
                    struct __EventArgs<'livestore_args>(#(#fields)*);
                    (#name, #lane, #p::encode_args(#name, &__EventArgs(value)))
                }
            }
        }
        Fields::Named(fields) => {
            let idents: Vec<_> = fields.named.iter().map(|field| &field.ident).collect();
            let fields = fields.named.iter().map(borrowed_field);
            // A struct without fields has no lifetime to borrow for.
            let lifetime = (!idents.is_empty()).then(|| quote!(<'livestore_args>));
            quote! {
                Self::#variant { #(#idents),* } => {
                    #[derive(#p::serde::Serialize)]
                    #[serde(crate = #krate)]
                    #container
                    struct __EventArgs #lifetime { #(#fields,)* }
                    (#name, #lane, #p::encode_args(#name, &__EventArgs { #(#idents),* }))
                }
            }
        }
    })
}

/// The match arm that reads an event's arguments.
fn decoder(event: &Event<'_>, input: &DeriveInput, p: &TokenStream) -> Result<TokenStream> {
    let (name, variant) = (&event.name, &event.variant.ident);
    let krate = serde_path(p);
    let container = container_attributes(input, event.variant)?;
    let read = match &event.variant.fields {
        Fields::Unit => quote! {
            #p::decode_args::<#p::serde::de::IgnoredAny>(name, args).map(|_| Self::#variant)
        },
        Fields::Unnamed(fields) => {
            let fields = fields.unnamed.iter().map(owned_field);
            quote! {
                #[derive(#p::serde::Deserialize)]
                #[serde(crate = #krate, transparent)]
                struct __EventArgs(#(#fields)*);
                #p::decode_args::<__EventArgs>(name, args).map(|args| Self::#variant(args.0))
            }
        }
        Fields::Named(fields) => {
            let idents: Vec<_> = fields.named.iter().map(|field| &field.ident).collect();
            let fields = fields.named.iter().map(owned_field);
            quote! {
                #[derive(#p::serde::Deserialize)]
                #[serde(crate = #krate)]
                #container
                struct __EventArgs { #(#fields,)* }
                #p::decode_args::<__EventArgs>(name, args)
                    .map(|__EventArgs { #(#idents),* }| Self::#variant { #(#idents),* })
            }
        }
    };
    Ok(quote! {
        #name => ::core::option::Option::Some({ #read }),
    })
}

fn serde_path(p: &TokenStream) -> String {
    format!("{}::serde", p.to_string().replace(' ', ""))
}

fn serde_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde"))
}

fn borrowed_field(field: &Field) -> TokenStream {
    let (attributes, ident, ty) = (serde_attributes(&field.attrs), field.ident.as_ref(), &field.ty);
    let name = ident.map(|ident| quote!(#ident:));
    quote!(#(#attributes)* #name &'livestore_args #ty)
}

fn owned_field(field: &Field) -> TokenStream {
    let (attributes, ident, ty) = (serde_attributes(&field.attrs), field.ident.as_ref(), &field.ty);
    let name = ident.map(|ident| quote!(#ident:));
    quote!(#(#attributes)* #name #ty)
}

/// The serde attributes of the enum and the variant that speak about a variant's fields, as attributes of a struct.
fn container_attributes(input: &DeriveInput, variant: &Variant) -> Result<TokenStream> {
    let mut kept = TokenStream::new();
    let mut renamed = false;
    let both = serde_attributes(&variant.attrs)
        .map(|attribute| (attribute, "rename_all"))
        .chain(serde_attributes(&input.attrs).map(|attribute| (attribute, "rename_all_fields")));
    for (attribute, word) in both {
        for meta in attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)? {
            if meta.path().is_ident(word) && !renamed {
                renamed = true;
                let rest = match &meta {
                    Meta::NameValue(pair) => {
                        let value = &pair.value;
                        quote!(= #value)
                    }
                    Meta::List(list) => {
                        let tokens = &list.tokens;
                        quote!((#tokens))
                    }
                    Meta::Path(_) => TokenStream::new(),
                };
                kept.extend(quote!(#[serde(rename_all #rest)]));
            } else if meta.path().is_ident("deny_unknown_fields") {
                kept.extend(quote!(#[serde(#meta)]));
            }
        }
    }
    Ok(kept)
}
