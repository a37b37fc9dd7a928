//! A real TLS server in front of the simulator: what a certificate decides, and how many requests
//! share an HTTP/2 connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use instructmill::simulator::SimulatorSettings;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::support::{Ended, Place, Server, assert_books_balance, money, settings, usd};

/// What most servers allow, the large providers among them.
const STREAMS_PER_CONNECTION: u32 = 100;

/// What one connection carried.
#[derive(Debug, Default)]
struct Carried {
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    over_http_2: AtomicUsize,
    over_http_1: AtomicUsize,
}

/// Ends TLS and passes requests on to a simulator.
struct Front {
    address: SocketAddr,
    certificate: String,
    connections: Arc<Mutex<Vec<Arc<Carried>>>>,
    _runtime: Runtime,
}

impl Front {
    /// A front whose certificate is for `host`.
    fn start(server: &Server, host: &str) -> Self {
        // An error says that another test was first.
        drop(ring::default_provider().install_default());
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([host.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let mut tls = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::default();
        let origin = server.base_url().trim_end_matches("/v1").to_owned();
        runtime.spawn(accept(
            listener,
            Arc::new(tls).into(),
            Arc::clone(&connections),
            origin.into(),
        ));
        Self { address, certificate: cert.pem(), connections, _runtime: runtime }
    }

    fn carried(&self) -> Vec<Arc<Carried>> {
        self.connections.lock().unwrap().clone()
    }

    /// `generate` through this front, with `trusted` as the only certificates of the system.
    fn generate(&self, place: &Place, trusted: &str, args: &[&str]) -> Ended {
        place.write("trusted.pem", trusted);
        let base_url = format!("https://localhost:{}/v1", self.address.port());
        let base = ["generate", "--run", "run", "--model", "m", "--price-in", "1"];
        let mut command = place.command(&base);
        command.args(["--price-out", "2", "--base-url", &base_url]).args(args);
        Ended(command.env("SSL_CERT_FILE", "trusted.pem").output().unwrap())
    }
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    connections: Arc<Mutex<Vec<Arc<Carried>>>>,
    origin: Arc<str>,
) {
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let mut serving = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, client, origin) = (tls.clone(), client.clone(), Arc::clone(&origin));
        let connections = Arc::clone(&connections);
        serving.spawn(serve(stream, tls, connections, client, origin));
    }
}

async fn serve(
    stream: TcpStream,
    tls: TlsAcceptor,
    connections: Arc<Mutex<Vec<Arc<Carried>>>>,
    client: reqwest::Client,
    origin: Arc<str>,
) {
    // A client that does not trust the certificate ends the handshake.
    let Ok(stream) = tls.accept(stream).await else { return };
    let carried = Arc::<Carried>::default();
    connections.lock().unwrap().push(Arc::clone(&carried));
    let service = service_fn(move |request| {
        pass_on(request, Arc::clone(&carried), client.clone(), Arc::clone(&origin))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(STREAMS_PER_CONNECTION);
    drop(builder.serve_connection(TokioIo::new(stream), service).await);
}

async fn pass_on(
    request: Request<Incoming>,
    carried: Arc<Carried>,
    client: reqwest::Client,
    origin: Arc<str>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let under_way = carried.under_way.fetch_add(1, Ordering::Relaxed) + 1;
    carried.most_under_way.fetch_max(under_way, Ordering::Relaxed);
    let over_http_2 = request.version() == Version::HTTP_2;
    let versions = if over_http_2 { &carried.over_http_2 } else { &carried.over_http_1 };
    versions.fetch_add(1, Ordering::Relaxed);
    let url = format!("{origin}{}", request.uri().path());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let answer = client.post(url).body(body).send().await.unwrap();
    let status = answer.status();
    let body = Full::new(answer.bytes().await.unwrap());
    carried.under_way.fetch_sub(1, Ordering::Relaxed);
    Ok(Response::builder().status(status).body(body).unwrap())
}

#[test]
fn requests_share_http_2_connections_and_none_waits_for_a_stream() {
    let server = Server::start(SimulatorSettings { latency_ms: 300, ..settings() });
    let (place, front) = (Place::new(), Front::start(&server, "localhost"));
    let args =
        ["--max-requests", "600", "--target", "100000", "--budget", "50", "--phases", "tasks"];
    let args = [&args[..], &["--concurrency", "200", "--tasks-per-request", "1"]].concat();
    front.generate(&place, &front.certificate, &args).assert_code(0);
    // Requests that leave before the first handshake ends begin handshakes of their own; all but
    // one of those connections go unused.
    let mut carried = front.carried();
    carried.retain(|connection| connection.most_under_way.load(Ordering::Relaxed) > 0);
    // Eighty requests a connection: three for two hundred.
    assert_eq!(carried.len(), 3, "{carried:?}");
    let sum = |count: fn(&Carried) -> &AtomicUsize| -> usize {
        carried.iter().map(|carried| count(carried).load(Ordering::Relaxed)).sum()
    };
    assert_eq!((sum(|c| &c.over_http_2), sum(|c| &c.over_http_1)), (600, 0));
    assert!(sum(|c| &c.most_under_way) > 150, "{carried:?}");
    for connection in &carried {
        assert!(connection.most_under_way.load(Ordering::Relaxed) <= 80, "{connection:?}");
    }
    assert_books_balance(&place.status(), &server.bill());
}

#[test]
fn a_certificate_that_is_not_trusted_or_of_another_host_ends_the_run_before_anything_is_sent() {
    let server = Server::start(settings());
    let (unknown, of_another_host) =
        (Front::start(&server, "localhost"), Front::start(&server, "api.example.com"));
    let other = unknown.certificate.clone() + &of_another_host.certificate;
    for (front, trusted) in [(&unknown, &of_another_host.certificate), (&of_another_host, &other)] {
        let place = Place::new();
        let ended = front.generate(&place, trusted, &["--target", "50", "--budget", "5"]);
        ended.assert_code(1).assert_says("hint: its certificate is not trusted");
        let status = place.status();
        assert_eq!(status["stop_reason"], "failed");
        assert_eq!(money(&status, "spent_usd"), usd("0"));
        assert_eq!(money(&status, "unconfirmed_usd"), usd("0"));
    }
    assert_eq!(server.bill().requests, 0);
}
