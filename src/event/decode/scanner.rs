//! The fast decoder: kube-apiserver writes known keys in a known order without white space, and
//! this expects exactly that.
//!
//! Refuses every surprise (an unknown or repeated key, another order, white space, an odd number, a
//! surrogate) by answering `None`; `serde_json` then reads the whole line. It accepts more than
//! serde_json only inside values that it skips.

use super::cursor::Cursor;
use crate::event::wire::{
    Text, Texts, WireAnnotations, WireEvent, WireExtra, WireObjectRef, WireStatus, WireUser,
};
use std::borrow::Cow;

/// Reads one event into `event`, which is fresh. `None` leaves it half filled, and the line to
/// serde_json.
pub(super) fn scan<'a>(text: &'a str, event: &mut WireEvent<'a>) -> Option<()> {
    let mut cursor = Cursor::new(text);
    head(&mut cursor, event)?;
    members(&mut cursor, event)?;
    cursor.at_end().then_some(())
}

/// `kind`, `apiVersion` and `level`; the first two are missing in the items of a list.
///
/// Here and below, values that nearly every event has are met together with their keys: a
/// comparison can be run ahead of, the search for the end of a string cannot.
fn head<'a>(c: &mut Cursor<'a>, event: &mut WireEvent<'a>) -> Option<()> {
    if c.eat(b"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"") {
        event.kind = Cow::Borrowed("Event");
        event.api_version = Cow::Borrowed("audit.k8s.io/v1");
        return c.string(&mut event.level);
    }
    if c.eat(b"{\"level\":\"") {
        return c.string(&mut event.level);
    }
    if !c.eat(b"{\"kind\":\"") {
        return None;
    }
    c.string(&mut event.kind)?;
    if c.eat(b",\"apiVersion\":\"") {
        c.string(&mut event.api_version)?;
    }
    if c.eat(b",\"metadata\":") {
        c.skip()?;
    }
    if c.eat(b",\"level\":\"") {
        c.string(&mut event.level)?;
    }
    Some(())
}

/// Field order of `Event` in `staging/src/k8s.io/apiserver/pkg/apis/audit/{v1,v1beta1}/types.go`.
/// Each key is asked for once, in that order, so that a repeated or misplaced one, and a value of
/// another type, stops at the closing brace that is not there.
fn members<'a>(c: &mut Cursor<'a>, event: &mut WireEvent<'a>) -> Option<()> {
    if c.eat(b",\"timestamp\":\"") {
        c.string(&mut event.timestamp)?;
    }
    if c.eat(b",\"auditID\":\"") {
        c.string(&mut event.audit_id)?;
    }
    if c.eat(b",\"stage\":\"ResponseComplete\"") {
        event.stage = Cow::Borrowed("ResponseComplete");
    } else if c.eat(b",\"stage\":\"") {
        c.string(&mut event.stage)?;
    }
    if c.eat(b",\"requestURI\":\"") {
        c.string(&mut event.request_uri)?;
    }
    if c.eat(b",\"verb\":\"") {
        c.string(&mut event.verb)?;
    }
    if c.eat(b",\"user\":{") {
        user(c, &mut event.user)?;
    }
    if c.eat(b",\"impersonatedUser\":{") {
        user(c, event.impersonated_user.insert(Box::default()))?;
    }
    if c.eat(b",\"authenticationMetadata\":") {
        c.skip()?;
    }
    if c.eat(b",\"sourceIPs\":[\"") {
        texts(c, &mut event.source_ips)?;
    }
    if c.eat(b",\"userAgent\":\"") {
        c.string(&mut event.user_agent)?;
    }
    if c.eat(b",\"objectRef\":{") {
        object_ref(c, event.object_ref.insert(WireObjectRef::default()))?;
    }
    if c.eat(b",\"responseStatus\":{") {
        status(c, &mut event.response_status)?;
    }
    if c.eat(b",\"requestObject\":") {
        event.request_object = c.raw()?;
    }
    if c.eat(b",\"responseObject\":") {
        c.skip()?;
    }
    if c.eat(b",\"requestReceivedTimestamp\":\"") {
        c.string(&mut event.request_received_timestamp)?;
    }
    if c.eat(b",\"stageTimestamp\":\"") {
        c.string(&mut event.stage_timestamp)?;
    }
    if c.eat(b",\"annotations\":{\"") {
        annotations(c, &mut event.annotations)?;
    }
    c.eat(b"}").then_some(())
}

fn user<'a>(c: &mut Cursor<'a>, user: &mut WireUser<'a>) -> Option<()> {
    // A request that failed authentication has the empty user.
    if c.eat(b"}") {
        return Some(());
    }
    if !c.eat(b"\"username\":\"") {
        return None;
    }
    c.string(&mut user.username)?;
    if c.eat(b",\"uid\":\"") {
        c.string(&mut user.uid)?;
    }
    if c.eat(b",\"groups\":[\"system:serviceaccounts\",\"") {
        user.groups.push(Cow::Borrowed("system:serviceaccounts"));
        texts(c, &mut user.groups)?;
    } else if c.eat(b",\"groups\":[\"") {
        texts(c, &mut user.groups)?;
    }
    if c.eat(b",\"extra\":{\"") {
        extra(c, &mut user.extra)?;
    }
    c.eat(b"}").then_some(())
}

fn object_ref<'a>(c: &mut Cursor<'a>, object: &mut WireObjectRef<'a>) -> Option<()> {
    if !c.eat(b"\"resource\":\"") {
        return None;
    }
    c.string(&mut object.resource)?;
    if c.eat(b",\"namespace\":\"") {
        c.string(&mut object.namespace)?;
    }
    if c.eat(b",\"name\":\"") {
        c.string(&mut object.name)?;
    }
    if c.eat(b",\"uid\":\"") {
        c.skip_string()?;
    }
    if c.eat(b",\"apiGroup\":\"") {
        c.string(&mut object.api_group)?;
    }
    if c.eat(b",\"apiVersion\":\"") {
        c.skip_string()?;
    }
    if c.eat(b",\"resourceVersion\":\"") {
        c.skip_string()?;
    }
    if c.eat(b",\"subresource\":\"") {
        c.string(&mut object.subresource)?;
    }
    c.eat(b"}").then_some(())
}

fn status(c: &mut Cursor<'_>, status: &mut WireStatus) -> Option<()> {
    if c.eat(b"\"metadata\":{},\"code\":200}") {
        status.code = 200;
        return Some(());
    }
    if !c.eat(b"\"metadata\":{}") {
        return None;
    }
    if c.eat(b",\"status\":\"") {
        c.skip_string()?;
    }
    if c.eat(b",\"message\":\"") {
        c.skip_string()?;
    }
    if c.eat(b",\"reason\":\"") {
        c.skip_string()?;
    }
    if c.eat(b",\"details\":") {
        c.skip()?;
    }
    if c.eat(b",\"code\":") {
        status.code = c.code()?;
    }
    c.eat(b"}").then_some(())
}

/// The rest of a list of strings, from its first string.
fn texts<'a>(c: &mut Cursor<'a>, list: &mut Texts<'a>) -> Option<()> {
    loop {
        let mut text = Text::default();
        c.string(&mut text)?;
        list.push(text);
        if !c.eat(b",\"") {
            return c.eat(b"]").then_some(());
        }
    }
}

/// The rest of `user.extra`, from its first key. Go writes maps sorted by key; we need no order,
/// only that no key of ours comes twice.
fn extra<'a>(c: &mut Cursor<'a>, extra: &mut WireExtra<'a>) -> Option<()> {
    let mut seen = 0;
    loop {
        let ours = c.eat(b"authentication.kubernetes.io/");
        if ours && c.eat(b"credential-id\":[\"") {
            first(c, once(&mut seen, 1, &mut extra.credential_id)?)?;
        } else if ours && c.eat(b"node-name\":[\"") {
            first(c, once(&mut seen, 2, &mut extra.node_name)?)?;
        } else if ours && c.eat(b"node-uid\":[\"") {
            c.skip_string()?;
            if !c.eat(b"]") {
                return None;
            }
        } else if ours && c.eat(b"pod-name\":[\"") {
            first(c, once(&mut seen, 4, &mut extra.pod_name)?)?;
        } else if ours && c.eat(b"pod-uid\":[\"") {
            first(c, once(&mut seen, 8, &mut extra.pod_uid)?)?;
        } else {
            // The rest of a key under that prefix is unknown only if it is none of ours with an odd
            // value.
            if ours
                && matches!(
                    c.key()?,
                    "credential-id" | "node-name" | "pod-name" | "pod-uid"
                )
            {
                return None;
            }
            if !ours {
                c.key()?;
            }
            c.skip()?;
        }
        if !c.eat(b",\"") {
            return c.eat(b"}").then_some(());
        }
    }
}

/// The rest of `annotations`, from its first key.
fn annotations<'a>(c: &mut Cursor<'a>, found: &mut WireAnnotations<'a>) -> Option<()> {
    let mut seen = 0;
    loop {
        if c.eat(b"authorization.k8s.io/decision\":\"allow\"") {
            *once(&mut seen, 1, &mut found.decision)? = Cow::Borrowed("allow");
        } else if c.eat(b"authorization.k8s.io/decision\":\"") {
            c.string(once(&mut seen, 1, &mut found.decision)?)?;
        } else if c.eat(b"authorization.k8s.io/reason\":") {
            *once(&mut seen, 2, &mut found.reason)? = c.raw()?;
        } else {
            annotation(c, found, &mut seen)?;
        }
        if !c.eat(b",\"") {
            return c.eat(b"}").then_some(());
        }
    }
}

fn annotation<'a>(
    c: &mut Cursor<'a>,
    found: &mut WireAnnotations<'a>,
    seen: &mut u32,
) -> Option<()> {
    let slot = match c.key()? {
        "authorization.k8s.io/decision" => return None,
        "authentication.kubernetes.io/issued-credential-id" => {
            once(seen, 4, &mut found.issued_credential_id)?
        }
        "authentication.k8s.io/legacy-token" => once(seen, 8, &mut found.legacy_token)?,
        "authentication.k8s.io/legacy-token-autogenerated-secret" => {
            once(seen, 16, &mut found.legacy_autogenerated)?
        }
        "authentication.k8s.io/legacy-token-manual-secret" => {
            once(seen, 32, &mut found.legacy_manual)?
        }
        "authentication.k8s.io/legacy-token-invalidated" => {
            once(seen, 64, &mut found.legacy_invalidated)?
        }
        "authentication.k8s.io/stale-token" => once(seen, 128, &mut found.stale_token)?,
        "audit.k8s.io/truncated" => once(seen, 256, &mut found.truncated)?,
        _ => return c.skip(),
    };
    if c.eat(b"\"") { c.string(slot) } else { None }
}

/// The place of a key that is met for the first time; a second time is a surprise.
#[inline(always)]
fn once<'s, T>(seen: &mut u32, bit: u32, slot: &'s mut T) -> Option<&'s mut T> {
    let new = *seen & bit == 0;
    *seen |= bit;
    new.then_some(slot)
}

/// The one value of a list of one; longer lists are left to serde_json.
#[inline(always)]
fn first<'a>(c: &mut Cursor<'a>, slot: &mut Text<'a>) -> Option<()> {
    c.string(slot)?;
    c.eat(b"]").then_some(())
}
