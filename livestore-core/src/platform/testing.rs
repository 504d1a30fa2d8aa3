//! The `#[test]` of tests that run on both targets: `use crate::testing::test;`, and the same source runs natively and,
//! through `wasm-bindgen-test`, on wasm32.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use std::prelude::v1::test;

#[cfg(target_arch = "wasm32")]
pub(crate) use wasm_bindgen_test::wasm_bindgen_test as test;
