//! What must not compile, and the sentence the compiler says then.

#![cfg(not(target_arch = "wasm32"))]

#[test]
fn mistakes_in_definitions_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
