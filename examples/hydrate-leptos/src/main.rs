//! The server: renders the page, and serves the module that hydrates it.

#![allow(clippy::print_stdout, reason = "it says where it listens")]

use std::error::Error;

use axum::{Router, routing::get};
use hydrate_leptos::shell;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // What `generate_route_list` does in an app with a router.
    any_spawner::Executor::init_tokio()?;
    // From the environment, where cargo-leptos and xtask put what Cargo.toml says.
    let options = leptos::config::get_configuration(None)?.leptos_options;
    let listener = TcpListener::bind(options.site_addr).await?;
    let page = leptos_axum::render_app_to_stream({
        let options = options.clone();
        move || shell(options.clone())
    });
    let app = Router::new()
        .route("/", get(page))
        .fallback(leptos_axum::file_and_error_handler(shell))
        .with_state(options);
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
