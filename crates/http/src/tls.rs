//! What `tls_config` means to rustls: whom we trust, who we are, and for which name the other side must answer.
//!
//! `server_name` changes the name that the certificate must hold. The name sent in the handshake (SNI) stays the one of
//! the URL, and none for a bare address: the HTTP library offers no way to another.

use super::config::{TlsConfig, TlsVersion};
use super::error::HttpConfigError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

const FILE_BYTES_MAX: u64 = 4 << 20;

/// The one implementation of the mathematics in the house.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()))
        .clone()
}

/// The authorities that the system trusts, read once. May be empty, as in a container without certificates: then no
/// server is trusted unless a `ca` is given.
pub fn system_roots() -> Arc<RootCertStore> {
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
        .with_protocol_versions(versions(tls.min_version, tls.max_version)?)
        .map_err(|e| invalid("min_version or max_version", e))?;
    let named = match text_or_file(tls.ca.clone(), tls.ca_file.as_ref(), "ca_file")? {
        Some(pem) => Some(certificates(&pem, "ca")?),
        None => None,
    };
    let judgement = match (named, &tls.server_name) {
        _ if tls.insecure_skip_verify => Some(OwnJudgement::any_certificate()),
        (None, None) => None,
        (named, name) => {
            let trusted = match named {
                Some(named) => Trusted::only(named),
                None => Trusted::by_system(),
            };
            Some(OwnJudgement::of(
                trusted.map_err(|e| invalid("ca", e))?,
                name.as_deref(),
            )?)
        }
    };
    let builder = match judgement {
        None => builder.with_root_certificates(system_roots()),
        Some(own) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(own)),
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

pub(super) fn check_versions(tls: &TlsConfig) -> Result<(), HttpConfigError> {
    versions(tls.min_version, tls.max_version).map(|_| ())
}

pub fn versions(
    min: Option<TlsVersion>,
    max: Option<TlsVersion>,
) -> Result<&'static [&'static rustls::SupportedProtocolVersion], HttpConfigError> {
    static BOTH: [&rustls::SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match (min, max) {
        (_, Some(TlsVersion::TLS10 | TlsVersion::TLS11)) => Err(HttpConfigError::OldVersion),
        (Some(TlsVersion::TLS13), Some(TlsVersion::TLS12)) => Err(HttpConfigError::NoVersion),
        (Some(TlsVersion::TLS13), _) => Ok(&BOTH[..1]),
        (_, Some(TlsVersion::TLS12)) => Ok(&BOTH[1..]),
        _ => Ok(&BOTH),
    }
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, HttpConfigError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|e| invalid(what, e))?;
    if found.is_empty() {
        return Err(HttpConfigError::NoCertificate { what });
    }
    Ok(found)
}

pub(super) fn text_or_file(
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

/// Who is trusted: authorities, and servers whose own certificate stands among them, as a self-signed one does.
#[derive(Debug)]
pub struct Trusted {
    authorities: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
    named: Vec<CertificateDer<'static>>,
}

impl Trusted {
    pub fn by_system() -> Result<Self, rustls::Error> {
        Self::with(system_roots(), Vec::new())
    }

    pub fn only(named: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in &named {
            roots.add(certificate.clone())?;
        }
        Self::with(Arc::new(roots), named)
    }

    fn with(roots: Arc<RootCertStore>, named: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let authorities = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider()).build();
        Ok(Trusted {
            authorities: authorities.map_err(|e| rustls::Error::General(e.to_string()))?,
            roots,
            named,
        })
    }

    /// Whether an authority of this name, as its certificate spells it, is trusted.
    pub fn has_authority(&self, subject_der: &[u8]) -> bool {
        self.roots.roots.iter().any(|root| *root.subject == *subject_der)
    }

    pub fn verify(
        &self,
        (leaf, others): (&CertificateDer<'_>, &[CertificateDer<'_>]),
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.authorities.verify_server_cert(leaf, others, name, &[], now);
        match verdict {
            // Both are said only of a certificate that holds now, as time is looked at before them: of one that may sign
            // others, as `openssl req -x509` makes it, and of one whose signer is not there.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Other(_) | CertificateError::UnknownIssuer,
            )) if self.named.iter().any(|one| one == leaf) => {
                verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }
}

/// What is wrong, in words: the library shows some of its reasons as they stand in its source.
pub fn in_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the certificate is signed by nobody who is trusted".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            match other.0.to_string().as_str() {
                "CaUsedAsEndEntity" => {
                    "the certificate is one of an authority and not itself named in ca_file".to_owned()
                }
                text => format!("the certificate is not valid: {text}"),
            }
        }
        other => other.to_string(),
    }
}

/// Judges a certificate by whom we trust, maybe for another name, or takes any; either way its owner must have signed the handshake.
#[derive(Debug)]
pub struct OwnJudgement {
    signatures: Arc<CryptoProvider>,
    /// Who is trusted, and for which name instead of the URL's; without it any certificate will do.
    asked: Option<(Trusted, Option<ServerName<'static>>)>,
}

impl OwnJudgement {
    /// For `insecure_skip_verify`, and for whoever judges the chain right after the handshake.
    pub fn any_certificate() -> Self {
        OwnJudgement {
            signatures: provider(),
            asked: None,
        }
    }

    fn of(trusted: Trusted, name: Option<&str>) -> Result<Self, HttpConfigError> {
        let name = match name {
            None => None,
            Some(name) => {
                let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
                Some(ServerName::try_from(bare).map_err(|e| invalid("server_name", e))?)
            }
        };
        Ok(OwnJudgement {
            signatures: provider(),
            asked: Some((trusted, name)),
        })
    }
}

impl ServerCertVerifier for OwnJudgement {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        of_the_url: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.asked {
            Some((trusted, name)) => trusted.verify((leaf, others), name.as_ref().unwrap_or(of_the_url), now),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_certificate_that_is_named_itself_is_trusted_for_its_name_and_time() {
        let own = certificates(include_str!("../../collect/tests/data/tls/own.pem"), "ca").unwrap();
        let other = certificates(include_str!("../../collect/tests/data/tls/ca.pem"), "ca").unwrap();
        let check = |trusted: &[CertificateDer<'static>], name: &str, year: u64, expect: &str| {
            let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600));
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let trusted = Trusted::only(trusted.to_vec()).unwrap();
            match trusted.verify((&own[0], &[]), &name, now) {
                Ok(_) => assert_eq!("", expect),
                Err(error) => {
                    let said = in_words(&error);
                    assert!(!expect.is_empty() && said.contains(expect), "{said}");
                }
            }
        };
        check(&own, "localhost", 2030, "");
        check(&own, "other.example", 2030, "not valid for name");
        check(&own, "localhost", 2000, "not valid yet");
        check(&own, "localhost", 2500, "expired");
        check(&other, "localhost", 2030, "one of an authority");
    }
}
