//! First response steps of an incident, as commands to copy.
//!
//! Refuses to run anything. Names come from the log: they are quoted for the shell.

use super::{Incident, Kind};
use crate::base::text::{self, shell_quote};
use crate::event::Principal;

/// In the order in which a responder would take them.
#[must_use]
pub fn steps(incident: &Incident) -> Vec<String> {
    if incident.kind == Kind::Visibility {
        return vec!["check the API server's --audit-log-* flags, its audit policy and the disk of the log".to_owned()];
    }
    let mut steps: Vec<String> = Vec::new();
    for step in incident.findings.iter().flat_map(|told| &told.respond) {
        if !steps.contains(step) {
            steps.push(step.clone());
        }
    }
    for principal in incident.principals.iter().take(3) {
        match Principal::parse(principal) {
            Principal::ServiceAccount { namespace, name } => service_account(namespace, name, &mut steps),
            Principal::Node { name } => steps.push(format!("kubectl cordon {}", shell_quote(name))),
            Principal::User { name } => {
                steps.push(format!("kubectl auth can-i --list --as={}", shell_quote(name)));
            }
            Principal::Anonymous | Principal::Nobody => {}
        }
    }
    for id in incident.credentials.iter().filter(|c| c.starts_with("JTI=")).take(1) {
        steps.push(format!("grep -F {} AUDIT_LOG", shell_quote(id)));
    }
    if let Some(id) = incident.evidence.audit_ids().next() {
        steps.push(format!("grep -F {} AUDIT_LOG", shell_quote(id)));
    }
    steps.into_iter().map(|step| text::clean(&step).into_owned()).collect()
}

fn service_account(namespace: &str, name: &str, steps: &mut Vec<String>) {
    let (ns, sa) = (shell_quote(namespace), shell_quote(name));
    let who = shell_quote(&format!("system:serviceaccount:{namespace}:{name}"));
    let field = shell_quote(&format!("spec.serviceAccountName={name}"));
    steps.push(format!("kubectl get pods -n {ns} --field-selector {field} -o wide"));
    steps.push(format!("kubectl auth can-i --list --as={who} -n {ns}"));
    steps.push(format!("kubectl delete pods -n {ns} --field-selector {field}  # its tokens die with its pods"));
    steps.push(format!(
        "kubectl delete serviceaccount {sa} -n {ns}  # ends unbound and Secret tokens as well; re-create it afterwards"
    ));
}
