//! First response steps of an incident, as commands to copy.
//!
//! Refuses to run anything. Names come from the log: they are quoted for the shell.

use super::{Incident, Kind};
use crate::base::text::{self, shell_quote};
use crate::event::Principal;

/// Principals that steps are given for.
const PRINCIPALS: usize = 3;
/// Begins a step that destroys something where theft is not certain: a comment of the shell.
const ONCE_CERTAIN: &str = "# once you are certain: ";
/// Most steps.
const STEPS_MAX: usize = 24;

/// In the order in which a responder would take them: look, keep, contain; what ends something
/// comes last, and as a comment unless a credential was certainly stolen.
#[must_use]
pub fn steps(incident: &Incident) -> Vec<String> {
    if incident.kind == Kind::Visibility {
        return vec![
            "check the API server's --audit-log-* flags, its audit policy and the disk of the log"
                .to_owned(),
        ];
    }
    let mut steps: Vec<String> = Vec::new();
    questions(incident, &mut steps);
    for principal in incident.principals.iter().take(PRINCIPALS) {
        rights(principal, &mut steps);
    }
    steps.extend(
        incident
            .findings
            .iter()
            .flat_map(|told| &told.respond)
            .cloned(),
    );
    if let Some(id) = incident.evidence.audit_ids().next() {
        steps.push(format!("grep -F {} AUDIT_LOG", shell_quote(id)));
    }
    let ends = |step: &String| step.starts_with("kubectl delete ");
    let (mut last, mut steps): (Vec<String>, Vec<String>) = steps.into_iter().partition(ends);
    // What may be somebody's work is not taken away by a line that was copied in haste.
    if !incident.is_theft() {
        last.iter_mut()
            .for_each(|step| step.insert_str(0, ONCE_CERTAIN));
    }
    steps.truncate(STEPS_MAX - last.len().min(STEPS_MAX / 2));
    steps.extend(last);
    steps.truncate(STEPS_MAX);
    let mut once: Vec<String> = Vec::new();
    // What stands after a command says only why.
    let command = |step: &str| step.split("  #").next().unwrap_or_default().to_owned();
    for step in steps {
        let step = text::name(&step).into_owned();
        if !once.iter().any(|known| command(known) == command(&step)) {
            once.push(step);
        }
    }
    once
}

/// What history says of it.
fn questions(incident: &Incident, steps: &mut Vec<String>) {
    let id = incident.id.to_string();
    steps.push(format!("tokentrail explain {}", text::cut(&id, 12)));
    let token = incident
        .credentials
        .iter()
        .find(|id| id.starts_with("JTI="));
    match (token, Principal::parse(&incident.principal)) {
        (Some(id), _) => steps.push(format!("tokentrail trail {}", shell_quote(id))),
        (None, Principal::Anonymous | Principal::Nobody) => {}
        (None, principal) => {
            let account = match principal {
                Principal::ServiceAccount { namespace, name } => format!("{namespace}/{name}"),
                other => other.to_string(),
            };
            let since = incident.first_seen;
            steps.push(format!(
                "tokentrail timeline {} --since {since}",
                shell_quote(&account)
            ));
        }
    }
    if matches!(
        Principal::parse(&incident.principal),
        Principal::Anonymous | Principal::Nobody
    ) {
        for origin in incident.origins.iter().take(1) {
            steps.push(format!("tokentrail who --from {}", shell_quote(origin)));
        }
    }
}

/// What else the caller could do.
fn rights(principal: &str, steps: &mut Vec<String>) {
    let who = shell_quote(principal);
    match Principal::parse(principal) {
        Principal::ServiceAccount { namespace, .. } => {
            steps.push(format!(
                "kubectl auth can-i --list --as={who} -n {}",
                shell_quote(namespace)
            ));
        }
        Principal::Node { name } => steps.push(format!("kubectl cordon {}", shell_quote(name))),
        Principal::User { .. } | Principal::Impostor { .. } => {
            steps.push(format!("kubectl auth can-i --list --as={who}"));
        }
        Principal::Anonymous => {
            steps.push(
                "kubectl get clusterrolebindings -o wide | grep -E 'system:(anonymous|unauthenticated)'".to_owned(),
            );
        }
        Principal::Nobody => {}
    }
}
