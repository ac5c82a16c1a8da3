//! Acts that the event itself shows besides its operation: what its body, its command, its caller
//! and its answer give away. THE table of their gains; those of operations stand in `deed.rs`.
//!
//! Refuses to weigh an act against its account (`weigh.rs` does that) and to keep texts: an act is
//! one bit.

mod asked;
mod done;

pub(super) use done::{is_new_mount, leads_to_node};

use super::{Tactic, View, own};
use crate::base::Bits;
use crate::event::{Outcome, Principal, PrincipalKind};

macro_rules! acts {
    ($($name:ident $key:literal $gain:literal $words:literal $tactic:ident [$($technique:literal),*];)*) => {
        /// In the order in which they came; the number is stored nowhere.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Act { $($name),* }

        impl Act {
            pub const ALL: &[Act] = &[$(Act::$name),*];

            /// The word that baselines and settings know it by. It never changes its meaning.
            #[must_use]
            pub fn key(self) -> &'static str {
                match self { $(Act::$name => $key),* }
            }

            /// What an intruder wins by it, in whole bits. Zero where the operation says it better.
            #[must_use]
            pub fn gain(self) -> Bits {
                Bits::whole(match self { $(Act::$name => $gain),* })
            }

            #[must_use]
            pub fn words(self) -> &'static str {
                match self { $(Act::$name => $words),* }
            }

            #[must_use]
            pub fn tactic(self) -> Tactic {
                match self { $(Act::$name => Tactic::$tactic),* }
            }

            #[must_use]
            pub fn techniques(self) -> &'static [&'static str] {
                match self { $(Act::$name => &[$($technique),*]),* }
            }
        }
    };
}

acts! {
    ShellByExec "exec.shell" 11 "opens a shell to somewhere else in a pod"
        Execution ["T1609", "T1059"];
    TokenByExec "exec.token" 10 "reads a token or key file in a pod"
        CredentialAccess ["T1552.001", "T1552.007", "T1609"];
    MetadataByExec "exec.metadata" 8 "asks the cloud's metadata service from a pod"
        CredentialAccess ["T1552.005", "T1609"];
    ShellInPod "pod.shell" 13 "starts a container that opens a shell to somewhere else"
        Execution ["T1609", "T1059"];
    Miner "miner" 13 "starts what is named like a coin miner" Impact ["T1496", "T1204.003"];
    Tool "tool" 6 "uses or names a tool of attackers and testers" Discovery ["T1613", "T1609"];
    SystemFromOutside "outside" 3 "uses a machine's identity from a public address"
        CredentialAccess ["T1078.004", "T1528"];
    ControlPlaneTool "tool.component" 10 "uses an identity of the control plane with another program"
        CredentialAccess ["T1078.001", "T1649"];
    ControlPlaneClient "tool.client" 17 "uses an identity of the control plane with a client of people and scripts"
        CredentialAccess ["T1078.001", "T1649"];
    Bootstrap "bootstrap" 8 "uses a bootstrap token with another program than a kubelet's"
        CredentialAccess ["T1552"];
    KubeletReached "kubelet.reached" 10 "was reached, as a kubelet, by an account that may enter its pods"
        LateralMovement ["T1021", "T1609"];
    EveryoneBound "bind.everyone" 12 "gives rights to everybody"
        PrivilegeEscalation ["T1098.006", "T1078.001"];
    DefaultBound "bind.default" 4 "gives rights to a namespace's default account"
        PrivilegeEscalation ["T1098.006"];
    StrongRole "role.power" 0 "writes a role with power over others"
        PrivilegeEscalation ["T1098.006"];
    WritingRole "role.writes" 0 "writes a role that may change things"
        PrivilegeEscalation ["T1098.006"];
    ClientCertificate "csr.client" 6 "asks for a certificate to use the API with"
        PrivilegeEscalation ["T1098", "T1649"];
    CloudToken "token.cloud" 7 "mints a token for a cloud's identity service"
        CredentialAccess ["T1528", "T1550.001"];
    LongToken "token.long" 8 "mints a token that lives for more than a day" Persistence ["T1098"];
    FreeToken "token.free" 2 "mints a token bound to nothing" CredentialAccess ["T1528"];
    TokenSecret "secret.token" 9 "makes a Secret for a token without expiry"
        Persistence ["T1098", "T1528"];
    Unread "unread" 10 "sends a body that cannot be looked at whole"
        DefenseEvasion ["T1562", "T1027"];
    Privileged "pod.privileged" 10 "starts a privileged container"
        PrivilegeEscalation ["T1611", "T1610"];
    HostPath "pod.hostpath" 4 "mounts a path of the node" PrivilegeEscalation ["T1611"];
    HostPid "pod.hostpid" 8 "shares the processes of the node" PrivilegeEscalation ["T1611"];
    HostIpc "pod.hostipc" 4 "shares the memory of the node" PrivilegeEscalation ["T1611"];
    HostNetwork "pod.hostnetwork" 4 "shares the network of the node" PrivilegeEscalation ["T1611"];
    Capabilities "pod.capabilities" 5 "adds capabilities that lead out of a container"
        PrivilegeEscalation ["T1611"];
    ControllerAccount "pod.controller" 10 "runs a pod as one of the cluster's own controllers"
        PrivilegeEscalation ["T1078.001"];
    BreakGlass "pod.breakglass" 6 "sets the check of an image aside" DefenseEvasion ["T1562"];
    Masquerade "pod.masquerade" 5 "starts a pod named like a part of Kubernetes"
        DefenseEvasion ["T1036.005"];
    CopyOut "exec.copy" 4 "copies files out of a pod" CredentialAccess ["T1530"];
    FetchByExec "exec.fetch" 4 "fetches something from the network in a pod"
        Execution ["T1609", "T1105"];
    NodeMade "node.made" 6 "makes a Node that is not the caller" Persistence ["T1133"];
    StaticPod "pod.static" 4 "shows a static pod of a node" Persistence ["T1525", "T1610"];
    StrongQuestion "ask.all" 3 "asks whether it may do everything, or read Secrets"
        Discovery ["T1069.003"];
    SelfReview "ask" 1 "asks what it may do" Discovery ["T1069.003", "T1613"];
    CredentialsWritten "configmap.key" 2 "writes what looks like credentials into a ConfigMap"
        CredentialAccess ["T1552.001"];
    RefusedOutside "refused.outside" 4 "is refused at a public address"
        Discovery ["T1613", "T1078"];
    Refused "refused" 2 "is refused what it was never seen to do" Discovery ["T1613"];
    SystemAccountMade "account.system" 5 "makes a service account in a system namespace"
        Persistence ["T1136", "T1036.005"];
    AccountMade "account" 1 "makes a service account" Persistence ["T1136"];
    DaemonSetMade "daemonset" 2 "starts a pod on every node" Persistence ["T1610", "T1543"];
    JobWritten "job" 1 "writes a job or its schedule" Persistence ["T1053.007"];
    SharedProcesses "pod.processes" 1 "shares processes between the containers of a pod"
        PrivilegeEscalation ["T1611"];
    Root "pod.root" 1 "runs a container as root" PrivilegeEscalation ["T1611"];
    Exposed "expose" 2 "exposes a Service outside the cluster" InitialAccess ["T1133", "T1190"];
    PlainIngress "ingress" 1 "makes an Ingress without TLS" InitialAccess ["T1040"];
    WorkloadChanged "workload.change" 2 "changes the containers of a running workload"
        Persistence ["T1609"];
    WorkloadDeleted "workload.delete" 2 "deletes a Deployment" Impact ["T1485", "T1498"];
    NamespaceMade "namespace" 1 "makes a namespace" Execution ["T1610"];
    IdentityForged "identity.forged" 15 "presents itself as a node or component, in groups that no such identity has"
        CredentialAccess ["T1649", "T1036"];
    HostProcess "pod.hostprocess" 10 "runs a process of its Windows node"
        PrivilegeEscalation ["T1611"];
    NodeFiles "pod.files" 10 "mounts files of the node that lead to the node itself"
        PrivilegeEscalation ["T1611"];
    NodeVolume "pv.hostpath" 10 "makes a volume of a path of the node"
        PrivilegeEscalation ["T1611"];
    NodeCapabilities "pod.admin" 9 "adds capabilities that give power over the node"
        PrivilegeEscalation ["T1611"];
    StrongerAccount "pod.account" 0 "runs a workload as an account with more rights"
        PrivilegeEscalation ["T1078.001", "T1610"];
    ControlPlanePod "pod.control-plane" 7 "runs a workload on the control plane's nodes"
        PrivilegeEscalation ["T1610", "T1611"];
    SecretMounted "pod.secret" 9 "mounts a Secret that it never mounted"
        CredentialAccess ["T1552.007"];
    TokenInPod "pod.token" 9 "starts a container that reads a token or key file"
        CredentialAccess ["T1552.001", "T1610"];
    SecretAimed "secret.aimed" 9 "aims a token Secret at another account" Persistence ["T1098"];
    PodSecurityLowered "namespace.privileged" 7 "lets privileged pods into a namespace"
        DefenseEvasion ["T1562.001"];
    PolicyRemoved "policy.delete" 8 "removes or changes a policy of admission or network"
        DefenseEvasion ["T1562.001"];
    AgentRemoved "daemonset.delete" 5 "deletes a DaemonSet" DefenseEvasion ["T1562.001", "T1489"];
    NamespaceDeleted "namespace.delete" 4 "deletes a namespace" Impact ["T1485"];
    DataDeleted "data.delete" 5 "deletes data: volumes, snapshots, backups, databases"
        Impact ["T1485", "T1490"];
    Constraints "scc" 10 "changes who may run privileged pods"
        PrivilegeEscalation ["T1098.006", "T1611"];
    OAuthToken "oauth.token" 10 "makes an OAuth token or client" Persistence ["T1098", "T1528"];
    GroupWritten "group" 9 "changes who is in a group of users" PrivilegeEscalation ["T1098.006"];
    EndpointsWritten "endpoints" 4 "redirects the traffic of a Service" CredentialAccess ["T1557"];
    ApplicationMade "gitops" 3 "makes what a deployment agent will apply" Execution ["T1610"];
    PodBound "pod.bind" 5 "binds a pod to a node, as the scheduler does" Execution ["T1610"];
    CronJobMade "cronjob" 7 "makes a CronJob" Persistence ["T1053.007"];
    SelfBound "bind.self" 9 "gives rights to itself" PrivilegeEscalation ["T1098.006"];
    OddVerb "verb.odd" 6 "sends an HTTP method that the API does not know" Discovery ["T1613"];
}

/// A set of acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Acts(u128);

impl Acts {
    /// The dangerous acts that an event shows. Nearly every event shows none, and is asked only a
    /// few words.
    #[must_use]
    pub fn of(view: &View<'_>) -> Acts {
        let mut acts = Acts::default();
        let event = view.event;
        if matches!(event.principal, Principal::Nobody)
            || matches!(event.outcome, Outcome::Throttled | Outcome::Pending)
        {
            return acts;
        }
        asked::by_whom(view, &mut acts);
        if own::seems_own_work(view) {
            return acts;
        }
        if event.principal.kind() == PrincipalKind::Node {
            done::by_node(event, &mut acts);
            // A mirror pod is what the node's own files say, whatever they say.
            if let Some(facts) = event
                .facts
                .as_ref()
                .filter(|_| event.operation.resource == "pods")
            {
                done::by_facts(view, facts, &mut acts);
            }
            return acts;
        }
        asked::how(view, &mut acts);
        done::by_operation(event, &mut acts);
        if let Some(facts) = &event.facts {
            done::by_facts(view, facts, &mut acts);
        }
        acts
    }

    pub fn set(&mut self, act: Act, when: bool) {
        if when {
            self.0 |= 1u128 << act as u8;
        }
    }

    /// Hostile whoever does it: habit makes it no better than odd.
    #[must_use]
    pub fn is_hostile(act: Act) -> bool {
        matches!(
            act,
            Act::ShellByExec
                | Act::TokenByExec
                | Act::MetadataByExec
                | Act::ShellInPod
                | Act::Miner
                | Act::Tool
                | Act::ControlPlaneClient
                | Act::IdentityForged
        )
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn has(self, act: Act) -> bool {
        self.0 & (1u128 << act as u8) != 0
    }

    pub fn each(self) -> impl Iterator<Item = Act> {
        Act::ALL.iter().copied().filter(move |act| self.has(*act))
    }
}
