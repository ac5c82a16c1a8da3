//! Operations: verb, kind and scope, without API version, object name or namespace.

use crate::event::Operation;
use std::fmt::Write;

/// Most operations remembered of one account: controllers that walk every kind need some hundreds.
pub const LIMIT: usize = 512;
/// Most foreign namespaces remembered of one account.
pub const REACH_LIMIT: usize = 64;
/// Most refused operations remembered of one account.
pub const DENIALS_LIMIT: usize = 64;

/// The words an operation is remembered by, for instance `list secrets @cluster`, `get /apis/*
/// @path`.
pub fn key<'k>(operation: &Operation<'_>, out: &'k mut String) -> &'k str {
    out.clear();
    out.push_str(verb(operation));
    out.push(' ');
    if operation.resource.is_empty() {
        path_class(operation.path, out);
    } else {
        out.push_str(operation.resource);
        if !operation.group.is_empty() {
            out.push('.');
            out.push_str(operation.group);
        }
        if !operation.subresource.is_empty() {
            out.push('/');
            out.push_str(operation.subresource);
        }
    }
    out.push_str(" @");
    out.push_str(operation.scope.key());
    out
}

/// The same for people: `list secrets across the cluster`. Who has no namespace is in none that is
/// another.
#[must_use]
pub fn in_words(key: &str, has_namespace: bool) -> String {
    let Some((what, scope)) = key.split_once(" @") else {
        return key.to_owned();
    };
    let place = match scope {
        "own" => " in its own namespace",
        "other" if has_namespace => " in another namespace",
        "other" => " in a namespace",
        // Only many at once lie across the cluster; one is an object that has no namespace.
        "cluster" if what.starts_with("list ") || what.starts_with("deletecollection ") => {
            " across the cluster"
        }
        _ => "",
    };
    format!("{what}{place}")
}

/// An informer lists and watches as one act, and lists again whenever a watch breaks: one who is
/// known for either is known for both.
fn verb<'a>(operation: &Operation<'a>) -> &'a str {
    if operation.verb == "watch" {
        "list"
    } else {
        operation.verb
    }
}

/// The first segment of a path, and whether more follows: paths are the client's to invent.
fn path_class(path: &str, out: &mut String) {
    let mut segments = path.trim_start_matches('/').splitn(2, '/');
    let first = segments.next().unwrap_or("");
    let _ = write!(out, "/{first}");
    if segments.next().is_some_and(|rest| !rest.is_empty()) {
        out.push_str("/*");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Scope;

    fn operation<'a>(
        verb: &'a str,
        group: &'a str,
        resource: &'a str,
        path: &'a str,
        scope: Scope,
    ) -> Operation<'a> {
        Operation {
            verb,
            group,
            resource,
            subresource: "",
            namespace: "",
            name: "",
            path,
            scope,
        }
    }

    #[test]
    fn places_are_said_where_there_are_any() {
        assert_eq!(
            in_words("get pods @other", true),
            "get pods in another namespace"
        );
        assert_eq!(
            in_words("get pods @other", false),
            "get pods in a namespace"
        );
        assert_eq!(
            in_words("list secrets @cluster", true),
            "list secrets across the cluster"
        );
        assert_eq!(in_words("get nodes @cluster", true), "get nodes");
    }

    #[test]
    fn keys_leave_out_versions_and_names() {
        let mut out = String::new();
        assert_eq!(
            key(
                &operation("list", "apps", "deployments", "", Scope::Own),
                &mut out
            ),
            "list deployments.apps @own"
        );
        assert_eq!(
            key(
                &operation("get", "", "", "/apis/apps/v1", Scope::NonResource),
                &mut out
            ),
            "get /apis/* @path"
        );
        assert_eq!(
            key(
                &operation("get", "", "", "/version", Scope::NonResource),
                &mut out
            ),
            "get /version @path"
        );
    }
}
