//! Whatever arrives, the codec answers and never panics.

use livestore_sync::wire::{ClientFrame, ConnectQuery, ServerFrame, Transport};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

/// What decodes is also written without a panic, and reads back as itself.
fn digest(text: &str) {
    let _ = ConnectQuery::parse(text);
    for frame in ClientFrame::decode(text).into_iter().flatten().flatten() {
        let written = frame.encode(Transport::WebSocket);
        assert_eq!(ClientFrame::decode(&written), Ok(vec![Ok(frame)]), "{written}");
    }
    for frame in ServerFrame::decode(text).into_iter().flatten() {
        let written = frame.encode();
        let read = ServerFrame::decode(&written).expect(&written).remove(0);
        assert_eq!(read.encode(), written);
    }
}

/// Frames that once mattered, or look as if they might.
fn seeds() -> Vec<String> {
    let push = |event: &str| {
        format!(
            r#"{{"_tag":"Request","id":"1","tag":"SyncWsRpc.Push","payload":{{"storeId":"S","batch":[{event}],"backendId":{{"_tag":"None"}}}}}}"#
        )
    };
    let event = |number: &str, args: &str| {
        format!(
            r#"{{"name":"a","args":{args},"seqNum":{number},"parentSeqNum":0,"clientId":"c","sessionId":"s"}}"#
        )
    };
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let exit = |cause: &str| {
        format!(r#"{{"_tag":"Exit","requestId":"1","exit":{{"_tag":"Failure","cause":{cause}}}}}"#)
    };
    let nested = |n: usize| {
        let open = r#"{"_tag":"Sequential","left":"#.repeat(n);
        exit(&format!("{open}null{}", "}".repeat(n)))
    };
    vec![
        String::new(),
        "null".to_owned(),
        "[".repeat(100_000),
        r#"{"a":"#.repeat(100_000),
        deep(100_000),
        push(&event("1", &deep(126))),
        push(&event("1", &deep(100_000))),
        push(&event("18446744073709551616", "1")),
        push(&event("1e400", "1")),
        push(&event("1.5", "1")),
        push(&event("1", "1e400")),
        push(&event("1", r#""\ud800""#)),
        push(&event("1", &format!("\"{}\"", "x".repeat(2_000_000)))),
        push(&event("1", "1").replace("\"a\"", &format!("\"{}\"", "x".repeat(10_000)))),
        nested(60),
        nested(100_000),
        exit("[]"),
        exit(r#"[{"_tag":"Fail"}]"#),
        exit(r#"{"_tag":"Fail","error":{"_tag":"ServerAheadError","minimumExpectedNum":-1}}"#),
        r#"{"_tag":"Chunk","requestId":"1","values":[{}]}"#.to_owned(),
        r#"{"_tag":"Livestore.Hello","extensions":["x"],"batchEvents":1e9,"frameBytes":0,"argsBytes":0}"#.to_owned(),
        format!("[{}]", r#"{"_tag":"Ping"},"#.repeat(1000).trim_end_matches(',')),
        "storeId=%&transport=%f&payload=%25%25%".to_owned(),
    ]
}

#[test]
fn every_seed_is_answered_whole_and_cut_short() {
    for seed in seeds() {
        digest(&seed);
        let ends = (0..seed.len().min(400)).chain(seed.len().saturating_sub(20)..seed.len());
        for end in ends.filter(|end| seed.is_char_boundary(*end)) {
            digest(&seed[..end]);
        }
    }
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<f64>().prop_map(|number| number.to_string()),
        any::<i128>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| format!("{text:?}")),
        proptest::sample::select(vec![
            "\"None\"",
            "\"Some\"",
            "\"Request\"",
            "\"Chunk\"",
            "\"Exit\"",
            "\"Failure\"",
            "\"Fail\"",
            "\"Die\"",
            "\"SyncWsRpc.Pull\"",
            "\"SyncHttpRpc.Push\"",
            "\"NoMore\"",
            "\"Livestore.Hello\"",
            "\"Interrupt\"",
        ])
        .prop_map(str::to_owned),
    ];
    let key = proptest::sample::select(vec![
        "_tag",
        "id",
        "requestId",
        "tag",
        "payload",
        "storeId",
        "live",
        "cursor",
        "value",
        "backendId",
        "batch",
        "eventSequenceNumber",
        "name",
        "args",
        "seqNum",
        "parentSeqNum",
        "clientId",
        "sessionId",
        "commits",
        "values",
        "exit",
        "cause",
        "error",
        "left",
        "right",
        "pageInfo",
        "remaining",
        "eventEncoded",
        "defect",
        "extensions",
    ]);
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((key.clone(), inner), 0..8).prop_map(|fields| {
                let fields: Vec<_> =
                    fields.into_iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        digest(&text);
    }

    #[test]
    fn any_json_of_the_wires_own_words_is_answered(text in json()) {
        digest(&text);
    }

    #[test]
    fn any_damage_to_a_frame_is_answered(
        seed in 0..8_usize, place in any::<proptest::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let frames = [
            r#"{"_tag":"Request","id":"1","tag":"SyncWsRpc.Push","payload":{"storeId":"S","batch":[{"name":"a","args":{"x":[1,2.5e3]},"seqNum":1,"parentSeqNum":0,"clientId":"c","sessionId":"s"}],"backendId":{"_tag":"Some","value":"B"},"commits":[1]}}"#,
            r#"{"_tag":"Request","id":7,"tag":"SyncHttpRpc.Pull","payload":{"storeId":"S","payload":{"t":1},"cursor":{"_tag":"Some","value":{"backendId":"B","eventSequenceNumber":7}}}}"#,
            r#"{"_tag":"Chunk","requestId":"1","values":[{"batch":[{"eventEncoded":{"name":"a","args":null,"seqNum":1,"parentSeqNum":0,"clientId":"c","sessionId":"s"},"metadata":{"_tag":"None"}}],"pageInfo":{"_tag":"MoreKnown","remaining":3},"backendId":"B"}]}"#,
            r#"{"_tag":"Exit","requestId":"4","exit":{"_tag":"Failure","cause":{"_tag":"Parallel","left":{"_tag":"Empty"},"right":{"_tag":"Fail","error":{"_tag":"ServerAheadError","minimumExpectedNum":3,"providedNum":1}}}}}"#,
            r#"{"_tag":"Livestore.Hello","extensions":["rejection","commits"],"batchEvents":1000,"frameBytes":900000,"argsBytes":880000}"#,
            r#"{"_tag":"Interrupt","requestId":"1"}"#,
            r#"storeId=S&payload=%257B%2522a%2522%253A1%257D&transport=http&extensions=rejection,commits"#,
            r#"[{"_tag":"Ping"},{"_tag":"Ack","requestId":1}]"#,
        ];
        let mut bytes = frames[seed].as_bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if cut {
            bytes.truncate(place);
        }
        digest(&String::from_utf8_lossy(&bytes));
    }
}
