//! What a tab remembers over a reload and never tells anyone.

use livestore_core::ClientDocument;
use serde::{Deserialize, Serialize};

/// What has been typed and not submitted.
#[derive(ClientDocument, Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Draft {
    /// As it was typed, blanks and all.
    pub text: String,
}

impl Draft {
    /// What pressing Enter would make a todo of, if it is not blank.
    pub fn submission(&self) -> Option<String> {
        let text = self.text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}
