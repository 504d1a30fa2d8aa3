//! `#[derive(ColumnType)]`: newtypes are stored as what they wrap, enums as text.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataEnum, DataStruct, DeriveInput, Error, Fields, LitStr, Result};

use crate::krate::{private, refuse_generics, unraw};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    refuse_generics(input, "a column type")?;
    match &input.data {
        Data::Struct(data) => newtype(input, data),
        Data::Enum(data) => text_enum(input, data),
        Data::Union(_) => Err(Error::new_spanned(&input.ident, "a union can't be a column type")),
    }
}

fn newtype(input: &DeriveInput, data: &DataStruct) -> Result<TokenStream> {
    let p = private()?;
    let name = &input.ident;
    if data.fields.len() != 1 {
        return Err(Error::new_spanned(
            name,
            "a column type is a newtype (a struct around one value) or an enum without fields; store other types with `#[column(json)]`",
        ));
    }
    let (Some(field), Some(member)) = (data.fields.iter().next(), data.fields.members().next())
    else {
        return Err(Error::new_spanned(name, "a column type needs a field"));
    };
    let inner = &field.ty;
    Ok(quote! {
        #[automatically_derived]
        impl #p::Bind for #name {
            fn to_bind(&self) -> ::core::result::Result<#p::Value, #p::ColumnError> {
                #p::Bind::to_bind(&self.#member)
            }
        }

        #[automatically_derived]
        impl #p::ColumnType for #name {
            type Storage = <#inner as #p::ColumnType>::Storage;

            const NULLABLE: bool = <#inner as #p::ColumnType>::NULLABLE;

            fn from_column(value: #p::ValueRef<'_>) -> ::core::result::Result<Self, #p::ColumnError> {
                let inner = <#inner as #p::ColumnType>::from_column(value)?;
                ::core::result::Result::Ok(Self { #member: inner })
            }
        }
    })
}

fn text_enum(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    let p = private()?;
    let name = &input.ident;
    let mut idents = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(
                variant,
                "an enum with fields is no column type: store it with `#[column(json)]`",
            ));
        }
        let mut text = unraw(&variant.ident);
        for attribute in
            variant.attrs.iter().filter(|attribute| attribute.path().is_ident("column"))
        {
            attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("rename") {
                    return Err(meta.error("a variant takes `#[column(rename = \"…\")]` only"));
                }
                text = meta.value()?.parse::<LitStr>()?.value();
                Ok(())
            })?;
        }
        if texts.contains(&text) {
            return Err(Error::new_spanned(
                variant,
                format!("two variants are stored as `{text}`"),
            ));
        }
        idents.push(&variant.ident);
        texts.push(text);
    }
    if idents.is_empty() {
        return Err(Error::new_spanned(name, "an enum without variants has no value to store"));
    }
    let expected = format!(
        "one of {}",
        texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
    );
    Ok(quote! {
        #[automatically_derived]
        impl #p::Bind for #name {
            fn to_bind(&self) -> ::core::result::Result<#p::Value, #p::ColumnError> {
                let text = match self {
                    #(Self::#idents => #texts,)*
                };
                #p::Bind::to_bind(text)
            }
        }

        #[automatically_derived]
        impl #p::ColumnType for #name {
            type Storage = #p::TextStorage;

            fn from_column(value: #p::ValueRef<'_>) -> ::core::result::Result<Self, #p::ColumnError> {
                match value {
                    #p::ValueRef::Text(text) => match text {
                        #(text if text == #texts.as_bytes() => ::core::result::Result::Ok(Self::#idents),)*
                        _ => ::core::result::Result::Err(#p::ColumnError::found(#expected, value)),
                    },
                    _ => ::core::result::Result::Err(#p::ColumnError::found(#expected, value)),
                }
            }
        }
    })
}
