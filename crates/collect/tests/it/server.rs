//! A small HTTP server that can misbehave.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::Write;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

type Routes = Arc<Mutex<Vec<(String, String)>>>;

/// How it answers; every connection serves one request.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) gzip: bool,
    /// Never answers.
    pub(crate) silent: bool,
    /// Answers without end.
    pub(crate) endless: bool,
    /// Closes in the middle of the body.
    pub(crate) cut: bool,
    pub(crate) redirect_to_self: bool,
    /// Beginnings of request targets and the bodies they get, each used once in order; what none fits never ends.
    pub(crate) routes: Option<Routes>,
    /// The last request's head.
    pub(crate) heard: Arc<Mutex<String>>,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            status: 200,
            content_type: "text/plain; version=0.0.4",
            body: b"a 1\n".to_vec(),
            gzip: false,
            silent: false,
            endless: false,
            cut: false,
            redirect_to_self: false,
            routes: None,
            heard: Arc::default(),
        }
    }
}

impl Server {
    /// Listens on a free port of loopback until the runtime ends; gives `host:port`.
    pub(crate) async fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.clone().answer(stream));
            }
        });
        address
    }

    /// As `start`, on a Unix socket.
    pub(crate) fn start_unix(self, path: &std::path::Path) {
        let listener = tokio::net::UnixListener::bind(path).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.clone().answer(stream));
            }
        });
    }

    /// As `start`, speaking TLS as `localhost` with the certificate of the tests' own authority.
    pub(crate) async fn start_tls(self) -> u16 {
        self.start_tls_on("127.0.0.1").await
    }

    pub(crate) async fn start_tls_on(self, host: &str) -> u16 {
        let (cert, key) = (
            include_str!("../data/tls/server.pem"),
            include_str!("../data/tls/server.key"),
        );
        self.start_tls_as(host, cert, key).await
    }

    pub(crate) async fn start_tls_as(self, host: &str, cert: &str, key: &str) -> u16 {
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), self.clone());
                tokio::spawn(async move { server.answer(acceptor.accept(stream).await.ok()?).await });
            }
        });
        port
    }

    pub(crate) fn with_routes(routes: &[(&str, String)]) -> Self {
        let routes = routes.iter().map(|(p, b)| ((*p).to_owned(), b.clone())).collect();
        Server {
            routes: Some(Arc::new(Mutex::new(routes))),
            content_type: "application/json",
            ..Server::default()
        }
    }

    fn route(&self, target: &str) -> Option<String> {
        let mut routes = self.routes.as_ref()?.lock().unwrap();
        let at = routes.iter().position(|(prefix, _)| target.starts_with(prefix))?;
        Some(routes.remove(at).1)
    }

    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut self, mut stream: S) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let sent = head.to_lowercase();
        let sent = sent
            .split("content-length: ")
            .nth(1)
            .and_then(|l| l.split("\r\n").next()?.parse().ok());
        stream.read_exact(&mut vec![0; sent.unwrap_or(0)]).await.ok()?;
        if self.routes.is_some() {
            match self.route(head.split(' ').nth(1)?) {
                Some(body) => self.body = body.into_bytes(),
                None => self.silent = true,
            }
        }
        *self.heard.lock().unwrap() = head;
        if self.silent {
            return std::future::pending().await;
        }
        if self.redirect_to_self {
            let answer =
                "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return stream.write_all(answer.as_bytes()).await.ok();
        }
        let encoding = if self.gzip {
            "Content-Encoding: gzip\r\n"
        } else {
            ""
        };
        let length = match (self.endless, self.cut) {
            (true, _) => String::new(),
            (_, true) => format!("Content-Length: {}\r\n", self.body.len() + 1),
            _ => format!("Content-Length: {}\r\n", self.body.len()),
        };
        let head = format!(
            "HTTP/1.1 {} X\r\nContent-Type: {}\r\n{encoding}{length}Connection: close\r\n\r\n",
            self.status, self.content_type
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(&self.body).await.ok()?;
        if self.endless {
            loop {
                stream.write_all(b"endless 1\n").await.ok()?;
                tokio::task::yield_now().await;
            }
        }
        stream.shutdown().await.ok()
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
