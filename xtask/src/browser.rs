//! Finding Chromium, its driver and Firefox, for the wasm tests and the end-to-end tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use crate::workspace::Workspace;

/// The names Chromium goes by, the likeliest first.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The names Firefox goes by, Debian's first.
const FIREFOX_NAMES: [&str; 2] = ["firefox-esr", "firefox"];

/// What Chromium must be told to run headless, as any user and without a network.
const FLAGS: [&str; 7] = [
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
];

/// The browser: `$CHROMIUM`, or the first of the usual names on the path.
pub(crate) fn find() -> Option<PathBuf> {
    first("CHROMIUM", &NAMES)
}

/// The other browser: `$FIREFOX`, or the first of the usual names on the path.
pub(crate) fn find_firefox() -> Option<PathBuf> {
    first("FIREFOX", &FIREFOX_NAMES)
}

fn first(variable: &str, names: &[&str]) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.exists());
    named.or_else(|| names.iter().find_map(|name| which::which(name).ok()))
}

/// Tells a cargo command how wasm-bindgen's test runner starts the browser.
pub(crate) fn for_test_runner(workspace: &Workspace, command: &mut Command) -> Result<()> {
    let file = workspace.target().join("webdriver.json");
    write_capabilities(&file).with_context(|| format!("could not write {}", file.display()))?;
    command.env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", file).env("WASM_BINDGEN_TEST_TIMEOUT", "600");
    Ok(())
}

fn write_capabilities(file: &Path) -> Result<()> {
    let mut options = json!({ "args": FLAGS });
    if let Some(browser) = find() {
        options["binary"] = json!(browser);
    }
    fs::write(file, json!({ "goog:chromeOptions": options }).to_string())?;
    Ok(())
}
