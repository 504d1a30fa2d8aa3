//! A `BroadcastChannel` that carries binary frames, in pages and workers.
//!
//! A frame reaches every other open channel of that name and origin, also in the same page, never the sender. Order is
//! kept between one sender and one receiver. The caller bounds the size of its frames.

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{BroadcastChannel, MessageEvent};

use super::{describe, local::Local};
use crate::platform::ChannelError;

/// An open channel, closed on drop.
#[derive(Debug)]
pub struct Channel(Local<Open>);

struct Open {
    port: BroadcastChannel,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        self.port.close();
    }
}

impl Channel {
    /// Opens the channel; each frame of the others goes to `on_frame`. What is not a frame is ignored.
    pub fn open(
        name: &str,
        mut on_frame: impl FnMut(Vec<u8>) + 'static,
    ) -> Result<Self, ChannelError> {
        let port = BroadcastChannel::new(name).map_err(|e| ChannelError(describe(&e)))?;
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            if let Some(frame) = message.data().dyn_ref::<Uint8Array>() {
                on_frame(frame.to_vec());
            }
        });
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Ok(Self(Local::new(Open { port, _on_message: on_message })))
    }

    /// Posts one frame to all others.
    pub fn post(&self, frame: &[u8]) -> Result<(), ChannelError> {
        let open =
            self.0.get().ok_or_else(|| ChannelError("it belongs to another thread".to_owned()))?;
        open.port.post_message(&Uint8Array::from(frame)).map_err(|e| ChannelError(describe(&e)))
    }
}
