//! On a desktop: a window, whose data are files in the platform's data directory, or in the one that `--data` names. There
//! is no address, so `--store` and `--server` name a shared list, and the filter is the window's own and starts anew with
//! it.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, error::ErrorKind};
use dioxus::{
    desktop::{Config, LogicalSize, WindowBuilder},
    prelude::*,
};
use directories::ProjectDirs;
use livestore_dioxus::{StoreOptions, websocket};
use todomvc_schema::{Filter, TodoMvc, own_list, shared_list};

#[cfg(feature = "testing")]
use super::driven::Driven as Root;
#[cfg(not(feature = "testing"))]
use crate::components::App as Root;

/// The look that all TodoMVC apps share; in the program, so that a window needs no other file.
const HEAD: &str = concat!("<style>", include_str!("../../../public/todomvc.css"), "</style>");

/// What keeps the todos, in the words of the status line's attribute.
pub(crate) const STORAGE: &str = "files";

/// TodoMVC on livestore and Dioxus.
#[derive(Parser)]
struct Arguments {
    /// Keep the todos in this directory; without it, in the platform's directory for data of apps
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Share the list of this name with everybody who names it
    #[arg(long, value_name = "ID", requires = "server")]
    store: Option<String>,
    /// The sync backend that it is shared through, such as ws://127.0.0.1:8080/sync
    #[arg(long, value_name = "URL", requires = "store")]
    server: Option<String>,
}

/// Runs the app in a window of its own, until that is closed.
pub(crate) fn run() {
    let Arguments { data, store, server } = Arguments::parse();
    let Some(directory) = data.or_else(of_the_platform) else {
        let message = "this machine has no home directory: name one for the todos with --data";
        Arguments::command().error(ErrorKind::MissingRequiredArgument, message).exit()
    };
    let list = match (store, server) {
        (Some(store), Some(server)) => shared_list(&store, websocket(server)),
        _ => own_list(),
    };
    let window = WindowBuilder::new()
        .with_title("livestore + Dioxus: TodoMVC")
        .with_inner_size(LogicalSize::new(900.0, 700.0))
        .with_always_on_top(false);
    livestore_dioxus::launch::<TodoMvc>(|| {
        LaunchBuilder::desktop()
            .with_cfg(
                Config::new().with_window(window).with_menu(None).with_custom_head(HEAD.to_owned()),
            )
            .with_context(list.directory(directory))
            .launch(Root);
    });
}

fn of_the_platform() -> Option<PathBuf> {
    let directories = ProjectDirs::from("", "livestore", "todomvc-dioxus")?;
    Some(directories.data_local_dir().to_owned())
}

/// Which store to open, and where: as the command line says.
pub(crate) fn use_options() -> StoreOptions<TodoMvc> {
    use_context()
}

/// The filter that was chosen last in this window.
pub(crate) fn use_filter() -> Signal<Filter> {
    use_signal(Filter::default)
}

/// A click on a filter's link: a window has no address to change, and must not leave for another page.
pub(crate) fn follow(click: &MouseEvent, mut filter: Signal<Filter>, to: Filter) {
    click.prevent_default();
    filter.set(to);
}
