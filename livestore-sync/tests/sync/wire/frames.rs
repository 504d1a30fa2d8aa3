//! Frames as LiveStore's own clients and servers of both generations sent them, and as ours are written.

use livestore_sync::{
    ClientId, EventId, SessionId, TabId,
    wire::{
        Author, ClientFrame, ConfirmedEvent, Cursor, Exit, Extensions, Failure, Hello, Page, Pull,
        Push, RawArgs, Remaining, Request, RequestId, ServerFrame, Transport, WireLimits,
        encode_chunk, encode_item,
    },
};

fn event(number: u64, args: Option<&str>) -> ConfirmedEvent {
    ConfirmedEvent {
        number,
        parent: number - 1,
        name: "a".into(),
        args: RawArgs(args.map(Into::into)),
        author: Author { client: "c".into(), session: "s".into() },
    }
}

fn text_id(id: &str) -> RequestId {
    RequestId::Text(id.into())
}

fn request(id: RequestId, request: Request) -> ClientFrame {
    ClientFrame::Request { id, request }
}

fn pull(cursor: Option<Cursor>, live: bool) -> Request {
    Request::Pull(Pull { store: "S".to_owned(), payload: None, live, cursor })
}

fn push(batch: Vec<ConfirmedEvent>, backend: Option<&str>, commits: Option<Vec<usize>>) -> Request {
    let backend = backend.map(Into::into);
    Request::Push(Push { store: "S".to_owned(), payload: None, batch, backend, commits })
}

#[track_caller]
fn check_client(text: &str, expected: &[ClientFrame]) {
    let frames = ClientFrame::decode(text).expect(text);
    let frames: Vec<_> = frames.into_iter().map(|frame| frame.expect(text)).collect();
    assert_eq!(frames, expected, "{text}");
    for frame in frames {
        let written = frame.encode(Transport::WebSocket);
        let read = ClientFrame::decode(&written).expect(&written);
        assert_eq!(read, [Ok(frame)], "{written}");
    }
}

#[test]
fn what_clients_of_both_generations_send_is_read() {
    check_client(r#"{"_tag":"Ping"}"#, &[ClientFrame::Ping]);
    check_client(r#"{"_tag":"Eof"}"#, &[ClientFrame::Eof]);
    check_client(r#"{"_tag":"Ack","requestId":"0"}"#, &[ClientFrame::Ack(text_id("0"))]);
    check_client(
        r#"{"_tag":"Interrupt","requestId":7}"#,
        &[ClientFrame::Interrupt(RequestId::Number(7))],
    );
    check_client(
        r#"{"_tag":"Request","id":"0","tag":"SyncWsRpc.Pull","payload":{"storeId":"S","live":true,"cursor":{"_tag":"None"}},"traceId":"00","spanId":"00","sampled":true,"headers":[]}"#,
        &[request(text_id("0"), pull(None, true))],
    );
    let cursor = Cursor { backend: "B".into(), number: 7 };
    check_client(
        r#"{"_tag":"Request","id":3,"tag":"SyncHttpRpc.Pull","payload":{"storeId":"S","cursor":{"_tag":"Some","value":{"backendId":"B","eventSequenceNumber":7}}},"headers":[]}"#,
        &[request(RequestId::Number(3), pull(Some(cursor), false))],
    );
    check_client(
        r#"{"_tag":"Request","id":"2","tag":"SyncWsRpc.Push","payload":{"storeId":"S","batch":[{"name":"a","args":{"b":1,"a":2},"seqNum":1,"parentSeqNum":0,"clientId":"c","sessionId":"s"}],"backendId":{"_tag":"None"}},"headers":[]}"#,
        &[request(text_id("2"), push(vec![event(1, Some(r#"{"b":1,"a":2}"#))], None, None))],
    );
    check_client(
        r#"{"_tag":"Request","id":"2","tag":"SyncWsRpc.Push","payload":{"storeId":"S","batch":[{"name":"a","seqNum":1,"parentSeqNum":0,"clientId":"c","sessionId":"s"}],"backendId":{"_tag":"Some","value":"B"},"commits":[1]},"headers":[]}"#,
        &[request(text_id("2"), push(vec![event(1, None)], Some("B"), Some(vec![1])))],
    );
    check_client(r#" [{"_tag":"Ping"},{"_tag":"Eof"}]"#, &[ClientFrame::Ping, ClientFrame::Eof]);
}

#[test]
fn a_request_that_is_not_understood_can_be_answered_by_its_id() {
    let check = |text: &str, id: Option<RequestId>| {
        let bad = ClientFrame::decode(text).unwrap().remove(0).expect_err(text);
        assert_eq!(bad.id, id, "{text}: {bad}");
    };
    check(r#"{"_tag":"Request","id":"1","tag":"Nonsense","payload":{}}"#, Some(text_id("1")));
    check(
        r#"{"_tag":"Request","id":4,"tag":"SyncWsRpc.Pull","payload":{}}"#,
        Some(RequestId::Number(4)),
    );
    check(r#"{"_tag":"Request","id":"1","tag":"SyncWsRpc.Push"}"#, Some(text_id("1")));
    let beyond = r#"{"_tag":"Request","id":"1","tag":"SyncWsRpc.Pull","payload":{"storeId":"S","cursor":{"_tag":"Some","value":{"backendId":"B","eventSequenceNumber":9007199254740992}}}}"#;
    check(beyond, Some(text_id("1")));
    let negative = r#"{"_tag":"Request","id":"1","tag":"SyncWsRpc.Push","payload":{"storeId":"S","batch":[{"name":"a","seqNum":-1,"parentSeqNum":0,"clientId":"c","sessionId":"s"}],"backendId":{"_tag":"None"}}}"#;
    check(negative, Some(text_id("1")));
    check(r#"{"_tag":"Request","tag":"SyncWsRpc.Pull"}"#, None);
    check(r#"{"_tag":"Ack"}"#, None);
    check(r#"{"_tag":"Surprise"}"#, None);
}

#[test]
fn what_servers_of_both_generations_answer_is_read() {
    let check = |text: &str, expected: ServerFrame| {
        assert_eq!(ServerFrame::decode(text), Ok(vec![expected]), "{text}");
    };
    let page = |events, remaining| Page { events, remaining, backend: "B".into() };
    check(r#"{"_tag":"Pong"}"#, ServerFrame::Pong);
    check(
        r#"{"_tag":"Chunk","requestId":"0","values":[{"batch":[],"pageInfo":{"_tag":"NoMore"},"backendId":"B"}]}"#,
        ServerFrame::Chunk { id: text_id("0"), pages: vec![page(vec![], Remaining::Known(0))] },
    );
    check(
        r#"{"_tag":"Chunk","requestId":"1","values":[{"batch":[{"eventEncoded":{"name":"a","args":{"x":1},"seqNum":1,"parentSeqNum":0,"clientId":"c","sessionId":"s"},"metadata":{"_tag":"Some","value":{"_tag":"SyncMessage.SyncMetadata","createdAt":"2026-01-01T00:00:00.000Z"}}}],"pageInfo":{"_tag":"MoreKnown","remaining":152},"backendId":"B"}]}"#,
        ServerFrame::Chunk {
            id: text_id("1"),
            pages: vec![page(vec![event(1, Some(r#"{"x":1}"#))], Remaining::Known(152))],
        },
    );
    let exit = |id, exit| ServerFrame::Exit { id, exit };
    check(
        r#"{"_tag":"Exit","requestId":"0","exit":{"_tag":"Success"}}"#,
        exit(text_id("0"), Exit::PullDone),
    );
    check(
        r#"{"_tag":"Exit","requestId":0,"exit":{"_tag":"Success","value":null}}"#,
        exit(RequestId::Number(0), Exit::PullDone),
    );
    check(
        r#"{"_tag":"Exit","requestId":"2","exit":{"_tag":"Success","value":{}}}"#,
        exit(text_id("2"), Exit::Pushed),
    );
    let ahead = || Exit::Failed(Failure::ServerAhead { head: 3, provided: 1 });
    check(
        r#"{"_tag":"Exit","requestId":"4","exit":{"_tag":"Failure","cause":{"_tag":"Fail","error":{"minimumExpectedNum":3,"providedNum":1,"_tag":"ServerAheadError"}}}}"#,
        exit(text_id("4"), ahead()),
    );
    check(
        r#"{"_tag":"Exit","requestId":4,"exit":{"_tag":"Failure","cause":[{"_tag":"Fail","error":{"_tag":"ServerAheadError","minimumExpectedNum":3,"providedNum":1}}]}}"#,
        exit(RequestId::Number(4), ahead()),
    );
    check(
        r#"{"_tag":"Exit","requestId":"4","exit":{"_tag":"Failure","cause":{"_tag":"Sequential","left":{"_tag":"Parallel","left":{"_tag":"Empty"},"right":{"_tag":"Interrupt","fiberId":{}}},"right":{"_tag":"Fail","error":{"_tag":"UnknownError","cause":{"name":"Error","message":"no"}}}}}}"#,
        exit(text_id("4"), Exit::Failed(Failure::Unknown("no".into()))),
    );
    check(
        r#"{"_tag":"Exit","requestId":4,"exit":{"_tag":"Failure","cause":[{"_tag":"Interrupt","fiberId":725}]}}"#,
        exit(RequestId::Number(4), Exit::Failed(Failure::Interrupted)),
    );
    check(
        r#"{"_tag":"Defect","defect":"Unknown request tag: X"}"#,
        ServerFrame::Defect("Unknown request tag: X".into()),
    );
}

#[test]
fn what_we_answer_reads_back_the_same_in_both_generations() {
    let rejected = Failure::Rejected { number: 7, reason: "no".into(), head: 5 };
    let other = Failure::BackendIdMismatch { expected: "B".into(), received: "C".into() };
    let failures = [
        rejected,
        other,
        Failure::ServerAhead { head: 3, provided: 1 },
        Failure::Unknown("disk full".into()),
        Failure::Defect("what?".into()),
        Failure::Interrupted,
    ];
    let exits =
        failures.map(Exit::Failed).into_iter().chain([Exit::PullDone, Exit::Pushed, Exit::Pong]);
    for exit in exits {
        for id in [text_id("9"), RequestId::Number(9)] {
            let frame = ServerFrame::Exit { id, exit: exit.clone() };
            let text = frame.encode();
            assert_eq!(ServerFrame::decode(&text), Ok(vec![frame]), "{text}");
        }
    }
    let granted = Hello::Granted { extensions: Extensions::ALL, limits: WireLimits::PLAIN };
    for hello in [granted, Hello::Refused { reason: "who are you?".to_owned() }] {
        let frame = ServerFrame::Hello(hello);
        assert_eq!(ServerFrame::decode(&frame.encode()), Ok(vec![frame]));
    }
}

#[test]
fn absent_arguments_stay_absent_for_one_generation_and_are_null_for_the_other() {
    let check = |id: RequestId, args: Option<&str>, expected: Option<&str>| {
        let item = encode_item(&event(1, args), Some("2026-01-01T00:00:00.000Z"));
        let text = encode_chunk(&id, [item.as_str()], Remaining::Known(0), "B");
        let events = vec![event(1, expected)];
        let pages = vec![Page { events, remaining: Remaining::Known(0), backend: "B".into() }];
        assert_eq!(
            ServerFrame::decode(&text),
            Ok(vec![ServerFrame::Chunk { id, pages }]),
            "{text}"
        );
    };
    check(text_id("1"), None, None);
    check(text_id("1"), Some("null"), Some("null"));
    check(RequestId::Number(1), None, Some("null"));
    check(RequestId::Number(1), Some(r#"{"b":1,"a":1e3}"#), Some(r#"{"b":1,"a":1e3}"#));
}

#[test]
fn only_what_we_wrote_ourselves_has_an_event_id() {
    let id = EventId {
        client: ClientId(1),
        session: SessionId { tab: TabId(2), open: 3 },
        n: 7.try_into().unwrap(),
    };
    let author = Author::from(id);
    assert_eq!(author.session.as_ref(), "livestore:0000000000000002.0000000000000003~7");
    assert_eq!(author.event_id(), Some(id));
    let check = |client: &str, session: &str| {
        let author = Author { client: client.into(), session: session.into() };
        assert_eq!(author.event_id(), None, "{client} {session}");
    };
    check("c", "s");
    check("0000000000000001", "");
    check("0000000000000001", "livestore:");
    check("0000000000000001", "0000000000000002.0000000000000003~7");
    check("0000000000000001", "livestore:0000000000000002.0000000000000003~07");
    check("0000000000000001", "livestore:0000000000000002.0000000000000003~+7");
    check("0000000000000001", "livestore:0000000000000002.0000000000000003~0");
    check("0000000000000001", "livestore:0000000000000002.0000000000000003~99999999999999999999");
    check("0000000000000001", "livestore:000000000000000A.0000000000000003~7");
    check("1", "livestore:0000000000000002.0000000000000003~7");
}
