//! What a pod, or the template of a workload, asks of its node.
//!
//! Refuses to keep images and commands, which change with every release and hold secrets: it only
//! says what they look like. Environments are not read.

use super::extract::{cut, each, keep, keep_all, set};
use super::{Facts, PodFacts, hostile};
use serde_json::Value;

const HOST_PATHS: usize = 8;
const CAPABILITIES: usize = 16;
const SECRETS: usize = 8;

/// Capabilities (without `CAP_`) that lead out of a container or let it act on others' traffic.
/// Runtimes take them in any case.
const STRONG: [&str; 11] = [
    "ALL",
    "BPF",
    "DAC_READ_SEARCH",
    "MKNOD",
    "NET_ADMIN",
    "NET_RAW",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
];

/// Reads a `PodSpec`, or the part of one that a patch holds.
pub(super) fn read(spec: &Value, facts: &mut Facts) {
    let pod = facts.pod.get_or_insert_with(PodFacts::default);
    pod.host_network |= is_true(&spec["hostNetwork"]);
    pod.host_pid |= is_true(&spec["hostPID"]);
    pod.host_ipc |= is_true(&spec["hostIPC"]);
    pod.shares_processes |= is_true(&spec["shareProcessNamespace"]);
    pod.root |= is_root(&spec["securityContext"]);
    set(&mut pod.service_account, &spec["serviceAccount"]);
    set(&mut pod.service_account, &spec["serviceAccountName"]);
    pod.host_process |= is_true(&spec["securityContext"]["windowsOptions"]["hostProcess"]);
    set(&mut pod.node_name, &spec["nodeName"]);
    pod.tolerates_control_plane |= each(&spec["tolerations"]).any(tolerates_control_plane);
    for volume in each(&spec["volumes"]) {
        mount(volume, pod);
    }
    for path in each(&spec["volumes"]).filter_map(|volume| volume["hostPath"]["path"].as_str()) {
        keep(&mut pod.host_paths, HOST_PATHS, path);
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in each(&spec[list]) {
            look_at(container, pod);
            let context = &container["securityContext"];
            pod.root |= is_root(context);
            pod.privileged |= is_true(&context["privileged"]);
            let added = &context["capabilities"]["add"];
            pod.strong_capabilities |= each(added).filter_map(Value::as_str).any(is_strong);
            keep_all(&mut pod.added_capabilities, CAPABILITIES, added);
        }
    }
}

/// Secrets behind a volume, or a part of one.
fn mount(volume: &Value, pod: &mut PodFacts) {
    let projected = each(&volume["projected"]["sources"]).map(|source| &source["secret"]["name"]);
    for name in projected
        .chain([&volume["secret"]["secretName"]])
        .filter_map(Value::as_str)
    {
        keep(&mut pod.secrets, SECRETS, name);
    }
}

/// The taint of the control plane's nodes, or every taint.
fn tolerates_control_plane(toleration: &Value) -> bool {
    match toleration["key"].as_str() {
        None | Some("") => toleration["operator"].as_str() == Some("Exists"),
        Some(key) => {
            matches!(
                key,
                "node-role.kubernetes.io/control-plane" | "node-role.kubernetes.io/master"
            )
        }
    }
}

fn look_at(container: &Value, pod: &mut PodFacts) {
    pod.containers = true;
    pod.host_process |= is_true(&container["securityContext"]["windowsOptions"]["hostProcess"]);
    let from = each(&container["envFrom"]).map(|source| &source["secretRef"]["name"]);
    let one = each(&container["env"]).map(|entry| &entry["valueFrom"]["secretKeyRef"]["name"]);
    for name in from.chain(one).filter_map(Value::as_str) {
        keep(&mut pod.secrets, SECRETS, name);
    }
    if let Some(image) = container["image"].as_str() {
        let graver = hostile::is_miner(&image.to_lowercase()) || hostile::is_tool(image);
        if pod.image.is_empty() || graver {
            pod.image = cut(image);
        }
    }
    for text in [&container["name"], &container["image"]]
        .into_iter()
        .filter_map(Value::as_str)
    {
        pod.tool |= hostile::is_tool(text);
        pod.miner |= hostile::is_miner(&text.to_lowercase());
    }
    let words: Vec<&str> = [&container["command"], &container["args"]]
        .into_iter()
        .flat_map(each)
        .filter_map(Value::as_str)
        .collect();
    if !words.is_empty() {
        let line = words.join(" ").to_lowercase();
        pod.miner |= hostile::is_miner(&line);
        pod.shell |= hostile::calls_back(&line);
        pod.reads_token |= hostile::reads_token(&line);
    }
}

fn is_strong(capability: &str) -> bool {
    let bare = capability.get(4..).filter(|_| {
        capability
            .get(..4)
            .is_some_and(|head| head.eq_ignore_ascii_case("CAP_"))
    });
    STRONG
        .iter()
        .any(|strong| strong.eq_ignore_ascii_case(bare.unwrap_or(capability)))
}

fn is_root(context: &Value) -> bool {
    context["runAsUser"].as_i64() == Some(0)
}

fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true)
}
