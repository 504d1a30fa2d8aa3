//! Named broadcast inside the process.
//!
//! Every open channel has a thread that runs its callback, so a frame is never delivered on its sender's stack; order
//! is kept between one sender and one receiver. Names are per process: put the data directory into them where two
//! clients live in one process.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Sender},
    },
    thread,
};

use super::{locked, survive};
use crate::platform::ChannelError;

type Receivers = HashMap<String, Vec<(u64, Sender<Vec<u8>>)>>;

static OPEN: Mutex<Option<Receivers>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(0);

/// An open channel, closed on drop.
#[derive(Debug)]
pub struct Channel {
    name: String,
    id: u64,
}

impl Channel {
    /// Opens the channel; each frame of the others goes to `on_frame`, on a thread of its own.
    pub fn open(
        name: &str,
        mut on_frame: impl FnMut(Vec<u8>) + Send + 'static,
    ) -> Result<Self, ChannelError> {
        let (sender, frames) = mpsc::channel();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let thread = format!("channel {name}");
        thread::Builder::new()
            .name(thread)
            .spawn(move || {
                for frame in frames {
                    survive("channel", || on_frame(frame));
                }
            })
            .map_err(|error| ChannelError(error.to_string()))?;
        let mut open = locked(&OPEN);
        open.get_or_insert_default().entry(name.to_owned()).or_default().push((id, sender));
        Ok(Self { name: name.to_owned(), id })
    }

    /// Posts one frame to all others.
    pub fn post(&self, frame: &[u8]) -> Result<(), ChannelError> {
        let open = locked(&OPEN);
        for (id, sender) in open.iter().filter_map(|open| open.get(&self.name)).flatten() {
            if *id != self.id {
                // A receiver that is gone misses nothing.
                let _ = sender.send(frame.to_vec());
            }
        }
        Ok(())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let mut open = locked(&OPEN);
        let Some(channels) = open.as_mut() else { return };
        if let Some(receivers) = channels.get_mut(&self.name) {
            receivers.retain(|(id, _)| *id != self.id);
            if receivers.is_empty() {
                channels.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Channel;
    use std::{sync::mpsc, time::Duration};

    #[test]
    fn frames_reach_the_others_of_that_name_in_order_and_nobody_after_the_close() {
        let (heard, hears) = mpsc::channel();
        let open = |name: &'static str, id: char| {
            let heard = heard.clone();
            Channel::open(name, move |frame| heard.send((id, frame)).unwrap()).unwrap()
        };
        let (a, b, _other) = (open("test-one", 'a'), open("test-one", 'b'), open("test-two", 'c'));
        a.post(&[1]).unwrap();
        a.post(&[2]).unwrap();
        let frames: Vec<_> = hears.iter().take(2).collect();
        assert_eq!(frames, [('b', vec![1]), ('b', vec![2])]);
        let (panics, panicked) = mpsc::channel();
        let _panics = Channel::open("test-one", move |_| {
            panics.send(()).unwrap();
            panic!("on purpose")
        });
        a.post(&[3]).unwrap();
        a.post(&[4]).unwrap();
        assert_eq!(hears.iter().take(2).count(), 2);
        assert_eq!(panicked.iter().take(2).count(), 2, "it hears more after a panic");
        drop(b);
        a.post(&[5]).unwrap();
        assert!(hears.recv_timeout(Duration::from_millis(50)).is_err());
    }
}
