//! Wire form -> wire form without secrets: what a client chose is made harmless before anything
//! remembers it.
//!
//! Refuses to let a baseline, an incident or history differ in it: all of them see the event after
//! this. Tokens and keys are redacted by their shape, control and bidi characters escaped. A URI is
//! cleaned where it is judged: of a path, a command, a proxied request. Others go no further than
//! history, which cleans them. And nothing that a client chose is longer than its limit: the header
//! of a request may hold a megabyte.

use super::wire::{Text, WireEvent, WireExtra, WireUser};
use crate::base::{Digest, text};
use std::borrow::Cow;

/// Longest name, in bytes: of objects Kubernetes allows 253, of users what an identity provider
/// gives.
const NAME_BYTES_MAX: usize = 512;
/// Longest URI, in bytes: the command of an exec stands in it.
const URI_BYTES_MAX: usize = 64 << 10;
/// Most addresses of a request: the last are those of proxies that a cluster trusts.
const ADDRESSES_MAX: usize = 64;

/// Nothing to do for nearly every event: a look at the bytes of each text tells.
pub(super) fn purge(wire: &mut WireEvent<'_>) {
    for text in [&mut wire.audit_id, &mut wire.user_agent, &mut wire.verb] {
        name(text);
    }
    let spare = wire.source_ips.len().saturating_sub(ADDRESSES_MAX);
    wire.source_ips.drain(..spare);
    bound(&mut wire.request_uri, URI_BYTES_MAX);
    // Names of the system were checked by the server that authenticated them; those that a header
    // asks for were not.
    for text in all_of(&mut wire.user) {
        if text.starts_with("system:") {
            bound(text, NAME_BYTES_MAX);
        } else {
            name(text);
        }
    }
    let WireExtra {
        credential_id,
        pod_name,
        pod_uid,
        node_name,
    } = &mut wire.user.extra;
    for text in [
        &mut wire.user.uid,
        credential_id,
        pod_name,
        pod_uid,
        node_name,
    ] {
        bound(text, NAME_BYTES_MAX);
    }
    if let Some(assumed) = wire.impersonated_user.as_deref_mut() {
        all_of(assumed).for_each(name);
    }
    if let Some(object) = &mut wire.object_ref {
        for text in [
            &mut object.resource,
            &mut object.api_group,
            &mut object.subresource,
            &mut object.namespace,
            &mut object.name,
        ] {
            name(text);
        }
        if !object.resource.is_empty()
            && !matches!(&*object.subresource, "exec" | "attach" | "proxy")
        {
            return;
        }
    }
    if let Cow::Owned(cleaned) = text::clean(&wire.request_uri) {
        wire.request_uri = Cow::Owned(cleaned);
    }
}

fn all_of<'w, 'a>(user: &'w mut WireUser<'a>) -> impl Iterator<Item = &'w mut Text<'a>> {
    std::iter::once(&mut user.username).chain(user.groups.iter_mut())
}

fn name(text: &mut Text<'_>) {
    if !text::is_plain(text)
        && let Cow::Owned(cleaned) = text::name(text)
    {
        *text = Cow::Owned(cleaned);
    }
    bound(text, NAME_BYTES_MAX);
}

/// What begins alike stays apart.
fn bound(text: &mut Text<'_>, bytes_max: usize) {
    if text.len() > bytes_max {
        let mark = format!("\u{2026}{}", Digest::of(text.as_bytes()));
        *text = Cow::Owned(format!("{}{mark}", text::cut(text, bytes_max - mark.len())));
    }
}
