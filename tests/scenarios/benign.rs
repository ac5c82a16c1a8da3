//! B01-B36, what looks like an attack and is daily life. Each is played every day from an empty
//! state on, with what is particular of it on the ninth day, and stays below `medium` all the time.

use super::actor::Actor;
use super::world::{
    DAY, HOUR, KUBECTL, MANAGER, MINUTE, SECOND, Trace, controller, manager, node_a,
};
use serde_json::{Value, json};

pub struct LookAlike {
    pub id: &'static str,
    pub title: &'static str,
    /// What happens on a day, from 0.
    pub play: fn(&mut Trace, i64),
    /// The days that it happens on.
    pub days: &'static [i64],
    /// Rules that an operator has to write for it; empty where it is quiet by itself.
    pub declared: &'static str,
}

/// The day on which what is particular happens.
const TODAY: i64 = 8;
const EVERY: &[i64] = &[0, 1, 2, 3, 4, 5, 6, 7, 8];
const CORE: [&str; 8] = [
    "pods",
    "secrets",
    "configmaps",
    "services",
    "serviceaccounts",
    "endpoints",
    "events",
    "persistentvolumeclaims",
];
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const HOOKS: &str = "/apis/admissionregistration.k8s.io/v1";

macro_rules! look_alikes {
    ($($id:ident $title:literal $play:ident $(days $days:expr)?;)*) => {
        pub const LOOK_ALIKES: &[LookAlike] = &[$(LookAlike {
            id: stringify!($id),
            title: $title,
            play: $play,
            days: look_alikes!(@days $($days)?),
            declared: declared(stringify!($id)),
        }),*];
    };
    (@days) => { EVERY };
    (@days $days:expr) => { $days };
}

const fn declared(id: &str) -> &'static str {
    match id.as_bytes() {
        b"B18" => SCANNER,
        _ => "",
    }
}

/// A scanner does what an attacker does, and only its owner knows that it may.
const SCANNER: &str = r#"
exemptions:
  - id: scanner
    owner: security team
    reason: scans configuration every night
    expires: 2027-01-01
    detectors: [enumeration, sensitive-operation, dangerous-request]
    condition: event.user == "system:serviceaccount:scans:scanner" && event.agent == "scanner"
"#;

look_alikes! {
    B01 "Garbage collection of every kind" garbage;
    B02 "A namespace is emptied and deleted" namespace_deleted;
    B03 "Controllers list many kinds, some refused" quota;
    B04 "Aggregated roles are kept up to date" aggregation;
    B05 "kube-controller-manager mints tokens for its controllers" manager_mints;
    B06 "Kubelets mint tokens for pods" kubelet_mints;
    B07 "Kubelets mint tokens for clouds" kubelet_mints_for_clouds;
    B08 "Kubelets ask who scrapes them" scraped;
    B09 "Argo CD applies everything" argo;
    B10 "Flux reads release Secrets and writes RBAC" flux;
    B11 "Helm in CI" helm;
    B12 "Velero backs up, and restores as in its drill" velero days &[0, 1, 2, 3, 4, 5, 6, 7, 8];
    B13 "cert-manager and its injector" cert_manager;
    B14 "External Secrets mint for others, Vault reviews" external_secrets;
    B15 "Drivers that watch and read all Secrets" secret_sync;
    B16 "kube-state-metrics lists everything" state_metrics;
    B17 "Prometheus through proxies" prometheus;
    B18 "Scanners" scanner;
    B19 "Policy engines edit their own webhooks" policy_engine;
    B20 "Rancher: Secrets, RBAC, impersonation" rancher;
    B21 "Proxies that impersonate people on every call" access_proxy;
    B22 "Dashboards ask for rights in bursts" dashboard;
    B23 "Leader election fails over" election;
    B24 "A rolling update" rollout;
    B25 "An operator meets a new version of its kind" new_version;
    B26 "A right is missing after an upgrade" missing_right;
    B27 "The autoscaler removes nodes" autoscaler;
    B28 "Agents on the network of their nodes" host_network;
    B29 "The API server restarts" restart;
    B30 "A client caches its token badly" cached_token;
    B31 "Identities of a managed control plane" managed;
    B32 "Scripts that discover the API" discovery;
    B33 "A job that runs monthly" monthly days &[0, 31, 62];
    B34 "Tracing sets Audit-ID" tracing;
    B35 "The API server repairs its roles and dates tokens" apiserver;
    B36 "People debug" debugging;
}

fn agent_of(account: &str, ip: &str) -> Actor {
    let name = account.rsplit(':').next().unwrap_or("x");
    Actor::pod(account, &format!("{name}-0"), "node-b", ip)
}

fn get(trace: &mut Trace, who: &Actor, path: &str) {
    trace.other(who, &format!("GET {path} 200"), None);
}

fn list_all(trace: &mut Trace, who: &Actor, query: &str) {
    for kind in CORE {
        get(trace, who, &format!("/api/v1/{kind}?{query}"));
    }
    for path in [
        "/apis/apps/v1/deployments",
        "/apis/batch/v1/jobs",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    ] {
        get(trace, who, &format!("{path}?{query}"));
    }
}

fn role(name: &str) -> Value {
    json!({"metadata": {"name": name}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]})
}

fn bind(trace: &mut Trace, who: &Actor, name: &str, role: &str) {
    let body = json!({"metadata": {"name": name}, "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "orchard"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}});
    trace.other(
        who,
        &format!("POST {RBAC}/namespaces/orchard/rolebindings 201"),
        Some(&body),
    );
}

fn garbage(trace: &mut Trace, day: i64) {
    let own = controller("generic-garbage-collector");
    list_all(trace, &own, "watch=true");
    for kind in ["secrets", "pods", "configmaps"] {
        get(
            trace,
            &own,
            &format!("/api/v1/namespaces/orchard/{kind}/gone-{day}"),
        );
        trace.other(
            &own,
            &format!("DELETE /api/v1/namespaces/orchard/{kind}/gone-{day} 200"),
            None,
        );
    }
    trace.other(
        &own,
        &format!("DELETE /apis/apps/v1/namespaces/orchard/deployments/gone-{day} 200"),
        None,
    );
}

fn namespace_deleted(trace: &mut Trace, day: i64) {
    let (own, ann) = (
        controller("namespace-controller"),
        Actor::certified("ann", "198.51.100.20", KUBECTL),
    );
    get(trace, &own, "/api/v1/namespaces?limit=500");
    if day == TODAY {
        trace.other(&ann, "DELETE /api/v1/namespaces/preview 200", None);
        for kind in ["secrets", "pods", "events"] {
            get(trace, &own, &format!("/api/v1/namespaces/preview/{kind}"));
            trace.other(
                &own,
                &format!("DELETE /api/v1/namespaces/preview/{kind} 200"),
                None,
            );
        }
        trace.other(
            &own,
            "DELETE /apis/apps/v1/namespaces/preview/deployments 200",
            None,
        );
    }
}

fn quota(trace: &mut Trace, _: i64) {
    for name in [
        "resourcequota-controller",
        "disruption-controller",
        "root-ca-cert-publisher",
    ] {
        list_all(trace, &controller(name), "limit=500");
        for group in [
            "metrics.k8s.io/v1beta1/pods",
            "policy/v1/poddisruptionbudgets",
            "apps/v1/replicasets",
            "batch/v1/cronjobs",
        ] {
            trace.other(&controller(name), &format!("GET /apis/{group} 403"), None);
        }
    }
}

fn aggregation(trace: &mut Trace, day: i64) {
    let own = controller("clusterrole-aggregation-controller");
    get(trace, &own, &format!("{RBAC}/clusterroles?watch=true"));
    if day % 4 == 0 {
        for name in ["admin", "edit", "view"] {
            let body = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
            trace.other(
                &own,
                &format!("PATCH {RBAC}/clusterroles/{name} 200"),
                Some(&body),
            );
        }
    }
}

fn token(seconds: i64, audiences: &[&str], pod: Option<&str>) -> Value {
    let bound =
        pod.map(|name| json!({"kind": "Pod", "apiVersion": "v1", "name": name, "uid": name}));
    json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound}})
}

fn mint(trace: &mut Trace, who: &Actor, account: &str, body: &Value, id: &str) {
    let (namespace, name) = account.split_once(':').expect("namespace:name");
    let request = format!("POST /api/v1/namespaces/{namespace}/serviceaccounts/{name}/token 201");
    trace.issue(who, &request, body, id);
}

fn manager_mints(trace: &mut Trace, day: i64) {
    let name = "horizontal-pod-autoscaler";
    for hour in 0..6 {
        let id = format!("JTI=hpa-{day}-{hour}");
        mint(
            trace,
            &manager(),
            &format!("kube-system:{name}"),
            &token(3600, &[], None),
            &id,
        );
        let agent = format!(
            "kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/98b3519/system:serviceaccount:kube-system:{name}"
        );
        let own = Actor::unbound(&format!("kube-system:{name}"), &id, MANAGER, &agent);
        get(trace, &own, "/apis/apps/v1/deployments?limit=500");
        trace.wait(48 * MINUTE);
    }
}

fn kubelet_mints(trace: &mut Trace, day: i64) {
    for n in 0..40 {
        let pod = format!("press-{day}-{n}");
        mint(
            trace,
            &node_a(),
            "orchard:press",
            &token(3607, &[], Some(&pod)),
            &format!("JTI={pod}"),
        );
    }
}

fn kubelet_mints_for_clouds(trace: &mut Trace, day: i64) {
    for audience in [
        "sts.amazonaws.com",
        "api://AzureADTokenExchange",
        "pods.eks.amazonaws.com",
    ] {
        let pod = format!("press-{day}");
        mint(
            trace,
            &node_a(),
            "orchard:press",
            &token(86_400, &[audience], Some(&pod)),
            &format!("JTI={pod}{audience}"),
        );
    }
}

fn scraped(trace: &mut Trace, _: i64) {
    for _ in 0..10 {
        let review = json!({"kind": "TokenReview", "spec": {"token": "not-a-token"}, "status": {"user": {}}});
        trace.other(
            &node_a(),
            "POST /apis/authentication.k8s.io/v1/tokenreviews 201",
            Some(&review),
        );
        let right = json!({"kind": "SubjectAccessReview", "spec": {"user": "system:serviceaccount:gauges:prometheus",
            "resourceAttributes": {"verb": "get", "resource": "nodes", "subresource": "metrics", "name": "node-a"}}});
        trace.other(
            &node_a(),
            "POST /apis/authorization.k8s.io/v1/subjectaccessreviews 201",
            Some(&right),
        );
        trace.wait(MINUTE);
    }
}

fn question(trace: &mut Trace, who: &Actor, verb: &str, resource: &str) {
    let body = json!({"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"verb": verb, "resource": resource}}});
    trace.other(
        who,
        "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews 201",
        Some(&body),
    );
}

fn argo(trace: &mut Trace, day: i64) {
    let own = agent_of("argo:controller", "10.61.2.40");
    list_all(trace, &own, "watch=true");
    for kind in ["deployments", "services", "jobs"] {
        question(trace, &own, "patch", kind);
    }
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": format!("i:{day}")}]}}}});
    trace.other(
        &own,
        "PATCH /apis/apps/v1/namespaces/orchard/deployments/web 200",
        Some(&image),
    );
    trace.other(
        &own,
        &format!("PATCH {HOOKS}/validatingwebhookconfigurations/checks 200"),
        Some(&json!({})),
    );
    bind(trace, &own, &format!("app-{day}"), "view");
    let job = json!({"metadata": {"name": format!("tidy-{day}")}});
    trace.other(
        &own,
        "POST /apis/batch/v1/namespaces/orchard/cronjobs 201",
        Some(&job),
    );
}

fn flux(trace: &mut Trace, day: i64) {
    let own = agent_of("flux:helm-controller", "10.61.2.41");
    for n in 0..8 {
        get(
            trace,
            &own,
            &format!("/api/v1/namespaces/orchard/secrets/sh.helm.release.v1.app-{n}.v{day}"),
        );
        trace.wait(30 * SECOND);
    }
    bind(trace, &own, &format!("app-{day}"), "edit");
}

fn helm(trace: &mut Trace, day: i64) {
    let own = Actor::legacy(
        "builds:deployer",
        "deployer-token",
        "198.51.100.50",
        "Helm/3.16.4",
    );
    get(trace, &own, "/version");
    for app in 0..if day == TODAY { 3 } else { 2 } {
        get(
            trace,
            &own,
            "/api/v1/namespaces/orchard/secrets?labelSelector=owner%3Dhelm",
        );
        for version in [day, day + 1] {
            get(
                trace,
                &own,
                &format!(
                    "/api/v1/namespaces/orchard/secrets/sh.helm.release.v1.app-{app}.v{version}"
                ),
            );
        }
        let body =
            json!({"metadata": {"name": format!("sh.helm.release.v1.app-{app}.v{}", day + 2)}});
        trace.other(
            &own,
            "POST /api/v1/namespaces/orchard/secrets 201",
            Some(&body),
        );
        let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": format!("i:{day}")}]}}}});
        trace.other(
            &own,
            &format!("PATCH /apis/apps/v1/namespaces/orchard/deployments/app-{app} 200"),
            Some(&image),
        );
        bind(trace, &own, &format!("app-{app}-{day}"), "view");
    }
}

fn velero(trace: &mut Trace, day: i64) {
    let own = agent_of("velero:server", "10.61.2.42");
    list_all(trace, &own, "limit=500");
    let body = json!({"metadata": {"name": format!("nightly-{day}")}});
    trace.other(
        &own,
        "POST /apis/velero.io/v1/namespaces/velero/backups 201",
        Some(&body),
    );
    if day == 2 || day == TODAY {
        bind(trace, &own, "web", "view");
        trace.other(
            &own,
            "POST /api/v1/namespaces/orchard/secrets 201",
            Some(&json!({"metadata": {"name": "web"}})),
        );
        let pod = json!({"metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "i"}]}}}});
        trace.other(
            &own,
            "POST /apis/apps/v1/namespaces/orchard/deployments 201",
            Some(&pod),
        );
        trace.other(
            &own,
            "POST /api/v1/namespaces/orchard/serviceaccounts 201",
            Some(&json!({"metadata": {"name": "web"}})),
        );
    }
}

fn cert_manager(trace: &mut Trace, day: i64) {
    let (own, injector) = (
        agent_of("certs:cert-manager", "10.61.2.43"),
        agent_of("certs:cainjector", "10.61.2.44"),
    );
    get(trace, &own, "/api/v1/secrets?watch=true");
    get(
        trace,
        &own,
        &format!("/api/v1/namespaces/orchard/secrets/web-{day}-tls"),
    );
    mint(
        trace,
        &own,
        "orchard:issuer",
        &token(600, &["vault://orchard/issuer"], None),
        &format!("JTI=issuer-{day}"),
    );
    get(trace, &injector, "/api/v1/secrets?watch=true");
    for kind in [
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
    ] {
        trace.other(
            &injector,
            &format!("PATCH {HOOKS}/{kind}/checks 200"),
            Some(&json!({})),
        );
    }
}

fn external_secrets(trace: &mut Trace, day: i64) {
    let (own, vault) = (
        agent_of("vaults:external-secrets", "10.61.2.45"),
        agent_of("vaults:vault", "10.61.2.46"),
    );
    for (account, audience) in [
        ("orchard:press", "sts.amazonaws.com"),
        ("orchard:cider", "vault"),
    ] {
        mint(
            trace,
            &own,
            account,
            &token(600, &[audience], None),
            &format!("JTI={account}-{day}"),
        );
        let review = json!({"kind": "TokenReview", "spec": {"token": "not-a-token"}, "status": {"user": {}}});
        trace.other(
            &vault,
            "POST /apis/authentication.k8s.io/v1/tokenreviews 201",
            Some(&review),
        );
    }
}

fn secret_sync(trace: &mut Trace, day: i64) {
    let own = agent_of("sync:reflector", "10.61.2.47");
    get(trace, &own, "/api/v1/secrets?watch=true");
    for n in 0..6 {
        get(
            trace,
            &own,
            &format!("/api/v1/namespaces/orchard/secrets/shared-{n}-{day}"),
        );
    }
}

fn state_metrics(trace: &mut Trace, _: i64) {
    let own = agent_of("gauges:kube-state-metrics", "10.61.2.48");
    list_all(trace, &own, "limit=500");
    list_all(trace, &own, "watch=true");
    let body = json!({"kind": "SelfSubjectRulesReview", "spec": {"namespace": "gauges"}});
    trace.other(
        &own,
        "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews 201",
        Some(&body),
    );
}

fn prometheus(trace: &mut Trace, _: i64) {
    let own = agent_of("gauges:prometheus", "10.61.2.49").with("Prometheus/2.53.0");
    for path in [
        "nodes/node-a/proxy/metrics",
        "nodes/node-b/proxy/stats/summary",
        "nodes/node-b/proxy/configz",
    ] {
        get(trace, &own, &format!("/api/v1/{path}"));
    }
    get(
        trace,
        &own,
        "/api/v1/namespaces/orchard/services/web:80/proxy/metrics",
    );
}

fn scanner(trace: &mut Trace, day: i64) {
    let own = agent_of("scans:scanner", "10.61.2.50");
    list_all(trace, &own, "limit=500");
    for n in 0..20 {
        get(
            trace,
            &own,
            &format!("/api/v1/namespaces/orchard/secrets/any-{n}"),
        );
    }
    for kind in [
        "nodes",
        "leases",
        "limitranges",
        "podtemplates",
        "resourcequotas",
    ] {
        trace.other(&own, &format!("GET /api/v1/{kind} 403"), None);
    }
    let pod = json!({"metadata": {"name": format!("bench-{day}")}, "spec": {"template": {"spec": {"containers": [{"name": "bench",
        "image": "registry.example/kube-bench:1", "securityContext": {"privileged": true}}],
        "volumes": [{"name": "etc", "hostPath": {"path": "/etc"}}]}}}});
    trace.other(
        &own,
        "POST /apis/batch/v1/namespaces/scans/jobs 201",
        Some(&pod),
    );
}

fn policy_engine(trace: &mut Trace, day: i64) {
    let own = agent_of("policy:kyverno", "10.61.2.51");
    list_all(trace, &own, "limit=500");
    for kind in [
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
    ] {
        trace.other(
            &own,
            &format!("PATCH {HOOKS}/{kind}/kyverno 200"),
            Some(&json!({})),
        );
    }
    trace.other(
        &own,
        &format!("POST {RBAC}/namespaces/orchard/roles 201"),
        Some(&role(&format!("generated-{day}"))),
    );
}

fn rancher(trace: &mut Trace, day: i64) {
    let own = agent_of("cattle-system:rancher", "10.61.2.52");
    get(trace, &own, "/api/v1/secrets?limit=500");
    bind(trace, &own, &format!("project-{day}"), "edit");
    people(trace, &own, day);
}

/// Calls for people, some of whom were not there yesterday.
fn people(trace: &mut Trace, own: &Actor, day: i64) {
    for n in 0..4 {
        let user = own.clone().acting_as(
            &format!("user-{}@corp.example", n + day),
            &["developers", "system:authenticated"],
        );
        get(trace, &user, "/api/v1/namespaces/orchard/pods?limit=500");
    }
}

fn access_proxy(trace: &mut Trace, day: i64) {
    people(trace, &agent_of("access:proxy", "10.61.2.53"), day);
}

fn dashboard(trace: &mut Trace, _: i64) {
    let own = agent_of("boards:dashboard", "10.61.2.54");
    for _ in 0..3 {
        for kind in CORE.into_iter().chain(["deployments", "jobs"]) {
            question(trace, &own, "list", kind);
        }
        list_all(trace, &own, "limit=500");
        trace.wait(HOUR);
    }
}

fn election(trace: &mut Trace, day: i64) {
    let lease = "/apis/coordination.k8s.io/v1/namespaces/orchard/leases/press";
    for replica in ["press-7c9d-a1", "press-7c9d-b2"] {
        // The first replica is gone on the last day.
        if day < TODAY || replica != "press-7c9d-a1" {
            let (node, ip) = if replica == "press-7c9d-a1" {
                ("node-a", "10.61.1.10")
            } else {
                ("node-b", "10.61.2.10")
            };
            let own = Actor::pod("orchard:press", replica, node, ip);
            for _ in 0..20 {
                get(trace, &own, lease);
                trace.other(&own, &format!("PUT {lease} 200"), None);
            }
        }
    }
}

fn rollout(trace: &mut Trace, day: i64) {
    let (old, new) = (
        agent_of("orchard:web", "10.61.2.60"),
        Actor::pod("orchard:web", "web-new", "node-a", "10.61.1.61"),
    );
    get(
        trace,
        &old,
        "/api/v1/namespaces/orchard/configmaps?limit=500",
    );
    if day == TODAY {
        for n in 0..4 {
            get(
                trace,
                &old,
                "/api/v1/namespaces/orchard/configmaps?limit=500",
            );
            get(
                trace,
                &new.clone()
                    .with("web/v0.1.0 (linux/amd64) kubernetes/$Format"),
                "/api/v1/namespaces/orchard/configmaps?limit=500",
            );
            // An address of the old set is given to a pod of the new one.
            let next = Actor::pod(
                "orchard:web",
                &format!("web-new-{n}"),
                "node-b",
                "10.61.2.62",
            );
            get(
                trace,
                &next,
                "/api/v1/namespaces/orchard/configmaps?limit=500",
            );
        }
    }
}

fn new_version(trace: &mut Trace, day: i64) {
    let own = agent_of("orchard:operator", "10.61.2.63");
    if day < TODAY {
        get(trace, &own, "/apis/fruit.example/v1beta1/presses?limit=500");
    } else {
        for code in [404, 404, 404, 200] {
            trace.other(
                &own,
                &format!("GET /apis/fruit.example/v1/presses?limit=500 {code}"),
                None,
            );
            trace.other(
                &own,
                &format!("GET /apis/fruit.example/v1/barrels?limit=500 {code}"),
                None,
            );
        }
    }
}

fn missing_right(trace: &mut Trace, day: i64) {
    let own = agent_of("orchard:board", "10.61.2.64");
    get(
        trace,
        &own,
        "/api/v1/namespaces/orchard/configmaps?limit=500",
    );
    if day == TODAY {
        for _ in 0..60 {
            trace.other(
                &own,
                "GET /api/v1/namespaces/orchard/services?limit=500 403",
                None,
            );
            trace.wait(2 * MINUTE);
        }
    }
}

fn autoscaler(trace: &mut Trace, day: i64) {
    let own = agent_of("kube-system:cluster-autoscaler", "10.61.2.65");
    for path in [
        "/api/v1/pods",
        "/api/v1/nodes",
        "/apis/policy/v1/poddisruptionbudgets",
        "/apis/storage.k8s.io/v1/storageclasses",
    ] {
        get(trace, &own, &format!("{path}?watch=true"));
    }
    trace.other(
        &own,
        "GET /apis/resource.k8s.io/v1/resourceslices?limit=500 403",
        None,
    );
    if day % 4 == 0 {
        let body =
            json!({"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "web-0"}});
        trace.other(
            &own,
            "POST /api/v1/namespaces/orchard/pods/web-0/eviction 201",
            Some(&body),
        );
        trace.other(&own, &format!("DELETE /api/v1/nodes/node-x{day} 200"), None);
    }
}

fn host_network(trace: &mut Trace, day: i64) {
    for (node, ip) in [
        ("node-a", "10.60.0.11"),
        ("node-b", "10.60.0.12"),
        ("node-new", "10.60.0.19"),
    ] {
        if node == "node-new" && day < TODAY {
            continue;
        }
        let own = Actor::pod(
            "kube-system:net-agent",
            &format!("net-agent-{node}"),
            node,
            ip,
        );
        trace.other(
            &Actor::node(node, ip),
            &format!("GET /api/v1/nodes/{node} 200"),
            None,
        );
        if day == 0 || day == TODAY {
            trace.other(&own, "GET /apis/net.example/v1/pools?limit=500 403", None);
        }
        get(trace, &own, "/api/v1/nodes?watch=true");
        get(trace, &own, "/api/v1/pods?watch=true");
    }
}

fn restart(trace: &mut Trace, day: i64) {
    let clients = [
        agent_of("orchard:one", "10.61.2.66"),
        agent_of("orchard:two", "10.61.2.67"),
        controller("job-controller"),
    ];
    for client in &clients {
        get(trace, client, "/api/v1/configmaps?watch=true");
        if day == TODAY {
            for code in [429, 429, 200] {
                trace.other(
                    client,
                    &format!("GET /api/v1/configmaps?limit=500 {code}"),
                    None,
                );
            }
        }
    }
    if day == TODAY {
        for ip in ["10.61.2.66", "10.61.2.67"] {
            trace.other(
                &Actor::nobody(ip, "one/v0.0.0"),
                "GET /api/v1/configmaps?limit=500 401",
                None,
            );
        }
    }
}

fn cached_token(trace: &mut Trace, day: i64) {
    let own = agent_of("orchard:old", "10.61.2.68");
    get(
        trace,
        &own,
        "/api/v1/namespaces/orchard/configmaps?limit=500",
    );
    trace.wait(2 * HOUR);
    get(
        trace,
        &own.clone().stale(),
        "/api/v1/namespaces/orchard/configmaps?limit=500",
    );
    if day == TODAY {
        for _ in 0..40 {
            let old = Actor::nobody("10.61.2.68", "old/v0.0.0 (linux/amd64) kubernetes/$Format");
            trace.other(
                &old,
                "GET /api/v1/namespaces/orchard/configmaps?limit=500 401",
                None,
            );
        }
    }
}

fn managed(trace: &mut Trace, day: i64) {
    let migrator = Actor::plain(
        "eks:kms-storage-migrator",
        "10.60.0.2",
        "kms-storage-migrator/v0.0.0",
    );
    let addons = Actor::plain("eks:addon-manager", "198.51.100.77", "Go-http-client/1.1");
    let azure = Actor::plain("aksService", "10.60.0.3", "aks/v0.0.0");
    let google = Actor::plain("system:gke-controller", "10.60.0.4", "gke/v0.0.0");
    get(trace, &migrator, "/api/v1/secrets?limit=500");
    bind(trace, &addons, &format!("addon-{day}"), "view");
    get(trace, &azure, "/api/v1/secrets?limit=500");
    get(trace, &google, "/api/v1/nodes?limit=500");
}

fn discovery(trace: &mut Trace, _: i64) {
    let ann = Actor::certified("ann", "198.51.100.20", KUBECTL);
    let script = agent_of("orchard:script", "10.61.2.69").with(KUBECTL);
    for n in 0..40 {
        get(
            trace,
            &ann,
            &format!("/apis/group-{n}.example/v1?timeout=32s"),
        );
        get(
            trace,
            &script,
            &format!("/apis/group-{n}.example/v1?timeout=32s"),
        );
    }
}

fn monthly(trace: &mut Trace, day: i64) {
    let own = Actor::pod(
        "orchard:billing",
        &format!("billing-{day}"),
        "node-b",
        "10.61.2.70",
    );
    get(trace, &own, "/api/v1/namespaces/orchard/secrets/billing");
    get(
        trace,
        &own,
        "/apis/batch/v1/namespaces/orchard/jobs?limit=500",
    );
}

fn tracing(trace: &mut Trace, day: i64) {
    for n in 0..20 {
        let mut own = agent_of("orchard:traced", "10.61.2.71");
        own.audit_id = Some(format!("{}", 4_611_686_018_427_387_000 + day * 1000 + n));
        get(
            trace,
            &own,
            "/api/v1/namespaces/orchard/configmaps?limit=500",
        );
    }
}

fn apiserver(trace: &mut Trace, day: i64) {
    let own = Actor::plain(
        "system:apiserver",
        "::1",
        "kube-apiserver/v1.36.2 (linux/amd64) kubernetes/98b3519",
    );
    trace.other(
        &own,
        "PATCH /api/v1/namespaces/orchard/secrets/spare-token 200",
        None,
    );
    if day == 0 || day == TODAY {
        for name in ["system:discovery", "system:basic-user", "cluster-admin"] {
            trace.other(
                &own,
                &format!("PUT {RBAC}/clusterroles/{name} 200"),
                Some(&role(name)),
            );
        }
        trace.other(
            &own,
            &format!("POST {RBAC}/clusterroles 201"),
            Some(&role("system:new-in-this-version")),
        );
    }
}

fn debugging(trace: &mut Trace, day: i64) {
    let ann = Actor::certified("ann", "198.51.100.20", KUBECTL);
    get(trace, &ann, "/api/v1/namespaces/orchard/pods?limit=500");
    if day == TODAY {
        let pod = "/api/v1/namespaces/orchard/pods/web-0";
        get(trace, &ann, pod);
        trace.other(
            &ann,
            &format!("GET {pod}/exec?command=sh&stdin=true&stdout=true&tty=true 101"),
            None,
        );
        trace.other(&ann, &format!("GET {pod}/portforward 101"), None);
        let body = json!({"spec": {"ephemeralContainers": [{"name": "debugger", "image": "registry.example/busybox:1"}]}});
        trace.other(
            &ann,
            &format!("PATCH {pod}/ephemeralcontainers 200"),
            Some(&body),
        );
        trace.other(
            &ann,
            &format!("GET {pod}/attach?container=debugger 101"),
            None,
        );
    }
}

/// When a day's look-alike begins.
pub fn begin(day: i64) -> i64 {
    day * DAY + 10 * HOUR
}
