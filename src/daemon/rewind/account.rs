//! `account`: what is normal for one account now, and what would be told of it next.
//!
//! Refuses to guess: the engine of this state judges requests that nobody made, and learns nothing
//! from them.

use super::{checkpointed, tape};
use crate::base::{Bits, Span, Time};
use crate::baseline::{Account, Maturity};
use crate::detect::Severity;
use crate::engine::{Engine, Output};
use crate::event::decode::{self, Limits};
use crate::incident::added_up;
use crate::store::ReadOnly;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::path::Path;

/// Most names told of accounts that the wanted one may be.
const NEAR_MAX: usize = 8;
/// What people and scripts bring along.
const FOREIGN_PROGRAM: &str = "kubectl";
const OTHER_FOREIGN_PROGRAM: &str = "curl";

/// One account as the engine knows it.
#[derive(Debug)]
pub struct Normal {
    pub principal: String,
    /// The engine's now: everything is known as of then.
    pub now: Time,
    pub maturity: Maturity,
    pub account: Account,
    pub next: Vec<Next>,
}

/// A request that the account did not make, and what would be told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Next {
    pub what: &'static str,
    pub program: String,
    /// The program is one that the account uses.
    pub is_own_program: bool,
    pub score: Bits,
    /// What an incident of this request alone would be.
    pub severity: Severity,
    /// People would be told.
    pub tells: bool,
}

/// Reads the state and everything that was committed since its last checkpoint, and describes the
/// first account that has one of these usernames.
///
/// # Errors
/// The state cannot be read, or no account has this name: then names that are near are told.
pub fn account(dir: &Path, names: &[String]) -> Result<Normal> {
    let state = ReadOnly::open(dir)?;
    let recovered = state.load()?;
    let mut engine = checkpointed(&recovered)?;
    let mut tape = tape(dir, &recovered, engine.seq())?;
    let mut out = Output::default();
    tape.play(recovered.seq, &mut |_, input| {
        engine.step(input, &mut out);
        out = Output::default();
        Ok(())
    })?;
    let known = names
        .iter()
        .find_map(|name| engine.population().get(name).map(|account| (name, account)));
    let Some((principal, account)) = known else {
        bail!("{}", nobody(&engine, names))
    };
    let maturity = account.maturity(engine.now(), &engine.policy().learning);
    let next = next(&engine, principal, account);
    Ok(Normal {
        now: engine.now(),
        maturity,
        account: account.clone(),
        next,
        principal: principal.clone(),
    })
}

fn nobody(engine: &Engine, names: &[String]) -> String {
    let wanted = names.last().map_or("", String::as_str);
    let word = wanted
        .rsplit(['/', ':'])
        .next()
        .unwrap_or(wanted)
        .to_lowercase();
    let mut near: Vec<&str> = engine.population().iter().map(|(name, _)| name).collect();
    near.retain(|name| !word.is_empty() && name.to_lowercase().contains(&word));
    near.sort_unstable();
    near.truncate(NEAR_MAX);
    let known = engine.population().len();
    let hint = if near.is_empty() {
        String::new()
    } else {
        format!("; near: {}", near.join(", "))
    };
    format!("none of {known} known accounts is {wanted:?}{hint}")
}

/// A request that nobody made.
struct Question {
    what: &'static str,
    verb: &'static str,
    /// `{ns}` is the account's own namespace.
    path: &'static str,
    /// API group; empty for the core group.
    group: &'static str,
    /// JSON; empty for none.
    body: &'static str,
}

/// What an intruder would do, from the least to the gravest.
const QUESTIONS: &[Question] = &[
    Question {
        what: "lists the pods of the cluster",
        verb: "list",
        path: "/api/v1/pods",
        group: "",
        body: "",
    },
    Question {
        what: "reads a Secret that it never read",
        verb: "get",
        path: "/api/v1/namespaces/{ns}/secrets/never-read",
        group: "",
        body: "",
    },
    Question {
        what: "lists the Secrets of another namespace",
        verb: "list",
        path: "/api/v1/namespaces/never-seen/secrets",
        group: "",
        body: "",
    },
    Question {
        what: "lists all Secrets of the cluster",
        verb: "list",
        path: "/api/v1/secrets",
        group: "",
        body: "",
    },
    Question {
        what: "runs a command in another namespace",
        verb: "create",
        path: "/api/v1/namespaces/never-seen/pods/never-seen/exec",
        group: "",
        body: "",
    },
    Question {
        what: "mints a token in kube-system",
        verb: "create",
        path: "/api/v1/namespaces/kube-system/serviceaccounts/never-seen/token",
        group: "",
        body: r#"{"kind":"TokenRequest","spec":{"expirationSeconds":3600}}"#,
    },
    Question {
        what: "starts a privileged pod",
        verb: "create",
        path: "/api/v1/namespaces/{ns}/pods/never-seen",
        group: "",
        body: r#"{"kind":"Pod","spec":{"containers":[{"name":"a","image":"a","securityContext":{"privileged":true}}]}}"#,
    },
    Question {
        what: "binds cluster-admin",
        verb: "create",
        path: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/never-seen",
        group: "rbac.authorization.k8s.io",
        body: r#"{"kind":"ClusterRoleBinding","roleRef":{"kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"User","name":"never-seen"}]}"#,
    },
];

fn next(engine: &Engine, principal: &str, account: &Account) -> Vec<Next> {
    let own = account
        .agents
        .most(1)
        .first()
        .map_or_else(|| "client".to_owned(), |agent| (*agent).to_owned());
    let foreign = if own == FOREIGN_PROGRAM {
        OTHER_FOREIGN_PROGRAM
    } else {
        FOREIGN_PROGRAM
    };
    let programs = [own.as_str(), foreign];
    let asked = |question: &Question, program: &str| {
        let line = request(engine, principal, account, question, program).to_string();
        let mut weights = Vec::new();
        decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
            weights.extend(
                event
                    .iter()
                    .flat_map(|event| engine.preview(event))
                    .map(|finding| finding.weight),
            );
        });
        weights.sort_unstable_by_key(|weight| std::cmp::Reverse(*weight));
        let policy = engine.policy();
        let score = added_up(&weights);
        let severity = policy.severity.severity(score);
        Next {
            what: question.what,
            program: program.to_owned(),
            is_own_program: program == own,
            score,
            severity,
            tells: severity >= policy.incidents.notify,
        }
    };
    QUESTIONS
        .iter()
        .flat_map(|question| programs.map(|program| asked(question, program)))
        .collect()
}

/// A request as the API server would log it: with the token that the account used last, from where
/// it was used.
fn request(
    engine: &Engine,
    principal: &str,
    account: &Account,
    question: &Question,
    program: &str,
) -> Value {
    let Question {
        verb,
        path,
        group,
        body,
        ..
    } = question;
    let namespace = principal
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split(':').next());
    let uri = path.replace("{ns}", namespace.unwrap_or("default"));
    let at = engine.now() + Span::seconds(1);
    let holder = account
        .credentials
        .holders()
        .iter()
        .max_by_key(|holder| holder.last);
    let place = holder.and_then(|holder| holder.places.iter().max_by_key(|place| place.last));
    let mut extra = serde_json::Map::new();
    if let Some(holder) = holder {
        let mut put = |key: &str, value: String| {
            if !value.is_empty() {
                extra.insert(
                    format!("authentication.kubernetes.io/{key}"),
                    json!([value]),
                );
            }
        };
        put("credential-id", holder.credential_id.to_string());
        if namespace.is_some() && !holder.name.is_empty() {
            put("pod-name", holder.name.to_string());
            put("pod-uid", holder.key.to_string());
        }
    }
    let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let sources: Vec<String> = place.iter().map(|place| place.ip.to_string()).collect();
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "auditID": "never-made",
        "stage": "ResponseComplete", "requestURI": uri, "verb": verb,
        "user": {"username": principal, "uid": account.uid.to_string(), "extra": extra},
        "sourceIPs": sources, "userAgent": format!("{program}/v1"),
        "objectRef": object(&uri, group), "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": at.to_string(), "stageTimestamp": at.to_string(),
        "annotations": {"authorization.k8s.io/decision": "allow"}, "requestObject": body,
    })
}

/// The parts of a resource path: `/api/v1/namespaces/NS/RESOURCE/NAME/SUBRESOURCE`, with or without
/// the ends.
fn object(uri: &str, group: &str) -> Value {
    let parts: Vec<&str> = uri
        .trim_start_matches('/')
        .split('/')
        .skip(if group.is_empty() { 2 } else { 3 })
        .collect();
    let (namespace, rest) = match parts.as_slice() {
        ["namespaces", namespace, rest @ ..] => (*namespace, rest),
        rest => ("", rest),
    };
    let part = |at: usize| rest.get(at).copied().unwrap_or_default();
    json!({
        "apiVersion": "v1", "apiGroup": group, "namespace": namespace,
        "resource": part(0), "name": part(1), "subresource": part(2),
    })
}
