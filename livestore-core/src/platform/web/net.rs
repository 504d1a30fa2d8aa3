//! WebSockets and HTTP requests in pages and workers.
//!
//! A browser's WebSocket can't be told to wait: what arrives is queued here until it is taken.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CloseEvent, Headers, MessageEvent, RequestInit, Response, Url, WebSocket};

use super::describe;
use crate::{backend::ConnectError, platform::SocketEnds};

#[wasm_bindgen]
extern "C" {
    /// The same in pages and workers, which web-sys keeps apart.
    #[wasm_bindgen(js_name = fetch)]
    fn fetch(url: &str, options: &RequestInit) -> js_sys::Promise;
}

/// Runs a task on this thread.
pub fn spawn_io(task: impl Future<Output = ()> + 'static) {
    wasm_bindgen_futures::spawn_local(task);
}

/// The whole address of a backend whose scheme is `plain`, or with TLS `secure`. One without a scheme is of the page's
/// own server, and as secure as the page.
///
/// # Errors
/// Says what is wrong with the address.
pub fn resolve_url(url: &str, plain: &str, secure: &str) -> Result<String, String> {
    let scheme = |parsed: &Url| parsed.protocol().trim_end_matches(':').to_owned();
    if let Ok(parsed) = Url::new(url) {
        let known = [plain, secure].contains(&scheme(&parsed).as_str());
        return if known && !parsed.hostname().is_empty() {
            Ok(parsed.href())
        } else {
            Err(format!("it has to begin with `{plain}://`, `{secure}://` or `/`"))
        };
    }
    let page = web_sys::window()
        .and_then(|window| window.document())
        .and_then(|document| document.url().ok())
        .ok_or("only a page's own server can be named by a path alone")?;
    let resolved = Url::new_with_base(url, &page).map_err(|error| describe(&error))?;
    match scheme(&resolved).as_str() {
        "https" => resolved.set_protocol(secure),
        "http" => resolved.set_protocol(plain),
        other => return Err(format!("the page is of `{other}:`, which has no server")),
    }
    Ok(resolved.href())
}

/// A socket and what it calls; closed and silent once dropped.
struct Open {
    socket: WebSocket,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_open: Closure<dyn FnMut()>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.socket.set_onmessage(None);
        self.socket.set_onopen(None);
        self.socket.set_onclose(None);
        // Fails only for reasons and codes that are not given here.
        let _ = self.socket.close();
    }
}

/// Opens a WebSocket.
pub async fn open_socket(url: String) -> Result<SocketEnds, ConnectError> {
    let unreachable = |reason: String| ConnectError::Unreachable(reason.into());
    let socket = WebSocket::new(&url).map_err(|error| unreachable(describe(&error)))?;
    let (outgoing, mut to_send) = mpsc::unbounded::<String>();
    let (arrived, mut queue) = mpsc::unbounded::<Result<String, Arc<str>>>();
    let (opened, opening) = oneshot::channel();
    let opened = Rc::new(RefCell::new(Some(opened)));
    let on_open = Closure::<dyn FnMut()>::new({
        let opened = Rc::clone(&opened);
        move || {
            if let Some(opened) = opened.take() {
                // Whoever asked may have lost patience.
                let _ = opened.send(());
            }
        }
    });
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new({
        let arrived = arrived.clone();
        move |message: MessageEvent| {
            if let Some(text) = message.data().as_string() {
                // Nobody listens once the ends are dropped.
                let _ = arrived.unbounded_send(Ok(text));
            }
        }
    });
    let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |close: CloseEvent| {
        // Dropping the sender tells whoever waits for the opening.
        opened.take();
        let reason = format!("closed with {}: {}", close.code(), close.reason());
        let _ = arrived.unbounded_send(Err(reason.into()));
        arrived.close_channel();
    });
    socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
    socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
    let open = Open { socket, _on_message: on_message, _on_open: on_open, _on_close: on_close };
    opening.await.map_err(|_| unreachable("the WebSocket did not open".to_owned()))?;
    let (mut hand_over, incoming) = mpsc::channel(1);
    spawn_io(async move {
        while let Some(text) = queue.next().await {
            let room = std::future::poll_fn(|cx| hand_over.poll_ready(cx)).await;
            if room.and_then(|()| hand_over.start_send(text)).is_err() {
                return;
            }
        }
    });
    spawn_io(async move {
        while let Some(text) = to_send.next().await {
            if open.socket.send_with_str(&text).is_err() {
                return;
            }
        }
    });
    Ok(SocketEnds { outgoing, incoming })
}

/// Posts JSON: the answer's status and text, or why there is none.
pub async fn post(url: Arc<str>, body: String) -> Result<(u16, String), String> {
    let failed = |error: JsValue| describe(&error);
    let headers = Headers::new().map_err(failed)?;
    headers.set("content-type", "application/json").map_err(failed)?;
    let options = RequestInit::new();
    options.set_method("POST");
    options.set_headers(&headers);
    options.set_body(&JsValue::from_str(&body));
    let response: Response =
        JsFuture::from(fetch(&url, &options)).await.and_then(JsCast::dyn_into).map_err(failed)?;
    let text = JsFuture::from(response.text().map_err(failed)?).await.map_err(failed)?;
    Ok((response.status(), text.as_string().unwrap_or_default()))
}
