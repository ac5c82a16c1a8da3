//! The rows: published detections by tactic, in the order of their ids.
//!
//! Refuses a row for what no log of the API server can show, unless it says so.

use super::By::{Act as A, Alone, Deed as D, Known, Not, Part, Seen};
use super::Row;
use crate::detect::acts::Act;
use crate::detect::deed::Deed;

const LISTS: &str =
    "allowed without a credential; lists of bad addresses are not bundled: they change daily";

pub const ROWS: &[Row] = &[
    (
        "IA-01",
        "Anonymous request is allowed",
        Alone("anonymous-access", "allowed and not public by design"),
    ),
    (
        "IA-02",
        "Object written by an anonymous user",
        Alone("anonymous-access", "allowed, and it changes something"),
    ),
    ("IA-03", "NodePort Service", A(Act::Exposed)),
    (
        "IA-04",
        "Sensitive application exposed by a LoadBalancer",
        A(Act::Exposed),
    ),
    ("IA-05", "Ingress without TLS", A(Act::PlainIngress)),
    ("CA-01", "A Secret is read", D(Deed::ReadSecret)),
    ("CA-02", "A Secret read is refused", D(Deed::ReadSecret)),
    ("CA-03", "Secrets listed", D(Deed::ListSecrets)),
    (
        "CA-04",
        "Secrets listed across the cluster",
        D(Deed::ListSecrets),
    ),
    (
        "CA-05",
        "Many Secrets read in a short time",
        Alone("enumeration", "points for each distinct Secret"),
    ),
    (
        "CA-06",
        "Secrets read by a service account",
        D(Deed::ReadSecret),
    ),
    (
        "CA-07",
        "Secrets read by a script or HTTP library",
        D(Deed::ReadSecret),
    ),
    (
        "CA-08",
        "Secrets read through the Azure Arc proxy",
        D(Deed::ActAsUser),
    ),
    (
        "CA-09",
        "ConfigMap with what looks like credentials",
        A(Act::CredentialsWritten),
    ),
    (
        "CA-10",
        "exec that reads a token or key file",
        A(Act::TokenByExec),
    ),
    (
        "CA-11",
        "exec that asks the metadata service",
        A(Act::MetadataByExec),
    ),
    ("CA-12", "Files copied out of a pod", A(Act::CopyOut)),
    (
        "CA-13",
        "CSR fetched with a bootstrap token",
        A(Act::Bootstrap),
    ),
    (
        "CA-14",
        "Credential access from listed addresses, or anonymous",
        Alone("anonymous-access", LISTS),
    ),
    (
        "DI-01",
        "Asks for the list of its own rights",
        A(Act::SelfReview),
    ),
    (
        "DI-02",
        "Service account asks for its own rights",
        A(Act::SelfReview),
    ),
    (
        "DI-03",
        "Asks whether it may do something strong",
        A(Act::StrongQuestion),
    ),
    (
        "DI-04",
        "Several kinds probed within a minute",
        Alone("enumeration", "points for each kind refused"),
    ),
    (
        "DI-05",
        "Sweep over paths and kinds",
        Alone("enumeration", "discovery paths and refusals together"),
    ),
    (
        "DI-06",
        "The same sweep without a credential",
        Alone("enumeration", "of `system:anonymous`, by address"),
    ),
    (
        "DI-07",
        "Burst of refused requests",
        Alone("enumeration", "points for each kind refused"),
    ),
    (
        "DI-08",
        "Any 401 or 403",
        Seen(
            "dangerous-request",
            "403 at a public address; 401s make `unauthenticated-burst`",
        ),
    ),
    (
        "DI-09",
        "A service account is refused for the first time",
        Known(
            "dangerous-request",
            "by a program that is new to it; several kinds are `enumeration`",
        ),
    ),
    ("DI-10", "A create is refused", A(Act::Refused)),
    ("DI-11", "Known tool of attackers or testers", A(Act::Tool)),
    (
        "DI-12",
        "Discovery from listed addresses, or anonymous",
        Alone("anonymous-access", LISTS),
    ),
    ("PE-01", "Privileged container", A(Act::Privileged)),
    ("PE-02", "hostPath mounted", A(Act::HostPath)),
    ("PE-03", "hostNetwork", A(Act::HostNetwork)),
    ("PE-04", "hostPID", A(Act::HostPid)),
    ("PE-05", "hostIPC", A(Act::HostIpc)),
    (
        "PE-06",
        "Dangerous capabilities added",
        A(Act::Capabilities),
    ),
    ("PE-07", "shareProcessNamespace", A(Act::SharedProcesses)),
    ("PE-08", "Binding to cluster-admin", D(Deed::BindAdmin)),
    (
        "PE-09",
        "Binding to a shipped role that escalates",
        D(Deed::BindAdmin),
    ),
    ("PE-10", "Role with wildcards", D(Deed::WriteAll)),
    ("PE-11", "Role widened to everything", D(Deed::WriteAll)),
    ("PE-12", "Role that may write", D(Deed::WriteRole)),
    ("PE-13", "Role that may enter pods", D(Deed::WriteStrong)),
    (
        "PE-14",
        "Role that may reach kubelets",
        D(Deed::WriteStrong),
    ),
    (
        "PE-15",
        "Role that may bind, escalate or impersonate",
        D(Deed::WriteStrong),
    ),
    (
        "PE-16",
        "Shipped role changed or deleted",
        D(Deed::DeleteRbac),
    ),
    ("PE-17", "Any binding changed", D(Deed::BindRole)),
    ("PE-18", "A service account writes RBAC", D(Deed::BindRole)),
    (
        "PE-19",
        "A binding names a service account",
        D(Deed::BindRole),
    ),
    (
        "PE-20",
        "RBAC changed, then a workload",
        D(Deed::BindStrong),
    ),
    (
        "PE-21",
        "Pod runs as a controller of kube-system",
        A(Act::ControllerAccount),
    ),
    (
        "PE-22",
        "A default account is given rights",
        A(Act::DefaultBound),
    ),
    ("PE-23", "Everybody is given rights", A(Act::EveryoneBound)),
    (
        "PE-24",
        "Impersonation of a strong identity",
        D(Deed::ActAsMasters),
    ),
    ("PE-25", "nodes/proxy", D(Deed::KubeletRead)),
    (
        "PE-26",
        "CSR for a client certificate",
        A(Act::ClientCertificate),
    ),
    ("PE-27", "Ephemeral container", D(Deed::EnterPod)),
    ("PE-28", "Pod or container named like a tool", A(Act::Tool)),
    ("PS-01", "ServiceAccount made", A(Act::AccountMade)),
    (
        "PS-02",
        "ServiceAccount made in a system namespace",
        A(Act::SystemAccountMade),
    ),
    ("PS-03", "Job or CronJob written", A(Act::JobWritten)),
    ("PS-04", "DaemonSet made", A(Act::DaemonSetMade)),
    ("PS-05", "Admission webhook written", D(Deed::WriteWebhook)),
    (
        "PS-06",
        "CSR made or approved by hand",
        D(Deed::ApproveCertificate),
    ),
    (
        "PS-07",
        "One identity makes and approves a CSR",
        D(Deed::RequestCertificate),
    ),
    ("PS-08", "aws-auth changed", D(Deed::ClusterConfig)),
    ("PS-09", "Static pod appears", A(Act::StaticPod)),
    (
        "PS-10",
        "Containers of a workload patched",
        A(Act::WorkloadChanged),
    ),
    ("PS-11", "Unknown node joins, or fails to", A(Act::NodeMade)),
    ("PS-12", "Token minted by hand", D(Deed::MintToken)),
    (
        "PS-13",
        "Persistence from listed addresses, or anonymous",
        Alone("anonymous-access", LISTS),
    ),
    ("PS-14", "Secret written", D(Deed::DeleteSecret)),
    ("LM-01", "exec or attach", D(Deed::EnterPod)),
    ("LM-02", "exec into a pod of kube-system", D(Deed::EnterPod)),
    ("LM-03", "Port forwarded", D(Deed::ForwardPort)),
    (
        "LM-04",
        "System identity at a public address",
        A(Act::SystemFromOutside),
    ),
    (
        "LM-05",
        "Cloud identity of an AKS add-on misused",
        Not("the evidence is in Azure's log, not the API server's"),
    ),
    ("EX-01", "exec of a reverse shell", A(Act::ShellByExec)),
    ("EX-02", "exec that fetches over HTTP", A(Act::FetchByExec)),
    (
        "EX-03",
        "Pod with a reverse shell as its command",
        A(Act::ShellInPod),
    ),
    (
        "EX-04",
        "Anonymous makes a pod",
        Alone("anonymous-access", "allowed, and it changes something"),
    ),
    (
        "EX-05",
        "Pod started in a system namespace",
        D(Deed::StartPod),
    ),
    (
        "EX-06",
        "Image of a miner, or outside a list",
        A(Act::Miner),
    ),
    ("DE-01", "Events deleted", D(Deed::DeleteEvents)),
    ("DE-02", "CSR deleted", D(Deed::RequestCertificate)),
    (
        "DE-03",
        "Pod named like a part of Kubernetes",
        A(Act::Masquerade),
    ),
    (
        "DE-04",
        "Call from Tor or an anonymising proxy",
        Part(
            "rules",
            "a rule of yours with your list: `event.origin_ip in [...]`; none is bundled: they change daily",
        ),
    ),
    (
        "DE-05",
        "Evasion from listed addresses, or anonymous",
        Alone("anonymous-access", LISTS),
    ),
    (
        "DE-06",
        "Check of images set aside (break-glass)",
        A(Act::BreakGlass),
    ),
    ("IM-01", "Deployment deleted", A(Act::WorkloadDeleted)),
    ("IM-02", "Cluster DNS changed", D(Deed::ClusterConfig)),
    ("IM-03", "Container named like a miner", A(Act::Miner)),
    (
        "IM-04",
        "Impact from listed addresses, or anonymous",
        Alone("anonymous-access", LISTS),
    ),
    (
        "AB-01",
        "Operation rare for this account",
        Known("unexpected-operation", "new to a mature account"),
    ),
    (
        "AB-02",
        "Secret access unusual for the account",
        Known("sensitive-operation", "new to a mature account"),
    ),
    (
        "AB-03",
        "Secret read with a new program or origin",
        Known("unexpected-agent", "with the read, one incident"),
    ),
    (
        "AB-04",
        "Secrets listed by a person from a new network",
        Known(
            "unknown-origin",
            "with GeoIP files: a user reads Secrets from a network or country that is new",
        ),
    ),
    (
        "AB-05",
        "Unusual questions for rights",
        Known("enumeration", "questions that are no habit"),
    ),
    (
        "AB-06",
        "Refused with a new program",
        Known(
            "dangerous-request",
            "is refused what it was never seen to do",
        ),
    ),
    (
        "AB-07",
        "New program of an account",
        Known("unexpected-agent", "new to a mature account"),
    ),
    (
        "AB-08",
        "Workload written with a new program",
        Known("unexpected-agent", "with the write, one incident"),
    ),
    (
        "AB-09",
        "Unusual workload",
        Known(
            "sensitive-operation",
            "a workload with power, new to a mature account",
        ),
    ),
    (
        "AB-10",
        "Unusual change of roles",
        Known("sensitive-operation", "new to a mature account"),
    ),
    (
        "AB-11",
        "Unusual exec",
        Known("sensitive-operation", "namespaces entered that are new"),
    ),
    (
        "AB-12",
        "Caller outside a fixed list",
        Part(
            "rules",
            "a rule of yours with your list: `!(event.user in [...])`",
        ),
    ),
    (
        "AB-13",
        "Many signals correlated",
        Part(
            "incidents",
            "findings of two tactics make an incident `critical`",
        ),
    ),
    (
        "TH-01",
        "TokenRequest by an unexpected caller",
        D(Deed::MintToken),
    ),
    (
        "TH-02",
        "Legacy token in use",
        Seen("legacy-token", "the annotation `legacy-token*`"),
    ),
    (
        "TH-03",
        "Invalidated legacy token tried",
        Seen("legacy-token", "the annotation, where the server leaves it"),
    ),
    (
        "TH-04",
        "Stale token in use",
        Seen("legacy-token", "the annotation `stale-token`"),
    ),
    (
        "TH-05",
        "Unbound token in use",
        Seen("minted-credential", "an id and no pod or node"),
    ),
    (
        "TH-06",
        "One credential in two places",
        Known("credential-in-two-places", "two addresses at once"),
    ),
    (
        "TH-07",
        "Pod's token away from its pod",
        Known(
            "credential-in-two-places",
            "an address of another pod or node",
        ),
    ),
    (
        "TH-08",
        "Minted token used by somebody",
        Seen("minted-credential", "the id that the TokenRequest returned"),
    ),
    ("TH-09", "Token with a long life", A(Act::LongToken)),
    (
        "TH-10",
        "Token for a cloud, not by a kubelet",
        A(Act::CloudToken),
    ),
    ("TH-11", "Token bound to nothing", A(Act::FreeToken)),
    (
        "TH-12",
        "Token minted for a stronger account",
        D(Deed::MintToken),
    ),
    (
        "TH-13",
        "Token Secret made by hand",
        Seen("token-secret-made", "the token controller fills it in"),
    ),
    (
        "TH-14",
        "Node acts outside itself",
        Alone("enumeration", "a node refused for many names"),
    ),
    (
        "TH-15",
        "Kubelet used directly with a token",
        Alone(
            "dangerous-request",
            "a kubelet asks whether an account may enter its pods",
        ),
    ),
    (
        "TH-16",
        "Burst of 401",
        Alone(
            "unauthenticated-burst",
            "ten within five minutes from outside",
        ),
    ),
    ("TH-17", "Refused impersonation", D(Deed::ActAsGroup)),
    (
        "AC-01",
        "Feed of objects made and deleted",
        Part(
            "history",
            "no suspicion by itself: `tokentrail query` lists `create` and `delete`",
        ),
    ),
    ("AC-02", "Namespace made", A(Act::NamespaceMade)),
];
