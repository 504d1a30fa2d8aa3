//! The query of a backend's address, which says who wants what before the first frame.
//!
//! LiveStore's clients encode the payload twice; once is tolerated.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use super::{client_frame::Transport, hello::Extensions};
use crate::StoreId;

/// Letters, digits and what never needs escaping.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What a client's address asks for.
#[derive(Clone, PartialEq, Debug)]
pub struct ConnectQuery {
    /// The store.
    pub store: StoreId,
    /// Who asks, in the app's own words.
    pub payload: Option<Value>,
    /// Over what.
    pub transport: Transport,
    /// What the client speaks beyond LiveStore's protocol.
    pub extensions: Extensions,
}

/// A query that is not a sync client's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadQuery {
    /// A parameter is missing.
    #[error("the query has no `{0}`")]
    Missing(&'static str),
    /// A parameter occurs twice, so that two readers could take different ones.
    #[error("the query has `{0}` twice")]
    Twice(&'static str),
    /// A parameter is not UTF-8 or not what it should be.
    #[error("the query's `{name}` is not valid: {reason}")]
    Invalid {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl ConnectQuery {
    /// Reads the part of an address after its `?`. Other parameters are the app's own.
    ///
    /// # Errors
    /// [`BadQuery`] when it is not a sync client's.
    pub fn parse(query: &str) -> Result<Self, BadQuery> {
        let required = |name| parameter(query, name)?.ok_or(BadQuery::Missing(name));
        let store = required("storeId")?;
        let store = store.parse().map_err(|error: crate::InvalidId| BadQuery::Invalid {
            name: "storeId",
            reason: error.to_string(),
        })?;
        let transport = match required("transport")?.as_str() {
            "ws" => Transport::WebSocket,
            "http" => Transport::Http,
            _ => {
                let reason = "it is neither ws nor http".to_owned();
                return Err(BadQuery::Invalid { name: "transport", reason });
            }
        };
        let payload = parameter(query, "payload")?.map(|text| payload(&text)).transpose()?;
        let extensions = parameter(query, "extensions")?.unwrap_or_default();
        let extensions = Extensions::from_names(extensions.split(','));
        Ok(Self { store, payload, transport, extensions })
    }

    /// Writes the query, as LiveStore's own clients do.
    pub fn encode(&self) -> String {
        let escape = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
        let mut query = format!("storeId={}", escape(self.store.as_str()));
        if let Some(payload) = &self.payload {
            query += &format!("&payload={}", escape(&escape(&payload.to_string())));
        }
        query += match self.transport {
            Transport::WebSocket => "&transport=ws",
            Transport::Http => "&transport=http",
        };
        if self.extensions != Extensions::NONE {
            query += &format!("&extensions={}", escape(&self.extensions.names().join(",")));
        }
        query
    }
}

fn payload(text: &str) -> Result<Value, BadQuery> {
    let invalid = |reason: String| BadQuery::Invalid { name: "payload", reason };
    let twice =
        percent_decode_str(text).decode_utf8().map_err(|error| invalid(error.to_string()))?;
    serde_json::from_str(&twice)
        // A payload that was encoded once may itself hold a percent sign.
        .or_else(|_| serde_json::from_str(text))
        .map_err(|error| invalid(error.to_string()))
}

/// The decoded value of a parameter.
fn parameter(query: &str, name: &'static str) -> Result<Option<String>, BadQuery> {
    let mut values = query.split('&').filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(BadQuery::Twice(name));
    }
    // Forms write a space as a plus sign.
    let value = value.replace('+', " ");
    let decoded = percent_decode_str(&value).decode_utf8();
    let invalid =
        |error: std::str::Utf8Error| BadQuery::Invalid { name, reason: error.to_string() };
    decoded.map(|text| Some(text.into_owned())).map_err(invalid)
}
