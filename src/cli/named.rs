//! By which names people ask: what they type, or copy out of a token, a log or a manifest, in the
//! words of history.
//!
//! Refuses to guess between two meanings: where two are possible, both are asked for.

use crate::ask::Object;
use crate::event::origin;
use anyhow::{Result, bail};

/// What kubectl takes for these resources, beside their singular.
const SHORT: &[(&str, &str)] = &[
    ("cm", "configmaps"),
    ("cj", "cronjobs"),
    ("crd", "customresourcedefinitions"),
    ("crds", "customresourcedefinitions"),
    ("cs", "componentstatuses"),
    ("csr", "certificatesigningrequests"),
    ("deploy", "deployments"),
    ("ds", "daemonsets"),
    ("ep", "endpoints"),
    ("ev", "events"),
    ("hpa", "horizontalpodautoscalers"),
    ("ing", "ingresses"),
    ("limits", "limitranges"),
    ("netpol", "networkpolicies"),
    ("no", "nodes"),
    ("ns", "namespaces"),
    ("pc", "priorityclasses"),
    ("pdb", "poddisruptionbudgets"),
    ("po", "pods"),
    ("pv", "persistentvolumes"),
    ("pvc", "persistentvolumeclaims"),
    ("quota", "resourcequotas"),
    ("rc", "replicationcontrollers"),
    ("rs", "replicasets"),
    ("sa", "serviceaccounts"),
    ("sc", "storageclasses"),
    ("sts", "statefulsets"),
    ("svc", "services"),
];

/// The user names that may be meant: `namespace/name` is a service account, and may be a user's
/// name; a word alone may be a node.
pub(super) fn principals(account: &str) -> Vec<String> {
    let mut names = Vec::new();
    match account.split_once('/') {
        Some(("node" | "nodes", node)) if !node.contains('/') => {
            names.push(format!("system:node:{node}"));
        }
        Some((namespace, name)) if !namespace.contains(':') && !name.contains('/') => {
            names.push(format!("system:serviceaccount:{namespace}:{name}"));
        }
        None if !account.contains([':', '@']) => names.push(format!("system:node:{account}")),
        _ => {}
    }
    names.push(account.to_owned());
    names
}

/// The id of a credential: the `jti` of a decoded token and the digest of a certificate stand alone
/// there.
pub(super) fn credential(typed: &str) -> String {
    let typed = typed.trim();
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = typed.split('-').collect();
    let is_uuid = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| is_hex(part));
    let plain: String = typed.chars().filter(|c| *c != ':').collect();
    if is_uuid {
        format!("JTI={typed}")
    } else if plain.len() == 64 && is_hex(&plain) {
        format!("X509SHA256={}", plain.to_ascii_lowercase())
    } else {
        match typed.split_once('=') {
            Some((kind, id)) if kind.eq_ignore_ascii_case("jti") => format!("JTI={id}"),
            Some((kind, id)) if kind.eq_ignore_ascii_case("x509sha256") => {
                format!("X509SHA256={id}")
            }
            _ => typed.to_owned(),
        }
    }
}

/// # Errors
/// It is no address.
pub(super) fn address(typed: &str) -> Result<String> {
    match origin::parse(typed) {
        Some(ip) => Ok(ip.to_canonical().to_string()),
        None => {
            bail!("--from {typed:?} is no address: write one such as 203.0.113.9 or 2001:db8::9")
        }
    }
}

/// `resource[.group]`, then a namespace, a name, or both.
///
/// # Errors
/// It names no resource.
pub(super) fn object(typed: &str) -> Result<Object> {
    let mut parts = typed.trim().splitn(3, '/');
    let (resource, first, second) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
        parts.next(),
    );
    if resource.is_empty() {
        bail!(
            "--touched {typed:?} names no resource: write resource/namespace/name, or resource/name"
        )
    }
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let object = Object {
        resources: plurals(resource),
        api_group: group_of(group),
        ..Object::default()
    };
    Ok(match second {
        Some(name) => Object {
            namespace: first.to_owned(),
            name: name.to_owned(),
            ..object
        },
        None => Object {
            either: first.to_owned(),
            ..object
        },
    })
}

/// Without the version that may stand before it, as in `deployments.v1.apps`.
fn group_of(typed: &str) -> String {
    let is_version = |part: &str| {
        part.strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    match typed.split_once('.') {
        Some((version, group)) if is_version(version) => group,
        _ => typed,
    }
    .to_ascii_lowercase()
}

/// The word as it is, then what it may be the short name or the singular of.
fn plurals(typed: &str) -> Vec<String> {
    let word = typed.to_ascii_lowercase();
    if let Some((_, plural)) = SHORT.iter().find(|(short, _)| *short == word) {
        return vec![word, (*plural).to_owned()];
    }
    let mut all = vec![word.clone(), format!("{word}s"), format!("{word}es")];
    all.extend(word.strip_suffix('y').map(|stem| format!("{stem}ies")));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_an_account_is_asked_for() {
        assert_eq!(
            principals("shop/web"),
            ["system:serviceaccount:shop:web", "shop/web"]
        );
        assert_eq!(
            principals("system:serviceaccount:shop:web"),
            ["system:serviceaccount:shop:web"]
        );
        assert_eq!(principals("worker-1"), ["system:node:worker-1", "worker-1"]);
        assert_eq!(
            principals("nodes/worker-1"),
            ["system:node:worker-1", "nodes/worker-1"]
        );
        assert_eq!(principals("https://idp/x"), ["https://idp/x"]);
        assert_eq!(principals("me@example.com"), ["me@example.com"]);
    }

    #[test]
    fn ids_are_read_as_they_are_copied() {
        let uuid = "6c84fb90-12c4-11e1-840d-7b25c5ee775a";
        for typed in [
            uuid.to_owned(),
            format!("JTI={uuid}"),
            format!("jti={uuid}"),
            format!(" {uuid}\n"),
        ] {
            assert_eq!(credential(&typed), format!("JTI={uuid}"));
        }
        let digest = "ab".repeat(32);
        assert_eq!(
            credential(&["AB"; 32].join(":")),
            format!("X509SHA256={digest}")
        );
        assert_eq!(credential("other"), "other");
        assert_eq!(address("::ffff:10.0.0.9").unwrap(), "10.0.0.9");
        assert_eq!(address("[2001:DB8::9]:443").unwrap(), "2001:db8::9");
        assert!(address("worker").is_err());
    }

    #[test]
    fn an_object_is_named_as_for_kubectl() {
        let deployment = object("deployments.apps/shop/web").unwrap();
        assert!(
            deployment
                .resources
                .iter()
                .any(|resource| resource == "deployments")
        );
        assert_eq!(
            (
                &*deployment.api_group,
                &*deployment.namespace,
                &*deployment.name
            ),
            ("apps", "shop", "web")
        );
        assert_eq!(
            object("deployments.v1.apps/shop/web").unwrap().api_group,
            "apps"
        );
        let node = object("nodes/worker").unwrap();
        assert_eq!(
            (&*node.either, &*node.namespace, &*node.name),
            ("worker", "", "")
        );
        assert_eq!(object("nodes//worker").unwrap().name, "worker");
        assert!(
            object("netpol/a/b")
                .unwrap()
                .resources
                .contains(&"networkpolicies".to_owned())
        );
        assert!(
            object("Secret/a/b")
                .unwrap()
                .resources
                .contains(&"secrets".to_owned())
        );
        assert!(object("/a/b").is_err());
    }
}
