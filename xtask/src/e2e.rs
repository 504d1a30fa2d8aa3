//! The end-to-end tests: real Chromium, driven by `playwright-core` from node's own test runner.
//!
//! The server runs inside this process on a free port; the tests learn everything they need from the environment:
//! `E2E_URL` (the app as the tests need it), `E2E_SITES` (the folder of all sites, for tests that alter a copy),
//! `E2E_SHIPPED` (the site of the app as users get it), `E2E_HYDRATE_URL` (the page that a server renders, if it is built)
//! and `CHROMIUM`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::example::{Build, Profile};
use crate::serve::Server;
use crate::workspace::Workspace;
use crate::{DEMO, browser, hydrate, shell};

/// The site of the app that is tested, and of its next version beside it.
const APP: &str = "e2e";
/// The feature that gives the tests what no user gets.
const TESTING: &str = "testing";
/// The feature of the app's next version: its state has another column.
const NEXT_VERSION: &str = "extra-column";

/// Builds what the tests use: the app as users get it, the app with what tests need, the app's next version, and the page
/// that a server renders. Only the first is built as users get it; returns its site.
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    let shipped = Build::new(DEMO, profile).run(workspace)?;
    for (site, features) in sites() {
        app(profile.for_tests(), &site, features).run(workspace)?;
    }
    hydrate::build(workspace, profile.for_tests())?;
    Ok(shipped)
}

fn sites() -> [(String, &'static [&'static str]); 2] {
    [(APP.to_owned(), &[TESTING]), (format!("{APP}-next"), &[TESTING, NEXT_VERSION])]
}

fn app(profile: Profile, site: &str, features: &[&str]) -> Build {
    let features: Vec<String> = features.iter().map(|&feature| feature.to_owned()).collect();
    Build::new(DEMO, profile).with_features(&features).into_site(site)
}

/// Runs the tests whose name contains the filter, or all, against what was built.
pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let site = app(Profile::Testing, APP, &[TESTING]).run_unless(true, workspace)?;
    let browser =
        browser::find().context("there is no Chromium: `cargo xtask setup` installs it")?;
    let server = Server::start(workspace, &site, 0)?;
    let rendering = hydrate::is_built(workspace).then(|| hydrate::Server::start(workspace, 0));
    let rendering = rendering.transpose()?;
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-timeout=600000"])
        .args(filter.map(|text| format!("--test-name-pattern={}", as_pattern(text))))
        .args(specs(workspace)?)
        .current_dir(workspace.e2e())
        .env("E2E_URL", server.url())
        .env("E2E_SITES", workspace.sites())
        .env("E2E_APP", APP)
        .env("E2E_SHIPPED", DEMO)
        .envs(rendering.as_ref().map(|server| ("E2E_HYDRATE_URL", server.url())))
        .env("CHROMIUM", browser);
    shell::run(&mut node)
}

fn specs(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.e2e();
    let mut specs = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("could not read {}", folder.display()))?
    {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".spec.mjs") {
            specs.push(name);
        }
    }
    if specs.is_empty() {
        bail!("{} holds no *.spec.mjs", folder.display());
    }
    specs.sort();
    Ok(specs)
}

/// Node takes a regular expression; a filter is plain text.
fn as_pattern(text: &str) -> String {
    let escape = |c: char| if c.is_ascii_punctuation() { vec!['\\', c] } else { vec![c] };
    text.chars().flat_map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_plain_text() {
        for (text, pattern) in
            [("two tabs", "two tabs"), ("a.b(c)", r"a\.b\(c\)"), ("#/active", r"\#\/active")]
        {
            assert_eq!(as_pattern(text), pattern);
        }
    }
}
