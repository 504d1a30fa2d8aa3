//! The schemas a leader's worker may be asked to lead.

use crate::schema::{Schema, SchemaDef};

/// A schema, or a tuple of up to eight: what `launch` is given so that the worker knows the app's materializers.
pub trait SchemaSet: 'static {
    /// The schema with this hash.
    fn find(hash: u64) -> Option<&'static SchemaDef>;
}

impl<S: Schema> SchemaSet for S {
    fn find(hash: u64) -> Option<&'static SchemaDef> {
        // A schema that contradicts itself was refused by `Store::open` before any leader was started.
        S::def().ok().filter(|def| def.hash() == hash)
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))*) => {$(
        impl<$($name: Schema),+> SchemaSet for ($($name,)+) {
            fn find(hash: u64) -> Option<&'static SchemaDef> {
                None$(.or_else(|| <$name as SchemaSet>::find(hash)))+
            }
        }
    )*};
}

tuples! {
    (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
}
