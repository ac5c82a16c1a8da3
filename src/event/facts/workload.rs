//! What a pod, or the template of a workload, asks of its node.
//!
//! Refuses images, commands and environments: they change with every release, and the latter two hold
//! secrets.

use super::extract::{each, keep, keep_all, set};
use super::{Facts, PodFacts};
use serde_json::Value;

const HOST_PATHS: usize = 8;
const CAPABILITIES: usize = 16;

/// Reads a `PodSpec`, or the part of one that a patch holds.
pub(super) fn read(spec: &Value, facts: &mut Facts) {
    let pod = facts.pod.get_or_insert_with(PodFacts::default);
    pod.host_network |= is_true(&spec["hostNetwork"]);
    pod.host_pid |= is_true(&spec["hostPID"]);
    pod.host_ipc |= is_true(&spec["hostIPC"]);
    set(&mut pod.service_account, &spec["serviceAccount"]);
    set(&mut pod.service_account, &spec["serviceAccountName"]);
    for path in each(&spec["volumes"]).filter_map(|volume| volume["hostPath"]["path"].as_str()) {
        keep(&mut pod.host_paths, HOST_PATHS, path);
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for context in each(&spec[list]).map(|container| &container["securityContext"]) {
            pod.privileged |= is_true(&context["privileged"]);
            keep_all(&mut pod.added_capabilities, CAPABILITIES, &context["capabilities"]["add"]);
        }
    }
}

fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true)
}
