//! TLS to a real server, over both transports: who is trusted, and what becomes of a store whose server is not.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, too")]

#[path = "support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the tests of sync use all of it")]
#[path = "sync/server.rs"]
mod server;

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use futures_executor::block_on;
use livestore_core::{NetworkStatus, Store, StoreOptions, http_polling, websocket};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use server::Backend;
use support::{
    Notes, added, eventually,
    process::{Process, child_directory, say},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer},
};

/// The file, in a child's directory, that says where the server is.
const ADDRESS: &str = "address";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server's certificate: for `name`, by `authority`.
fn certified(authority: &Authority, name: &str, expired: bool) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    if expired {
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    Arc::new(config.unwrap())
}

/// What a proxy does in front of a server: it has the certificate, which may be changed.
struct Proxy {
    address: SocketAddr,
    certificate: Arc<Mutex<Arc<ServerConfig>>>,
}

impl Proxy {
    /// Serves until the test's process ends.
    fn start(server: SocketAddr, certificate: Arc<ServerConfig>) -> Self {
        let certificate = Arc::new(Mutex::new(certificate));
        let (serving, serves) = std::sync::mpsc::channel();
        let current = Arc::clone(&certificate);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                serving.send(listener.local_addr().unwrap()).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let acceptor = TlsAcceptor::from(Arc::clone(&*current.lock().unwrap()));
                    tokio::spawn(async move {
                        // A client that does not trust it hangs up.
                        let Ok(mut stream) = acceptor.accept(stream).await else { return };
                        let mut server = TcpStream::connect(server).await.unwrap();
                        // Either side may be gone at any time.
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                    });
                }
            });
        });
        Self { address: serves.recv().unwrap(), certificate }
    }
}

/// Run as a process of its own, whose environment names the authority that it trusts: commits, says why that is not
/// confirmed, and when it is.
#[test]
#[ignore = "a process that another test starts"]
fn commits_over_tls() {
    let Some(directory) = child_directory() else { return };
    let url = fs::read_to_string(directory.join(ADDRESS)).unwrap();
    let sync = if url.starts_with("wss:") { websocket(url) } else { http_polling(url) };
    let options = StoreOptions::new("notes").directory(&directory).sync(sync);
    let store: Store<Notes> = block_on(Store::open(options)).unwrap();
    // One that no other child's note can contradict.
    let receipt = store.commit(added(std::process::id().into())).unwrap();
    eventually("it is connected or knows why not", || {
        store.sync_status().error.is_some() || store.network_status() == NetworkStatus::Online
    });
    match store.sync_status().error {
        Some(error) => say(&format!("{}: {error}", store.network_status())),
        None => say("trusted"),
    }
    assert_eq!(block_on(receipt.confirmed()), Ok(()));
    say("confirmed");
}

fn child(directory: &Path, authority: &Authority, url: &str) -> Process {
    let trusted = directory.join("authority.pem");
    fs::write(&trusted, authority.pem()).unwrap();
    fs::write(directory.join(ADDRESS), url).unwrap();
    let trust = format!("export SSL_CERT_FILE='{}'; unset SSL_CERT_DIR", trusted.display());
    Process::start("commits_over_tls", directory, &trust)
}

#[test]
fn a_server_that_the_machine_trusts_is_spoken_to_over_either_transport() {
    let (backend, authority) = (Backend::start(), authority("ours"));
    let proxy = Proxy::start(backend.address(), certified(&authority, "127.0.0.1", false));
    for scheme in ["wss", "https"] {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("{scheme}://{}/sync", proxy.address);
        let mut child = child(directory.path(), &authority, &url);
        assert_eq!(child.line().as_deref(), Some("trusted"), "{scheme}");
        assert_eq!(child.line().as_deref(), Some("confirmed"), "{scheme}");
    }
}

#[test]
fn a_server_that_is_not_trusted_counts_as_offline_until_it_is() {
    let (backend, trusted) = (Backend::start(), authority("ours"));
    let good = certified(&trusted, "127.0.0.1", false);
    let check = |certificate: &Arc<ServerConfig>, why: &str| {
        let proxy = Proxy::start(backend.address(), Arc::clone(certificate));
        for scheme in ["wss", "https"] {
            *proxy.certificate.lock().unwrap() = Arc::clone(certificate);
            let directory = tempfile::tempdir().unwrap();
            let url = format!("{scheme}://{}/sync", proxy.address);
            let mut child = child(directory.path(), &trusted, &url);
            let said = child.line().expect("it says why");
            assert!(said.starts_with("offline: ") && said.contains(why), "{scheme}: {said}");
            *proxy.certificate.lock().unwrap() = Arc::clone(&good);
            assert_eq!(child.line().as_deref(), Some("confirmed"), "{scheme}: it is tried again");
        }
    };
    check(&certified(&authority("theirs"), "127.0.0.1", false), "UnknownIssuer");
    check(&certified(&authority("ours"), "127.0.0.1", false), "BadSignature");
    check(&certified(&trusted, "example.org", false), "certificate not valid for name");
    check(&certified(&trusted, "127.0.0.1", true), "certificate expired");
}
