//! Client documents as Rust types: a JSON value per tab or per client, of which the latest is kept.
//!
//! A document is UI state, so what no longer decodes is worth a warning, never an error: [`decode_document`] keeps every
//! field that still fits and takes the others from `Default`.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value as JsonValue};

use super::{def::DocumentDef, encode::EncodeError, json, schema_def::Schema};

/// A client document; implemented by `#[derive(ClientDocument)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a client document",
    note = "put `#[derive(ClientDocument)]` on it"
)]
pub trait ClientDocument:
    Serialize + DeserializeOwned + Default + Clone + PartialEq + Send + Sync + 'static
{
    /// Its name and owner.
    const DEF: &'static DocumentDef;

    /// The document's JSON.
    ///
    /// # Errors
    /// [`EncodeError`] when it can't be JSON.
    fn to_json(&self) -> Result<String, EncodeError> {
        let event = Self::DEF.name;
        json::to_sorted_string(self)
            .map_err(|error| EncodeError::Serialize { event, reason: error.to_string() })
    }

    /// The document a stored JSON text holds; fields that no longer decode are those of `Default`.
    #[must_use]
    fn from_json(json: &str) -> Self {
        decode_document(Self::DEF.name, json)
    }
}

/// A schema that has this document; implemented by `#[derive(Schema)]`.
#[diagnostic::on_unimplemented(
    message = "`{D}` is not a document of the schema `{Self}`",
    note = "list it in `#[schema(documents(…))]` of `{Self}`"
)]
pub trait HasDocument<D: ClientDocument>: Schema {}

/// Decodes a document, field by field where it must.
pub(crate) fn decode_document<D: Serialize + DeserializeOwned + Default>(
    name: &str,
    json: &str,
) -> D {
    let error = match serde_json::from_str(json) {
        Ok(document) => return document,
        Err(error) => error,
    };
    match salvage(json) {
        Some((document, dropped)) => {
            tracing::warn!(document = name, %error, ?dropped, "a stored document no longer fits: these fields start over");
            document
        }
        None => {
            tracing::warn!(document = name, %error, "a stored document no longer decodes: it starts over");
            D::default()
        }
    }
}

/// The default document with every stored field that still decodes, and the names of those that don't.
fn salvage<D: Serialize + DeserializeOwned + Default>(json: &str) -> Option<(D, Vec<String>)> {
    let stored: Map<String, JsonValue> = serde_json::from_str(json).ok()?;
    let JsonValue::Object(mut kept) = serde_json::to_value(D::default()).ok()? else { return None };
    let mut dropped = Vec::new();
    for (field, value) in stored {
        let mut candidate = kept.clone();
        candidate.insert(field.clone(), value);
        if D::deserialize(&JsonValue::Object(candidate.clone())).is_ok() {
            kept = candidate;
        } else {
            dropped.push(field);
        }
    }
    let document = D::deserialize(&JsonValue::Object(kept)).ok()?;
    Some((document, dropped))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::decode_document;

    #[derive(Serialize, Deserialize, Default, PartialEq, Debug)]
    struct Ui {
        filter: Filter,
        draft: String,
    }

    #[derive(Serialize, Deserialize, Default, PartialEq, Debug)]
    enum Filter {
        #[default]
        All,
        Done,
    }

    #[test]
    fn what_still_decodes_is_kept_and_the_rest_starts_over() {
        let check = |json: &str, filter: Filter, draft: &str| {
            assert_eq!(
                decode_document::<Ui>("ui", json),
                Ui { filter, draft: draft.into() },
                "{json}"
            );
        };
        check(r#"{"filter":"Done","draft":"milk"}"#, Filter::Done, "milk");
        check(r#"{"filter":"Gone","draft":"milk"}"#, Filter::All, "milk");
        check(r#"{"filter":"Done","draft":7}"#, Filter::Done, "");
        check(r#"{"draft":"milk"}"#, Filter::All, "milk");
        check(r#"{"draft":"milk","unknown":1}"#, Filter::All, "milk");
        check("[1,2]", Filter::All, "");
        check("not json", Filter::All, "");
        check("", Filter::All, "");
    }
}
