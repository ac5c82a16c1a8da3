//! What can be done about one event: look at the pod, undo what was made, end the credential that
//! was used.
//!
//! Refuses what it cannot name: a command with a guessed name would hit somebody else.

use crate::base::text;
use crate::event::{AuditEvent, CredentialKind, Operation, Outcome, Principal};

/// Longest name that a command is made of, in bytes: no object of Kubernetes has a longer one.
const NAME_MAX: usize = 253;
/// A pod with this label reaches nothing, and nothing reaches it.
const POLICY: &str = r#"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"quarantine"},"spec":{"podSelector":{"matchLabels":{"quarantine":"true"}},"policyTypes":["Ingress","Egress"]}}"#;

/// Commands to copy, in the order in which a responder takes them. `for_another`: the caller of
/// `event` is the cluster's own, who only completed what somebody else made.
#[must_use]
pub fn of(event: &AuditEvent<'_>, for_another: bool) -> Vec<String> {
    let mut steps = Vec::new();
    if event.outcome == Outcome::Allowed {
        object(
            &event.operation,
            for_another || event.operation.verb == "create",
            &mut steps,
        );
    }
    if !for_another {
        credential(event, &mut steps);
    }
    steps
}

/// As history keeps it: live and replayed, the same command.
fn shell_quote(name: &str) -> String {
    text::shell_quote(&text::name(name))
}

/// `-n NAMESPACE`, quoted; nothing for what has none. `None`: this is no name.
fn place(namespace: &str, name: &str) -> Option<String> {
    let is_name = |text: &str| text.len() <= NAME_MAX && !text.starts_with('-');
    if name.is_empty() || !is_name(name) || !is_name(namespace) {
        return None;
    }
    let namespace = if namespace.is_empty() {
        String::new()
    } else {
        format!(" -n {}", shell_quote(namespace))
    };
    Some(format!("{}{namespace}", shell_quote(name)))
}

fn object(operation: &Operation<'_>, is_made: bool, steps: &mut Vec<String>) {
    let Some(place) = place(operation.namespace, operation.name) else {
        return;
    };
    let kind = match operation.group {
        "" => operation.resource.to_owned(),
        group => format!("{}.{group}", operation.resource),
    };
    let kind = shell_quote(&kind);
    match (operation.resource, operation.subresource, operation.verb) {
        ("serviceaccounts", "token", "create") => {
            steps.push(format!(
                "kubectl delete serviceaccount {place}  # ends the token issued for it, if it is bound to no pod; re-create it"
            ));
        }
        ("", ..) | (_, _, "delete" | "deletecollection") => {}
        (_, subresource, _) if !subresource.is_empty() => {}
        _ if is_made => {
            steps.push(format!(
                "kubectl get {kind} {place} -o yaml  # made here: keep a copy"
            ));
            steps.push(format!("kubectl delete {kind} {place}  # made here"));
        }
        (.., "update" | "patch") => {
            steps.push(format!(
                "kubectl get {kind} {place} -o yaml  # changed here: put back what it was"
            ));
        }
        ("secrets", ..) => steps.push(format!(
            "kubectl get secret {place}  # read here: replace what it holds"
        )),
        _ => {}
    }
}

fn credential(event: &AuditEvent<'_>, steps: &mut Vec<String>) {
    let Principal::ServiceAccount { namespace, name } = event.principal else {
        return;
    };
    let credential = &event.credential;
    match credential.kind {
        CredentialKind::PodBound | CredentialKind::PodBoundWithoutId => {
            let Some(place) = place(namespace, credential.pod) else { return };
            let file = shell_quote(&format!("{}.log", credential.pod));
            steps.push(format!("kubectl logs {place} --all-containers --timestamps > {file}"));
            steps.push(format!("echo '{POLICY}' | kubectl apply -n {} -f -", shell_quote(namespace)));
            steps.push(format!(
                "kubectl label pod {place} quarantine=true  # cut off by that policy, and still there to look at"
            ));
            steps.push(format!("kubectl delete pod {place}  # ends its token, and its evidence"));
        }
        CredentialKind::Legacy => match place(namespace, credential.legacy_secret) {
            Some(place) => steps.push(format!("kubectl delete secret {place}  # ends the token that was used")),
            None => steps.push(format!(
                "kubectl get secrets -n {} --field-selector type=kubernetes.io/service-account-token  # delete the one of {}: its token ends with it",
                shell_quote(namespace),
                shell_quote(name)
            )),
        },
        CredentialKind::Unbound => {
            if let Some(place) = place(namespace, name) {
                steps.push(format!(
                    "kubectl delete serviceaccount {place}  # nothing else ends an unbound token; re-create it"
                ));
            }
        }
        _ => {}
    }
}
