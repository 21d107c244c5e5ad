//! The envelope of every answer of the Prometheus API, and its one table of errors.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lapwing_wire::prom_json::push_json_str;

/// What went wrong, in Prometheus's own classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    BadData,
    Execution,
    Timeout,
    Canceled,
    Internal,
    Unavailable,
    NotFound,
    /// Somebody else was first.
    Conflict,
}

impl ErrorClass {
    fn row(self) -> (StatusCode, &'static str) {
        match self {
            ErrorClass::BadData => (StatusCode::BAD_REQUEST, "bad_data"),
            ErrorClass::Execution => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
            ErrorClass::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            ErrorClass::Canceled => (StatusCode::SERVICE_UNAVAILABLE, "canceled"),
            ErrorClass::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            ErrorClass::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ErrorClass::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            ErrorClass::Conflict => (StatusCode::CONFLICT, "conflict"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) class: ErrorClass,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        ApiError {
            class,
            message: message.into(),
        }
    }

    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        ApiError::new(ErrorClass::BadData, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        ApiError::new(ErrorClass::Internal, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, word) = self.class.row();
        let mut body = String::from("{\"status\":\"error\",\"errorType\":\"");
        body.push_str(word);
        body.push_str("\",\"error\":");
        push_json_str(&mut body, &self.message);
        body.push('}');
        (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A successful answer; `data` is JSON already.
#[derive(Debug, Default)]
pub(crate) struct Success {
    pub(crate) data: String,
    pub(crate) warnings: Vec<String>,
    pub(crate) infos: Vec<String>,
}

impl Success {
    pub(crate) fn json(value: &impl serde::Serialize) -> Result<Self, ApiError> {
        let data = serde_json::to_string(value).map_err(|e| ApiError::internal(e.to_string()))?;
        Ok(Success {
            data,
            ..Success::default()
        })
    }
}

impl IntoResponse for Success {
    fn into_response(self) -> Response {
        // Moved within its own memory: a copy of megabytes would cost more than that.
        let mut body = self.data;
        body.insert_str(0, "{\"status\":\"success\",\"data\":");
        for (key, notes) in [("warnings", &self.warnings), ("infos", &self.infos)] {
            if notes.is_empty() {
                continue;
            }
            body.push_str(",\"");
            body.push_str(key);
            body.push_str("\":[");
            for (i, note) in notes.iter().enumerate() {
                if i > 0 {
                    body.push(',');
                }
                push_json_str(&mut body, note);
            }
            body.push(']');
        }
        body.push('}');
        (StatusCode::OK, [(header::CONTENT_TYPE, JSON)], body).into_response()
    }
}
