//! An app's files, beside `/sync`. A page is never stored by the browser and other files are asked for again each time, so
//! that a deployment shows at the next reload and no page meets the module of another one.

use std::path::PathBuf;

use axum::{
    Router,
    http::{HeaderValue, Response, header},
    middleware::map_response,
};
use tower_http::services::ServeDir;

/// Serves the files of a directory.
pub(crate) fn router(directory: PathBuf) -> Router {
    Router::new().fallback_service(ServeDir::new(directory)).layer(map_response(freshness))
}

async fn freshness<B: Send>(mut response: Response<B>) -> Response<B> {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let value = HeaderValue::from_static(if is_page { "no-store" } else { "no-cache" });
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}
