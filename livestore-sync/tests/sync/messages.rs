//! Messages survive the link's encoding, and foreign bytes are errors.

use std::fmt::Debug;

use livestore_sync::{Commit, Fence, Lane, PROTOCOL, Push, Refused, ToLeader, ToSession};
use serde::{Serialize, de::DeserializeOwned};

use crate::build::{commit, commit_in, id, session, tail, zero};

fn check<M: Serialize + DeserializeOwned + PartialEq + Debug>(message: &M) {
    let bytes = postcard::to_stdvec(message).expect("a message can be encoded");
    assert_eq!(postcard::from_bytes::<M>(&bytes).as_ref(), Ok(message));
    for end in 0..bytes.len() {
        assert!(postcard::from_bytes::<M>(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
    }
}

#[test]
fn what_is_sent_is_what_arrives() {
    let fence = Fence { term: 1 << 40, epoch: 3 };
    check(&ToLeader::Ping { from: session(1), fence });
    check(&ToLeader::Push(Push {
        from: session(1),
        author: session(2),
        fence,
        parent: zero(),
        acknowledged: 4,
        commits: vec![commit(2, 5, 7), commit_in(Lane::ClientOnly, 2, 8, 8)],
    }));
    check(&ToSession::Announce { fence, protocol: PROTOCOL, schema: 9 });
    check(&ToSession::Advance {
        fence,
        tail: tail(zero(), &[commit(1, 1, 1)]),
        refused: vec![Refused { id: id(1, 2), reason: "taken".into() }],
        confirmed: Some(3),
    });
}

#[test]
fn a_foreign_commit_is_checked_when_it_is_decoded() {
    type Raw = (Lane, Vec<livestore_sync::Event>);
    let events = vec![commit(1, 1, 1).events()[0].clone(), commit(1, 3, 3).events()[0].clone()];
    let raw: Raw = (Lane::Synced, events);
    let bytes = postcard::to_stdvec(&raw).expect("a tuple can be encoded");
    assert!(postcard::from_bytes::<Commit>(&bytes).is_err(), "n jumps");
    let json = r#"[1,[{"id":{"client":1},"name":"x","args":"{}"}]]"#;
    assert!(serde_json::from_str::<Commit>(json).is_err());
}
