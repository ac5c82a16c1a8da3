//! What a role allows and whom a binding names.
//!
//! Refuses to resolve a role by its name: the log does not say what it held at that time.

use super::extract::{each, keep, set};
use super::{BindingFacts, Facts, RuleFacts};
use serde_json::Value;

const SUBJECTS: usize = 16;

/// Users and groups that stand for everybody, or for every service account. A step of a patch may
/// name one without its kind.
const EVERYONE: [&str; 4] = [
    "system:anonymous",
    "system:authenticated",
    "system:serviceaccounts",
    "system:unauthenticated",
];

pub(super) fn binding(body: &Value, facts: &mut Facts) {
    let binding = facts.binding.get_or_insert_with(BindingFacts::default);
    set(&mut binding.role, &body["roleRef"]["name"]);
    for subject in each(&body["subjects"]) {
        let (kind, name) = (word(&subject["kind"]), word(&subject["name"]));
        binding.everyone |= kind != "ServiceAccount" && EVERYONE.contains(&name);
        binding.default_account |= matches!(kind, "ServiceAccount" | "") && name == "default";
        // Only accounts live in namespaces: one that a group is given says nothing to the
        // authorizer either.
        let text = match (kind, word(&subject["namespace"])) {
            ("ServiceAccount", namespace) if !namespace.is_empty() => {
                format!("{kind}:{namespace}/{name}")
            }
            _ => format!("{kind}:{name}"),
        };
        keep(&mut binding.subjects, SUBJECTS, &text);
    }
}

/// The union over all rules; within a rule verbs, groups and resources belong together.
pub(super) fn rules(body: &Value, facts: &mut Facts) {
    let union = facts.rules.get_or_insert_with(RuleFacts::default);
    for rule in each(&body["rules"]) {
        let verb = |wanted: &[&str]| {
            each(&rule["verbs"]).any(|v| word(v) == "*" || wanted.contains(&word(v)))
        };
        let names = |wanted: &[&str]| each(&rule["resources"]).any(|r| covers(word(r), wanted));
        // A JSON patch may set verbs alone: what it does not say is taken to match.
        let core = rule["apiGroups"].is_null()
            || each(&rule["apiGroups"]).any(|g| matches!(word(g), "" | "*"));
        union.any_verb |= verb(&[]);
        union.any_resource |= each(&rule["resources"]).any(|r| matches!(word(r), "*" | "*/*"));
        union.escalates |=
            each(&rule["verbs"]).any(|v| matches!(word(v), "bind" | "escalate" | "impersonate"));
        union.reads_secrets |= core && names(&["secrets"]) && verb(&["get", "list", "watch"]);
        union.exec |= core && names(&["pods/exec", "pods/attach"]) && verb(&["create", "get"]);
        union.nodes_proxy |= core && names(&["nodes/proxy"]);
        union.mints_tokens |= core && names(&["serviceaccounts/token"]) && verb(&["create"]);
        union.writes |= verb(&["create", "update", "patch", "delete", "deletecollection"]);
    }
}

/// RBAC's own rule (`pkg/apis/rbac/v1/evaluation_helpers.go`): `*` covers everything, `*/sub` that
/// subresource of everything; there is no `pods/*`.
fn covers(written: &str, wanted: &[&str]) -> bool {
    written == "*"
        || wanted.iter().any(|&full| {
            written == full
                || matches!((written.strip_prefix("*/"), full.split_once('/')), (Some(a), Some((_, b))) if a == b)
        })
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
