//! The real program against a real server, each in processes of their own.

#[path = "../../../../livestore-core/tests/support/gate.rs"]
mod gate;
mod notes;
mod server;

use notes::{Client, stages};
use server::Backend;

#[test]
fn two_clients_see_one_list_over_either_transport() {
    let backend = Backend::start();
    let one = Client::new(backend.address());
    let other = Client::over("http", backend.address());
    one.add("buy milk");
    other.add("write to a friend");
    one.check_list("[ ] buy milk\n[ ] write to a friend\n");
    other.check_list("[ ] buy milk\n[ ] write to a friend\n");
}

#[test]
fn what_is_added_offline_is_sent_by_the_next_run() {
    let mut backend = Backend::start();
    let one = Client::new(backend.address());
    one.add("first");
    backend.kill();
    let ran = one.run_offline(&["add", "second"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(stages(&ran.out), [("persisted", "second"), ("pending", "second")]);
    assert!(
        ran.err.contains("offline: ") && ran.err.contains("the next run sends it"),
        "{}",
        ran.err
    );
    let ran = one.run_offline(&["list"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), "[ ] first\n[ ] second\n"), "{}", ran.err);
    let ran = one.run_offline(&["status"]);
    assert!(ran.out.starts_with("network offline: "), "{}", ran.out);
    assert!(
        ran.out.contains("\nsynced no\nsession 2\nleader 2\nbackend 1\npending 1\n"),
        "{}",
        ran.out
    );
    backend.restart();
    one.add("third");
    Client::new(backend.address()).check_list("[ ] first\n[ ] second\n[ ] third\n");
    let ran = one.run(&["status"]);
    let quiet =
        "network online\nsynced yes\nsession 3\nleader 3\nbackend 3\npending 0\nrefused 0\n";
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), quiet, ""));
}

#[test]
fn who_follows_sees_what_others_add_over_restarts_and_wipes_of_the_server() {
    let mut backend = Backend::start();
    let (one, other) = (Client::new(backend.address()), Client::new(backend.address()));
    one.add("before");
    let following = other.follow();
    following.expect(1, "before");
    one.add("while");
    following.expect(2, "while");
    backend.restart();
    one.add("after");
    following.expect(3, "after");
    backend.wipe();
    // A client that knows the old log takes the new one first, and what it had pending goes to quarantine.
    Client::new(backend.address()).add("anew");
    following.expect(1, "anew");
    #[cfg(unix)]
    assert_eq!(following.interrupt(), Some(0), "Ctrl-C is how it ends");
}

#[test]
fn what_the_server_refuses_is_an_error_and_is_listed() {
    let backend = Backend::start();
    let one = Client::new(backend.address());
    one.add("good");
    let ran = one.run(&["add", "barred"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert_eq!(stages(&ran.out), [("persisted", "barred")]);
    assert!(ran.err.contains("refused") && ran.err.contains("barred here"), "{}", ran.err);
    one.check_list("[ ] good\n");
    let ran = one.run(&["status"]);
    let refused = "\nrefused 1\nrefused v1.TodoCreated {\"id\":";
    assert!(ran.out.contains(refused) && ran.out.ends_with(": barred here\n"), "{}", ran.out);
}

#[test]
fn a_second_process_on_the_directory_is_told_who_has_it() {
    let backend = Backend::start();
    let one = Client::new(backend.address());
    one.add("mine");
    let following = one.follow();
    following.expect(1, "mine");
    let ran = one.run(&["add", "too"]);
    assert_eq!((ran.code, &*ran.out), (Some(4), ""), "{}", ran.err);
    assert!(ran.err.contains(&format!("process {}", following.id())), "{}", ran.err);
    assert!(ran.err.contains("another directory"), "{}", ran.err);
    drop(following);
    one.add("too");
}

#[test]
fn what_is_wrong_is_said_with_a_code() {
    let backend = Backend::start();
    let check = |client: &Client, args: &[&str], code: i32, why: &str| {
        let ran = client.run(args);
        assert_eq!((ran.code, &*ran.out), (Some(code), ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(why), "{args:?}: {}", ran.err);
    };
    let client = Client::new(backend.address());
    check(&client, &["add", "  "], 2, "it is blank");
    check(&client, &["sing"], 2, "sing");
    check(&client, &["list", "--timeout", "soon"], 2, "soon");
    check(&Client::over("ftp", backend.address()), &["list"], 1, "ws://");
    std::fs::write(client.directory().join("list"), "a file").expect("ours");
    check(&client, &["list"], 1, "list");
}
