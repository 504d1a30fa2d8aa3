//! What only the end-to-end tests do to a window: each line of standard input is JavaScript that runs in it; each line of
//! standard output is the JSON of `{"value": …}`, what that promised, or of `{"error": …}`. The end of the input closes the
//! window.

#![allow(clippy::print_stdout, reason = "standard output is the pipe to the tests")]

use std::{io, thread};

use dioxus::prelude::*;
use futures_channel::mpsc;
use futures_util::StreamExt;
use serde_json::json;

use crate::components::App;

/// Runs what it is sent until the window ends. One evaluation for all: Dioxus gives the number of one that has ended to
/// the next, and may take that for ended, too.
const READER: &str = "
for (;;) {
  const code = await dioxus.recv();
  let answer;
  try {
    answer = { value: await (0, eval)(code) };
  } catch (error) {
    answer = { error: String(error) };
  }
  dioxus.send(answer);
}";

/// The app, driven.
#[component]
pub(crate) fn Driven() -> Element {
    use_future(|| async {
        let mut lines = lines_of_input();
        let mut reader = document::eval(READER);
        while let Some(line) = lines.next().await {
            let answer = match reader.send(line) {
                Ok(()) => reader.recv::<serde_json::Value>().await,
                Err(error) => Err(error),
            };
            let answer = answer.unwrap_or_else(|error| json!({ "error": error.to_string() }));
            println!("{answer}");
        }
        dioxus::desktop::window().close();
    });
    rsx! { App {} }
}

/// A thread of its own reads: the window must not wait for the tests.
fn lines_of_input() -> UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.unbounded_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
