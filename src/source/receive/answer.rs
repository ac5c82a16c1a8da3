//! One request, and what it is answered.
//!
//! Refuses to answer 200 before what it brought is durable, or told as lost.

use super::door::Receiver;
use super::{Outcome, body};
use crate::source::spool::{Full, Kept, Losses, Why};
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use flate2::read::MultiGzDecoder;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::OwnedSemaphorePermit;

/// From the headers of a request to the end of its body. An API server gives an attempt thirty
/// seconds in all.
const BODY_TIME: Duration = Duration::from_secs(20);
/// A request waits so long for its sync, and for a place for its bytes.
const STORE_TIME: Duration = Duration::from_secs(8);
const PLACE_TIME: Duration = Duration::from_secs(1);
/// Seconds that a sender is asked to wait.
const RETRY_AFTER: &str = "1";

/// Headers of Amazon Data Firehose: the id of a request, the same when it comes again, and the
/// secret.
const FIREHOSE_REQUEST: &str = "x-amz-firehose-request-id";
const FIREHOSE_KEY: &str = "x-amz-firehose-access-key";

/// What came of a request: events, if they were counted.
struct Ended(Outcome, u32);

pub(super) async fn answer(receiver: Arc<Receiver>, request: Request<Body>) -> Response<Body> {
    let begun = Instant::now();
    let delivery = request.headers().get(FIREHOSE_REQUEST).cloned();
    let Ended(outcome, events) = outcome(&receiver, request).await;
    receiver.meter.answered(outcome, events, begun.elapsed());
    match delivery {
        Some(id) => delivered(response(outcome), &id),
        None => response(outcome),
    }
}

/// The answer in the form that Amazon Data Firehose takes for one: the id of its request, and a
/// time.
fn delivered(mut response: Response<Body>, id: &HeaderValue) -> Response<Body> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let id = id.to_str().unwrap_or_default();
    let mut body = serde_json::json!({"requestId": id, "timestamp": now.as_millis() as u64});
    if !response.status().is_success() {
        body["errorMessage"] = response.status().to_string().into();
    }
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    *response.body_mut() = Body::from(body.to_string());
    response
}

async fn outcome(receiver: &Receiver, request: Request<Body>) -> Ended {
    let headers = request.headers();
    let shown = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let (authorization, key) = (shown("authorization"), shown(FIREHOSE_KEY));
    if !receiver.identity().admits(authorization, key) {
        return Ended(Outcome::Unauthorized, 0);
    }
    if request.method() != axum::http::Method::POST {
        return Ended(Outcome::Unreadable, 0);
    }
    let largest = receiver.body_bytes;
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > largest) {
        return too_large(receiver);
    }
    let Some(_place) = place(receiver, length.unwrap_or(largest)).await else {
        return shed(receiver, None);
    };
    let reading = tokio::time::timeout(
        BODY_TIME,
        axum::body::to_bytes(request.into_body(), largest),
    );
    let body = match reading.await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if is_over_limit(&error) => return too_large(receiver),
        Ok(Err(_)) | Err(_) => return Ended(Outcome::Broken, 0),
    };
    if !body.starts_with(&[0x1f, 0x8b]) {
        return store(receiver, &body).await;
    }
    // What it is unpacked to needs its place, too.
    let Some(_place) = place(receiver, largest).await else {
        return shed(receiver, None);
    };
    match inflated(&body, largest) {
        Some(plain) if plain.len() <= largest => store(receiver, &plain).await,
        Some(_) => too_large(receiver),
        None => Ended(Outcome::Unreadable, 0),
    }
}

/// A place for so many bytes in memory; they stand several times for a moment, as body, lines and
/// group.
async fn place(receiver: &Receiver, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let acquired = tokio::time::timeout(
        PLACE_TIME,
        receiver.places.clone().acquire_many_owned(bytes),
    )
    .await;
    acquired.ok()?.ok()
}

/// At most one byte more than `largest`; `None` if it is no gzip.
fn inflated(packed: &[u8], largest: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(packed)
        .take(largest as u64 + 1)
        .read_to_end(&mut plain)
        .ok()?;
    Some(plain)
}

async fn store(receiver: &Receiver, body: &[u8]) -> Ended {
    let Ok(batch) = body::batch(body) else {
        return Ended(Outcome::Unreadable, 0);
    };
    let events = batch.count();
    if batch.is_empty() {
        return Ended(Outcome::Stored, 0);
    }
    let waiting = match receiver.queue.offer(batch) {
        Ok(waiting) => waiting,
        Err(Full(batch)) => {
            return shed(receiver, Some(batch.lines()));
        }
    };
    match tokio::time::timeout(STORE_TIME, waiting).await {
        Ok(Ok(kept)) => {
            receiver.shedding.ends();
            let outcome = match kept {
                Kept::Stored => Outcome::Stored,
                Kept::Repeated => Outcome::Repeated,
                Kept::Dropped => Outcome::Dropped,
            };
            Ended(outcome, events)
        }
        Ok(Err(_)) => Ended(Outcome::Failed, events),
        // It may be stored yet: when it comes again it is known.
        Err(_) => shed(receiver, None),
    }
}

/// Sends the sender away, unless that has been done for too long.
fn shed(receiver: &Receiver, lines: Option<&[u8]>) -> Ended {
    if receiver.shedding.may(Instant::now()) {
        return Ended(Outcome::Shed, 0);
    }
    let losses = lines.map_or_else(
        || Losses::of_request(Why::Slow),
        |lines| Losses::of(lines, Why::Slow),
    );
    let events = u32::try_from(losses.events).unwrap_or(u32::MAX);
    receiver.lose(losses);
    Ended(Outcome::Dropped, events)
}

fn too_large(receiver: &Receiver) -> Ended {
    receiver.lose(Losses::of_request(Why::Large));
    Ended(Outcome::TooLarge, 0)
}

fn is_over_limit(error: &axum::Error) -> bool {
    // The only error that does not come from the connection.
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        source = error.source();
    }
    error.to_string().contains("length limit exceeded")
}

fn response(outcome: Outcome) -> Response<Body> {
    let (status, why) = match outcome {
        Outcome::Stored | Outcome::Repeated | Outcome::Dropped => (StatusCode::OK, ""),
        Outcome::Shed => (StatusCode::TOO_MANY_REQUESTS, "try again in a second\n"),
        Outcome::Unauthorized => (StatusCode::UNAUTHORIZED, "show the token\n"),
        Outcome::Unreadable => (
            StatusCode::BAD_REQUEST,
            "POST audit events: an EventList, an array, or one a line\n",
        ),
        Outcome::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "send smaller batches, or raise receive.body_megabytes\n",
        ),
        Outcome::Broken => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive\n"),
        Outcome::Failed => (StatusCode::SERVICE_UNAVAILABLE, "the spool failed\n"),
    };
    let mut response = Response::new(Body::from(why));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if outcome == Outcome::Shed {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    if outcome == Outcome::Unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    // What was not read to its end cannot be followed by another request.
    if matches!(
        outcome,
        Outcome::Broken | Outcome::TooLarge | Outcome::Unauthorized
    ) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
