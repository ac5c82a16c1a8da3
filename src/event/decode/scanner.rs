//! The fast decoder: kube-apiserver writes known keys in a known order without white space, and this
//! expects exactly that.
//!
//! Refuses every surprise (an unknown or repeated key, another order, white space, an odd number, a
//! surrogate) by answering `None`; `serde_json` then reads the whole line. It accepts more than
//! serde_json only inside values that it skips.

use super::cursor::{Cursor, has_control};
use crate::event::wire::{Text, Texts, WireAnnotations, WireEvent, WireExtra, WireObjectRef, WireStatus, WireUser};

/// Reads one event into `event`, which is fresh. `None` leaves it half filled, and the line to
/// serde_json.
pub(super) fn scan<'a>(text: &'a str, event: &mut WireEvent<'a>) -> Option<()> {
    if has_control(text.as_bytes()) {
        return None;
    }
    let mut cursor = Cursor::new(text);
    members(&mut cursor, event)?;
    cursor.at_end().then_some(())
}

/// `member!(cursor, "key", expression)`: if the key stands here, evaluates the expression and returns
/// from the function at the closing brace. Each key is asked for once, in the server's order, so that
/// a repeated or misplaced one falls through to the end.
macro_rules! member {
    ($cursor:ident, $key:literal, $read:expr) => {
        if $cursor.eat(key_bytes!($key)) {
            $read;
            if $cursor.closes(b'}')? {
                return Some(());
            }
        }
    };
}

macro_rules! key_bytes {
    ($key:literal) => {{
        const KEY: &str = concat!("\"", $key, "\":");
        const BYTES: &[u8; KEY.len()] = match KEY.as_bytes().first_chunk() {
            Some(bytes) => bytes,
            None => &[0; KEY.len()],
        };
        BYTES
    }};
}

/// Field order of `Event` in `staging/src/k8s.io/apiserver/pkg/apis/audit/{v1,v1beta1}/types.go`.
fn members<'a>(c: &mut Cursor<'a>, event: &mut WireEvent<'a>) -> Option<()> {
    if !c.eat(b"{") {
        return None;
    }
    member!(c, "kind", c.string(&mut event.kind)?);
    member!(c, "apiVersion", c.string(&mut event.api_version)?);
    member!(c, "metadata", c.skip()?);
    member!(c, "level", c.string(&mut event.level)?);
    member!(c, "timestamp", c.string(&mut event.timestamp)?);
    member!(c, "auditID", c.string(&mut event.audit_id)?);
    member!(c, "stage", c.string(&mut event.stage)?);
    member!(c, "requestURI", c.string(&mut event.request_uri)?);
    member!(c, "verb", c.string(&mut event.verb)?);
    member!(c, "user", user(c, &mut event.user)?);
    member!(c, "impersonatedUser", user(c, event.impersonated_user.insert(Box::default()))?);
    member!(c, "authenticationMetadata", c.skip()?);
    member!(c, "sourceIPs", texts(c, &mut event.source_ips)?);
    member!(c, "userAgent", c.string(&mut event.user_agent)?);
    member!(c, "objectRef", object_ref(c, event.object_ref.insert(WireObjectRef::default()))?);
    member!(c, "responseStatus", status(c, &mut event.response_status)?);
    member!(c, "requestObject", event.request_object = c.raw()?);
    member!(c, "responseObject", c.skip()?);
    member!(c, "requestReceivedTimestamp", c.string(&mut event.request_received_timestamp)?);
    member!(c, "stageTimestamp", c.string(&mut event.stage_timestamp)?);
    member!(c, "annotations", annotations(c, &mut event.annotations)?);
    None
}

fn user<'a>(c: &mut Cursor<'a>, user: &mut WireUser<'a>) -> Option<()> {
    if c.eat(b"{}") {
        return Some(());
    }
    if !c.eat(b"{") {
        return None;
    }
    member!(c, "username", c.string(&mut user.username)?);
    member!(c, "uid", c.string(&mut user.uid)?);
    member!(c, "groups", texts(c, &mut user.groups)?);
    member!(c, "extra", extra(c, &mut user.extra)?);
    None
}

fn object_ref<'a>(c: &mut Cursor<'a>, object: &mut WireObjectRef<'a>) -> Option<()> {
    if c.eat(b"{}") {
        return Some(());
    }
    if !c.eat(b"{") {
        return None;
    }
    member!(c, "resource", c.string(&mut object.resource)?);
    member!(c, "namespace", c.string(&mut object.namespace)?);
    member!(c, "name", c.string(&mut object.name)?);
    member!(c, "uid", c.skip()?);
    member!(c, "apiGroup", c.string(&mut object.api_group)?);
    member!(c, "apiVersion", c.skip()?);
    member!(c, "resourceVersion", c.skip()?);
    member!(c, "subresource", c.string(&mut object.subresource)?);
    None
}

fn status(c: &mut Cursor<'_>, status: &mut WireStatus) -> Option<()> {
    if !c.eat(b"{") {
        return None;
    }
    member!(c, "metadata", c.skip()?);
    member!(c, "status", c.skip()?);
    member!(c, "message", c.skip()?);
    member!(c, "reason", c.skip()?);
    member!(c, "details", c.skip()?);
    member!(c, "code", status.code = c.number()?);
    None
}

fn texts<'a>(c: &mut Cursor<'a>, list: &mut Texts<'a>) -> Option<()> {
    if c.eat(b"[]") {
        return Some(());
    }
    if !c.eat(b"[") {
        return None;
    }
    loop {
        let mut text = Text::default();
        c.string(&mut text)?;
        list.push(text);
        if c.closes(b']')? {
            return Some(());
        }
    }
}

/// Go writes maps sorted by key; we need no order, only that no key of ours comes twice.
fn extra<'a>(c: &mut Cursor<'a>, extra: &mut WireExtra<'a>) -> Option<()> {
    if !c.eat(b"{") {
        return None;
    }
    let mut seen = 0;
    loop {
        let key = c.key()?;
        match key.strip_prefix("authentication.kubernetes.io/") {
            Some("credential-id") => first(c, &mut extra.credential_id, once(&mut seen, 1)?)?,
            Some("node-name") => first(c, &mut extra.node_name, once(&mut seen, 2)?)?,
            Some("pod-name") => first(c, &mut extra.pod_name, once(&mut seen, 4)?)?,
            Some("pod-uid") => first(c, &mut extra.pod_uid, once(&mut seen, 8)?)?,
            _ => c.skip()?,
        }
        if c.closes(b'}')? {
            return Some(());
        }
    }
}

fn annotations<'a>(c: &mut Cursor<'a>, found: &mut WireAnnotations<'a>) -> Option<()> {
    if !c.eat(b"{") {
        return None;
    }
    let mut seen = 0;
    loop {
        let (slot, bit) = match c.key()? {
            "authorization.k8s.io/decision" => (&mut found.decision, 1),
            "authorization.k8s.io/reason" => {
                once(&mut seen, 2)?;
                found.reason = c.raw()?;
                if c.closes(b'}')? {
                    return Some(());
                }
                continue;
            }
            "authentication.kubernetes.io/issued-credential-id" => (&mut found.issued_credential_id, 4),
            "authentication.k8s.io/legacy-token" => (&mut found.legacy_token, 8),
            "authentication.k8s.io/legacy-token-autogenerated-secret" => (&mut found.legacy_autogenerated, 16),
            "authentication.k8s.io/legacy-token-manual-secret" => (&mut found.legacy_manual, 32),
            "authentication.k8s.io/legacy-token-invalidated" => (&mut found.legacy_invalidated, 64),
            "authentication.k8s.io/stale-token" => (&mut found.stale_token, 128),
            _ => {
                c.skip()?;
                if c.closes(b'}')? {
                    return Some(());
                }
                continue;
            }
        };
        once(&mut seen, bit)?;
        c.string(slot)?;
        if c.closes(b'}')? {
            return Some(());
        }
    }
}

/// Marks a key as seen; a second time is a surprise.
fn once(seen: &mut u32, bit: u32) -> Option<()> {
    let new = *seen & bit == 0;
    *seen |= bit;
    new.then_some(())
}

/// The one value of a list of one; longer lists are left to serde_json.
fn first<'a>(c: &mut Cursor<'a>, slot: &mut Text<'a>, (): ()) -> Option<()> {
    if !c.eat(b"[") {
        return None;
    }
    c.string(slot)?;
    c.eat(b"]").then_some(())
}
