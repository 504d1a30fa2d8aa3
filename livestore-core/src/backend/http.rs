//! A backend over HTTP: every pull and push is a request. A pull ends with the backlog; the leader asks again.

use std::sync::{Arc, OnceLock};

use futures_util::{
    FutureExt, StreamExt,
    future::LocalBoxFuture,
    stream::{self, LocalBoxStream},
};
use livestore_sync::wire::{
    ClientFrame, ConnectQuery, Exit, Extensions, Hello, Remaining, Request, RequestId, ServerFrame,
    Transport,
};

use super::{
    Backend, BackendAddress, BackendError, ConnectError, Connection, ConnectionLimits, Cursor,
    Page, PushBatch, conversation::Conversation,
};
use crate::platform::post;

/// A backend over HTTP requests.
#[derive(Clone, Debug)]
pub struct HttpBackend(BackendAddress);

impl HttpBackend {
    /// The backend at an address.
    pub fn new(address: BackendAddress) -> Self {
        Self(address)
    }
}

impl Backend for HttpBackend {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn Connection>, ConnectError>> {
        let address = self.0.clone();
        async move {
            let payload = (address.payload)().await;
            let query = ConnectQuery {
                store: address.store.clone(),
                payload: payload.clone(),
                transport: Transport::Http,
                extensions: Extensions::ALL,
            };
            let url = format!("{}?{}", address.url, query.encode()).into();
            let requests = Requests { url, lost: Arc::default() };
            let ping = Request::Ping { store: address.store.to_string() };
            let frames = requests.ask(ping).await.map_err(|error| match error {
                BackendError::Refused(reason) => ConnectError::Refused(reason),
                other => ConnectError::Unreachable(other.to_string().into()),
            })?;
            let hello = frames.into_iter().find_map(|frame| match frame {
                ServerFrame::Hello(hello) => Some(hello),
                _ => None,
            });
            let conversation = Conversation::new(address.store, payload, hello.as_ref());
            Ok(Box::new(HttpConnection { requests, conversation, hello }) as Box<dyn Connection>)
        }
        .boxed_local()
    }
}

#[derive(Debug)]
struct HttpConnection {
    requests: Requests,
    conversation: Conversation,
    hello: Option<Hello>,
}

#[derive(Clone, Debug)]
struct Requests {
    url: Arc<str>,
    lost: Arc<OnceLock<Arc<str>>>,
}

impl Requests {
    /// The frames that answer a request.
    async fn ask(&self, request: Request) -> Result<Vec<ServerFrame>, BackendError> {
        let frame =
            ClientFrame::Request { id: RequestId::from(0), request }.encode(Transport::Http);
        match post(Arc::clone(&self.url), frame).await {
            Ok((200, text)) => {
                let bad = |bad: livestore_sync::wire::BadAnswer| {
                    BackendError::Refused(bad.to_string().into())
                };
                ServerFrame::decode(&text).map_err(bad)
            }
            // Not the backend's own words, or such as pass: a proxy that does not find it, or is asked too often.
            Ok((status @ (404 | 408 | 425 | 429), _)) => {
                Err(self.is_lost(&format!("status {status}")))
            }
            Ok((401 | 403, text)) => {
                // The payload may no longer be good: another connection asks for another one.
                self.is_lost(&text);
                Err(BackendError::Refused(text.into()))
            }
            Ok((400..500, text)) => Err(BackendError::Refused(text.into())),
            Ok((status, _)) => Err(self.is_lost(&format!("status {status}"))),
            Err(reason) => Err(self.is_lost(&reason)),
        }
    }

    fn is_lost(&self, reason: &str) -> BackendError {
        BackendError::Lost(Arc::clone(self.lost.get_or_init(|| reason.into())))
    }
}

impl Connection for HttpConnection {
    fn limits(&self) -> ConnectionLimits {
        ConnectionLimits::of_hello(self.hello.as_ref(), false)
    }

    fn lost(&self) -> Option<Arc<str>> {
        self.requests.lost.get().cloned()
    }

    fn pull(
        &self,
        cursor: Option<Cursor>,
        _live: bool,
    ) -> LocalBoxStream<'static, Result<Page, BackendError>> {
        let requests = self.requests.clone();
        let first = self.conversation.pull_request(cursor, false);
        stream::unfold(Some(first), move |request| {
            let requests = requests.clone();
            async move {
                let mut request = request?;
                let answer = requests.ask(Request::Pull(request.clone())).await;
                let (pages, failure) = pages(answer);
                // An answer may end before the backlog does.
                let next = pages
                    .last()
                    .filter(|page| failure.is_none() && page.remaining != Remaining::Known(0));
                let next = next.and_then(|page| {
                    let number = page.events.last()?.number;
                    request.cursor = Some(Cursor { backend: Arc::clone(&page.backend), number });
                    Some(request)
                });
                let items = pages.into_iter().map(Ok).chain(failure.map(Err));
                Some((stream::iter(items.collect::<Vec<_>>()), next))
            }
        })
        .flatten()
        .boxed_local()
    }

    fn push(&self, batch: PushBatch) -> LocalBoxFuture<'static, Result<(), BackendError>> {
        let requests = self.requests.clone();
        let push = Request::Push(self.conversation.push_request(batch));
        async move {
            for frame in requests.ask(push).await? {
                match frame {
                    ServerFrame::Exit { exit: Exit::Failed(failure), .. } => {
                        return Err(failure.into());
                    }
                    ServerFrame::Exit { .. } => return Ok(()),
                    ServerFrame::Defect(reason) => return Err(BackendError::Refused(reason)),
                    _ => {}
                }
            }
            Err(BackendError::Lost("the answer has no end".into()))
        }
        .boxed_local()
    }
}

/// What an answer holds of pages, and how it failed, if it did.
fn pages(frames: Result<Vec<ServerFrame>, BackendError>) -> (Vec<Page>, Option<BackendError>) {
    let frames = match frames {
        Ok(frames) => frames,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut all = Vec::new();
    for frame in frames {
        match frame {
            ServerFrame::Chunk { pages, .. } => all.extend(pages),
            ServerFrame::Exit { exit: Exit::Failed(failure), .. } => {
                return (all, Some(failure.into()));
            }
            ServerFrame::Defect(reason) => return (all, Some(BackendError::Refused(reason))),
            _ => {}
        }
    }
    (all, None)
}
