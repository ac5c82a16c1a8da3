//! What explains an act away: causes that the engine has seen, by name.

use super::{Weights, What, Why};
use crate::base::remembered::Seen;
use crate::base::{Bits, Time};
use crate::detect::acts::Act;
use crate::detect::deed::{Deed, Reach};
use crate::detect::{View, own};
use crate::event::PrincipalKind;
use smallvec::SmallVec;
use std::fmt;

/// Kinds of objects that whoever installs software writes.
const INSTALLED_KINDS: [&str; 12] = [
    "configmaps",
    "serviceaccounts",
    "services",
    "deployments.apps",
    "daemonsets.apps",
    "statefulsets.apps",
    "jobs.batch",
    "cronjobs.batch",
    "ingresses.networking.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
];
/// So many of them, on more than one day or today, make it a trade.
const TRADE: usize = 3;

/// Roles from here on lead to others: they let their holder escalate, enter pods and kubelets, or
/// mint tokens.
const LEADS_ON: Bits = Bits::whole(8);

/// A program and a place that are no newer are the account's own.
const ALMOST_HABIT: Bits = Bits::whole(1);

/// Why an act is less odd than it looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The account was made within a day.
    Installed(Time),
    /// Accounts of its role do it.
    Role,
    /// Several accounts began it at once, each for itself.
    Wave,
    /// Installing software is what the account does.
    Installer,
    /// The identity holds every right already.
    HoldsAll,
    /// The program came with a new pod.
    Rollout,
    /// It was refused until it was granted.
    Asked,
    /// An identity without a service account that behaves as a machine, by its one program, from
    /// where it always calls.
    Machine,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Installed(at) => write!(f, "the account was created at {at}"),
            Cause::Role => f.write_str("accounts of the same role do this"),
            Cause::Wave => f.write_str("several accounts began this at the same time"),
            Cause::Installer => f.write_str("this account installs software routinely"),
            Cause::HoldsAll => {
                f.write_str("this identity is in system:masters and holds every right already")
            }
            Cause::Asked => f.write_str("it asked for this before, and was refused"),
            Cause::Machine => {
                f.write_str("it works round the clock with one program from its usual addresses")
            }
            Cause::Rollout => f.write_str("the program came with a new pod of this account"),
        }
    }
}

/// The weight that is left where causes explain a part, and which do. Whoever uses another program,
/// or comes from elsewhere, has no part in a change of the account's own.
pub(super) fn explain(
    view: &View<'_>,
    what: What,
    key: &str,
    why: Why,
    weight: Bits,
    weights: &Weights,
    causes: &mut SmallVec<[Cause; 2]>,
) -> Bits {
    if weight == Bits::ZERO || weights.program + weights.origin > ALMOST_HABIT {
        if weights.is_rollout {
            causes.push(Cause::Rollout);
        }
        return weight;
    }
    if view
        .causes
        .is_wave(key, view.event.username, view.origin.ip, view.now())
    {
        causes.push(Cause::Wave);
        return weight.times(1, 4);
    }
    if is_machine_at_home(view) {
        causes.push(Cause::Machine);
        return weight.times(1, 2);
    }
    let elsewhere =
        why == Why::Place && matches!(what, What::Deed(Deed::ListSecrets, Reach::Other));
    if (installs(view, what) || elsewhere) && is_installer(view) {
        causes.push(Cause::Installer);
        return weight.times(1, 3);
    }
    weight
}

/// Identities of clouds and agents outside the cluster have no pod that an intruder could have
/// entered: whoever took their credential calls from elsewhere, with tools of his own.
fn is_machine_at_home(view: &View<'_>) -> bool {
    let account = view.account;
    view.is_person()
        && account.agents.len() == 1
        && !own::is_client(view.agent)
        && view.agent_seen.is_some_and(|seen| seen.days > 1)
        && view.origin_days() > 1
        && account.hours.are_round_the_clock()
}

/// What software brings along when it is installed. Rights over everything, and power over nodes,
/// are not among it.
fn installs(view: &View<'_>, what: What) -> bool {
    match what {
        // Its own role, which it has just written.
        What::Deed(Deed::BindStrong, reach) => {
            view.role_worth.is_some_and(|worth| worth < LEADS_ON) && reach != Reach::System
        }
        What::Deed(Deed::WriteStrong, _) | What::Act(Act::StrongRole) => {
            let rules = view.event.facts.as_ref().and_then(|facts| facts.rules);
            rules.is_some_and(|rules| Bits::whole(rules.worth()) < LEADS_ON)
        }
        What::Deed(deed, _) => matches!(
            deed,
            Deed::BindRole
                | Deed::BindView
                | Deed::WriteRole
                | Deed::WriteWebhook
                | Deed::WriteApiService
                | Deed::WriteKind
                | Deed::WriteSecret
                | Deed::StartWorkload
                | Deed::StartPod
        ),
        What::Act(act) => matches!(
            act,
            Act::WritingRole
                | Act::DefaultBound
                | Act::SystemAccountMade
                | Act::AccountMade
                | Act::NamespaceMade
                | Act::DaemonSetMade
                | Act::JobWritten
                | Act::CronJobMade
                | Act::WorkloadChanged
                | Act::HostNetwork
                | Act::HostPath
                | Act::Capabilities
                | Act::Root
                | Act::SharedProcesses
                | Act::Exposed
                | Act::PlainIngress
                | Act::CredentialsWritten
                | Act::SecretMounted
                | Act::Masquerade
        ),
    }
}

fn is_installer(view: &View<'_>) -> bool {
    if view.event.principal.kind() == PrincipalKind::Anonymous {
        return false;
    }
    let mut kinds: SmallVec<[&str; 12]> = SmallVec::new();
    let today = |seen: &Seen| seen.last().day() == view.now().day();
    for (operation, _) in view
        .account
        .operations
        .iter()
        .filter(|(_, seen)| seen.days > 1 || today(seen))
    {
        let Some((verb, rest)) = operation.split_once(' ') else {
            continue;
        };
        let kind = rest.split(' ').next().unwrap_or_default();
        let writes = matches!(verb, "create" | "patch" | "update");
        if writes && INSTALLED_KINDS.contains(&kind) && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.len() >= TRADE
}
