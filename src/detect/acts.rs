//! Acts that are dangerous in themselves: what one event shows that should be known of, whoever did it.
//!
//! Refuses to weigh an act against its account (`sensitive` and the detectors do that) and to keep texts:
//! an act is one bit.

mod asked;
mod done;

use super::{Tactic, View, own};
use crate::event::{Outcome, Principal, PrincipalKind};

macro_rules! acts {
    ($($name:ident $words:literal $tactic:ident [$($technique:literal),*];)*) => {
        /// The gravest first.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Act { $($name),* }

        impl Act {
            pub const ALL: &[Act] = &[$(Act::$name),*];

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
    ShellByExec "opens a shell to somewhere else in a pod" Execution ["T1609", "T1059"];
    TokenByExec "reads a token or key file in a pod" CredentialAccess ["T1552.001", "T1552.007", "T1609"];
    MetadataByExec "asks the cloud's metadata service from a pod" CredentialAccess ["T1552.005", "T1609"];
    ShellInPod "starts a container that opens a shell to somewhere else" Execution ["T1609", "T1059"];
    Miner "starts what is named like a coin miner" Impact ["T1496", "T1204.003"];
    Tool "uses or names a tool of attackers and testers" Discovery ["T1613", "T1609"];
    SystemFromOutside "uses a machine's identity from a public address" CredentialAccess
        ["T1078.004", "T1528"];
    ControlPlaneTool "uses an identity of the control plane with another program" CredentialAccess
        ["T1078.001", "T1649"];
    Bootstrap "uses a bootstrap token with another program than a kubelet's" CredentialAccess ["T1552"];
    KubeletReached "was reached, as a kubelet, by an account that may enter its pods" LateralMovement ["T1021", "T1609"];
    EveryoneBound "gives rights to everybody" PrivilegeEscalation ["T1098.006", "T1078.001"];
    DefaultBound "gives rights to a namespace's default account" PrivilegeEscalation ["T1098.006"];
    StrongRole "writes a role with power over others" PrivilegeEscalation ["T1098.006"];
    WritingRole "writes a role that may change things" PrivilegeEscalation ["T1098.006"];
    ClientCertificate "asks for a certificate to use the API with" PrivilegeEscalation ["T1098", "T1649"];
    CloudToken "mints a token for a cloud's identity service" CredentialAccess ["T1528", "T1550.001"];
    LongToken "mints a token that lives for more than a day" Persistence ["T1098"];
    FreeToken "mints a token bound to nothing" CredentialAccess ["T1528"];
    TokenSecret "makes a Secret for a token without expiry" Persistence ["T1098", "T1528"];
    Unread "sends a body that cannot be looked at whole" DefenseEvasion ["T1562", "T1027"];
    Privileged "starts a privileged container" PrivilegeEscalation ["T1611", "T1610"];
    HostPath "mounts a path of the node" PrivilegeEscalation ["T1611"];
    HostPid "shares the processes of the node" PrivilegeEscalation ["T1611"];
    HostIpc "shares the memory of the node" PrivilegeEscalation ["T1611"];
    HostNetwork "shares the network of the node" PrivilegeEscalation ["T1611"];
    Capabilities "adds capabilities that lead out of a container" PrivilegeEscalation ["T1611"];
    ControllerAccount "runs a pod as one of the cluster's own controllers" PrivilegeEscalation ["T1078.001"];
    BreakGlass "sets the check of an image aside" DefenseEvasion ["T1562"];
    Masquerade "starts a pod named like a part of Kubernetes" DefenseEvasion ["T1036.005"];
    CopyOut "copies files out of a pod" CredentialAccess ["T1530"];
    FetchByExec "fetches something from the network in a pod" Execution ["T1609", "T1105"];
    NodeMade "makes a Node that is not the caller" Persistence ["T1133"];
    StaticPod "shows a static pod of a node" Persistence ["T1525", "T1610"];
    StrongQuestion "asks whether it may do everything, or read Secrets" Discovery ["T1069.003"];
    SelfReview "asks what it may do" Discovery ["T1069.003", "T1613"];
    CredentialsWritten "writes what looks like credentials into a ConfigMap" CredentialAccess ["T1552.001"];
    RefusedOutside "is refused at a public address" Discovery ["T1613", "T1078"];
    Refused "is refused what it was never seen to do" Discovery ["T1613"];
    SystemAccountMade "makes a service account in a system namespace" Persistence ["T1136", "T1036.005"];
    AccountMade "makes a service account" Persistence ["T1136"];
    DaemonSetMade "starts a pod on every node" Persistence ["T1610", "T1543"];
    JobWritten "writes a job or its schedule" Persistence ["T1053.007"];
    SharedProcesses "shares processes between the containers of a pod" PrivilegeEscalation ["T1611"];
    Root "runs a container as root" PrivilegeEscalation ["T1611"];
    Exposed "exposes a Service outside the cluster" InitialAccess ["T1133", "T1190"];
    PlainIngress "makes an Ingress without TLS" InitialAccess ["T1040"];
    WorkloadChanged "changes the containers of a running workload" Persistence ["T1609"];
    WorkloadDeleted "deletes a Deployment" Impact ["T1485", "T1498"];
    NamespaceMade "makes a namespace" Execution ["T1610"];
}

/// A set of acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Acts(u64);

impl Acts {
    /// The dangerous acts that an event shows. Nearly every event shows none, and is asked only a few words.
    #[must_use]
    pub fn of(view: &View<'_>) -> Acts {
        let mut acts = Acts::default();
        let event = view.event;
        if matches!(event.principal, Principal::Nobody)
            || matches!(event.outcome, Outcome::Throttled | Outcome::ServerError | Outcome::Pending | Outcome::Rejected)
        {
            return acts;
        }
        asked::by_whom(view, &mut acts);
        // What an anonymous request is allowed is told by `anonymous-access`; the cluster's own work is no danger.
        if event.principal == Principal::Anonymous || own::seems_own_work(view) {
            return acts;
        }
        if event.principal.kind() == PrincipalKind::Node {
            done::by_node(event, &mut acts);
            return acts;
        }
        asked::how(view, &mut acts);
        done::by_operation(event, &mut acts);
        if let Some(facts) = &event.facts {
            done::by_facts(&event.operation, facts, &mut acts);
        }
        acts
    }

    pub fn set(&mut self, act: Act, when: bool) {
        if when {
            self.0 |= 1 << act as u8;
        }
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn has(self, act: Act) -> bool {
        self.0 & (1 << act as u8) != 0
    }

    /// The gravest first.
    pub fn each(self) -> impl Iterator<Item = Act> {
        Act::ALL.iter().copied().filter(move |act| self.has(*act))
    }
}
