//! `notes --dir D --server URL --store S add TEXT | list | follow | status`: TodoMVC's list without a user interface.
//!
//! Servers, scripts and agents are clients like any other: with the same store id this edits the list that the browser
//! shows. Standard output has what was asked for, a line for each thing; standard error has what is in the way.
//!
//! Deliberately not here: anything that the engine does not already know. A run opens the store, asks, and closes it.

mod commands;
mod terminal;

use std::{io, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use livestore_core::{
    NotConfirmed, OpenError, OpenFailure, Store, StoreOptions, SyncOptions, http_polling, websocket,
};
use todomvc_schema::{Draft, TodoMvc};

/// How long closing may take; what is not in the log by then is journaled.
const CLOSING: Duration = Duration::from_secs(10);

/// TodoMVC's list without a user interface: the same list as in the browser, if it is the same store.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, or kept here and sent by a later run; 1 failed; 2 wrong arguments; \
                  3 refused by the server; 4 another process has this store of this directory."
)]
struct Cli {
    /// Where this client keeps its data; one process at a time
    #[arg(long)]
    dir: PathBuf,
    /// The sync server: ws://HOST/sync, or http://HOST/sync to ask it every few seconds; wss:// and https:// with TLS
    #[arg(long, value_name = "URL")]
    server: String,
    /// The list's id: what TodoMVC in the browser has after `?store=`
    #[arg(long, value_name = "ID")]
    store: String,
    /// How long to wait for the server
    #[arg(long, value_name = "SECONDS", default_value_t = 5, global = true)]
    timeout: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Adds a todo; says when it is persisted here and when the server has confirmed it
    Add {
        /// What is to be done
        #[arg(value_parser = worth_adding)]
        text: String,
    },
    /// Prints the list
    List,
    /// Prints every confirmed event from the first on, and those that come, until Ctrl-C
    Follow,
    /// Prints how far this client and the server are, and what was refused
    Status,
}

/// A todo as the browser would take it.
fn worth_adding(text: &str) -> Result<String, &'static str> {
    Draft { text: text.to_owned() }.submission().ok_or("it is blank")
}

fn backend(url: &str) -> SyncOptions {
    if url.starts_with("http") { http_polling(url) } else { websocket(url) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read it has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(&format!("{error:#}"));
            ExitCode::from(exit_code(&error))
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    let Cli { dir, server, store, timeout, command } = cli;
    let patience = Duration::from_secs(timeout);
    let options = StoreOptions::new(store).directory(dir).sync(backend(&server));
    let store = Store::<TodoMvc>::open(options).await?;
    for warning in store.boot_warnings() {
        terminal::complain(&warning.to_string());
    }
    let done = match &command {
        Command::Add { text } => commands::add(&store, text, patience).await,
        Command::List => commands::list(&store, patience).await,
        Command::Follow => tokio::select! {
            done = commands::follow(&store) => done,
            interrupted = tokio::signal::ctrl_c() => interrupted.context("waiting for Ctrl-C"),
        },
        Command::Status => commands::status(&store, patience).await,
    };
    store.shutdown(CLOSING).await;
    done
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(NotConfirmed::Refused(_)) = error.downcast_ref() {
        3
    } else if let Some(OpenError::Leader { failure: OpenFailure::Held { .. }, .. }) =
        error.downcast_ref()
    {
        4
    } else {
        1
    }
}
