//! From a name to a connection: resolve, connect, and where wanted TLS, each timed as a phase of its own.
//!
//! A certificate is looked at even when it is bad, so that the person who is paged reads until when it held. Therefore the
//! handshake itself takes any certificate, and its verdict is found right after it, before a single byte of ours is sent.

use super::certificate::{Certificate, read_certificate};
use super::look::{Fault, Look};
use super::s3::hex;
use crate::http::TlsVersion;
use crate::http::tls::{OwnJudgement, Trusted, in_words, provider, versions};
use lapwing_types::{Phase, ProbeReason};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

/// How to trust the other side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsOptions {
    /// Only these authorities; the system's without it.
    pub ca_file: Option<PathBuf>,
    pub insecure_skip_verify: bool,
    /// What we show when the server asks who we are; read anew for each look.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// The name that the certificate must hold; the host's without it.
    pub server_name: Option<String>,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
    /// Degraded when the certificate ends within so many days.
    pub warn_days: Option<f64>,
}

/// Which addresses of a name are asked, where it has several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpPreference {
    /// In the order in which the resolver gives them.
    #[default]
    Any,
    V4 {
        is_only: bool,
    },
    V6 {
        is_only: bool,
    },
}

impl IpPreference {
    pub(super) fn order(self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let (wants_v4, is_only) = match self {
            IpPreference::Any => return addresses,
            IpPreference::V4 { is_only } => (true, is_only),
            IpPreference::V6 { is_only } => (false, is_only),
        };
        if is_only {
            addresses.retain(|a| a.is_ipv4() == wants_v4);
        }
        addresses.sort_by_key(|a| a.is_ipv4() != wants_v4);
        addresses
    }
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) struct Dialed {
    pub(super) stream: Box<dyn Stream>,
    pub(super) is_h2: bool,
}

pub(super) struct Address<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
}

/// Addresses tried one after the other; a name with more is served by its first.
const ADDRESSES_MAX: usize = 4;

/// The answers of the name's servers, as short as a person reads them.
fn said(addresses: &[SocketAddr]) -> String {
    let mut ips: Vec<String> = addresses.iter().map(|a| a.ip().to_string()).collect();
    ips.dedup();
    ips.truncate(2 * ADDRESSES_MAX);
    ips.join(", ")
}

pub(super) async fn connect(look: &Look, address: &Address<'_>) -> Result<TcpStream, Fault> {
    look.enter(Phase::Resolve);
    let host = address.host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = match host.parse() {
        Ok(ip) => vec![SocketAddr::new(ip, address.port)],
        Err(_) => {
            let found = tokio::net::lookup_host((host, address.port)).await;
            let found =
                found.map_err(|e| Fault::new(ProbeReason::Dns, format!("cannot resolve {host}: {e}")))?;
            let found: Vec<SocketAddr> = found.collect();
            look.note("resolved", said(&found));
            found
        }
    };
    let mut addresses = look.ip.order(addresses);
    addresses.truncate(ADDRESSES_MAX);
    look.enter(Phase::Connect);
    look.measure("probe_dns_lookup_time_seconds", look.phase_s(Phase::Resolve));
    let mut last = Fault::new(ProbeReason::Dns, format!("{host} has no address"));
    for one in addresses {
        look.measure_address(one.ip());
        match connect_from(look.source_ip, one).await {
            Ok(stream) => {
                look.leave();
                let _ = stream.set_nodelay(true);
                look.note("address", one.to_string());
                return Ok(stream);
            }
            Err(error) => {
                let fault = Fault::of_io(&error);
                last = Fault::new(fault.reason, format!("cannot connect to {one}: {error}"));
            }
        }
    }
    Err(last)
}

async fn connect_from(source: Option<IpAddr>, to: SocketAddr) -> std::io::Result<TcpStream> {
    let Some(source) = source else {
        return TcpStream::connect(to).await;
    };
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(to).await
}

/// Connects, and speaks TLS when `tls` is given.
pub(super) async fn dial(
    look: &Look,
    address: &Address<'_>,
    tls: Option<&TlsOptions>,
    offer_h2: bool,
) -> Result<Dialed, Fault> {
    let stream = connect(look, address).await?;
    match tls {
        None => Ok(Dialed {
            stream: Box::new(stream),
            is_h2: false,
        }),
        Some(tls) => secure(look, Box::new(stream), (address.host, tls), offer_h2).await,
    }
}

/// Turns a connection into a TLS one (at once, or after STARTTLS) and judges its certificate.
pub(super) async fn secure(
    look: &Look,
    stream: Box<dyn Stream>,
    (host, tls): (&str, &TlsOptions),
    offer_h2: bool,
) -> Result<Dialed, Fault> {
    look.enter(Phase::Tls);
    let name = tls.server_name.as_deref().unwrap_or(host);
    let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
    let server_name =
        ServerName::try_from(name).map_err(|_| Fault::config(format!("{host:?} is not a name for TLS")))?;
    let connector = tokio_rustls::TlsConnector::from(client_config(tls, offer_h2)?);
    let stream = connector
        .connect(server_name.clone(), stream)
        .await
        .map_err(|e| tls_fault(&e))?;
    look.leave();
    let connection = stream.get_ref().1;
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS 1.2",
    };
    look.measure_with("probe_tls_version_info", &[("version", version)], 1.0);
    if let Some(suite) = connection.negotiated_cipher_suite() {
        // The standard's word has no version in it.
        let word = format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1);
        look.measure_more("probe_tls_cipher_info", &[("cipher", &word)], 1.0);
    }
    let is_h2 = connection.alpn_protocol() == Some(b"h2");
    judge_chain(
        look,
        connection.peer_certificates().unwrap_or_default(),
        &server_name,
        tls,
    )?;
    Ok(Dialed {
        stream: Box::new(stream),
        is_h2,
    })
}

fn tls_fault(error: &std::io::Error) -> Fault {
    match error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        Some(tls) => Fault::new(ProbeReason::Tls, format!("TLS handshake failed: {tls}")),
        None => Fault {
            detail: format!("TLS handshake failed: {error}"),
            ..Fault::of_io(error)
        },
    }
}

fn judge_chain(
    look: &Look,
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    tls: &TlsOptions,
) -> Result<(), Fault> {
    let Some((leaf, others)) = chain.split_first() else {
        return Err(Fault::new(ProbeReason::Tls, "the server sent no certificate"));
    };
    let read: Vec<Certificate> = chain.iter().filter_map(|c| read_certificate(c)).collect();
    if let Some(first) = read.first() {
        look.note(
            "certificate",
            format!(
                "{} by {}, until {}",
                first.subject,
                first.issuer,
                moment(first.not_after_ms)
            ),
        );
    }
    let earliest_ms = read.iter().map(|c| c.not_after_ms).min();
    if let Some(ms) = earliest_ms {
        look.measure("probe_ssl_earliest_cert_expiry", ms as f64 / 1000.0);
    }
    tell_chain(look, leaf, &read);
    if !tls.insecure_skip_verify {
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_millis(
            look.now_ms.max(0).unsigned_abs(),
        ));
        let trusted = trusted(tls)?;
        trusted
            .verify((leaf, others), name, now)
            .map_err(|error| certificate_fault(&error, read.first()))?;
        if let Some(ms) = chain_end_ms(&read, &trusted) {
            let name = "probe_ssl_last_chain_expiry_timestamp_seconds";
            look.measure_more(name, &[], ms as f64 / 1000.0);
        }
    }
    let (Some(days), Some(ms)) = (tls.warn_days, earliest_ms) else {
        return Ok(());
    };
    let left = (ms - look.now_ms) as f64 / 86_400_000.0;
    if left < days {
        let detail = format!("the certificate ends in {left:.1} days, on {}", moment(ms));
        look.degrade(ProbeReason::CertificateExpiring, detail);
    }
    Ok(())
}

/// Whose the server's own certificate is.
fn tell_chain(look: &Look, leaf: &CertificateDer<'_>, read: &[Certificate]) {
    let Some(first) = read.first().filter(|_| look.tells_all) else {
        return;
    };
    let fingerprint = hex(&Sha256::digest(leaf));
    let labels = [
        ("fingerprint_sha256", fingerprint.as_str()),
        ("issuer", &first.issuer_name),
        ("serialnumber", &first.serial),
        ("subject", &first.subject_name),
        ("subjectalternative", &first.dns_names),
    ];
    look.measure_more("probe_ssl_last_chain_info", &labels, 1.0);
}

/// The first end on the way from the server's certificate to an authority that is trusted: what a server sends beside that way,
/// such as an old certificate of the same authority, may have ended long ago.
fn chain_end_ms(read: &[Certificate], trusted: &Trusted) -> Option<i64> {
    let mut here = read.first()?;
    let mut end_ms = here.not_after_ms;
    for _ in read {
        if trusted.has_authority(&here.issuer_der) {
            break;
        }
        let next = read.iter().find(|c| c.subject_der == here.issuer_der);
        let Some(next) = next else { break };
        end_ms = end_ms.min(next.not_after_ms);
        here = next;
    }
    Some(end_ms)
}

fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |t| t.to_string())
}

fn certificate_fault(error: &rustls::Error, leaf: Option<&Certificate>) -> Fault {
    let until = leaf.map_or_else(String::new, |c| {
        format!(" (it held until {})", moment(c.not_after_ms))
    });
    let rustls::Error::InvalidCertificate(reason) = error else {
        return Fault::new(ProbeReason::Tls, error.to_string());
    };
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Fault::new(
            ProbeReason::CertificateExpired,
            format!("the certificate is over{until}"),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Fault::new(
            ProbeReason::CertificateName,
            "the certificate is for another name",
        ),
        _ => Fault::new(ProbeReason::CertificateUntrusted, in_words(error)),
    }
}

fn trusted(tls: &TlsOptions) -> Result<Trusted, Fault> {
    let Some(path) = &tls.ca_file else {
        return Trusted::by_system().map_err(|e| Fault::config(format!("no authority to trust: {e}")));
    };
    let wrong = |e: &dyn std::fmt::Display| Fault::config(format!("{}: {e}", path.display()));
    let found = CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))?;
    let found: Result<Vec<_>, _> = found.collect();
    Trusted::only(found.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))
}

fn client_config(tls: &TlsOptions, offer_h2: bool) -> Result<Arc<ClientConfig>, Fault> {
    static PLAIN: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    static WITH_H2: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let kept = if offer_h2 { &WITH_H2 } else { &PLAIN };
    let shows_itself = tls.cert_file.is_some() || tls.key_file.is_some();
    let is_own = shows_itself || tls.min_version.is_some() || tls.max_version.is_some();
    if let Some(config) = kept.get().filter(|_| !is_own) {
        return Ok(config.clone());
    }
    let spoken = versions(tls.min_version, tls.max_version).map_err(|e| Fault::config(e.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(spoken)
        .map_err(|e| Fault::config(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OwnJudgement::any_certificate()));
    let mut config = if shows_itself {
        let (chain, key) = identity(tls)?;
        let config = builder.with_client_auth_cert(chain, key);
        config.map_err(|e| Fault::config(format!("cert_file and key_file: {e}")))?
    } else {
        builder.with_no_client_auth()
    };
    if offer_h2 {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    // A resumed session shows no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    if is_own {
        return Ok(Arc::new(config));
    }
    Ok(kept.get_or_init(|| Arc::new(config)).clone())
}

fn identity(tls: &TlsOptions) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Fault> {
    let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) else {
        return Err(Fault::config("cert_file and key_file belong together"));
    };
    let wrong = |path: &Path, e: &dyn std::fmt::Display| Fault::config(format!("{}: {e}", path.display()));
    let chain = CertificateDer::pem_file_iter(cert).map_err(|e| wrong(cert, &e))?;
    let chain = chain
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| wrong(cert, &e))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, &e))?;
    Ok((chain, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_in_the_order_that_is_wanted() {
        let check = |ip: IpPreference, expect: &[&str]| {
            let all = ["127.0.0.1:1", "[::1]:1", "127.0.0.2:1"];
            let ordered = ip.order(all.iter().map(|a| a.parse().unwrap()).collect());
            let said: Vec<String> = ordered.iter().map(SocketAddr::to_string).collect();
            assert_eq!(said, expect, "{ip:?}");
        };
        check(IpPreference::Any, &["127.0.0.1:1", "[::1]:1", "127.0.0.2:1"]);
        check(
            IpPreference::V6 { is_only: false },
            &["[::1]:1", "127.0.0.1:1", "127.0.0.2:1"],
        );
        check(
            IpPreference::V4 { is_only: true },
            &["127.0.0.1:1", "127.0.0.2:1"],
        );
    }
}
