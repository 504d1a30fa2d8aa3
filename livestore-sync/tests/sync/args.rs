//! Arguments: canonical once and for all, and nothing that another peer would read differently.

use livestore_sync::{Args, Commit, InvalidArgs, InvalidCommit, Lane};
use proptest::prelude::*;

use crate::build::{commit, event};

fn check(json: &str, expected: &str) {
    let args = Args::parse(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(args.as_str(), expected, "{json}");
    assert_eq!(Args::parse(args.as_str()).as_ref(), Ok(&args), "{json} a second time");
}

#[test]
fn equal_values_have_one_text() {
    check("null", "null");
    check(" { \"b\" : 1 , \"a\" : [ true , null ] } ", r#"{"a":[true,null],"b":1}"#);
    check("1.0", "1");
    check("-0.0", "0");
    check("1e2", "100");
    check("0.1", "0.1");
    check(r#""\u00e9\/\u0000""#, "\"é/\\u0000\"");
    check(r#"{"a":1,"a":2}"#, r#"{"a":2}"#);
    // Keys go by UTF-16 code units: the smiley's first one is below U+FB33.
    check("{\"\u{fb33}\":1,\"😂\":2}", "{\"😂\":2,\"\u{fb33}\":1}");
}

#[test]
fn integers_are_exact_up_to_the_limit_of_every_peer() {
    check("9007199254740991", "9007199254740991");
    check("-9007199254740991", "-9007199254740991");
    check("9007199254740991.0", "9007199254740991");
    check("1e21", "1e+21");
    check("1.5e300", "1.5e+300");
    for json in [
        "9007199254740992",
        "-9007199254740992",
        "9007199254740992.0",
        "1e20",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "[{\"deep\":9007199254740993}]",
    ] {
        let error = Args::parse(json).expect_err(json);
        assert!(matches!(error, InvalidArgs::InexactNumber(_)), "{json}: {error}");
    }
}

#[test]
fn what_is_no_json_is_an_error() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(Args::parse(&deep(127)).is_ok());
    for json in [
        "",
        "{",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "{a:1}",
        "[1,]",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "[\"\\ud83d x\"]",
        "1 2",
        "undefined",
        &deep(128),
    ] {
        let error = Args::parse(json).expect_err(json);
        assert!(matches!(error, InvalidArgs::Json(_)), "{json}: {error}");
    }
}

#[test]
fn absent_and_null_are_equal() {
    assert_eq!(Args::parse("null"), Ok(Args::none()));
}

#[test]
fn the_size_limit_counts_canonical_bytes() {
    let text = |len: usize| format!("  \"{}\"  ", "x".repeat(len));
    assert!(Args::parse(&text(Args::MAX_BYTES - 2)).is_ok());
    let error = Args::parse(&text(Args::MAX_BYTES - 1));
    assert_eq!(error, Err(InvalidArgs::TooLarge { bytes: Args::MAX_BYTES + 1 }));
}

#[test]
fn a_commit_is_one_authors_without_gaps() {
    let new = |events| Commit::new(Lane::Synced, events);
    assert_eq!(new(vec![]), Err(InvalidCommit::Empty));
    let both = vec![event(1, 1, "{}"), event(2, 2, "{}")];
    assert_eq!(new(both), Err(InvalidCommit::SeveralAuthors));
    for (before, after) in [(1, 3), (2, 2), (2, 1)] {
        let events = vec![event(1, before, "{}"), event(1, after, "{}")];
        assert!(matches!(new(events), Err(InvalidCommit::Gap { .. })), "{before}, {after}");
    }
    let three = commit(1, 4, 6);
    assert_eq!(three.without_first(0), Some(three.clone()));
    assert_eq!(three.without_first(2), Some(commit(1, 6, 6)));
    assert_eq!(three.without_first(3), None);
    assert_eq!(three.without_first(usize::MAX), None);
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-(1i64 << 53)..=1 << 53).prop_map(Into::into),
        any::<f64>().prop_map(|float| serde_json::json!(float)),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(".*", inner, 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The same value: integers and floats of one value are one.
fn same(left: &serde_json::Value, right: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (left, right) {
        (Number(left), Number(right)) => left.as_f64() == right.as_f64(),
        (Array(left), Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Object(left), Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, l)| right.get(key).is_some_and(|r| same(l, r)))
        }
        _ => left == right,
    }
}

proptest! {
    #[test]
    fn canonical_text_means_the_same_and_stays_as_it_is(value in json()) {
        let Ok(args) = Args::parse(&value.to_string()) else { return Ok(()) };
        prop_assert_eq!(&Args::parse(args.as_str()), &Ok(args.clone()));
        let again: serde_json::Value = serde_json::from_str(args.as_str()).expect("canonical JSON");
        prop_assert!(same(&again, &value), "{} became {}", value, args.as_str());
    }
}
