//! `#[derive(Table)]`: a struct is a row, its fields are columns.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Data, DeriveInput, Error, Expr, ExprLit, ExprUnary, Field, Fields, GenericArgument, Ident, Lit,
    LitStr, PathArguments, Result, Token, Type, UnOp, meta::ParseNestedMeta, parenthesized,
    punctuated::Punctuated, spanned::Spanned,
};

use crate::krate::{private, refuse_generics, snake_case, unraw};

/// One field, as its attributes describe it.
struct Column<'a> {
    field: &'a Field,
    ident: &'a Ident,
    name: String,
    primary_key: bool,
    unique: bool,
    json: bool,
    default: Option<Expr>,
}

struct Index {
    columns: Vec<Ident>,
    unique: bool,
}

struct TableAttributes {
    name: String,
    client_only: bool,
    indexes: Vec<Index>,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    refuse_generics(input, "a table's row")?;
    let p = private()?;
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "a table's row is a struct with named fields",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(
            &input.ident,
            "a table's row is a struct with named fields",
        ));
    };
    let attributes = table_attributes(input)?;
    let mut columns: Vec<Column<'_>> = Vec::new();
    for field in &fields.named {
        let column = column_attributes(field)?;
        if columns.iter().any(|other| other.name.eq_ignore_ascii_case(&column.name)) {
            let message = format!(
                "the column name `{}` is there twice (SQLite doesn't tell case apart)",
                column.name
            );
            return Err(Error::new_spanned(column.ident, message));
        }
        columns.push(column);
    }
    if !columns.iter().any(|column| column.primary_key) {
        let message = format!(
            "`{}` has no primary key: mark the field that identifies a row with `#[column(primary_key)]` (several fields make a composite key)",
            input.ident
        );
        return Err(Error::new_spanned(&input.ident, message));
    }
    let inherent = inherent(input, &columns, &p);
    let def = def(&attributes, &columns, &p)?;
    let checks = columns.iter().map(|column| checks(column, &p)).collect::<Result<Vec<_>>>()?;
    let row = row(&input.ident, &columns, &p);
    let values = columns.iter().enumerate().map(|(index, column)| value(column, index, &p));
    let ident = &input.ident;
    Ok(quote! {
        #inherent
        #row

        #[automatically_derived]
        impl #p::Table for #ident {
            const DEF: &'static #p::TableDef = &#def;

            fn to_values(&self) -> ::core::result::Result<::std::vec::Vec<#p::Value>, #p::TypeMismatch> {
                ::core::result::Result::Ok(::std::vec![#(#values),*])
            }

            fn statements() -> &'static #p::TableStatements {
                static STATEMENTS: ::std::sync::OnceLock<#p::TableStatements> = ::std::sync::OnceLock::new();
                STATEMENTS.get_or_init(|| #p::TableStatements::new(<#ident as #p::Table>::DEF))
            }
        }

        #(#checks)*
    })
}

fn table_attributes(input: &DeriveInput) -> Result<TableAttributes> {
    let mut attributes =
        TableAttributes { name: snake_case(&input.ident), client_only: false, indexes: Vec::new() };
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("table")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                attributes.name = name(&meta)?;
            } else if meta.path.is_ident("client_only") {
                attributes.client_only = true;
            } else if meta.path.is_ident("index") || meta.path.is_ident("unique") {
                let content;
                parenthesized!(content in meta.input);
                let columns = Punctuated::<Ident, Token![,]>::parse_terminated(&content)?;
                if columns.is_empty() {
                    return Err(meta.error("an index needs at least one field"));
                }
                let unique = meta.path.is_ident("unique");
                attributes.indexes.push(Index { columns: columns.into_iter().collect(), unique });
            } else {
                return Err(meta.error(
                    "a table takes `name = \"…\"`, `client_only`, `index(field, …)` and `unique(field, …)`",
                ));
            }
            Ok(())
        })?;
    }
    Ok(attributes)
}

fn column_attributes(field: &Field) -> Result<Column<'_>> {
    let Some(ident) = &field.ident else {
        return Err(Error::new_spanned(field, "a column needs a name"));
    };
    let mut column = Column {
        field,
        ident,
        name: unraw(ident),
        primary_key: false,
        unique: false,
        json: false,
        default: None,
    };
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("column")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("primary_key") {
                column.primary_key = true;
            } else if meta.path.is_ident("unique") {
                column.unique = true;
            } else if meta.path.is_ident("json") {
                column.json = true;
            } else if meta.path.is_ident("rename") {
                column.name = name(&meta)?;
            } else if meta.path.is_ident("default") {
                column.default = Some(meta.value()?.parse()?);
            } else {
                return Err(meta.error(
                    "a column takes `primary_key`, `unique`, `json`, `rename = \"…\"` and `default = …`",
                ));
            }
            Ok(())
        })?;
    }
    Ok(column)
}

/// A name in SQL, checked here so that the error points at it.
fn name(meta: &ParseNestedMeta<'_>) -> Result<String> {
    let literal = meta.value()?.parse::<LitStr>()?;
    let name = literal.value();
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(name);
    }
    Err(Error::new_spanned(
        literal,
        "a name in SQL has letters, digits and `_`, and doesn't start with a digit",
    ))
}

/// The `T` of a field's `Option<T>`.
fn option_of(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(inner) if last.ident == "Option" => Some(inner),
        _ => None,
    }
}

impl Column<'_> {
    /// The column's type: the field's, or what a JSON field is wrapped in.
    fn ty(&self, p: &TokenStream) -> TokenStream {
        let ty = &self.field.ty;
        match option_of(ty) {
            _ if !self.json => quote!(#ty),
            Some(inner) => quote_spanned!(ty.span()=> ::core::option::Option<#p::Json<#inner>>),
            None => quote_spanned!(ty.span()=> #p::Json<#ty>),
        }
    }
}

/// `Todo::COMPLETED` and the others, and `Todo::query()`.
fn inherent(input: &DeriveInput, columns: &[Column<'_>], p: &TokenStream) -> TokenStream {
    let (ident, vis) = (&input.ident, &input.vis);
    let constants = columns.iter().map(|column| {
        let constant =
            format_ident!("{}", unraw(column.ident).to_uppercase(), span = column.ident.span());
        let (name, ty) = (&column.name, column.ty(p));
        let doc = format!("The column `{name}`.");
        quote! {
            #[doc = #doc]
            #vis const #constant: #p::Column<Self, #ty> = #p::Column::new(#name);
        }
    });
    quote! {
        #[automatically_derived]
        #[allow(dead_code, private_interfaces)]
        impl #ident {
            #(#constants)*

            /// All rows of the table; filter, order and choose from here.
            #[must_use]
            #vis fn query() -> #p::Select<Self> {
                #p::Select::new()
            }
        }
    }
}

fn def(
    attributes: &TableAttributes,
    columns: &[Column<'_>],
    p: &TokenStream,
) -> Result<TokenStream> {
    let name = &attributes.name;
    let lane = if attributes.client_only { quote!(ClientOnly) } else { quote!(Synced) };
    let mut column_defs = Vec::new();
    for column in columns {
        let (name, ty) = (&column.name, column.ty(p));
        let span = column.field.ty.span();
        let default = match &column.default {
            None => quote!(::core::option::Option::None),
            Some(default) => {
                let default = default_def(default, p)?;
                quote!(::core::option::Option::Some(#default))
            }
        };
        column_defs.push(quote_spanned! {span=>
            #p::ColumnDef {
                name: #name,
                sql_type: <<#ty as #p::ColumnType>::Storage as #p::Storage>::SQL_TYPE,
                nullable: <#ty as #p::ColumnType>::NULLABLE,
                default: #default,
            }
        });
    }
    let primary_key = columns.iter().filter(|column| column.primary_key).map(|column| &column.name);
    let mut indexes = Vec::new();
    for column in columns.iter().filter(|column| column.unique) {
        let name = &column.name;
        indexes.push(quote!(#p::IndexDef { columns: &[#name], unique: true }));
    }
    for Index { columns: fields, unique } in &attributes.indexes {
        let mut names = Vec::new();
        for field in fields {
            let Some(column) = columns.iter().find(|column| column.ident == field) else {
                return Err(Error::new_spanned(
                    field,
                    format!("an index names the field `{field}`, which the struct doesn't have"),
                ));
            };
            names.push(&column.name);
        }
        indexes.push(quote!(#p::IndexDef { columns: &[#(#names),*], unique: #unique }));
    }
    Ok(quote! {
        #p::TableDef {
            name: #name,
            lane: #p::Lane::#lane,
            columns: &[#(#column_defs),*],
            primary_key: &[#(#primary_key),*],
            indexes: &[#(#indexes),*],
        }
    })
}

fn default_def(default: &Expr, p: &TokenStream) -> Result<TokenStream> {
    let (minus, literal) = match default {
        Expr::Lit(ExprLit { lit, .. }) => (None, Some(lit)),
        Expr::Unary(ExprUnary { op: UnOp::Neg(minus), expr, .. }) => match &**expr {
            Expr::Lit(ExprLit { lit: lit @ (Lit::Int(_) | Lit::Float(_)), .. }) => {
                (Some(minus), Some(lit))
            }
            _ => (None, None),
        },
        _ => (None, None),
    };
    match literal {
        Some(Lit::Bool(literal)) => {
            let integer = i64::from(literal.value);
            Ok(quote!(#p::DefaultDef::Integer(#integer)))
        }
        Some(Lit::Int(literal)) => Ok(quote!(#p::DefaultDef::Integer(#minus #literal))),
        Some(Lit::Float(literal)) => Ok(quote!(#p::DefaultDef::Real(#minus #literal))),
        Some(Lit::Str(literal)) => Ok(quote!(#p::DefaultDef::Text(#literal))),
        _ => Err(Error::new_spanned(
            default,
            "a default is a bool, an integer, a float or a string literal",
        )),
    }
}

/// What only constants can tell: keys that may be `NULL`, defaults of another type.
fn checks(column: &Column<'_>, p: &TokenStream) -> Result<TokenStream> {
    let (ty, span) = (column.ty(p), column.field.ty.span());
    let mut checks = TokenStream::new();
    if column.primary_key {
        let message = format!(
            "the primary key `{}` can't be an `Option`: a row without a key can't be found again",
            column.name
        );
        checks.extend(quote_spanned! {span=>
            const _: () = ::core::assert!(!<#ty as #p::ColumnType>::NULLABLE, #message);
        });
    }
    if let Some(default) = &column.default {
        let message = format!("the default of `{}` is not of the column's type", column.name);
        let def = default_def(default, p)?;
        checks.extend(quote_spanned! {default.span()=>
            const _: () = ::core::assert!(
                #p::default_fits(<<#ty as #p::ColumnType>::Storage as #p::Storage>::SQL_TYPE, #def),
                #message
            );
        });
    }
    Ok(checks)
}

/// Reads a row by position.
fn row(ident: &Ident, columns: &[Column<'_>], p: &TokenStream) -> TokenStream {
    let count = columns.len();
    let fields = columns.iter().enumerate().map(|(index, column)| {
        let (field, ty) = (column.ident, column.ty(p));
        let read = quote_spanned!(column.field.ty.span()=> row.get::<#ty>(#index)?);
        match (column.json, option_of(&column.field.ty)) {
            (false, _) => quote!(#field: #read),
            (true, None) => quote!(#field: #read.0),
            (true, Some(_)) => quote!(#field: #read.map(|json| json.0)),
        }
    });
    quote! {
        #[automatically_derived]
        impl #p::FromRow for #ident {
            const COLUMNS: usize = #count;
            const TABLE: ::core::option::Option<&'static #p::TableDef> =
                ::core::option::Option::Some(<#ident as #p::Table>::DEF);

            fn from_row(row: &#p::RowReader<'_>) -> ::core::result::Result<Self, #p::TypeMismatch> {
                ::core::result::Result::Ok(Self { #(#fields),* })
            }
        }
    }
}

/// The value that a field's column stores.
fn value(column: &Column<'_>, index: usize, p: &TokenStream) -> TokenStream {
    let field = column.ident;
    let span = column.field.ty.span();
    let value = match (column.json, option_of(&column.field.ty)) {
        (false, _) => quote_spanned!(span=> &self.#field),
        (true, None) => quote_spanned!(span=> &#p::Json(&self.#field)),
        (true, Some(_)) => quote_spanned!(span=> &self.#field.as_ref().map(#p::Json)),
    };
    quote_spanned!(span=> #p::to_value::<Self>(#index, #value)?)
}
