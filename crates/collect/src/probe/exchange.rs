//! One HTTP request and its answer over a connection of its own, bounded in bytes, each phase timed.
//!
//! A connection is not reused: a probe that rides on an old one does not see that nobody new gets in.

use super::dial::{Address, Dialed, TlsOptions, dial};
use super::look::{Fault, Found, Look};
use crate::http::unpack::{PIECE_BYTES, Unpack};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lapwing_types::{Phase, ProbeReason};
use url::Url;

const USER_AGENT: &str = concat!("Lapwing/", env!("CARGO_PKG_VERSION"));
/// Headers of one answer; hyper refuses more than a hundred anyway.
const HEADER_BYTES_MAX: usize = 64 << 10;

#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: String,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) tls: TlsOptions,
    pub(super) offer_h2: bool,
}

/// How much of a body is read, and how.
pub(super) struct Reading {
    /// A longer one is a fault.
    pub(super) bytes_max: u64,
    /// More is counted and let go.
    pub(super) kept_max: u64,
    /// It is a fault, too, where more came than was kept.
    pub(super) fails_unkept: bool,
    pub(super) is_gzip: bool,
}

impl Ask {
    /// The host that it is to be asked by, where that is not the URL's.
    fn own_host(&self) -> Option<&str> {
        let host = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("host"));
        host.map(|(_, value)| value.as_str())
    }
}

/// The head of an answer; the body is still to come.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: hyper::HeaderMap,
    pub(super) is_tls: bool,
    version: hyper::Version,
    body: Incoming,
    /// Ends the connection with the answer.
    _connection: Connection,
}

struct Connection(tokio::task::JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn ask(look: &Look, ask: &Ask) -> Result<Answer, Fault> {
    let host = ask.url.host_str().unwrap_or_default();
    let is_tls = ask.url.scheme() == "https";
    let port = ask.url.port_or_known_default().unwrap_or(80);
    let dialed = dial(
        look,
        &Address { host, port },
        is_tls.then_some(&ask.tls),
        ask.offer_h2,
    )
    .await?;
    look.measure("probe_http_ssl", if is_tls { 1.0 } else { 0.0 });
    over(look, ask, dialed).await
}

/// Whatever host the URL names.
pub(super) async fn ask_unix(look: &Look, path: &std::path::Path, ask: &Ask) -> Result<Answer, Fault> {
    look.enter(Phase::Connect);
    let stream = tokio::net::UnixStream::connect(path).await.map_err(|e| Fault {
        detail: format!("cannot connect to {}: {e}", path.display()),
        ..Fault::of_io(&e)
    })?;
    let dialed = Dialed {
        stream: Box::new(stream),
        is_h2: false,
    };
    over(look, ask, dialed).await
}

async fn over(look: &Look, ask: &Ask, dialed: Dialed) -> Result<Answer, Fault> {
    look.enter(Phase::Processing);
    let request = request(ask, dialed.is_h2)?;
    let (response, connection) = send(dialed, request).await?;
    look.enter(Phase::Transfer);
    let spoken = response.version();
    let version = match spoken {
        hyper::Version::HTTP_10 => 1.0,
        hyper::Version::HTTP_2 => 2.0,
        _ => 1.1,
    };
    look.measure("probe_http_version", version);
    let (head, body) = response.into_parts();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        is_tls: ask.url.scheme() == "https",
        version: spoken,
        body,
        _connection: connection,
    })
}

async fn send(
    dialed: Dialed,
    request: hyper::Request<Full<Bytes>>,
) -> Result<(hyper::Response<Incoming>, Connection), Fault> {
    let io = TokioIo::new(dialed.stream);
    if dialed.is_h2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
            .await
            .map_err(|e| fault_of(&e))?;
        let connection = Connection(tokio::spawn(async move {
            let _ = connection.await;
        }));
        let response = sender.send_request(request).await.map_err(|e| fault_of(&e))?;
        return Ok((response, connection));
    }
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEADER_BYTES_MAX)
        .handshake(io)
        .await
        .map_err(|e| fault_of(&e))?;
    let connection = Connection(tokio::spawn(async move {
        let _ = connection.await;
    }));
    let response = sender.send_request(request).await.map_err(|e| fault_of(&e))?;
    Ok((response, connection))
}

fn request(ask: &Ask, is_h2: bool) -> Result<hyper::Request<Full<Bytes>>, Fault> {
    let wrong = |e: &dyn std::fmt::Display| Fault::config(e.to_string());
    let mut builder = hyper::Request::builder().method(ask.method.as_bytes());
    let host = match ask.url.port() {
        Some(port) => format!("{}:{port}", ask.url.host_str().unwrap_or_default()),
        None => ask.url.host_str().unwrap_or_default().to_owned(),
    };
    builder = if is_h2 {
        let mut url = ask.url.clone();
        if let Some(host) = ask.own_host() {
            let (name, port) = match host.rsplit_once(':') {
                Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
                _ => (host, None),
            };
            url.set_host(Some(name)).map_err(|e| wrong(&e))?;
            let _ = url.set_port(port);
        }
        builder.uri(url.as_str()).version(hyper::Version::HTTP_2)
    } else {
        let query = ask.url.query().map(|q| format!("?{q}")).unwrap_or_default();
        builder.uri(format!("{}{query}", ask.url.path()))
    };
    let mut request = builder
        .body(Full::new(Bytes::copy_from_slice(&ask.body)))
        .map_err(|e| wrong(&e))?;
    let headers = request.headers_mut();
    let mut set = |name: &str, value: &str| -> Result<(), Fault> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| wrong(&e))?;
        headers.insert(name, HeaderValue::from_str(value).map_err(|e| wrong(&e))?);
        Ok(())
    };
    set("user-agent", USER_AGENT)?;
    if !is_h2 {
        set("host", &host)?;
    }
    for (name, value) in &ask.headers {
        if !is_h2 || !name.eq_ignore_ascii_case("host") {
            set(name, value)?;
        }
    }
    Ok(request)
}

fn too_large(bytes_max: u64) -> Fault {
    let detail = format!("the body is larger than {bytes_max} bytes");
    Fault::new(ProbeReason::TooLarge, detail)
}

pub(super) fn fault_of(error: &hyper::Error) -> Fault {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(here) = cause {
        if let Some(io) = here.downcast_ref::<std::io::Error>() {
            return Fault::of_io(io);
        }
        cause = here.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        Fault::new(
            ProbeReason::Closed,
            "the connection was closed before the answer was whole",
        )
    } else {
        Fault::protocol(format!("not an HTTP answer: {error}"))
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// As blackbox_exporter and Go call it.
    pub(super) fn version(&self) -> &'static str {
        match self.version {
            hyper::Version::HTTP_10 => "HTTP/1.0",
            hyper::Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        }
    }

    /// The next piece of the body, `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(fault_of(&error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Ok(Some(data)),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.headers.extend(trailers);
                        }
                    }
                },
            }
        }
    }

    /// The values of a header that may come more than once.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let values = self.headers.get_all(name).into_iter();
        values.filter_map(|v| v.to_str().ok())
    }

    /// As the header says it, or as the end of the head does; -1 where the body has to end to know.
    pub(super) fn content_length(&self) -> f64 {
        let said = self.header("content-length").and_then(|l| l.parse().ok());
        let known = said.or_else(|| self.body.size_hint().exact().map(|n| n as f64));
        known.unwrap_or(-1.0)
    }

    /// A body by these bounds, and its length: with what is wrong, where it is not whole.
    pub(super) async fn read(&mut self, look: &Look, reading: &Reading) -> (Vec<u8>, Found) {
        // Where a module says how a body is packed, one that is not is a fault.
        let mut unpack = Unpack::of(reading.is_gzip.then_some("gzip"));
        let (mut kept, mut length) = (Vec::new(), 0);
        let found = self
            .pieces(look, reading, (&mut unpack, &mut kept, &mut length))
            .await;
        look.measure("probe_http_uncompressed_body_length", length as f64);
        look.leave();
        let is_cut = reading.fails_unkept && length > reading.kept_max;
        let found = match found {
            Ok(()) if is_cut => Err(too_large(reading.kept_max)),
            found => found,
        };
        (kept, found)
    }

    async fn pieces(
        &mut self,
        look: &Look,
        reading: &Reading,
        (unpack, kept, length): (&mut Unpack, &mut Vec<u8>, &mut u64),
    ) -> Found {
        let broken = |e: std::io::Error| Fault::protocol(format!("the body cannot be unpacked: {e}"));
        while let Some(chunk) = self.chunk().await? {
            for piece in chunk.chunks(PIECE_BYTES) {
                let plain = unpack.push(piece).map_err(broken)?;
                *length += plain.len() as u64;
                let room = reading.kept_max.min(reading.bytes_max) as usize;
                let taken = plain.len().min(room.saturating_sub(kept.len()));
                kept.extend_from_slice(&plain[..taken]);
                if *length > reading.bytes_max {
                    *length = reading.bytes_max;
                    return Err(too_large(reading.bytes_max));
                }
            }
            // A look that is cut off while more comes tells how far it came.
            look.measure_more("probe_http_uncompressed_body_length", &[], *length as f64);
        }
        unpack.finish().map_err(broken)
    }

    /// The whole body, or the fault that it is larger than allowed: an endless body ends here.
    pub(super) async fn body(&mut self, look: &Look, bytes_max: u64) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > bytes_max {
                return Err(too_large(bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        look.leave();
        Ok(body)
    }
}
