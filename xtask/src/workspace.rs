//! What `cargo metadata` says of this workspace: folders, packages, the versions `Cargo.lock` names.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The only target besides the machine's own.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// The files in a package's `tests/` that run on wasm32, too: those its `[package.metadata.xtask]` names.
pub(crate) fn tests_on_wasm(package: &Package) -> impl Iterator<Item = &str> {
    let names = package.metadata.pointer("/xtask/tests-on-wasm").and_then(|names| names.as_array());
    names.into_iter().flatten().filter_map(|name| name.as_str())
}

/// This workspace, read once per run.
pub(crate) struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// Reads the workspace that xtask itself belongs to, whatever the current directory is.
    pub(crate) fn load() -> Result<Self> {
        // Cargo says it anew at each run. What `env!` put into a program at its build is another checkout's folder
        // where two of them share a target directory, as CI's do.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .context("xtask is run by cargo: `cargo xtask …`")?;
        let manifest = Path::new(&package).join("../Cargo.toml");
        let metadata =
            MetadataCommand::new().manifest_path(&manifest).exec().with_context(|| {
                format!("could not read {} with `cargo metadata`", manifest.display())
            })?;
        Ok(Self { metadata })
    }

    /// The folder of the workspace's Cargo.toml.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Cargo's target directory.
    pub(crate) fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// Where cargo puts a program of this machine's target, built for development.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target().join("debug").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// Where the built examples lie, one folder each.
    pub(crate) fn sites(&self) -> PathBuf {
        self.target().join("site")
    }

    /// The folder of the end-to-end tests.
    pub(crate) fn e2e(&self) -> PathBuf {
        self.root().join("e2e")
    }

    /// A cargo command that runs in the workspace's root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(self.root());
        command
    }

    /// The package of this workspace that has this name.
    pub(crate) fn member(&self, name: &str) -> Result<&Package> {
        let packages = self.metadata.workspace_packages();
        match packages.iter().find(|package| package.name == name) {
            Some(package) => Ok(package),
            None => bail!("this workspace has no package named `{name}`"),
        }
    }

    /// The packages that have tests for the browser: those with `wasm-bindgen-test` among their dev-dependencies.
    pub(crate) fn members_tested_on_wasm(&self) -> Vec<&Package> {
        let tested = |package: &Package| {
            let mut dependencies = package.dependencies.iter();
            dependencies
                .any(|d| d.name == "wasm-bindgen-test" && d.kind == DependencyKind::Development)
        };
        self.metadata.workspace_packages().into_iter().filter(|package| tested(package)).collect()
    }

    /// The packages that compile for the browser: all but the ones that only make sense on a machine.
    pub(crate) fn members_for_wasm(&self) -> Vec<&Package> {
        let native_only = |package: &Package| {
            let proc_macro = package.targets.iter().any(cargo_metadata::Target::is_proc_macro);
            proc_macro
                || package.metadata.pointer("/xtask/native-only").is_some_and(|value| value == true)
        };
        self.metadata
            .workspace_packages()
            .into_iter()
            .filter(|package| !native_only(package))
            .collect()
    }

    /// The version `Cargo.lock` names for a package from the registry; an error if there is none or more than one.
    pub(crate) fn locked_version(&self, name: &str) -> Result<String> {
        let mut found = self.metadata.packages.iter().filter(|package| package.name == name);
        match (found.next(), found.next()) {
            (Some(package), None) => Ok(package.version.to_string()),
            (None, _) => bail!("Cargo.lock names no package `{name}`"),
            (Some(_), Some(_)) => bail!("Cargo.lock names several versions of `{name}`"),
        }
    }
}
