//! OpenShift's ViaQ documents: the event's members stand at the root beside others, and `level` is
//! the severity of a log line.

use super::members::Members;

/// Where the event's own level stands, by API server.
const LEVELS: [&str; 2] = ["k8s_audit_level", "openshift_audit_level"];

/// The event with its own level; `None` where the document is no such one.
pub(super) fn restored(members: &Members<'_>) -> Option<String> {
    let level = LEVELS.iter().find_map(|name| members.get(name))?;
    let mut out = String::from("{");
    for (key, value) in members.iter().filter(|(key, _)| !LEVELS.contains(key)) {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(key).to_string());
        out.push(':');
        out.push_str(if key == "level" { level } else { value });
    }
    out.push('}');
    Some(out)
}
