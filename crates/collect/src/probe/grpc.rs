//! gRPC's health service (`grpc.health.v1.Health/Check`): a server, or one service of it, says SERVING.

use super::dial::{Address, TlsOptions, dial};
use super::exchange::fault_of;
use super::look::{Fault, Found, Look};
use super::tcp::host_port;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lapwing_types::{Phase, ProbeReason};
use serde::{Deserialize, Serialize};

const MESSAGE_BYTES_MAX: usize = 64 << 10;
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcProbe {
    pub address: Option<String>,
    /// The whole server without it.
    pub service: Option<String>,
    pub tls: Option<TlsOptions>,
}

impl GrpcProbe {
    pub(super) async fn look(&self, look: &Look) -> Found {
        let usual_port = if self.tls.is_some() { 443 } else { 80 };
        let (host, port) = host_port(look, self.address.as_deref(), Some(usual_port))?;
        let dialed = dial(look, &Address { host: &host, port }, self.tls.as_ref(), true).await?;
        look.measure_more("probe_grpc_ssl", &[], f64::from(u8::from(self.tls.is_some())));
        look.enter(Phase::Processing);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(dialed.stream))
                .await
                .map_err(|e| fault_of(&e))?;
        let driving = tokio::spawn(connection);
        let found = self.check(look, &mut sender, &format!("{host}:{port}")).await;
        driving.abort();
        look.leave();
        found
    }

    async fn check(
        &self,
        look: &Look,
        sender: &mut hyper::client::conn::http2::SendRequest<Full<Bytes>>,
        authority: &str,
    ) -> Found {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let service = self.service.as_deref().unwrap_or("");
        let request = hyper::Request::post(format!("{scheme}://{authority}/grpc.health.v1.Health/Check"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from(request(service))))
            .map_err(|e| Fault::config(e.to_string()))?;
        let response = sender.send_request(request).await.map_err(|e| fault_of(&e))?;
        look.enter(Phase::Transfer);
        let (head, mut body) = response.into_parts();
        let (mut message, mut trailers) = (Vec::new(), head.headers);
        while let Some(frame) = body.frame().await {
            match frame.map_err(|e| fault_of(&e))?.into_data() {
                Ok(data) if message.len() + data.len() > MESSAGE_BYTES_MAX => {
                    return Err(Fault::new(ProbeReason::TooLarge, "the answer is too large"));
                }
                Ok(data) => message.extend_from_slice(&data),
                Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        let text = |name: &str| {
            trailers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .unwrap_or("")
                .to_owned()
        };
        let code = text("grpc-status").parse::<f64>().unwrap_or(-1.0);
        look.measure("probe_grpc_status_code", code);
        if code != 0.0 {
            let reason = if code == 5.0 || code == 12.0 {
                ProbeReason::NotFound
            } else {
                ProbeReason::Status
            };
            let detail = format!(
                "gRPC status {code} {}, HTTP {}",
                text("grpc-message"),
                head.status.as_u16()
            );
            return Err(Fault::new(reason, detail));
        }
        let status =
            serving_status(&message).ok_or_else(|| Fault::protocol("the answer is not a health message"))?;
        let word = STATUSES.get(status as usize).copied().unwrap_or("UNKNOWN");
        for one in STATUSES {
            let is_it = if one == word { 1.0 } else { 0.0 };
            look.measure_with(
                "probe_grpc_healthcheck_response",
                &[("serving_status", one)],
                is_it,
            );
        }
        if status == 1 {
            Ok(())
        } else {
            Err(Fault::new(ProbeReason::Answer, format!("it is {word}")))
        }
    }
}

/// A frame without compression around `HealthCheckRequest { service = 1 }`.
fn request(service: &str) -> Vec<u8> {
    let service: String = service.chars().take(100).collect();
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        // Lengths of at most 400 need two bytes of a varint at most.
        let length = service.len();
        if length < 0x80 {
            message.push(length as u8);
        } else {
            message.extend([(length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
        }
        message.extend(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}

/// `HealthCheckResponse { status = 1 }`; an absent field is 0.
fn serving_status(frame: &[u8]) -> Option<u8> {
    let (head, message) = frame.split_first_chunk::<5>()?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if head[0] != 0 || message.len() != length {
        return None;
    }
    match message {
        [] => Some(0),
        [0x08, status, ..] if *status < 0x80 => Some(*status),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_health_service() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("a"), [0, 0, 0, 0, 3, 0x0a, 1, b'a']);
        assert_eq!(request(&"x".repeat(99)).len(), 5 + 2 + 99);
        assert_eq!(serving_status(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(serving_status(&[0, 0, 0, 0, 0]), Some(0));
        for wrong in [
            &[][..],
            &[0, 0, 0, 0, 9, 8, 1],
            &[1, 0, 0, 0, 0],
            &[0, 0, 0, 0, 1, 9],
        ] {
            assert_eq!(serving_status(wrong), None, "{wrong:?}");
        }
    }
}
