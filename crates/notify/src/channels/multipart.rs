//! `multipart/form-data`: fields and one file in one body (RFC 7578).

use super::outgoing::HttpRequest;

/// A body, and the content type that says where its parts begin.
pub(crate) struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    /// `file` is what goes into the form: the boundary must not occur in it, and a hash of it cannot be foreseen.
    pub(crate) fn around(file: &[u8]) -> Self {
        Form {
            boundary: format!("lapwing-{:032x}", xxhash_rust::xxh3::xxh3_128(file)),
            body: Vec::with_capacity(file.len() + 4096),
        }
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), None, value.as_bytes());
        self
    }

    pub(crate) fn png(mut self, name: &str, file_name: &str, bytes: &[u8]) -> Self {
        let disposition = format!("name=\"{name}\"; filename=\"{file_name}\"");
        self.part(&disposition, Some("image/png"), bytes);
        self
    }

    fn part(&mut self, disposition: &str, content_type: Option<&str>, bytes: &[u8]) {
        let mut head = format!(
            "--{}\r\nContent-Disposition: form-data; {disposition}\r\n",
            self.boundary
        );
        if let Some(kind) = content_type {
            head.push_str(&format!("Content-Type: {kind}\r\n"));
        }
        head.push_str("\r\n");
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
    }

    /// As the body of a request, in the place of what it had.
    pub(crate) fn put_into(mut self, request: &mut HttpRequest) {
        self.body
            .extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        request.headers.retain(|(name, _)| name != "content-type");
        let kind = format!("multipart/form-data; boundary={}", self.boundary);
        request.headers.push(("content-type".to_owned(), kind));
        request.body = self.body;
    }
}
