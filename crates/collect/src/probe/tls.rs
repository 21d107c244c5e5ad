//! TLS alone: is the certificate genuine, for this name, and for how long yet?

use super::dial::{Address, TlsOptions, dial};
use super::look::{Found, Look};
use super::tcp::host_port;
use serde::{Deserialize, Serialize};

/// Degraded below so many days without a word of the owner's: a certificate authority's usual time to renew.
const WARN_DAYS: f64 = 14.0;
const HTTPS_PORT: u16 = 443;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsProbe {
    pub address: Option<String>,
    #[serde(rename = "tls")]
    pub options: TlsOptions,
    /// Short for `tls: { warn_days }`.
    pub warn_days: Option<f64>,
}

impl TlsProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.warn_days.or(self.options.warn_days) {
            Some(days) if days < 0.0 => Err(format!("warn_days is {days}: that is after the end")),
            _ => Ok(()),
        }
    }

    pub(super) async fn look(&self, look: &Look) -> Found {
        let (host, port) = host_port(look, self.address.as_deref(), Some(HTTPS_PORT))?;
        let mut options = self.options.clone();
        options.warn_days = Some(self.warn_days.or(options.warn_days).unwrap_or(WARN_DAYS));
        dial(look, &Address { host: &host, port }, Some(&options), true).await?;
        Ok(())
    }
}
