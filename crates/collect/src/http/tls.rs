//! What `tls_config` means to rustls: whom we trust, who we are, and for which name the other side must answer.
//!
//! `server_name` changes the name that the certificate must hold. The name sent in the handshake (SNI) stays the one of
//! the URL, and none for a bare address: the HTTP library offers no way to another.

use super::config::{TlsConfig, TlsVersion};
use super::error::HttpConfigError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

const FILE_BYTES_MAX: u64 = 4 << 20;

/// The one implementation of the mathematics in the house.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()))
        .clone()
}

/// The authorities that the system trusts, read once. May be empty, as in a container without certificates: then no
/// server is trusted unless a `ca` is given.
pub(crate) fn system_roots() -> Arc<RootCertStore> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    SYSTEM
        .get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        })
        .clone()
}

pub(super) fn client_config(tls: &TlsConfig, offer_h2: bool) -> Result<ClientConfig, HttpConfigError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(tls)?)
        .map_err(|e| invalid("min_version or max_version", e))?;
    let roots = match text_or_file(tls.ca.clone(), tls.ca_file.as_ref(), "ca_file")? {
        Some(pem) => Arc::new(authorities(&pem)?),
        None => system_roots(),
    };
    let builder = match &tls.server_name {
        _ if tls.insecure_skip_verify => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(OwnJudgement::any_certificate())),
        None => builder.with_root_certificates(roots),
        Some(name) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(OwnJudgement::for_name(name, roots)?)),
    };
    let key = tls.key.as_ref().and_then(|k| k.reveal().ok());
    let key = text_or_file(key, tls.key_file.as_ref(), "key_file")?;
    let cert = text_or_file(tls.cert.clone(), tls.cert_file.as_ref(), "cert_file")?;
    let mut config = match (cert, key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = certificates(&cert, "client certificate")?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|e| invalid("key of the client certificate", e))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| invalid("client certificate", e))?
        }
        _ => return Err(HttpConfigError::HalfIdentity),
    };
    config.alpn_protocols = if offer_h2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    Ok(config)
}

fn versions(
    tls: &TlsConfig,
) -> Result<&'static [&'static rustls::SupportedProtocolVersion], HttpConfigError> {
    static BOTH: [&rustls::SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match (tls.min_version, tls.max_version) {
        (Some(TlsVersion::TLS13), Some(TlsVersion::TLS12)) => Err(HttpConfigError::NoVersion),
        (Some(TlsVersion::TLS13), _) => Ok(&BOTH[..1]),
        (_, Some(TlsVersion::TLS12)) => Ok(&BOTH[1..]),
        _ => Ok(&BOTH),
    }
}

fn authorities(pem: &str) -> Result<RootCertStore, HttpConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, "ca")? {
        roots.add(certificate).map_err(|e| invalid("ca", e))?;
    }
    Ok(roots)
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, HttpConfigError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|e| invalid(what, e))?;
    if found.is_empty() {
        return Err(HttpConfigError::NoCertificate { what });
    }
    Ok(found)
}

fn text_or_file(
    text: Option<String>,
    file: Option<&PathBuf>,
    what: &'static str,
) -> Result<Option<String>, HttpConfigError> {
    use std::io::Read;
    let Some(path) = file.filter(|_| text.is_none()) else {
        return Ok(text);
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|f| f.take(FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(|source| HttpConfigError::Read { what, source })?;
    Ok(Some(text))
}

fn invalid(what: &'static str, source: impl Error + Send + Sync + 'static) -> HttpConfigError {
    HttpConfigError::Invalid {
        what,
        source: Box::new(source),
    }
}

/// Judges a certificate as always but for another name, or takes any; either way its owner must have signed the handshake.
#[derive(Debug)]
pub(crate) struct OwnJudgement {
    signatures: Arc<CryptoProvider>,
    /// Who is asked, and for which name; without it any certificate will do.
    asked: Option<(ServerName<'static>, Arc<WebPkiServerVerifier>)>,
}

impl OwnJudgement {
    /// For `insecure_skip_verify`, and for whoever judges the chain right after the handshake.
    pub(crate) fn any_certificate() -> Self {
        OwnJudgement {
            signatures: provider(),
            asked: None,
        }
    }

    fn for_name(name: &str, roots: Arc<RootCertStore>) -> Result<Self, HttpConfigError> {
        let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|e| invalid("server_name", e))?;
        let usual = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|e| invalid("the system's list of authorities", e))?;
        Ok(OwnJudgement {
            signatures: provider(),
            asked: Some((name, usual)),
        })
    }
}

impl ServerCertVerifier for OwnJudgement {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _of_the_url: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.asked {
            Some((name, usual)) => usual.verify_server_cert(leaf, others, name, ocsp, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.signatures.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.signatures.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures
            .signature_verification_algorithms
            .supported_schemes()
    }
}
