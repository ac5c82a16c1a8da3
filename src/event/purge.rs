//! Wire form -> wire form without secrets: what a client chose is made harmless before anything remembers it.
//!
//! Refuses to let a baseline, an incident or history differ in it: all of them see the event after this. Tokens and
//! keys are redacted by their shape, control and bidi characters escaped. A URI is cleaned where it is judged: of a path,
//! a command, a proxied request. Others go no further than history, which cleans them.

use super::wire::{Text, WireEvent, WireUser};
use crate::base::text;
use std::borrow::Cow;

/// Nothing to do for nearly every event: a look at the bytes of each text tells.
pub(super) fn purge(wire: &mut WireEvent<'_>) {
    name(&mut wire.audit_id);
    name(&mut wire.user_agent);
    // Names of the system were checked by the server that authenticated them; those that a header asks for were not.
    let by_others = |text: &&mut Text<'_>| !text.starts_with("system:");
    all_of(&mut wire.user).filter(by_others).for_each(name);
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
        if !object.resource.is_empty() && !matches!(&*object.subresource, "exec" | "attach" | "proxy") {
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
    if text::is_plain(text) {
        return;
    }
    if let Cow::Owned(cleaned) = text::name(text) {
        *text = Cow::Owned(cleaned);
    }
}
