//! The end-to-end tests: real Chromium, driven by `playwright-core` from node's own test runner; real Firefox, driven by
//! `puppeteer-core`; and the desktop app's real window on a virtual screen, driven by `xdotool`.
//!
//! The apps are tested one after the other with the same files. The server runs inside this process on a free port; the
//! tests learn everything they need from the environment: `E2E_URL` (the app as the tests need it), `E2E_APP` (the name of
//! its site), `E2E_SITES` (the folder of all sites, for tests that alter a copy), `E2E_SHIPPED` (the site of the app as
//! users get it), `E2E_HYDRATE_URL` (the page that a server renders, if it is built), `E2E_SERVER` (the sync server's
//! program), `E2E_GUARDED` (that of its example), `CHROMIUM`, `FIREFOX`, and for the desktop `E2E_DESKTOP` (the app's
//! program) and `E2E_NOTES` (that of a client without a user interface).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::demo::SERVER;
use crate::example::{Build, Profile};
use crate::serve::Server;
use crate::workspace::Workspace;
use crate::{DEMO, DIOXUS, browser, hydrate, shell};

/// The apps, each with what a person sees being the same.
pub(crate) const APPS: [&str; 2] = [DEMO, DIOXUS];
/// The feature that gives the tests what no user gets.
const TESTING: &str = "testing";
/// The feature of the app's next version: its state has another column.
const NEXT_VERSION: &str = "extra-column";
/// The sync server's example that refuses events.
const GUARDED: &str = "guarded";
/// The client without a user interface.
const NOTES: &str = "notes";
/// What makes the Dioxus app one for the desktop that tests can drive, as features of the workspace.
pub(crate) const DESKTOP_FEATURES: &str =
    "--features=todomvc-dioxus/desktop,todomvc-dioxus/testing";

/// The files that are about a window, and those about Firefox; all others are about Chromium.
const DESKTOP_SPECS: [&str; 2] = ["desktop.spec.mjs", "todomvc.spec.mjs"];
const FIREFOX_SPECS: [&str; 1] = ["firefox.spec.mjs"];

/// Builds what the tests use: each app as users get it, with what tests need, and its next version; and beside it the page
/// that a server renders. Only the first is built as users get it; returns those sites.
pub(crate) fn build(
    workspace: &Workspace,
    apps: &[&str],
    profile: Profile,
) -> Result<Vec<PathBuf>> {
    let mut shipped = Vec::new();
    for app in apps {
        shipped.push(Build::new(app, profile).run(workspace)?);
        for (site, features) in [tested(app), next(app)] {
            variant(app, profile.for_tests(), &site, features).run(workspace)?;
        }
        if let Some(example) = hydrate::beside(app) {
            example.build(workspace, profile.for_tests())?;
        }
    }
    Ok(shipped)
}

/// Builds the app as most tests load it, and nothing else: for whoever writes tests.
pub(crate) fn build_tested(workspace: &Workspace, app: &str) -> Result<()> {
    let (site, features) = tested(app);
    variant(app, Profile::Testing, &site, features).run(workspace).map(drop)
}

fn tested(app: &str) -> (String, &'static [&'static str]) {
    (format!("e2e-{app}"), &[TESTING])
}

fn next(app: &str) -> (String, &'static [&'static str]) {
    (format!("e2e-{app}-next"), &[TESTING, NEXT_VERSION])
}

fn variant(app: &str, profile: Profile, site: &str, features: &[&str]) -> Build {
    let features: Vec<String> = features.iter().map(|&feature| feature.to_owned()).collect();
    Build::new(app, profile).with_features(&features).into_site(site)
}

/// Runs the tests whose name contains the filter, or all, in Chromium, against what was built of the apps.
pub(crate) fn run(workspace: &Workspace, apps: &[&str], filter: Option<&str>) -> Result<()> {
    let browser =
        browser::find().context("there is no Chromium: `cargo xtask setup` installs it")?;
    let specs = specs(&workspace.e2e())?;
    let servers = servers(workspace)?;
    each(apps, |app| {
        let rendering =
            hydrate::beside(app).map(|example| example.start(workspace, 0)).transpose()?;
        let (server, mut node) = node(workspace, app, filter, &specs)?;
        node.envs(rendering.as_ref().map(|server| ("E2E_HYDRATE_URL", server.url())))
            .envs(servers.clone())
            .env("CHROMIUM", &browser);
        let result = shell::run(&mut node);
        drop(server);
        result
    })
}

/// Builds the sync server and the app's own server that is its example; where they lie, for the tests.
///
/// The features of the whole workspace are in force, so that the build shares its dependencies with the other tests'.
fn servers(workspace: &Workspace) -> Result<[(&'static str, PathBuf); 2]> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--workspace", "--bin", SERVER, "--example", GUARDED, DESKTOP_FEATURES]);
    shell::run(&mut cargo)?;
    Ok([
        ("E2E_SERVER", workspace.program(SERVER)),
        ("E2E_GUARDED", workspace.program(&format!("examples/{GUARDED}"))),
    ])
}

/// Runs the smoke tests in Firefox, against what was built of the apps.
pub(crate) fn run_firefox(workspace: &Workspace, apps: &[&str]) -> Result<()> {
    let firefox =
        browser::find_firefox().context("there is no Firefox: `cargo xtask setup` installs it")?;
    each(apps, |app| {
        let (server, mut node) = node(workspace, app, None, &FIREFOX_SPECS)?;
        let result = shell::run(node.env("FIREFOX", &firefox));
        drop(server);
        result
    })
}

/// Every app is tested, even if one before it failed.
fn each(apps: &[&str], test: impl Fn(&str) -> Result<()>) -> Result<()> {
    let mut failed = Vec::new();
    for app in apps {
        println!("\n{app}");
        if let Err(error) = test(app) {
            println!("{error:#}");
            failed.push(*app);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// Node's test runner, with a server that lives as long as the caller keeps it.
fn node(
    workspace: &Workspace,
    app: &str,
    filter: Option<&str>,
    specs: &[impl AsRef<str>],
) -> Result<(Server, Command)> {
    let (site, features) = tested(app);
    let folder = variant(app, Profile::Testing, &site, features).run_unless(true, workspace)?;
    let server = Server::start(workspace, &folder, 0)?;
    let mut node = node_tests(Command::new("node"), workspace, filter, specs);
    node.env("E2E_URL", server.url())
        .env("E2E_SITES", workspace.sites())
        .env("E2E_APP", site)
        .env("E2E_SHIPPED", app);
    Ok((server, node))
}

fn node_tests(
    mut node: Command,
    workspace: &Workspace,
    filter: Option<&str>,
    specs: &[impl AsRef<str>],
) -> Command {
    node.args(["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-timeout=600000"])
        .args(filter.map(|text| format!("--test-name-pattern={}", as_pattern(text))))
        .args(specs.iter().map(AsRef::as_ref))
        .current_dir(workspace.e2e());
    node
}

/// Builds the desktop app and runs its tests on a virtual screen.
///
/// The features of the whole workspace are in force, so that the build shares its dependencies with the other tests'.
pub(crate) fn desktop(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let browser =
        browser::find().context("there is no Chromium: `cargo xtask setup` installs it")?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--workspace", "--bin", DIOXUS, "--bin", NOTES, DESKTOP_FEATURES]);
    shell::run(&mut cargo)?;
    let (site, _) = tested(DEMO);
    if !workspace.sites().join(&site).exists() {
        build_tested(workspace, DEMO)?;
    }
    let mut screen = Command::new("xvfb-run");
    screen.args(["--auto-servernum", "--server-args=-screen 0 1280x1024x24", "node"]);
    let mut tests = node_tests(screen, workspace, filter, &DESKTOP_SPECS);
    tests
        .envs(servers(workspace)?)
        .env("E2E_DESKTOP", workspace.program(DIOXUS))
        .env("E2E_NOTES", workspace.program(NOTES))
        .env("E2E_SITES", workspace.sites())
        .env("E2E_APP", site)
        .env("CHROMIUM", browser);
    shell::run(&mut tests)
}

/// The files about Chromium, in name order.
fn specs(folder: &Path) -> Result<Vec<String>> {
    let elsewhere = |name: &str| name == DESKTOP_SPECS[0] || FIREFOX_SPECS.contains(&name);
    let mut specs = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))?
    {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".spec.mjs") && !elsewhere(&name) {
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
