//! wasm-bindgen and its test runner, as libraries inside this program.
//!
//! Invariant: their version equals the one `Cargo.lock` names for the crate `wasm-bindgen`; a module made by one version
//! can't be read by another, so this is checked before every use.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// Turns cargo's wasm into a module for the web: `<name>.js` and `<name>_bg.wasm` in `out`.
pub(crate) fn for_the_web(
    workspace: &Workspace,
    wasm: &Path,
    name: &str,
    out: &Path,
) -> Result<()> {
    check_version(workspace)?;
    let args: [&std::ffi::OsStr; 9] = [
        "wasm-bindgen".as_ref(),
        "--target".as_ref(),
        "web".as_ref(),
        "--no-typescript".as_ref(),
        "--out-name".as_ref(),
        name.as_ref(),
        "--out-dir".as_ref(),
        out.as_ref(),
        wasm.as_ref(),
    ];
    wasm_bindgen_cli::wasm_bindgen::run_cli_with_args(args)
        .with_context(|| format!("wasm-bindgen could not process {}", wasm.display()))
}

/// Runs a wasm32 test binary, in node or, if its tests ask for it, in headless Chromium.
pub(crate) fn run_tests(args: Vec<OsString>) -> Result<()> {
    let name = OsString::from("wasm-bindgen-test-runner");
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::iter::once(name).chain(args))
}

/// The linked wasm-bindgen is of the version that the workspace's crates use.
pub(crate) fn check_version(workspace: &Workspace) -> Result<()> {
    let tool = workspace.locked_version("wasm-bindgen-cli")?;
    let library = workspace.locked_version("wasm-bindgen")?;
    if tool != library {
        bail!(
            "Cargo.lock names wasm-bindgen {library} but wasm-bindgen-cli {tool}: set both to one version in the \
             workspace's Cargo.toml"
        );
    }
    Ok(())
}
