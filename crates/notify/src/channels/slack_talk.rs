//! A talk with Slack's API: post a message or change the one that stands there, say in its thread what an edit would hide,
//! and put a picture beside it.
//!
//! Invariant: news is never told by an edit alone, because an edit wakes nobody: it is said in the thread too, and shown in
//! the channel. A message that is gone, or too old to be changed, is posted anew. A picture follows the page, after its
//! outcome was written down, and can neither delay nor fail it.

use super::outgoing::{HttpRequest, Judge, Sent};
use super::transport::Transport;
use crate::message::{Picture, Posted};
use serde_json::{Value, json};

/// Requests of a page, built; which of them leave depends on the answers.
#[derive(Clone, Debug)]
pub struct SlackTalk {
    /// `chat.postMessage`.
    pub post: HttpRequest,
    pub edit: Option<SlackEdit>,
    /// Where a picture of the first post would go.
    pub album: Option<Album>,
}

/// Of a message that was posted before.
#[derive(Clone, Debug)]
pub struct SlackEdit {
    pub posted: Posted,
    /// `chat.update`.
    pub update: HttpRequest,
    /// `chat.postMessage` into the thread.
    pub note: Option<HttpRequest>,
}

/// A place for a picture beside a message.
#[derive(Clone, Debug)]
pub struct Album {
    /// What every call has: address of any method, login, client.
    pub call: HttpRequest,
    pub posted: Option<Posted>,
}

/// What `chat.update` says of a message that cannot be changed any more; another is posted then.
const BEYOND_CHANGE: [&str; 5] = [
    "message_not_found",
    "cant_update_message",
    "edit_window_closed",
    "channel_not_found",
    "is_inactive",
];

impl Album {
    /// A call of another method, with this body.
    fn method(&self, name: &str, content_type: &str, body: Vec<u8>) -> HttpRequest {
        let mut request = self.call.clone();
        request.url = sibling(&self.call.url, name).unwrap_or_default();
        request.headers.retain(|(header, _)| header != "content-type");
        request
            .headers
            .push(("content-type".to_owned(), content_type.to_owned()));
        request.body = body;
        request
    }
}

/// The address of another method of the same API.
pub(super) fn sibling(post_message: &str, method: &str) -> Option<String> {
    let base = post_message.strip_suffix("chat.postMessage")?;
    Some(format!("{base}{method}"))
}

impl Transport {
    pub(super) async fn talk(&self, talk: SlackTalk) -> (Sent, Option<Posted>, Option<Album>) {
        let mut detail = "message posted".to_owned();
        if let Some(edit) = talk.edit {
            match self.change(edit).await {
                Ok((sent, posted)) => return (sent, posted, None),
                Err(reason) => detail = format!("message posted anew, the old one said {reason}"),
            }
        }
        match self.exchange(talk.post).await {
            Err(sent) => (sent, None, None),
            Ok((_, answer)) => {
                let sent = Sent::Delivered { detail };
                let posted = posted_of(&answer);
                let album = talk.album.map(|album| Album {
                    posted: posted.clone(),
                    ..album
                });
                (sent, posted.clone(), album.filter(|_| posted.is_some()))
            }
        }
    }

    /// An error when the message cannot be changed and another has to be posted.
    async fn change(&self, edit: SlackEdit) -> Result<(Sent, Option<Posted>), String> {
        match self.exchange(edit.update).await {
            Err(Sent::Refused { reason }) if BEYOND_CHANGE.contains(&reason.as_str()) => return Err(reason),
            Err(sent) => return Ok((sent, None)),
            Ok(_) => {}
        }
        let Some(note) = edit.note else {
            let detail = "message changed".to_owned();
            return Ok((Sent::Delivered { detail }, Some(edit.posted)));
        };
        let is_extra = note.is_extra;
        match self.exchange(note).await {
            Ok(_) => {
                let detail = "message changed, said in its thread".to_owned();
                Ok((Sent::Delivered { detail }, Some(edit.posted)))
            }
            Err(Sent::Later { reason, .. } | Sent::Refused { reason }) if is_extra => {
                let detail = format!("message changed; its thread took no note: {reason}");
                Ok((Sent::Delivered { detail }, Some(edit.posted)))
            }
            Err(sent) => Ok((sent, None)),
        }
    }

    /// Uploads a picture and shows it in the thread of the message. What went wrong is for the log: the page has arrived.
    pub async fn attach(&self, album: &Album, picture: &Picture) -> Result<(), String> {
        let Some(posted) = &album.posted else {
            return Ok(());
        };
        let form = format!("filename=graph.png&length={}", picture.png.len());
        let ask = album.method(
            "files.getUploadURLExternal",
            "application/x-www-form-urlencoded",
            form.into_bytes(),
        );
        let answer = self.answer("asking where to upload", ask).await?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(upload_url), Some(file)) = (text("upload_url"), text("file_id")) else {
            return Err("Slack named no place for the picture".to_owned());
        };
        let upload = HttpRequest {
            url: upload_url,
            // The address itself is the permission: no token has a place there.
            config: super::http::HttpConfig {
                oauth2: None,
                ..album.call.config.clone()
            },
            headers: vec![("content-type".to_owned(), "image/png".to_owned())],
            body: picture.png.clone(),
            judge: Judge::Status,
            ..album.call.clone()
        };
        self.answer("uploading the picture", upload).await?;
        let body = json!({
            "files": [{ "id": file, "title": picture.text }],
            "channel_id": posted.place,
            "thread_ts": posted.id,
        });
        let complete = album.method(
            "files.completeUploadExternal",
            "application/json; charset=utf-8",
            body.to_string().into_bytes(),
        );
        self.answer("showing the picture", complete).await.map(|_| ())
    }

    async fn answer(&self, what: &str, request: HttpRequest) -> Result<Value, String> {
        match self.exchange(request).await {
            Ok((_, body)) => Ok(serde_json::from_str(&body).unwrap_or(Value::Null)),
            Err(Sent::Later { reason, .. } | Sent::Refused { reason }) => Err(format!("{what}: {reason}")),
            Err(Sent::Delivered { detail }) => Err(format!("{what}: {detail}")),
        }
    }
}

fn posted_of(answer: &str) -> Option<Posted> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    Some(Posted {
        place: answer.get("channel")?.as_str()?.to_owned(),
        id: answer.get("ts")?.as_str()?.to_owned(),
    })
}
