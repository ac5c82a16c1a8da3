//! Where each credential of an account is used from, and who issued it.
//!
//! The unit is the holder: the pod or node that a token is bound to (its tokens rotate every hour),
//! else the token, Secret or certificate itself. Refuses to let one account's flood of credentials
//! touch another's: an account that exceeds its quota displaces its own.

use crate::base::{Id, IdRef, Span, Time};
use crate::event::{AuditEvent, Credential, CredentialKind, Principal};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::net::IpAddr;

/// Holders that every account may have.
pub const FREE: usize = 4;
/// Most holders of one account; beyond [`FREE`] they come out of the budget that all accounts
/// share.
pub const QUOTA: usize = 2048;
/// What a holder is counted with against the shared budget, in bytes; measured, rounded up.
pub const HOLDER_BYTES: usize = 512;
/// Most addresses remembered of one holder.
const PLACES: usize = 4;
/// Most issued tokens remembered that were not used yet.
const ISSUED_LIMIT: usize = 32;
/// Most issuers remembered who had more tokens issued than are remembered.
const FLOODERS_LIMIT: usize = 4;
/// Disorder between several logs.
const TOLERANCE: Span = Span::seconds(5);
/// Addresses used within so much time of each other are in use at once: kubelets call every ten
/// seconds.
const MEANWHILE: Span = Span::seconds(3600);
/// A machine that was heard at an older address within this has not moved.
const MOVED_AFTER: Span = Span::seconds(600);
/// Bound tokens live an hour, or a year where the kubelet asks for the extension; their pods report
/// daily.
const BOUND_KEPT: Span = Span::seconds(2 * 86_400);

/// One address of a holder.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Place {
    pub ip: IpAddr,
    pub first: Time,
    pub last: Time,
    pub count: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Holder {
    pub kind: CredentialKind,
    /// Pod uid, node, credential id, Secret or fingerprint.
    pub key: Id,
    /// Pod or Secret name, for people.
    pub name: SmolStr,
    /// The credential id last used.
    pub credential_id: Id,
    /// Who issued it, where the log told; empty otherwise.
    pub issued_by: SmolStr,
    pub first: Time,
    pub last: Time,
    pub places: Vec<Place>,
}

/// A token that was issued and not yet used.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Issued {
    pub credential_id: Id,
    pub by: SmolStr,
    pub at: Time,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Credentials {
    holders: Vec<Holder>,
    issued: Vec<Issued>,
    /// The last forgotten token of each issuer who had more issued than are remembered.
    flooders: Vec<Issued>,
}

/// What a holder is known by; `None` where nothing tells one credential from another.
#[must_use]
pub fn key<'a>(credential: &Credential<'a>) -> Option<&'a str> {
    let key = match credential.kind {
        CredentialKind::PodBound | CredentialKind::PodBoundWithoutId => {
            if credential.pod_uid.is_empty() {
                credential.pod
            } else {
                credential.pod_uid
            }
        }
        CredentialKind::NodeBound => credential.node,
        CredentialKind::Unbound | CredentialKind::Certificate | CredentialKind::External => {
            credential.id
        }
        CredentialKind::Legacy => credential.legacy_secret,
        CredentialKind::Unknown | CredentialKind::None => "",
    };
    (!key.is_empty()).then_some(key)
}

/// The same; a node that shows no id is one credential.
fn key_of<'a>(event: &AuditEvent<'a>) -> Option<&'a str> {
    key(&event.credential).or(match event.principal {
        Principal::Node { name } => Some(name),
        _ => None,
    })
}

impl Credentials {
    #[must_use]
    pub fn find(&self, event: &AuditEvent<'_>) -> Option<&Holder> {
        let key = IdRef::of(key_of(event)?);
        self.holders
            .iter()
            .find(|h| h.key == key && h.kind == event.credential.kind)
    }

    /// Where else a machine's credential is in use while it is used at `ip`. A node has one address
    /// of a family, whichever of its certificates it shows; each certificate of a component has.
    pub fn rivals(&self, event: &AuditEvent<'_>, ip: IpAddr) -> impl Iterator<Item = &Place> {
        let since = self.since(event, ip);
        self.other_places(event, ip).filter(move |q| {
            // The one that came later says when both were in use; an older one that was left is a
            // move.
            let (both, latest) = if since <= q.first {
                (event.time.since(q.first), q.first)
            } else {
                (q.last.since(since), q.last)
            };
            both > TOLERANCE && event.time.since(latest) <= MEANWHILE
        })
    }

    /// Whether the machine was heard just now at an address that it had before it came to `ip`.
    #[must_use]
    pub fn may_be_elsewhere(&self, event: &AuditEvent<'_>, ip: IpAddr) -> bool {
        let since = self.since(event, ip);
        self.other_places(event, ip)
            .any(|q| q.first < since && event.time.since(q.last) <= MOVED_AFTER)
    }

    fn since(&self, event: &AuditEvent<'_>, ip: IpAddr) -> Time {
        self.places(event)
            .filter(|p| p.ip == ip)
            .map(|p| p.first)
            .min()
            .unwrap_or(event.time)
    }

    fn other_places(&self, event: &AuditEvent<'_>, ip: IpAddr) -> impl Iterator<Item = &Place> {
        self.places(event)
            .filter(move |p| p.ip != ip && p.ip.is_ipv4() == ip.is_ipv4())
    }

    fn places(&self, event: &AuditEvent<'_>) -> impl Iterator<Item = &Place> {
        let is_node = matches!(event.principal, Principal::Node { .. });
        let key = key_of(event).map(IdRef::of);
        self.holders
            .iter()
            .filter(move |h| is_node || key.is_some_and(|key| h.key == key))
            .flat_map(|h| &h.places)
    }

    #[must_use]
    pub fn issued(&self, credential_id: &str) -> Option<&Issued> {
        self.issued
            .iter()
            .find(|i| !credential_id.is_empty() && i.credential_id == *credential_id)
    }

    /// Who had so many tokens issued that not all are remembered, the last first: a token of
    /// unknown issue may be theirs.
    pub fn flooders(&self) -> impl Iterator<Item = &Issued> {
        self.flooders.iter().rev()
    }

    #[must_use]
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }

    /// Tokens that were issued and not used yet, oldest first.
    #[must_use]
    pub fn all_issued(&self) -> &[Issued] {
        &self.issued
    }

    /// Bytes that this account takes of the shared budget.
    #[must_use]
    pub fn shared_bytes(&self) -> usize {
        self.holders.len().saturating_sub(FREE) * HOLDER_BYTES
    }

    /// Remembers a token that `by` obtained for this account.
    pub fn issue(&mut self, credential_id: &str, by: &str, at: Time) {
        // Its use may have been read first, from the log of another API server.
        if let Some(used) = self
            .holders
            .iter_mut()
            .find(|h| h.credential_id == *credential_id)
        {
            used.issued_by = by.into();
            return;
        }
        if self.issued.len() >= ISSUED_LIMIT {
            self.forget_one();
        }
        self.issued.push(Issued {
            credential_id: credential_id.into(),
            by: by.into(),
            at,
        });
    }

    /// Forgets the oldest token of the issuer who has most: whoever floods the list displaces their
    /// own, and is remembered for it.
    fn forget_one(&mut self) {
        let count = |by: &SmolStr| self.issued.iter().filter(|i| i.by == *by).count();
        let most = self
            .issued
            .iter()
            .enumerate()
            .max_by_key(|(at, i)| (count(&i.by), std::cmp::Reverse(*at)));
        let Some(at) = most.map(|(at, _)| at) else {
            return;
        };
        let gone = self.issued.remove(at);
        self.flooders.retain(|f| f.by != gone.by);
        if self.flooders.len() >= FLOODERS_LIMIT {
            self.flooders.remove(0);
        }
        self.flooders.push(gone);
    }

    /// Remembers one use of a credential that `issued_by` obtained, if the log told. `may_grow` is
    /// false when the shared budget is spent.
    pub fn note(
        &mut self,
        event: &AuditEvent<'_>,
        ip: Option<IpAddr>,
        issued_by: &str,
        may_grow: bool,
    ) {
        let Some(key) = key_of(event) else { return };
        let kind = event.credential.kind;
        let wanted = IdRef::of(key);
        let at = match self
            .holders
            .iter()
            .position(|h| h.key == wanted && h.kind == kind)
        {
            Some(at) => at,
            None => {
                self.make_room(event.time, may_grow);
                let holder = self.new_holder(event, key, issued_by);
                self.holders.reserve_exact(1);
                self.holders.push(holder);
                self.holders.len() - 1
            }
        };
        let holder = &mut self.holders[at];
        holder.last = holder.last.max(event.time);
        if holder.credential_id != *event.credential.id {
            holder.credential_id = event.credential.id.into();
        }
        if let Some(ip) = ip {
            note_place(&mut holder.places, ip, event.time);
        }
    }

    fn new_holder(&mut self, event: &AuditEvent<'_>, key: &str, issued_by: &str) -> Holder {
        let credential = &event.credential;
        self.issued
            .retain(|i| credential.id.is_empty() || i.credential_id != *credential.id);
        let name = if credential.pod.is_empty() {
            credential.legacy_secret
        } else {
            credential.pod
        };
        Holder {
            kind: credential.kind,
            key: key.into(),
            name: name.into(),
            credential_id: credential.id.into(),
            issued_by: issued_by.into(),
            first: event.time,
            last: event.time,
            places: Vec::new(),
        }
    }

    /// Drops bound holders that are long silent, then, if still too many, the one silent longest.
    fn make_room(&mut self, now: Time, may_grow: bool) {
        // Others spent the shared budget: it keeps what it has, and displaces its own.
        let limit = if may_grow {
            QUOTA
        } else {
            self.holders.len().clamp(FREE, QUOTA)
        };
        if self.holders.len() < FREE.min(limit) {
            return;
        }
        let is_bound =
            |h: &Holder| !matches!(h.kind, CredentialKind::Legacy | CredentialKind::Certificate);
        self.holders
            .retain(|h| !(is_bound(h) && now.since(h.last) > BOUND_KEPT));
        while self.holders.len() >= limit {
            let oldest = self
                .holders
                .iter()
                .enumerate()
                .min_by_key(|(i, h)| (h.last, *i))
                .map_or(0, |(i, _)| i);
            self.holders.remove(oldest);
        }
    }
}

fn note_place(places: &mut Vec<Place>, ip: IpAddr, at: Time) {
    if let Some(place) = places.iter_mut().find(|p| p.ip == ip) {
        place.last = place.last.max(at);
        place.count = place.count.saturating_add(1);
        return;
    }
    if places.len() >= PLACES {
        // The first place is the holder's home: it stays.
        let stale = places
            .iter()
            .enumerate()
            .skip(1)
            .min_by_key(|(_, p)| p.last)
            .map_or(1, |(i, _)| i);
        places.remove(stale);
    }
    places.reserve_exact(1);
    places.push(Place {
        ip,
        first: at,
        last: at,
        count: 1,
    });
}
