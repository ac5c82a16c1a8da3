//! # What it sees
//! One credential at two places that exclude each other: another pod's address, another node's, an
//! address outside, or a second address of a pod that has one for life. The credential of a kubelet
//! or of a component of Kubernetes at two addresses by turns.
//!
//! # Why it matters
//! A pod keeps its address; its token does not leave it. A second place is theft, and it needs no
//! baseline to say so: not even an attacker who copies verbs, resources and user agent escapes it.
//!
//! # How it decides
//! The address of the request belongs to another live pod (20 bits), to a node other than the
//! pod's, to its own node though the pod has an address of its own (14, or 11 for the first hour of
//! one that does nothing unusual), to the internet (20), or is a second address of the pod (14
//! among addresses of pods, 9 elsewhere). Left out: a token that its kubelet fetched after the last
//! use elsewhere (the pod's sandbox was made anew), a request that was received before another pod
//! came to the address, a credential that was here before the pod that is taken for the owner, a
//! network in which several accounts of several nodes have moved within a day, and an address that
//! many share. Behind a peer API server (the entry before the last of `sourceIPs` is the
//! credential's own place) it is 6 bits. A credential of a node or component at two addresses by
//! turns is 18 bits where one of them is another's, 13 otherwise, 11 if it does nothing unusual. If
//! addresses hide clients, the detector says nothing: `addresses-hidden` does.
//!
//! # When it is wrong
//! Unusual networks that translate addresses of single pods, or spread few nodes over several
//! addresses; a log that shows a load balancer instead of clients (then it is blind and says
//! nothing).
//!
//! # Tuning
//! `network.trusted_proxies`, `network.cluster`.
//!
//! # Respond
//! Delete the pod: its tokens die with it. Then look into both places.

use crate::base::{Bits, Span};
use crate::baseline::address::{POD_ALIVE, PodAt};
use crate::baseline::features::credentials::Place;
use crate::baseline::features::origins::Class;
use crate::detect::{Finding, Marks, Meta, Rival, Tactic, View};
use crate::event::CredentialKind;

pub const META: Meta = Meta {
    id: "credential-in-two-places",
    title: "One credential in two places",
    weighs: "20 bits at another pod or on the internet, 14 at a node or among pods, 9 elsewhere; 18 and 12 for machines",
    tactic: Tactic::CredentialAccess,
    techniques: &["T1528", "T1550.001"],
    level: "Metadata",
    since: "0.1.0",
    tunables: &["network.trusted_proxies", "network.cluster"],
    wakes_on: Marks::MISPLACED,
};

pub fn judge(view: &View<'_>, findings: &mut Vec<Finding>) {
    let kind = view.event.credential.kind;
    let pod_bound = matches!(
        kind,
        CredentialKind::PodBound | CredentialKind::PodBoundWithoutId
    );
    if view.addresses_blind {
        return;
    }
    if let Some(rival) = view.rival {
        if !(is_usual(view)
            && view
                .causes
                .has_network_changed(view.event.username, view.now()))
        {
            tell_machine(view, &rival, findings);
        }
        return;
    }
    // A token bound to a node is at home wherever pods of it may be, but not on another node.
    let strays = kind == CredentialKind::NodeBound && view.origin.class == Class::OtherNode;
    if !(pod_bound || strays) {
        return;
    }
    let Some(weight) = weight(view) else { return };
    let credential = &view.event.credential;
    let (bound_to, owner) = if pod_bound {
        ("pod", credential.pod)
    } else {
        ("node", credential.node)
    };
    let home = view.holder.and_then(|h| h.places.first());
    let now_at = match owner_of_address(view).filter(|_| view.origin.class == Class::OtherPod) {
        Some(other) => format!(
            "{}, the address of pod {} ({})",
            view.origin, other.name, other.username
        ),
        None if view.origin.class == Class::OwnNode => {
            format!("{}, the address of its node", view.origin)
        }
        None if view.origin.class == Class::OwnPod => {
            format!(
                "{}, a second address of a pod that has one",
                view.origin.ip.map(|ip| ip.to_string()).unwrap_or_default()
            )
        }
        None => view.origin.to_string(),
    };
    findings.push(Finding {
        expected: match home {
            Some(place) => {
                format!(
                    "the token of {bound_to} {owner} is used from {}, {} times since {}",
                    place.ip, place.count, place.first
                )
            }
            None => format!("the token of {bound_to} {owner} is used from that {bound_to}"),
        },
        observed: format!("it was used from {now_at}"),
        is_theft: weight >= PROOF,
        ..Finding::of(&META, weight)
    });
}

/// A kubelet's or component's credential, at two addresses of one family by turns.
fn tell_machine(view: &View<'_>, rival: &Rival, findings: &mut Vec<Finding>) {
    let Place {
        ip,
        first,
        last,
        count,
    } = rival.place;
    findings.push(Finding {
        expected: "a machine has one address, and leaves it for good when it moves".to_owned(),
        observed: format!(
            "{} is used from {} and from {ip} ({count} times, {first} to {last})",
            view.event.username, view.origin
        ),
        is_theft: true,
        ..Finding::of(&META, rival_weight(view, rival))
    });
}

/// A machine that does nothing unusual at a second address may stand behind a new balancer.
fn rival_weight(view: &View<'_>, rival: &Rival) -> Bits {
    match (rival.is_foreign, is_usual(view)) {
        (true, _) => Bits::whole(18),
        (false, true) => Bits::whole(11),
        (false, false) => Bits::whole(13),
    }
}

/// From here on the address is not learned as the credential's own.
const PROOF: Bits = Bits::whole(12);

fn weight(view: &View<'_>) -> Option<Bits> {
    // An event that ends now may have been received before the address was another's; a token that
    // the kubelet fetched after the last use elsewhere comes with a sandbox that was made anew.
    if view.moved.is_fetched_anew || view.moved.was_received_before {
        return None;
    }
    let home = view
        .holder
        .and_then(|h| h.places.first())
        .filter(|home| Some(home.ip) != view.origin.ip);
    if (view.origin.class != Class::OtherPod || is_young_owner(view)) && is_explained(view) {
        return None;
    }
    match view.origin.class {
        Class::OtherPod if was_here_first(view) => None,
        Class::OtherPod if home.is_some() => Some(Bits::whole(20)),
        // A token that was never used elsewhere, and does nothing unusual, may be behind a gateway.
        Class::OtherPod => is_intruder(view).then(|| {
            if is_usual(view) {
                Bits::whole(11)
            } else {
                Bits::whole(20)
            }
        }),
        Class::OtherNode if view.moved.is_forwarded => Some(Bits::whole(6)),
        Class::OtherNode => (view.nodes_tell_apart && is_settled_node(view)).then(|| at_node(view)),
        // Where this pod is seen with an address of its own, its node is another place.
        Class::OwnNode => home
            .filter(|_| view.pods_are_shown && view.moved.home_is_pods_own)
            .map(|_| at_node(view)),
        Class::Network => home.map(|_| {
            if view.origin.is_public() {
                Bits::whole(20)
            } else {
                Bits::whole(8)
            }
        }),
        Class::OwnPod => {
            let places = view.holder.map_or(&[][..], |h| &h.places);
            let alike = places.iter().find(|p| {
                view.origin
                    .ip
                    .is_some_and(|ip| ip.is_ipv4() == p.ip.is_ipv4())
            });
            match alike {
                // Among the addresses of pods it is another pod's; elsewhere it may be a gateway's.
                Some(place) if view.moved.home_is_pods_own => {
                    let weight = if view.pods_have_own {
                        Bits::whole(14)
                    } else {
                        Bits::whole(9)
                    };
                    is_elsewhere(place, view).then_some(weight)
                }
                // A gateway is left as it was entered.
                Some(_) => None,
                // Pods have two families everywhere, or nowhere.
                None => (home.is_some() && !view.moved.has_both_families).then_some(Bits::whole(9)),
            }
        }
        _ => None,
    }
}

/// Several accounts moved, each with its own program; or it has been here for so long that it was
/// said.
fn is_explained(view: &View<'_>) -> bool {
    let settled = here(view).is_some_and(|place| view.now().since(place.first) > SAID);
    settled
        || (is_usual(view)
            && view
                .causes
                .has_network_changed(view.event.username, view.now()))
}

/// The pod whose address it is came there lately: the first that is heard behind a new gateway is
/// taken for its owner.
fn is_young_owner(view: &View<'_>) -> bool {
    owner_of_address(view).is_some_and(|pod| view.now().since(pod.first) <= SAID)
        && here(view).is_none()
}

/// It called from here before the pod that is taken for the owner was heard here: the address is
/// nobody's own.
fn was_here_first(view: &View<'_>) -> bool {
    owner_of_address(view)
        .zip(here(view))
        .is_some_and(|(pod, place)| place.first < pod.first)
}

/// The pod that is taken for the owner of the address.
fn owner_of_address<'a>(view: &View<'a>) -> Option<&'a PodAt> {
    view.address?.pod.as_deref()
}

/// By its own program, and what it always does.
fn is_usual(view: &View<'_>) -> bool {
    view.agent_seen.is_some_and(|seen| seen.days > 1)
        && view.operation_seen.is_some_and(|seen| seen.days > 1)
}

/// At a node's address a whole network may appear one day: a thief who does nothing unusual there
/// is told once nobody has followed.
fn at_node(view: &View<'_>) -> Bits {
    let alone = here(view).is_some_and(|place| view.now().since(place.first) > ALONE);
    if is_usual(view) && !alone {
        Bits::whole(11)
    } else {
        Bits::whole(14)
    }
}

fn here<'a>(view: &View<'a>) -> Option<&'a Place> {
    view.holder?
        .places
        .iter()
        .find(|place| Some(place.ip) == view.origin.ip)
}

/// What changes for all pods changes within an hour.
const ALONE: Span = Span::seconds(3600);
const SAID: Span = Span::seconds(86_400);

/// A token that was never used anywhere else, at the address of a pod that was heard after it came.
fn is_intruder(view: &View<'_>) -> bool {
    let uid = view.event.credential.pod_uid;
    view.pods_have_own
        && view
            .address
            .is_some_and(|a| a.overlap && a.newcomer.as_ref().is_some_and(|n| n.uid == *uid))
}

/// Another node's, and has been for a day: behind a new load balancer nodes take turns.
fn is_settled_node(view: &View<'_>) -> bool {
    view.address
        .is_some_and(|a| view.now().since(a.node.first).as_seconds() >= 86_400)
}

/// A second address of the same family, while the first was in use.
fn is_elsewhere(home: &Place, view: &View<'_>) -> bool {
    view.origin
        .ip
        .is_some_and(|ip| ip != home.ip && view.now().since(home.last) <= POD_ALIVE)
        && owner_of_address(view).is_none_or(|pod| pod.uid != *view.event.credential.pod_uid)
}
