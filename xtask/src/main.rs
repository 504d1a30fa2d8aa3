//! The project's own commands: `cargo xtask <command>`.
//!
//! Job: everything a person or CI does with this repository, in one place and in Rust: install what is missing, build
//! the examples for the browser, serve them, check everything, measure sizes.
//!
//! Deliberately depends on none of the workspace's crates: it must build quickly and work when they do not compile.
//! wasm-bindgen and its test runner are linked in as libraries, at the version `Cargo.lock` names, so nothing has to be
//! installed with `cargo install`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program speaks through its output"
)]

mod bindgen;
mod browser;
mod check;
mod demo;
#[cfg(test)]
mod dependencies;
mod e2e;
mod example;
mod hydrate;
mod page;
mod process;
mod serve;
mod setup;
mod shell;
mod sizes;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::example::{Build, Profile};
use crate::setup::Need;
use crate::workspace::Workspace;

/// The example that `demo` and `sizes` are about, unless told otherwise.
const DEMO: &str = "todomvc-leptos";
/// The same app on Dioxus.
const DIOXUS: &str = "todomvc-dioxus";

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "The project's own commands",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building and testing need, and say what is done; what is there already is skipped
    Setup {
        /// Only what a desktop app needs, to be built and to be tested
        #[arg(long)]
        desktop: bool,
    },
    /// Set up, build TodoMVC and the sync server, and serve both on 127.0.0.1:8080: two windows edit one list
    Demo {
        /// The one on Dioxus, instead of the one on Leptos
        #[arg(long)]
        dioxus: bool,
        /// The port to listen on; 0 picks a free one
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// Set up, then run every check that CI runs, and close with a summary
    Test {
        /// Run only these steps
        #[arg(value_enum)]
        steps: Vec<check::Step>,
        /// Leave these steps out
        #[arg(long, value_enum)]
        skip: Vec<check::Step>,
    },
    /// Build an example for the browser into a folder of target/site
    Build {
        #[command(flatten)]
        build: BuildArgs,
        /// Build it as most end-to-end tests load it, into the folder where they look for it
        #[arg(long, conflicts_with_all = ["dev", "features"])]
        for_tests: bool,
    },
    /// Build an example and serve it on 127.0.0.1
    Serve {
        #[command(flatten)]
        build: BuildArgs,
        /// The port to listen on; 0 picks a free one
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Serve what an earlier build left in target/site
        #[arg(long)]
        no_build: bool,
    },
    /// Run the end-to-end tests in headless Chromium
    E2e {
        /// Run only the tests whose name contains this text
        filter: Option<String>,
        /// Test only this app
        #[arg(long, value_parser = e2e::APPS)]
        app: Option<String>,
        /// Build for development instead of release
        #[arg(long)]
        dev: bool,
        /// Test what an earlier build left in target/site
        #[arg(long)]
        no_build: bool,
    },
    /// Run the smoke tests in headless Firefox, against what an earlier build left in target/site
    Firefox {
        /// Test only this app
        #[arg(long, value_parser = e2e::APPS)]
        app: Option<String>,
    },
    /// Build the desktop app and run its end-to-end tests on a virtual screen
    Desktop {
        /// Run only the tests whose name contains this text
        filter: Option<String>,
    },
    /// Run the simulator of livestore-sync
    Sim {
        /// The seed of the first run
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many steps to run
        #[arg(long, default_value_t = 1000)]
        steps: u64,
        /// Handed on to the simulator as they are
        #[arg(last = true)]
        more: Vec<String>,
    },
    /// Measure the wasm and JavaScript an example ships: raw, gzip, brotli
    Sizes {
        #[command(flatten)]
        build: BuildArgs,
        /// Measure what an earlier build left in target/site
        #[arg(long)]
        no_build: bool,
        /// Write the table into README.md, between its markers
        #[arg(long)]
        write: bool,
    },
    /// Run a wasm32 test binary; cargo calls this as the target's runner
    #[command(hide = true)]
    WasmTestRunner {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

#[derive(Args)]
struct BuildArgs {
    /// The example: a folder of examples/
    #[arg(default_value = DEMO)]
    example: String,
    /// Build for development: quick to build, large and slow to run
    #[arg(long)]
    dev: bool,
    /// Cargo features of the example to switch on
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
}

impl BuildArgs {
    fn build(&self) -> Build {
        Build::new(&self.example, Profile::from_dev_flag(self.dev)).with_features(&self.features)
    }
}

fn build_example(workspace: &Workspace, args: &BuildArgs) -> Result<()> {
    match hydrate::find(&args.example) {
        Some(example) => example.build(workspace, Profile::from_dev_flag(args.dev)),
        None => args.build().run(workspace).map(drop),
    }
}

fn serve_example(workspace: &Workspace, args: &BuildArgs, port: u16, no_build: bool) -> Result<()> {
    if !no_build {
        build_example(workspace, args)?;
    }
    match hydrate::find(&args.example) {
        Some(example) => example.serve(workspace, port),
        None => serve::run(workspace, &args.build().run_unless(true, workspace)?, port),
    }
}

/// The app that was named, or all.
fn apps(named: Option<&str>) -> Vec<&str> {
    named.map_or_else(|| e2e::APPS.to_vec(), |app| vec![app])
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    if let Command::WasmTestRunner { args } = command {
        return bindgen::run_tests(args);
    }
    let workspace = Workspace::load()?;
    match command {
        Command::Setup { desktop } => {
            setup::run(&workspace, if desktop { Need::Desktop } else { Need::Everything })
        }
        Command::Demo { dioxus, port } => {
            demo::run(&workspace, if dioxus { DIOXUS } else { DEMO }, port)
        }
        Command::Test { steps, skip } => check::run(&workspace, &steps, &skip),
        Command::Build { build, for_tests: true } => e2e::build_tested(&workspace, &build.example),
        Command::Build { build, for_tests: false } => build_example(&workspace, &build),
        Command::Serve { build, port, no_build } => {
            serve_example(&workspace, &build, port, no_build)
        }
        Command::E2e { filter, app, dev, no_build } => {
            let apps = apps(app.as_deref());
            if !no_build {
                e2e::build(&workspace, &apps, Profile::from_dev_flag(dev))?;
            }
            e2e::run(&workspace, &apps, filter.as_deref())
        }
        Command::Firefox { app } => e2e::run_firefox(&workspace, &apps(app.as_deref())),
        Command::Desktop { filter } => e2e::desktop(&workspace, filter.as_deref()),
        Command::Sim { seed, steps, more } => check::simulate(&workspace, seed, steps, &more),
        Command::Sizes { build, no_build, write } => {
            let site = build.build().run_unless(no_build, &workspace)?;
            sizes::run(&workspace, &site, write)
        }
        Command::WasmTestRunner { .. } => {
            unreachable!("handled above, before the workspace is loaded")
        }
    }
}
