//! Diagnostic records of Azure Kubernetes Service: Event Hubs (`records[]`), and blobs with one
//! record a line.

use super::carrier::Carrier;
use super::members::{Members, elements};
use super::opened::Opening;

/// Categories whose `log` is an audit event.
const AUDIT: [&str; 2] = ["kube-audit", "kube-audit-admin"];

pub(super) fn open(opening: &mut Opening<'_>, members: &Members<'_>, depth: u32) -> bool {
    if is_record(members) {
        record(opening, members, depth);
        return true;
    }
    let Some(records) = members.get("records").and_then(elements) else {
        return false;
    };
    let records: Vec<Members<'_>> = records.into_iter().filter_map(Members::of).collect();
    if !records.iter().any(is_record) {
        return false;
    }
    for one in &records {
        record(opening, one, depth);
    }
    true
}

fn is_record(members: &Members<'_>) -> bool {
    members.has("category") && (members.has("properties") || members.has("resourceId"))
}

fn record(opening: &mut Opening<'_>, record: &Members<'_>, depth: u32) {
    opening.carriers.note(Carrier::Aks);
    let category = record.text("category").unwrap_or_default();
    let is_audit = AUDIT
        .iter()
        .any(|audit| category.eq_ignore_ascii_case(audit));
    let properties = record.object("properties");
    match properties.as_ref().and_then(|p| p.get("log")) {
        Some(log) if is_audit => opening.message(log, depth + 1, None),
        _ => opening.carriers.foreign += 1,
    }
}
