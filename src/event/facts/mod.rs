//! The few facts that detectors need of request bodies (audit level `Request` and up).
//!
//! Refuses to keep a body, and any string of it that could be a secret.

mod body;
mod command;
mod extract;
pub mod hostile;
mod rbac;
mod workload;

pub(super) use command::commanded;
pub(super) use extract::{extract, of_truncated};

use smol_str::SmolStr;

/// What a write asked for. Absent where the audit level carries no body: a detector that needs
/// facts says that it is blind there.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Facts {
    pub token: Option<TokenFacts>,
    pub pod: Option<PodFacts>,
    pub binding: Option<BindingFacts>,
    pub rules: Option<RuleFacts>,
    /// `type` of a Secret that is written (`kubernetes.io/service-account-token`).
    pub secret_type: SmolStr,
    /// The service account that a Secret is to hold a token of (annotation
    /// `kubernetes.io/service-account.name`).
    pub secret_account: SmolStr,
    /// Whom an admission webhook, an APIService or an ExternalName Service calls: `service ns/name`
    /// or a host, several with commas between, at most 256 bytes.
    pub calls: SmolStr,
    /// The level that a Namespace is to enforce (label `pod-security.kubernetes.io/enforce`).
    pub pod_security: SmolStr,
    /// The path of the node that a PersistentVolume leads to; at most 256 bytes.
    pub volume_path: SmolStr,
    /// `spec.signerName` of a CertificateSigningRequest.
    pub signer: SmolStr,
    /// `spec.type` of a Service (`NodePort`).
    pub service_type: SmolStr,
    /// An Ingress is written whole and names no TLS.
    pub without_tls: bool,
    /// A ConfigMap is written whose text looks like it holds credentials.
    pub credentials: bool,
    pub review: Option<ReviewFacts>,
    /// Pods are deleted or evicted without the time that they may take to end (`gracePeriodSeconds:
    /// 0`), and not only for a try (`dryRun`).
    pub at_once: bool,
    /// The body could not be looked at whole: it is no JSON that can be read, larger than anybody
    /// needs, or moves its parts about. What the other facts leave out, it may hold.
    pub unread: bool,
    pub command: Option<CommandFacts>,
}

/// What the command of an exec looks like, taken from the words that the client sent: what is
/// stored of them is redacted. Absent where nothing stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CommandFacts {
    /// Opens a shell to somewhere else.
    pub shell: bool,
    /// Reads a token or key file.
    pub token: bool,
    /// Asks the cloud's metadata service.
    pub metadata: bool,
    /// Packs files to be taken along.
    pub copies: bool,
    /// Fetches something from the network.
    pub fetches: bool,
}

/// `spec` of a TokenRequest: what was asked, before the server fills in or clamps.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TokenFacts {
    /// 0 where the request names none (the server then gives an hour).
    pub lifetime_seconds: i64,
    /// At most 8, those of clouds first, each at most 256 bytes; empty means the API server's own
    /// audience.
    pub audiences: Vec<SmolStr>,
    /// One of all audiences is a cloud's identity service.
    pub cloud: bool,
    /// `Pod`, `Secret`, `Node`; empty for an unbound token.
    pub bound_to: SmolStr,
}

/// A pod, or the pod template of a workload.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct PodFacts {
    pub privileged: bool,
    pub host_network: bool,
    pub host_pid: bool,
    pub host_ipc: bool,
    /// The `hostPath` volumes, at most 8, each at most 256 bytes.
    pub host_paths: Vec<SmolStr>,
    /// `capabilities.add` of all containers, at most 16, each at most 256 bytes.
    pub added_capabilities: Vec<SmolStr>,
    /// One of all capabilities leads out of a container or lets it act on others' traffic.
    pub strong_capabilities: bool,
    pub service_account: SmolStr,
    /// `runAsUser: 0`, said and not left to the image.
    pub root: bool,
    pub shares_processes: bool,
    /// The body names containers: a patch that only scales or annotates names none.
    pub containers: bool,
    /// A process of a Windows node (`hostProcess`).
    pub host_process: bool,
    /// The node that is named in place of the scheduler's choice.
    pub node_name: SmolStr,
    /// Runs on the control plane's nodes too: tolerates their taint or every one.
    pub tolerates_control_plane: bool,
    /// Secrets that are mounted or put into the environment, at most 8, each at most 256 bytes.
    pub secrets: Vec<SmolStr>,
    /// A command reads the file of a token or key.
    pub reads_token: bool,
    /// The most exposed of the images' names, for people; at most 256 bytes. Passwords do not stand
    /// there.
    pub image: SmolStr,
    /// What names, images and commands look like; they themselves are not kept.
    pub tool: bool,
    pub miner: bool,
    pub shell: bool,
    /// Set aside by annotation from the check of its image (GKE Binary Authorization).
    pub break_glass: bool,
}

/// `spec` of a SubjectAccessReview or SelfSubjectAccessReview: who may do what.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ReviewFacts {
    /// Empty where callers ask for themselves. This and the others at most 256 bytes.
    pub user: SmolStr,
    pub verb: SmolStr,
    pub resource: SmolStr,
    pub subresource: SmolStr,
}

/// `roleRef` and `subjects` of a RoleBinding or ClusterRoleBinding.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct BindingFacts {
    /// `roleRef.name`, at most 256 bytes.
    pub role: SmolStr,
    /// `ServiceAccount:namespace/name`, `User:name`, `Group:name`; at most 16, each at most 256
    /// bytes.
    pub subjects: Vec<SmolStr>,
    /// One of all subjects is everybody, or every service account.
    pub everyone: bool,
    /// One of all subjects is the default account of a namespace.
    pub default_account: bool,
}

/// The union of the rules of a Role or ClusterRole that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RuleFacts {
    pub any_verb: bool,
    pub any_resource: bool,
    /// `bind`, `escalate` or `impersonate`.
    pub escalates: bool,
    pub reads_secrets: bool,
    pub exec: bool,
    pub nodes_proxy: bool,
    pub mints_tokens: bool,
    pub writes: bool,
}

impl RuleFacts {
    /// What a binding to a role with these rules would win an intruder, in whole bits.
    #[must_use]
    pub fn worth(&self) -> i32 {
        match () {
            () if self.any_verb && self.any_resource => 12,
            () if self.escalates || self.nodes_proxy || self.mints_tokens || self.exec => 8,
            () if self.is_powerful() => 6,
            () => 3,
        }
    }

    /// Whether the role leads further: to all, to secrets, into pods and nodes, or to other
    /// accounts.
    #[must_use]
    pub fn is_powerful(&self) -> bool {
        self.any_verb
            || self.any_resource
            || self.escalates
            || self.reads_secrets
            || self.exec
            || self.nodes_proxy
            || self.mints_tokens
    }
}

#[cfg(test)]
mod tests;
