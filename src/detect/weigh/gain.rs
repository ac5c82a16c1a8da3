//! What one act would win an intruder here: the table's gain, raised by whom it leads to, lowered
//! by how it ended, and what it is aimed at.

use super::{Cause, What};
use crate::base::Bits;
use crate::detect::View;
use crate::detect::acts::{Act, is_new_mount, leads_to_node};
use crate::detect::deed::{Deed, Reach};
use crate::event::{Outcome, Principal};
use smallvec::SmallVec;
use smol_str::SmolStr;

/// A token that is bound to a node outlives the pod that it would be bound to.
const NODE_BOUND: Bits = Bits::whole(3);
const POD_BOUND: Bits = Bits::whole(2);

/// The gain of an act, as far as its request was successful.
pub(super) fn of(
    view: &View<'_>,
    what: What,
    key: &SmolStr,
    causes: &mut SmallVec<[Cause; 2]>,
) -> Bits {
    let mut gain = override_of(view, what, key).unwrap_or_else(|| table(view, what));
    if is_own_pod(view, what) {
        return Bits::ZERO;
    }
    if is_known_by_more(view, what) {
        gain = gain.times(1, 2);
    }
    let is_hostile = matches!(what, What::Act(act) if super::Acts::is_hostile(act));
    let is_forged = matches!(view.event.principal, Principal::Impostor { .. });
    if !is_hostile
        && !is_forged
        && view
            .event
            .groups
            .iter()
            .any(|group| group == "system:masters")
    {
        gain = gain.times(1, 2);
        causes.push(Cause::HoldsAll);
    }
    succeeded(view, what, gain)
}

/// What the operator's settings say: of the kind at this reach, or of the kind.
fn override_of(view: &View<'_>, what: What, key: &SmolStr) -> Option<Bits> {
    let gains = &view.policy.gains;
    if gains.is_empty() {
        return None;
    }
    let bare = match what {
        What::Deed(deed, _) => deed.key(),
        What::Act(act) => act.key(),
    };
    let bits = gains.get(key.as_str()).or_else(|| gains.get(bare))?;
    Some(Bits::whole((*bits).min(40).cast_signed()))
}

fn table(view: &View<'_>, what: What) -> Bits {
    match what {
        What::Deed(deed @ Deed::MintToken, reach) => {
            let token = view
                .event
                .facts
                .as_ref()
                .and_then(|facts| facts.token.as_ref());
            let extra = match token.map_or("", |token| token.bound_to.as_str()) {
                "Node" => NODE_BOUND,
                // Only kubelets ask for the tokens of pods.
                "Pod" => POD_BOUND,
                _ => Bits::ZERO,
            };
            deed.gain(reach).max(view.run_as_power) + extra
        }
        // People enter pods to look after them, and have tokens of their own.
        What::Deed(deed @ Deed::EnterPod, reach) if view.is_person() && reach != Reach::System => {
            deed.gain(reach) - Bits::whole(3)
        }
        // Releases of Helm, secrets of one application: one more than a single Secret.
        What::Deed(Deed::ListSecrets, reach) if selects_by_label(view.event.uri) => {
            Deed::ReadSecret.gain(reach) + Bits::whole(1)
        }
        What::Deed(deed, reach) => deed.gain(reach),
        // What its pods may do is not yet done.
        What::Act(Act::StrongerAccount) => view.run_as_power - Bits::whole(3),
        What::Act(Act::NodeVolume) => {
            let path = view
                .event
                .facts
                .as_ref()
                .map_or("", |facts| facts.volume_path.as_str());
            if leads_to_node(path) {
                Bits::whole(12)
            } else {
                Act::HostPath.gain()
            }
        }
        // Cloud audiences and lifetimes of a minter are told once, by its token.
        What::Act(act) => {
            let is_system = Reach::of(&view.event.operation) == Reach::System;
            match act {
                Act::WorkloadChanged | Act::DaemonSetMade | Act::AgentRemoved if is_system => {
                    act.gain() + Bits::whole(5)
                }
                _ => act.gain(),
            }
        }
    }
}

/// Whether the query asks for a label of one value. Whoever asks for all that lack a label has all.
fn selects_by_label(uri: &str) -> bool {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    let selector = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("labelSelector="));
    let (key, value) = selector
        .and_then(|selector| selector.split_once("%3D"))
        .unwrap_or_default();
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._/".contains(&b))
    };
    is_name(&key.replace("%2F", "/")) && is_name(value.strip_prefix("%3D").unwrap_or(value))
}

/// Who lists all Secrets wins little by reading one, with the same program.
fn is_known_by_more(view: &View<'_>, what: What) -> bool {
    let What::Deed(Deed::ReadSecret, reach) = what else {
        return false;
    };
    let place = view.event.operation.namespace;
    let lists = |key: &str, mark: char, what: &str| {
        view.account.practices.get(key).is_some()
            && view.account.practised(key, mark, what).is_some()
    };
    let in_place = match reach {
        Reach::Own => lists("secret.list.o", ':', view.agent),
        Reach::Other => view
            .account
            .practised("secret.list.n", '@', place)
            .is_some(),
        Reach::System | Reach::Cluster => view
            .account
            .practised("secret.list.s", '@', place)
            .is_some(),
    };
    (in_place || lists("secret.list.c", ':', view.agent)) && view.agent_seen.is_some()
}

/// Whoever made a pod enters what is its own.
fn is_own_pod(view: &View<'_>, what: What) -> bool {
    let operation = &view.event.operation;
    matches!(what, What::Deed(Deed::EnterPod | Deed::ForwardPort, _))
        && view.causes.is_own_pod(
            operation.namespace,
            operation.name,
            view.event.username,
            view.now(),
        )
}

fn succeeded(view: &View<'_>, what: What, gain: Bits) -> Bits {
    if matches!(
        what,
        What::Act(Act::Refused | Act::RefusedOutside | Act::OddVerb | Act::IdentityForged)
    ) {
        return gain;
    }
    match view.event.outcome {
        Outcome::Allowed => gain,
        Outcome::ForbiddenByRbac | Outcome::RefusedByAdmission => gain.times(2, 5),
        Outcome::ImpersonationRefused => gain.times(3, 5),
        // Names are tried out.
        Outcome::NotFound if view.event.operation.is_read() => gain.times(3, 5),
        Outcome::NotFound | Outcome::Rejected => gain.times(1, 4),
        // A write whose answer came too late is done all the same.
        Outcome::ServerError if view.event.code == 504 && !view.event.operation.is_read() => gain,
        Outcome::ServerError => gain.times(1, 2),
        Outcome::Pending | Outcome::Throttled | Outcome::Unauthenticated => Bits::ZERO,
    }
}

/// What an act is aimed at, and in which namespace, where it matters as much as the act.
pub(super) fn aim(view: &View<'_>, what: What) -> (String, String) {
    let operation = &view.event.operation;
    let (namespace, name) = (operation.namespace, operation.name);
    let facts = view.event.facts.as_deref();
    let pod = facts.and_then(|facts| facts.pod.as_ref());
    let foreign = |place: &str| {
        if place == view.event.principal.namespace() {
            String::new()
        } else {
            place.to_owned()
        }
    };
    let full = || format!("{namespace}/{name}");
    let none = String::new;
    match what {
        What::Deed(Deed::MintToken, _) => {
            (format!("{} {}", full(), view.target), foreign(namespace))
        }
        What::Deed(Deed::ReadSecret, _) => (full(), foreign(namespace)),
        What::Deed(deed, _) => match deed {
            // Applications bring roles of their own, whose names are many by nature.
            Deed::BindRole => (none(), foreign(namespace)),
            Deed::BindAdmin | Deed::BindStrong | Deed::BindView => {
                let binding = facts.and_then(|facts| facts.binding.as_ref());
                let role = binding.map_or("", |binding| binding.role.as_str());
                (role.to_owned(), foreign(namespace))
            }
            Deed::ActAsMasters
            | Deed::ActAsSystem
            | Deed::ActAsGroup
            | Deed::ActAsUser
            | Deed::KubeletExec
            | Deed::KubeletLogs
            | Deed::KubeletRead => (view.target.to_owned(), none()),
            Deed::WriteWebhook
            | Deed::ChangeWebhook
            | Deed::RedirectWebhook
            | Deed::WriteApiService => {
                let calls = facts.map_or("", |facts| facts.calls.as_str());
                (format!("{name} {calls}").trim_end().to_owned(), none())
            }
            Deed::ClusterConfig => (full(), none()),
            _ => (none(), foreign(namespace)),
        },
        What::Act(Act::StrongerAccount) => {
            let account = pod.map_or("", |pod| pod.service_account.as_str());
            (format!("{namespace}/{account}"), none())
        }
        What::Act(Act::SecretMounted) => {
            let mut mounted = pod.iter().flat_map(|pod| &pod.secrets);
            let new = mounted.find(|secret| is_new_mount(view, secret));
            let path = new.map(|secret| format!("{namespace}/{secret}"));
            (path.unwrap_or_default(), none())
        }
        What::Act(Act::NamespaceDeleted | Act::DataDeleted) => (full(), none()),
        // The operation tells where.
        What::Act(_) if view.sensitive.is_some() => (none(), none()),
        What::Act(Act::PolicyRemoved) => (none(), none()),
        What::Act(_) => (none(), foreign(namespace)),
    }
}

#[cfg(test)]
mod tests {
    use super::selects_by_label;

    #[test]
    fn a_selector_that_leaves_much_is_none() {
        let selects =
            |query: &str| selects_by_label(&format!("/api/v1/namespaces/shelf/secrets?{query}"));
        assert!(selects("labelSelector=owner%3Dhelm"));
        assert!(selects(
            "limit=500&labelSelector=app.kubernetes.io%2Fname%3D%3Dweb"
        ));
        for odd in [
            "",
            "limit=500",
            "labelSelector=",
            "labelSelector=%21x",
            "labelSelector=a%21%3Db",
        ] {
            assert!(!selects(odd), "{odd}");
        }
        assert!(
            !selects("labelSelector=a%3Db%2Cc%21%3Dd"),
            "more than one word is not understood"
        );
        assert!(!selects(
            "fieldSelector=type%3Dkubernetes.io%2Fservice-account-token"
        ));
    }
}
