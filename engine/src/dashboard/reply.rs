//! Answers, each with the headers that keep a browser from doing more than it should.

use std::convert::Infallible;

use http_body_util::channel::Channel;
use http_body_util::{Either, Full};
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};

/// What stands behind the headers: bytes at once, or events as they come.
pub(crate) type Body = Either<Full<Bytes>, Channel<Bytes, Infallible>>;

/// An answer.
pub(crate) type Reply = Response<Body>;

/// Everything comes from here, nothing may be sent elsewhere, nobody may put the page into a frame.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// `text/event-stream` and others.
pub(crate) fn reply(status: StatusCode, content_type: &'static str, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// Bytes that are there.
pub(crate) fn whole(status: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Reply {
    reply(status, content_type, Either::Left(Full::new(bytes.into())))
}

/// JSON.
pub(crate) fn json(bytes: impl Into<Bytes>) -> Reply {
    whole(StatusCode::OK, "application/json", bytes)
}

/// What went wrong, as JSON.
pub(crate) fn error(status: StatusCode, message: &str) -> Reply {
    let body = serde_json::json!({ "error": message }).to_string();
    let mut reply = whole(status, "application/json", body);
    let (name, value) = match status {
        StatusCode::METHOD_NOT_ALLOWED => (ALLOW, "GET, HEAD"),
        StatusCode::UNAUTHORIZED => (WWW_AUTHENTICATE, "Bearer realm=\"tillrace\""),
        StatusCode::SERVICE_UNAVAILABLE => (RETRY_AFTER, "5"),
        _ => return reply,
    };
    reply.headers_mut().insert(name, HeaderValue::from_static(value));
    reply
}

/// Keep this cookie and ask again at `location`, a path of this server.
pub(crate) fn keep_cookie(cookie: &str, location: &str) -> Reply {
    let mut reply = whole(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
    let headers = reply.headers_mut();
    for (name, value) in [(SET_COOKIE, cookie), (LOCATION, location)] {
        headers.insert(name, HeaderValue::from_str(value).expect("a token and a path are plain ASCII"));
    }
    reply
}
