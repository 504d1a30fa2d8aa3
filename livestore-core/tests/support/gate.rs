//! The one address of a server that a test stops and starts: held for as long as the test runs, so that nobody else gets
//! the port meanwhile.
//!
//! While no server is behind it, whoever comes is hung up on. Behind it each server has a free port of its own.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Where to go from here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Behind {
    /// To this server.
    Server(SocketAddr),
    /// To none: there is none now.
    Nobody,
    /// To none: the test is over.
    End,
}

/// An open gate.
#[derive(Debug)]
pub(crate) struct Gate {
    address: SocketAddr,
    behind: Arc<Mutex<Behind>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Gate {
    /// One with nobody behind it.
    pub(crate) fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let behind = Arc::new(Mutex::new(Behind::Nobody));
        let ahead = Arc::clone(&behind);
        let thread = Some(thread::spawn(move || {
            for visitor in listener.incoming() {
                let behind = *ahead.lock().unwrap_or_else(PoisonError::into_inner);
                match (visitor, behind) {
                    (_, Behind::End) => return,
                    // Whoever is hung up on, or finds no server all the same, tries again.
                    (Ok(visitor), Behind::Server(server)) => drop(lead(visitor, server)),
                    (Err(_), _) | (_, Behind::Nobody) => {}
                }
            }
        }));
        Ok(Self { address, behind, thread })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on; who is through the gate already stays with the server that they came to.
    pub(crate) fn leads_to(&self, behind: Behind) {
        *self.behind.lock().unwrap_or_else(PoisonError::into_inner) = behind;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.leads_to(Behind::End);
        // The gate looks when somebody comes.
        if TcpStream::connect(self.address).is_ok() {
            self.thread.take().map(thread::JoinHandle::join);
        }
    }
}

fn lead(visitor: TcpStream, server: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    visitor.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from, to) = (visitor.try_clone()?, server.try_clone()?);
    thread::spawn(move || carry(&from, &to));
    thread::spawn(move || carry(&server, &visitor));
    Ok(())
}

/// Carries one direction to its end, and the end with it. The streams may be gone already.
fn carry(from: &TcpStream, to: &TcpStream) {
    let (mut source, mut sink) = (from, to);
    if io::copy(&mut source, &mut sink).is_err() {
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    } else {
        let _ = to.shutdown(Shutdown::Write);
    }
}
