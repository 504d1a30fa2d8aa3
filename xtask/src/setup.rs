//! `setup`: everything that building and testing need and cargo does not bring.
//!
//! Invariant: idempotent. Each need is looked for first; what is there is left as it is and said to be there. What can't
//! be installed ends the run with the command that a person has to type.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;
use crate::workspace::{WASM, Workspace};
use crate::{bindgen, browser};

/// How much to set up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// What building an example for the browser takes.
    Demo,
    /// What building and testing an app for the desktop take.
    Desktop,
    /// What building and every test take.
    Everything,
}

impl Need {
    fn includes(self, part: Self) -> bool {
        self == part || self == Self::Everything
    }
}

/// A program that has to be on the path, and the Debian package that brings it.
struct Program {
    what_for: &'static str,
    package: &'static str,
    found: fn() -> bool,
    needs: &'static [Need],
}

const PROGRAMS: [Program; 11] = [
    Program {
        what_for: "clang and libclang: SQLite for the browser, and rusqlite's bindings natively",
        package: "clang",
        found: || which::which("clang").is_ok(),
        needs: &[Need::Demo, Need::Desktop],
    },
    Program {
        what_for: "Chromium: tests in a browser",
        package: "chromium",
        found: || browser::find().is_some(),
        needs: &[Need::Everything],
    },
    Program {
        what_for: "ChromeDriver: wasm tests in a browser",
        package: "chromium-driver",
        found: || which::which("chromedriver").is_ok(),
        needs: &[Need::Everything],
    },
    Program {
        what_for: "node and npm: end-to-end tests, wasm tests, wasm-opt",
        package: "npm",
        found: || which::which("node").is_ok() && which::which("npm").is_ok(),
        needs: &[Need::Desktop],
    },
    Program {
        what_for: "Firefox: smoke tests in a second browser",
        package: "firefox-esr",
        found: || browser::find_firefox().is_some(),
        needs: &[Need::Everything],
    },
    Program {
        what_for: "pkg-config: finding the next one",
        package: "pkg-config",
        found: || !on_linux() || which::which("pkg-config").is_ok(),
        needs: &[Need::Desktop],
    },
    Program {
        what_for: "WebKitGTK: the desktop app's window",
        package: "libwebkit2gtk-4.1-dev",
        found: || !on_linux() || has_library("webkit2gtk-4.1"),
        needs: &[Need::Desktop],
    },
    Program {
        what_for: "libxdo: keyboard shortcuts of the desktop app's menus",
        package: "libxdo-dev",
        // It brings nothing for pkg-config.
        found: || !on_linux() || Path::new("/usr/include/xdo.h").exists(),
        needs: &[Need::Desktop],
    },
    Program {
        what_for: "Xvfb: a virtual screen for tests of the desktop app",
        package: "xvfb",
        found: || !on_linux() || which::which("xvfb-run").is_ok(),
        needs: &[Need::Desktop],
    },
    Program {
        what_for: "xdotool: a mouse and a keyboard for those tests",
        package: "xdotool",
        found: || !on_linux() || which::which("xdotool").is_ok(),
        needs: &[Need::Desktop],
    },
    Program {
        what_for: "ImageMagick: pictures of that screen",
        package: "imagemagick",
        found: || !on_linux() || which::which("import").is_ok(),
        needs: &[Need::Desktop],
    },
];

/// Elsewhere the system brings what a window needs, and nothing of it can be tested on a virtual screen.
fn on_linux() -> bool {
    std::env::consts::OS == "linux"
}

fn has_library(name: &str) -> bool {
    shell::succeeds(Command::new("pkg-config").args(["--exists", name]))
}

/// Installs what is missing.
pub(crate) fn run(workspace: &Workspace, need: Need) -> Result<()> {
    println!("Setting up");
    bindgen::check_version(workspace)?;
    there(&format!(
        "wasm-bindgen {} (linked into xtask)",
        workspace.locked_version("wasm-bindgen")?
    ));
    if need == Need::Everything {
        component(workspace, "rustfmt", "fmt")?;
        component(workspace, "clippy", "clippy")?;
    }
    if need != Need::Desktop {
        wasm_target()?;
    }
    programs(need)?;
    npm_packages(&workspace.e2e(), need, "playwright-core, puppeteer-core, binaryen (wasm-opt)")?;
    if need == Need::Everything {
        npm_packages(
            &workspace.e2e().join("livestore-js"),
            need,
            "LiveStore's own clients and server",
        )?;
    }
    Ok(())
}

fn there(what: &str) {
    println!("  is there: {what}");
}

fn component(workspace: &Workspace, component: &str, subcommand: &str) -> Result<()> {
    if shell::succeeds(workspace.cargo().args([subcommand, "--version"])) {
        there(component);
        return Ok(());
    }
    if which::which("rustup").is_err() {
        bail!(
            "`cargo {subcommand}` is missing and there is no rustup to install it: install your toolchain's {component}"
        );
    }
    shell::run(Command::new("rustup").args(["component", "add", component]))
}

fn wasm_target() -> Result<()> {
    let standard_library =
        shell::output(Command::new("rustc").args(["--print", "target-libdir", "--target", WASM]))?;
    if Path::new(&standard_library).exists() {
        there(&format!("Rust's standard library for {WASM}"));
        return Ok(());
    }
    if which::which("rustup").is_err() {
        bail!(
            "Rust's standard library for {WASM} is missing and there is no rustup to install it: get Rust from \
             https://rustup.rs, or install your distribution's package for that target"
        );
    }
    shell::run(Command::new("rustup").args(["target", "add", WASM]))
}

fn programs(need: Need) -> Result<()> {
    let mut missing = Vec::new();
    for program in
        PROGRAMS.iter().filter(|program| program.needs.iter().any(|part| need.includes(*part)))
    {
        if (program.found)() {
            there(program.what_for);
        } else {
            println!("  missing:  {}", program.what_for);
            missing.push(program);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|program| program.package).collect();
    install_debian_packages(&packages)?;
    match missing.iter().find(|program| !(program.found)()) {
        Some(program) => {
            bail!("{} is installed but still not found: {}", program.package, program.what_for)
        }
        None => Ok(()),
    }
}

fn install_debian_packages(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if which::which("apt-get").is_err() {
        bail!(
            "install these with your system's package manager (the names are Debian's), then run this again: {names}"
        );
    }
    if shell::output(Command::new("id").arg("-u"))? != "0" {
        bail!(
            "installing Debian packages takes root; run this, then run the command again:\n\n    \
             sudo apt-get update && sudo apt-get install -y --no-install-recommends {names}\n"
        );
    }
    shell::run(apt_get().arg("update"))?;
    shell::run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", "Dpkg::Use-Pty=0"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// `npm ci` where the packages are missing or older than the lock file. For a demo they only bring `wasm-opt`, so there
/// a missing npm is no error.
fn npm_packages(folder: &Path, need: Need, packages: &str) -> Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let what = format!("npm packages of {name}/: {packages}");
    if is_newer(&folder.join("node_modules/.package-lock.json"), &folder.join("package-lock.json"))
    {
        there(&what);
        return Ok(());
    }
    if need == Need::Demo && which::which("npm").is_err() {
        println!(
            "  skipped:  {what}, for there is no npm; the demo works without, with a larger wasm"
        );
        return Ok(());
    }
    shell::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))
}

fn is_newer(installed: &Path, lock: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    matches!((modified(installed), modified(lock)), (Some(installed), Some(lock)) if installed >= lock)
}
