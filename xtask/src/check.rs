//! `test`: everything that CI checks, as named steps, each timed.
//!
//! Every step runs even if one before it failed, so that one run tells all there is to know. Only a failing setup ends
//! the run at once. The last line says how many steps passed and failed.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use cargo_metadata::Package;
use clap::ValueEnum;

use crate::example::{Profile, WEB};
use crate::setup::{self, Need};
use crate::workspace::{self, WASM, Workspace};
use crate::{DIOXUS, browser, e2e, hydrate, shell, sizes};

/// The seeds and steps per seed that CI simulates: 200,000 steps in all.
const SIMULATED: (u64, u64) = (200, 1000);

/// One thing that CI checks.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// rustfmt finds nothing to change
    Fmt,
    /// clippy finds nothing, on this machine's target
    Clippy,
    /// clippy finds nothing, for the browser
    ClippyWasm,
    /// The bindings compile in each way their frameworks run; clippy finds nothing in what a server runs
    Features,
    /// rustdoc finds nothing
    Docs,
    /// All tests of this machine's target
    Tests,
    /// The examples in the documentation
    Doctests,
    /// The engine's tests on wasm32
    WasmTests,
    /// The simulator, over many seeds
    Sim,
    /// The examples build for the browser, in release, and are as large as the README says
    Build,
    /// The end-to-end tests in headless Chromium
    E2e,
    /// The desktop app, driven on a virtual screen
    Desktop,
    /// The smoke tests in headless Firefox
    Firefox,
}

/// How a step ended.
struct Outcome {
    step: Step,
    time: Duration,
    error: Option<anyhow::Error>,
}

/// Runs the chosen steps, all if none is chosen, and sums up.
pub(crate) fn run(workspace: &Workspace, chosen: &[Step], skipped: &[Step]) -> Result<()> {
    let start = Instant::now();
    setup::run(workspace, Need::Everything)?;
    println!("set up in {}", seconds(start.elapsed()));
    let is_wanted =
        |step: &Step| (chosen.is_empty() || chosen.contains(step)) && !skipped.contains(step);
    let outcomes: Vec<_> = Step::value_variants()
        .iter()
        .filter(|step| is_wanted(step))
        .map(|step| step.timed(workspace))
        .collect();
    sum_up(&outcomes, start.elapsed())
}

/// Runs the simulator from one seed on.
pub(crate) fn simulate(
    workspace: &Workspace,
    seed: u64,
    steps: u64,
    more: &[String],
) -> Result<()> {
    let (seed, steps) = (seed.to_string(), steps.to_string());
    let mut cargo = workspace.cargo();
    cargo
        .args([
            "run",
            "--quiet",
            "--package",
            "livestore-sim",
            "--",
            "--seed",
            &seed,
            "--steps",
            &steps,
        ])
        .args(more);
    shell::run(&mut cargo)
}

fn sum_up(outcomes: &[Outcome], time: Duration) -> Result<()> {
    println!("\n──── summary");
    for outcome in outcomes {
        let result = if outcome.error.is_some() { "FAILED" } else { "ok" };
        println!("{:>12}  {:>9}  {result}", outcome.step.name(), seconds(outcome.time));
    }
    for outcome in outcomes {
        if let Some(error) = &outcome.error {
            println!("{}: {error:#}", outcome.step.name());
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    println!("\nin {}", seconds(time));
    println!("xtask: {} passed, {failed} failed", outcomes.len() - failed);
    if failed > 0 {
        bail!("{failed} of {} steps failed", outcomes.len());
    }
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn timed(self, workspace: &Workspace) -> Outcome {
        println!("\n──── {}", self.name());
        let start = Instant::now();
        let error = self.run(workspace).err();
        let outcome = Outcome { step: self, time: start.elapsed(), error };
        match &outcome.error {
            Some(error) => {
                println!("{} FAILED after {}: {error:#}", self.name(), seconds(outcome.time));
            }
            None => println!("{} ok in {}", self.name(), seconds(outcome.time)),
        }
        outcome
    }

    fn run(self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Fmt => shell::run(workspace.cargo().args(["fmt", "--all", "--check"])),
            Self::Clippy => {
                let mut cargo = workspace.cargo();
                cargo.args(["clippy", "--workspace", "--all-targets", "--keep-going"]);
                cargo.arg(e2e::DESKTOP_FEATURES);
                shell::run(cargo.args(["--", "-D", "warnings"]))
            }
            Self::ClippyWasm => clippy_wasm(workspace),
            Self::Features => features(workspace),
            Self::Docs => {
                let mut cargo = workspace.cargo();
                shell::run(
                    cargo
                        .args(["doc", "--workspace", "--no-deps", e2e::DESKTOP_FEATURES])
                        .env("RUSTDOCFLAGS", "-D warnings"),
                )
            }
            Self::Tests => tests(workspace),
            Self::Doctests => {
                let mut cargo = workspace.cargo();
                shell::run(cargo.args(["test", "--workspace", "--doc", e2e::DESKTOP_FEATURES]))
            }
            Self::WasmTests => wasm_tests(workspace),
            Self::Sim => simulate_all(workspace),
            Self::Build => {
                let shipped = e2e::build(workspace, &e2e::APPS, Profile::Release)?;
                shipped.iter().try_for_each(|site| sizes::check(workspace, site))
            }
            Self::E2e => e2e::run(workspace, &e2e::APPS, None),
            Self::Desktop => e2e::desktop(workspace, None),
            Self::Firefox => e2e::run_firefox(workspace, &e2e::APPS),
        }
    }
}

/// The programs and libraries; their tests are the same sources as natively, where clippy has read them.
fn clippy_wasm(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo
        .args(["clippy", "--target", WASM, "--lib", "--bins", "--keep-going"])
        .args(packages(&workspace.members_for_wasm()))
        .arg(format!("--features={DIOXUS}/{WEB},hydrate-dioxus/{WEB}"));
    shell::run(cargo.args(["--", "-D", "warnings"]))
}

/// The bindings in the ways their frameworks can run: pages in the browser, a server's on this machine. And the
/// example's server. Dioxus's desktop needs libraries of the system; its example is built where they are.
fn features(workspace: &Workspace) -> Result<()> {
    for (binding, feature, target) in [
        ("livestore-leptos", "leptos/csr", Some(WASM)),
        ("livestore-leptos", "leptos/hydrate", Some(WASM)),
        ("livestore-leptos", "leptos/ssr", None),
        ("livestore-dioxus", "dioxus/web,dioxus/launch", Some(WASM)),
        ("livestore-dioxus", "dioxus/ssr,dioxus/launch", None),
    ] {
        let mut cargo = workspace.cargo();
        cargo.args(["check", "--package", binding, "--features", feature]);
        shell::run(cargo.args(target.map(|target| format!("--target={target}"))))?;
    }
    // What runs with other features than the workspace's: clippy has not seen it.
    for example in e2e::APPS.into_iter().filter_map(hydrate::beside) {
        let mut cargo = workspace.cargo();
        cargo.arg("clippy").args(example.server_args());
        shell::run(cargo.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn tests(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    if shell::succeeds(workspace.cargo().args(["nextest", "--version"])) {
        shell::run(cargo.args([
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            e2e::DESKTOP_FEATURES,
        ]))
    } else {
        println!("cargo-nextest is not installed: using `cargo test`");
        cargo.args(["test", "--workspace", "--no-fail-fast", "--all-targets"]);
        shell::run(cargo.arg(e2e::DESKTOP_FEATURES))
    }
}

/// The tests that run on both targets: those inside the libraries, and what their packages name of the ones in `tests/`.
fn wasm_tests(workspace: &Workspace) -> Result<()> {
    let tested = workspace.members_tested_on_wasm();
    if tested.is_empty() {
        bail!("no package has `wasm-bindgen-test` among its dev-dependencies");
    }
    let runner = serde_json::json!([std::env::current_exe()?, "wasm-test-runner"]);
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--target", WASM, "--lib", "--no-fail-fast"]).args(packages(&tested));
    let files = tested.iter().flat_map(|package| workspace::tests_on_wasm(package));
    cargo.args(files.map(|name| format!("--test={name}")));
    cargo.arg("--config").arg(format!("target.{WASM}.runner={runner}"));
    browser::for_test_runner(workspace, &mut cargo)?;
    shell::run(&mut cargo)
}

fn simulate_all(workspace: &Workspace) -> Result<()> {
    let (seeds, steps) = SIMULATED;
    simulate(workspace, 1, steps, &["--seeds".to_owned(), seeds.to_string()])
}

fn packages(packages: &[&Package]) -> Vec<String> {
    packages.iter().map(|package| format!("--package={}", package.name)).collect()
}
