//! `/api/v1/stream`: a reader of the hub as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Either;
use http_body_util::channel::{Channel, Sender};
use hyper::StatusCode;
use hyper::body::Bytes;

use super::hub::{Heard, Hub, Reader};
use super::reply::{Reply, error, reply, whole};

const CONTENT_TYPE: &str = "text/event-stream";

/// How often a silent stream says that it is still there, so that proxies keep it and a lost browser is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// When a browser comes back that has lost its connection.
const RETRY: &str = "retry: 2000\n\n";

/// The events of a run, from after `last_id` where that is known.
pub(crate) fn stream(hub: &Arc<Hub>, last_id: Option<&str>) -> Reply {
    let Some(reader) = hub.subscribe(last_id) else {
        return error(
            StatusCode::SERVICE_UNAVAILABLE,
            "as many browsers as can be served are listening; try again later",
        );
    };
    // One frame waits while the one before it is written; the reader knows what is next.
    let (sender, channel) = Channel::new(1);
    // Ends with the connection: then the sender finds nobody at the other end.
    tokio::spawn(tell(reader, sender));
    reply(StatusCode::OK, CONTENT_TYPE, Either::Right(channel))
}

/// What a stream's answer begins with.
pub(crate) fn head() -> Reply {
    whole(StatusCode::OK, CONTENT_TYPE, "")
}

async fn tell(mut reader: Reader, mut sender: Sender<Bytes, Infallible>) {
    let mut is_sent = sender.send_data(Bytes::from_static(RETRY.as_bytes())).await.is_ok();
    while is_sent {
        is_sent = match reader.next() {
            Heard::Frame(frame) => sender.send_data(frame).await.is_ok(),
            Heard::Nothing => match tokio::time::timeout(HEARTBEAT, reader.changed()).await {
                Ok(()) => true,
                Err(_) => sender.send_data(Bytes::from_static(b": still here\n\n")).await.is_ok(),
            },
            Heard::Last(frame) => {
                let _ = sender.send_data(frame).await;
                false
            }
            Heard::Over => false,
        };
    }
}
