//! What both platforms' sockets look like from above.

use std::sync::Arc;

use futures_channel::mpsc;

/// The two ends of an open WebSocket. Dropping them closes it.
#[derive(Debug)]
pub struct SocketEnds {
    /// Takes texts to send.
    pub outgoing: mpsc::UnboundedSender<String>,
    /// Gives texts that arrive; ends with the socket, after the reason if there is one.
    pub incoming: mpsc::Receiver<Result<String, Arc<str>>>,
}
