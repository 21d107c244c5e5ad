//! Webhook signed after Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<HMAC-SHA256>`.
//!
//! The signature covers `id.timestamp.body`; the id stays the same over retries, so a receiver can drop duplicates.

use super::http::{self, HttpConfig, post_json};
use super::outgoing::{BuildError, Outgoing};
use super::{webhook, yes};
use crate::config::{Global, Secret};
use crate::message::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedWebhookConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub http_config: Option<HttpConfig>,
    pub url: Option<Secret>,
    pub url_file: Option<String>,
    /// `whsec_` and base64, or the bare key.
    pub secret: Option<Secret>,
    pub secret_file: Option<String>,
    #[serde(default)]
    pub max_alerts: usize,
}

impl SignedWebhookConfig {
    pub(crate) fn resolve(&mut self, global: &Global) -> Result<(), String> {
        if self.url.is_none() == self.url_file.is_none() {
            return Err("exactly one of url and url_file must be configured".to_owned());
        }
        if self.secret.is_none() == self.secret_file.is_none() {
            return Err("exactly one of secret and secret_file must be configured".to_owned());
        }
        self.http_config = http::settled(self.http_config.take(), global)?;
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let url = context.secret(self.url.as_ref(), self.url_file.as_deref())?;
        let secret = context.secret(self.secret.as_ref(), self.secret_file.as_deref())?;
        let body = webhook::payload(context, self.max_alerts);
        let mut request = post_json(context, &url, &body, self.http_config.as_ref())?;
        let n = context.notification;
        let timestamp = n.now_ms.div_euclid(1000).to_string();
        let signature = sign(&secret, &n.id, &timestamp, &request.body)?;
        request.headers.push(("webhook-id".to_owned(), n.id.clone()));
        request.headers.push(("webhook-timestamp".to_owned(), timestamp));
        request.headers.push(("webhook-signature".to_owned(), signature));
        Ok(Outgoing::Http(vec![request]))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// `v1,` and the base64 of the HMAC.
pub fn sign(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Result<String, String> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| "the secret is not base64 after whsec_".to_owned())?,
        None => secret.as_bytes().to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|e| e.to_string())?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    #[test]
    fn signs_the_example_of_the_specification() {
        let signature = super::sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(
            signature.as_deref(),
            Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
    }
}
