//! A request body, as far as facts are taken from it.
//!
//! Refuses to become large: a body is the caller's to choose, and three megabytes of `[0,0,...`
//! would be a hundred as a tree. Only members with names that facts use are kept, and only so many
//! values.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Values kept of one body. A large pod has a few hundred under these names, the largest JSON patch
/// that the API server takes has 10,000 steps of three.
const VALUES: usize = 50_000;

/// Parses a body, and says whether all of it was kept that facts use. `None` where it is no JSON,
/// or holds texts and numbers that no value of ours can be.
pub(super) fn parse(body: &str) -> Option<(Value, bool)> {
    let mut room = Room {
        left: VALUES,
        spent: false,
    };
    let value = Kept(&mut room)
        .deserialize(&mut serde_json::Deserializer::from_str(body))
        .ok()?;
    Some((value, !room.spent))
}

struct Room {
    left: usize,
    /// Something found no room.
    spent: bool,
}

fn is_used(name: &str) -> bool {
    let step = matches!(name, "op" | "path" | "value");
    let nesting = matches!(
        name,
        "spec" | "template" | "jobTemplate" | "securityContext" | "capabilities" | "add"
    );
    let pod = matches!(
        name,
        "hostNetwork"
            | "hostPID"
            | "hostIPC"
            | "serviceAccount"
            | "serviceAccountName"
            | "volumes"
            | "hostPath"
            | "initContainers"
            | "containers"
            | "ephemeralContainers"
            | "privileged"
            | "runAsUser"
            | "shareProcessNamespace"
            | "image"
            | "command"
            | "args"
            | "windowsOptions"
            | "hostProcess"
            | "nodeName"
            | "tolerations"
            | "key"
            | "operator"
            | "secret"
            | "secretName"
            | "projected"
            | "sources"
            | "env"
            | "envFrom"
            | "valueFrom"
            | "secretKeyRef"
            | "secretRef"
    );
    let token = matches!(name, "expirationSeconds" | "audiences" | "boundObjectRef");
    let rbac = matches!(
        name,
        "roleRef" | "subjects" | "rules" | "verbs" | "resources" | "apiGroups"
    );
    let review = matches!(
        name,
        "resourceAttributes" | "user" | "verb" | "resource" | "subresource"
    );
    let deletion = matches!(name, "gracePeriodSeconds" | "dryRun" | "deleteOptions");
    let common = matches!(
        name,
        "kind" | "name" | "namespace" | "type" | "signerName" | "tls"
    );
    let metadata = matches!(
        name,
        "metadata"
            | "labels"
            | "annotations"
            | "pod-security.kubernetes.io/enforce"
            | "kubernetes.io/service-account.name"
    );
    let calls = matches!(
        name,
        "webhooks" | "clientConfig" | "url" | "service" | "local"
    );
    step || nesting || pod || token || rbac || review || deletion || common || metadata || calls
}

/// Builds a [`Value`] while there is room; what does not fit is stepped over, reads as `null`, and
/// is owned up to.
struct Kept<'r>(&'r mut Room);

impl<'de> DeserializeSeed<'de> for Kept<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        if self.0.left == 0 {
            self.0.spent = true;
            return from
                .deserialize_ignored_any(IgnoredAny)
                .map(|_| Value::Null);
        }
        self.0.left -= 1;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Kept<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(value) = list.next_element_seed(Kept(self.0))? {
            if !value.is_null() {
                kept.push(value);
            }
        }
        Ok(Value::Array(kept))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = members.next_key::<std::borrow::Cow<'de, str>>()? {
            if is_used(&name) {
                kept.insert(name.into_owned(), members.next_value_seed(Kept(self.0))?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(kept))
    }
}
