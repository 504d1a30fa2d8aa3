//! The query of a backend's address.

use livestore_sync::wire::{BadQuery, ConnectQuery, Extensions, Transport};
use serde_json::json;

fn query(payload: Option<serde_json::Value>, extensions: Extensions) -> ConnectQuery {
    let store = "S".parse().expect("a store id");
    ConnectQuery { store, payload, transport: Transport::WebSocket, extensions }
}

#[test]
fn an_address_of_either_encoding_is_read() {
    let check = |text: &str, expected: &ConnectQuery| {
        assert_eq!(ConnectQuery::parse(text).as_ref(), Ok(expected), "{text}");
        assert_eq!(ConnectQuery::parse(&expected.encode()).as_ref(), Ok(expected));
    };
    check("storeId=S&transport=ws", &query(None, Extensions::NONE));
    check("transport=ws&other=1&storeId=S", &query(None, Extensions::NONE));
    let token = query(Some(json!({"authToken": "tok"})), Extensions::NONE);
    check("storeId=S&payload=%257B%2522authToken%2522%253A%2522tok%2522%257D&transport=ws", &token);
    check("storeId=S&payload=%7B%22authToken%22%3A%22tok%22%7D&transport=ws", &token);
    check(
        "storeId=S&payload=%22100%25%22&transport=ws&extensions=",
        &query(Some(json!("100%")), Extensions::NONE),
    );
    let rejection = Extensions { rejection: true, ..Extensions::NONE };
    check("storeId=S&transport=ws&extensions=rejection,telepathy", &query(None, rejection));
    check(
        "storeId=S&transport=ws&extensions=batches%2Ccommits%2Crejection",
        &query(None, Extensions::ALL),
    );
}

#[test]
fn an_address_of_nobody_we_know_is_refused() {
    let check = |text: &str, missing: Option<&'static str>| {
        let refused = ConnectQuery::parse(text).expect_err(text);
        if let Some(name) = missing {
            assert_eq!(refused, BadQuery::Missing(name), "{text}");
        }
    };
    check("", Some("storeId"));
    check("storeId=S", Some("transport"));
    check("storeId=S&transport=pigeon", None);
    check("storeId=&transport=ws", None);
    check("storeId=..%2Fetc&transport=ws", None);
    check("storeId=a%00b&transport=ws", None);
    check("storeId=%FF&transport=ws", None);
    check("storeId=A&storeId=B&transport=ws", None);
    check("storeId=S&transport=ws&payload=nonsense", None);
    check(&format!("storeId={}&transport=ws", "x".repeat(101)), None);
    let deep = format!("storeId=S&transport=ws&payload={}", "%5B".repeat(10_000));
    check(&deep, None);
}
