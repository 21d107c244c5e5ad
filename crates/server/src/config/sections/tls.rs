//! `web.tls:` the certificate that Lapwing shows, and whose certificates it asks for.
//!
//! The files are read, and the pair is tried, when the configuration is: one that does not fit is a mistake with a place,
//! and keeps the old one in force. They are watched like every other file, so that a renewed certificate is taken up
//! without a restart; connections that stand keep the one they began with.

use crate::config::diagnostic::{Diagnostics, did_you_mean};
use crate::config::reader::MapReader;
use crate::config::yaml::{Node, Position};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::path::Path;
use std::sync::Arc;

/// A pair that fits, ready to be shown.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) server: Arc<ServerConfig>,
    /// A client without a certificate is turned away.
    pub(crate) is_client_proven: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls {{ is_client_proven: {} }}", self.is_client_proven)
    }
}

/// What a pair is made of, wherever it was written down.
#[derive(Debug, Default)]
pub(crate) struct TlsParts {
    pub(crate) cert_pem: String,
    pub(crate) key_pem: String,
    pub(crate) client_ca_pem: Option<String>,
    /// With an authority and without this, a certificate is checked where one is shown.
    pub(crate) is_client_required: bool,
    pub(crate) min_tls13: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{what} holds no {wanted} in PEM")]
    Empty {
        what: &'static str,
        wanted: &'static str,
    },
    #[error("{what} is not valid PEM")]
    Pem {
        what: &'static str,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("certificate and key do not make a pair")]
    Pair(#[source] rustls::Error),
    #[error("the authority of clients cannot be used")]
    ClientCa(#[source] rustls::server::VerifierBuilderError),
    #[error("a certificate of the authority of clients cannot be used")]
    ClientCaCertificate(#[source] rustls::Error),
}

impl TlsParts {
    pub(crate) fn build(&self) -> Result<Tls, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[&SupportedProtocolVersion] = if self.min_tls13 {
            &[&rustls::version::TLS13]
        } else {
            rustls::DEFAULT_VERSIONS
        };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(TlsError::Pair)?;
        let builder = match &self.client_ca_pem {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates("client_ca_file", pem)? {
                    roots.add(certificate).map_err(TlsError::ClientCaCertificate)?;
                }
                let mut verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                if !self.is_client_required {
                    verifier = verifier.allow_unauthenticated();
                }
                builder.with_client_cert_verifier(verifier.build().map_err(TlsError::ClientCa)?)
            }
        };
        let chain = certificates("cert_file", &self.cert_pem)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(|source| match source {
            rustls::pki_types::pem::Error::NoItemsFound => TlsError::Empty {
                what: "key_file",
                wanted: "private key",
            },
            source => TlsError::Pem {
                what: "key_file",
                source,
            },
        })?;
        let mut server = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls {
            server: Arc::new(server),
            is_client_proven: self.client_ca_pem.is_some() && self.is_client_required,
        })
    }
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem { what, source })?;
    if found.is_empty() {
        return Err(TlsError::Empty {
            what,
            wanted: "certificate",
        });
    }
    Ok(found)
}

const CLIENT_AUTH: [&str; 2] = ["require", "if_given"];

pub(crate) fn read(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<Tls> {
    let mut map = MapReader::new(node, path, notes);
    let cert_file = map.required_text("cert_file", notes);
    let key_file = map.required_text("key_file", notes);
    let client_ca_file = map.text("client_ca_file", notes);
    let client_auth = map.text("client_auth", notes);
    let min_version = map.text("min_version", notes);
    let at = map.at;
    map.finish(notes);
    if let Some(word) = client_auth.as_deref().filter(|w| !CLIENT_AUTH.contains(w)) {
        let near = did_you_mean(word, CLIENT_AUTH).unwrap_or("require");
        notes.error_with_hint(
            at,
            &format!("{path}.client_auth"),
            format!("unknown client_auth {word:?}"),
            format!("did you mean {near:?}? (require, if_given)"),
        );
    }
    if let Some(word) = min_version.as_deref().filter(|w| !["TLS12", "TLS13"].contains(w)) {
        notes.error_with_hint(
            at,
            &format!("{path}.min_version"),
            format!("unknown version {word:?}"),
            "write TLS12 or TLS13",
        );
    }
    if cert_file.is_empty() || key_file.is_empty() {
        return None;
    }
    let parts = TlsParts {
        cert_pem: read_file(at, path, &cert_file, notes)?,
        key_pem: read_file(at, path, &key_file, notes)?,
        client_ca_pem: match client_ca_file {
            None => None,
            Some(file) => Some(read_file(at, path, &file, notes)?),
        },
        is_client_required: client_auth.as_deref() != Some("if_given"),
        min_tls13: min_version.as_deref() == Some("TLS13"),
    };
    match parts.build() {
        Ok(tls) => Some(tls),
        Err(error) => {
            notes.error(at, path, crate::http::with_causes(&error));
            None
        }
    }
}

/// A file that the configuration names, relative to the file that names it.
pub(crate) fn read_file(at: Position, path: &str, file: &str, notes: &mut Diagnostics) -> Option<String> {
    let base = Path::new(&notes.file).parent().unwrap_or(Path::new(""));
    let found = base.join(file);
    notes.watch(&found);
    match std::fs::read_to_string(&found) {
        Ok(text) => Some(text),
        Err(error) => {
            notes.error(at, path, format!("cannot read {}: {error}", found.display()));
            None
        }
    }
}
