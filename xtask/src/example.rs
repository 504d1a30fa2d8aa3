//! Building an example for the browser: cargo, wasm-bindgen, wasm-opt, and the page, into `target/site/<name>/`.
//!
//! Invariant: the folder holds exactly what the last build made, with relative addresses only, so it can be served
//! under any path. The page is the same `index.html` that `trunk serve` uses.

use std::ffi::OsStr;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Artifact, Message, Package};

use crate::workspace::{WASM, Workspace};
use crate::{bindgen, page, shell};

/// What the compiler may use in its output; every browser of the last years knows these. `--all-features` would let
/// wasm-opt use what browsers refuse.
const WASM_FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// By Dioxus's convention, the feature with which an example that can run elsewhere runs in a browser.
pub(crate) const WEB: &str = "web";

/// How much work goes into the output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build, with all checks.
    Dev,
    /// What only tests load. Link-time optimisation and `wasm-opt` take minutes for each variant of an app; what they
    /// make is tested once, on the app that users get.
    Testing,
    /// What a user would ship.
    Release,
}

impl Profile {
    /// The profile that a `--dev` flag chooses.
    pub(crate) fn from_dev_flag(dev: bool) -> Self {
        if dev { Self::Dev } else { Self::Release }
    }

    /// The profile of a variant that only tests load, beside an app in this one.
    pub(crate) fn for_tests(self) -> Self {
        if self == Self::Release { Self::Testing } else { self }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Testing => "wasm-testing",
            Self::Release => "wasm-release",
        }
    }
}

/// One build of one example.
pub(crate) struct Build {
    example: String,
    site: String,
    profile: Profile,
    features: Vec<String>,
}

impl Build {
    /// The example as it is.
    pub(crate) fn new(example: &str, profile: Profile) -> Self {
        Self {
            example: example.to_owned(),
            site: example.to_owned(),
            profile,
            features: Vec::new(),
        }
    }

    /// The same with Cargo features switched on.
    pub(crate) fn with_features(mut self, features: &[String]) -> Self {
        self.features.extend_from_slice(features);
        self
    }

    /// The same, but into another folder of `target/site`.
    pub(crate) fn into_site(mut self, site: &str) -> Self {
        site.clone_into(&mut self.site);
        self
    }

    /// Builds, and returns the folder of the finished site.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<PathBuf> {
        let site = self.run_without_page(workspace, "")?;
        page::write(&self.folder(workspace), &site, &self.example)?;
        println!("built {}", site.display());
        Ok(site)
    }

    /// Builds the module into a folder of the site, for a page that comes from elsewhere; returns the site.
    pub(crate) fn run_without_page(&self, workspace: &Workspace, folder: &str) -> Result<PathBuf> {
        let wasm = self.compile(workspace)?;
        let site = workspace.sites().join(&self.site);
        empty(&site)?;
        let folder = site.join(folder);
        bindgen::for_the_web(workspace, &wasm, &self.example, &folder)?;
        if self.profile == Profile::Release {
            optimise(workspace, &folder.join(format!("{}_bg.wasm", self.example)))?;
        }
        Ok(site)
    }

    /// Builds, or with `no_build` returns the folder that an earlier build left.
    pub(crate) fn run_unless(&self, no_build: bool, workspace: &Workspace) -> Result<PathBuf> {
        if !no_build {
            return self.run(workspace);
        }
        let site = workspace.sites().join(&self.site);
        if !site.join("index.html").exists() {
            bail!("{} holds no build: run `cargo xtask build {}`", site.display(), self.example);
        }
        Ok(site)
    }

    fn folder(&self, workspace: &Workspace) -> PathBuf {
        workspace.root().join("examples").join(&self.example)
    }

    /// Those that were asked for, and `web` if the example runs elsewhere, too.
    fn all_features(&self, package: &Package) -> Vec<String> {
        let own = package.features.contains_key(WEB).then(|| WEB.to_owned());
        own.into_iter().chain(self.features.iter().cloned()).collect()
    }

    /// Runs cargo, and returns the wasm file it made.
    fn compile(&self, workspace: &Workspace) -> Result<PathBuf> {
        let package = workspace.member(&self.example)?;
        let mut command = workspace.cargo();
        command
            .args(["build", "--message-format=json-render-diagnostics", "--target", WASM])
            .args(["--package", package.name.as_str(), "--profile", self.profile.name()])
            .args(feature_argument(&self.all_features(package)))
            .stdout(Stdio::piped());
        let line = shell::line_of(&command);
        println!("$ {line}");
        let mut cargo = command.spawn().with_context(|| format!("could not start `{line}`"))?;
        let output = cargo.stdout.take().context("BUG: cargo's output was not piped")?;
        let mut wasm = None;
        for message in Message::parse_stream(BufReader::new(output)) {
            if let Message::CompilerArtifact(artifact) = message?
                && artifact.package_id == package.id
            {
                wasm = wasm_of(&artifact).or(wasm);
            }
        }
        let status = cargo.wait()?;
        if !status.success() {
            bail!("`{line}` failed ({status})");
        }
        wasm.with_context(|| format!("`{line}` made no wasm: is `{}` a program?", self.example))
    }
}

fn feature_argument(features: &[String]) -> Option<String> {
    (!features.is_empty()).then(|| format!("--features={}", features.join(",")))
}

fn wasm_of(artifact: &Artifact) -> Option<PathBuf> {
    let program = artifact.target.is_bin() || artifact.target.is_cdylib();
    let files = artifact.filenames.iter().map(|file| file.as_std_path());
    files
        .filter(|file| program && file.extension() == Some(OsStr::new("wasm")))
        .map(Path::to_owned)
        .next()
}

fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("could not empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))
}

/// Makes the wasm smaller, where npm's `binaryen` is installed.
fn optimise(workspace: &Workspace, wasm: &Path) -> Result<()> {
    let tool = workspace.e2e().join("node_modules/binaryen/bin/wasm-opt");
    if !tool.exists() || which::which("node").is_err() {
        println!(
            "wasm-opt is not installed (`cargo xtask setup` brings it): the wasm stays as the compiler made it"
        );
        return Ok(());
    }
    shell::run(
        Command::new("node").arg(tool).arg("-Oz").args(WASM_FEATURES).arg("-o").arg(wasm).arg(wasm),
    )
}
