//! The audit event as it stands in a line: `audit.k8s.io/v1` and `v1beta1`, the fields that we use.
//!
//! This struct is the contract between the two decoders: for every line that serde_json accepts
//! into it, the forward scanner yields an equal value. `null` means absent everywhere, as it does
//! in Go. Refuses to interpret: that is `normalise`.

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Borrowed from the line unless it holds an escape.
pub type Text<'a> = Cow<'a, str>;

/// Three groups and one address are the rule: lists of that size live in the event itself.
pub type Texts<'a> = SmallVec<[Text<'a>; 4]>;

/// The JSON of one value as it stands in the line, not looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Raw<'a>(pub &'a str);

impl<'a> Raw<'a> {
    /// The text of a JSON string; empty for any other value.
    #[must_use]
    pub fn text(self) -> Text<'a> {
        serde_json::from_str::<One<'a>>(self.0)
            .map(|one| one.0)
            .unwrap_or_default()
    }
}

impl Default for Raw<'_> {
    fn default() -> Self {
        Raw("null")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <&'de RawValue>::deserialize(from).map(|raw| Raw(raw.get()))
    }
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct WireEvent<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub kind: Text<'a>,
    #[serde(borrow, rename = "apiVersion", deserialize_with = "text")]
    pub api_version: Text<'a>,
    #[serde(borrow, deserialize_with = "text")]
    pub level: Text<'a>,
    /// `v1beta1` before Kubernetes 1.9: the time of the stage, to the second.
    #[serde(borrow, deserialize_with = "text")]
    pub timestamp: Text<'a>,
    #[serde(borrow, rename = "auditID", deserialize_with = "text")]
    pub audit_id: Text<'a>,
    #[serde(borrow, deserialize_with = "text")]
    pub stage: Text<'a>,
    #[serde(borrow, rename = "requestURI", deserialize_with = "text")]
    pub request_uri: Text<'a>,
    #[serde(borrow, deserialize_with = "text")]
    pub verb: Text<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub user: WireUser<'a>,
    #[serde(borrow, rename = "impersonatedUser")]
    pub impersonated_user: Option<Box<WireUser<'a>>>,
    #[serde(borrow, rename = "sourceIPs", deserialize_with = "texts")]
    pub source_ips: Texts<'a>,
    #[serde(borrow, rename = "userAgent", deserialize_with = "text")]
    pub user_agent: Text<'a>,
    #[serde(borrow, rename = "objectRef")]
    pub object_ref: Option<WireObjectRef<'a>>,
    #[serde(rename = "responseStatus", deserialize_with = "or_default")]
    pub response_status: WireStatus,
    #[serde(borrow, rename = "requestObject")]
    pub request_object: Option<Raw<'a>>,
    #[serde(borrow, rename = "requestReceivedTimestamp", deserialize_with = "text")]
    pub request_received_timestamp: Text<'a>,
    #[serde(borrow, rename = "stageTimestamp", deserialize_with = "text")]
    pub stage_timestamp: Text<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub annotations: WireAnnotations<'a>,
    /// Items of an `EventList` only.
    #[serde(borrow)]
    pub items: Option<Raw<'a>>,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct WireUser<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub username: Text<'a>,
    #[serde(borrow, deserialize_with = "text")]
    pub uid: Text<'a>,
    #[serde(borrow, deserialize_with = "texts")]
    pub groups: Texts<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub extra: WireExtra<'a>,
}

/// The first value of each key that we use; the values are lists of strings on the wire.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct WireExtra<'a> {
    #[serde(
        borrow,
        rename = "authentication.kubernetes.io/credential-id",
        deserialize_with = "first"
    )]
    pub credential_id: Text<'a>,
    #[serde(
        borrow,
        rename = "authentication.kubernetes.io/pod-name",
        deserialize_with = "first"
    )]
    pub pod_name: Text<'a>,
    #[serde(
        borrow,
        rename = "authentication.kubernetes.io/pod-uid",
        deserialize_with = "first"
    )]
    pub pod_uid: Text<'a>,
    #[serde(
        borrow,
        rename = "authentication.kubernetes.io/node-name",
        deserialize_with = "first"
    )]
    pub node_name: Text<'a>,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct WireObjectRef<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub resource: Text<'a>,
    #[serde(borrow, deserialize_with = "text")]
    pub namespace: Text<'a>,
    #[serde(borrow, deserialize_with = "text")]
    pub name: Text<'a>,
    #[serde(borrow, rename = "apiGroup", deserialize_with = "text")]
    pub api_group: Text<'a>,
    #[serde(borrow, deserialize_with = "text")]
    pub subresource: Text<'a>,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct WireStatus {
    #[serde(deserialize_with = "or_default")]
    pub code: i32,
}

/// Annotations that say something about the caller; all others are skipped.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct WireAnnotations<'a> {
    #[serde(
        borrow,
        rename = "authorization.k8s.io/decision",
        deserialize_with = "text"
    )]
    pub decision: Text<'a>,
    /// RBAC's sentence always has escaped quotes; few readers want it, so it is unescaped by them.
    #[serde(borrow, rename = "authorization.k8s.io/reason")]
    pub reason: Option<Raw<'a>>,
    #[serde(
        borrow,
        rename = "authentication.kubernetes.io/issued-credential-id",
        deserialize_with = "text"
    )]
    pub issued_credential_id: Text<'a>,
    #[serde(
        borrow,
        rename = "authentication.k8s.io/legacy-token",
        deserialize_with = "text"
    )]
    pub legacy_token: Text<'a>,
    #[serde(
        borrow,
        rename = "authentication.k8s.io/legacy-token-autogenerated-secret",
        deserialize_with = "text"
    )]
    pub legacy_autogenerated: Text<'a>,
    #[serde(
        borrow,
        rename = "authentication.k8s.io/legacy-token-manual-secret",
        deserialize_with = "text"
    )]
    pub legacy_manual: Text<'a>,
    #[serde(
        borrow,
        rename = "authentication.k8s.io/legacy-token-invalidated",
        deserialize_with = "text"
    )]
    pub legacy_invalidated: Text<'a>,
    #[serde(
        borrow,
        rename = "authentication.k8s.io/stale-token",
        deserialize_with = "text"
    )]
    pub stale_token: Text<'a>,
    /// `true` where the server left the bodies out, because the event was too large
    /// (`apiserver/plugin/pkg/audit/truncate`).
    #[serde(borrow, rename = "audit.k8s.io/truncated", deserialize_with = "text")]
    pub truncated: Text<'a>,
}

/// One string or `null`. serde's own `Cow` copies inside lists and refuses `null`.
struct One<'a>(Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for One<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or null")
            }
            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(""))
            }
            fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
                from.deserialize_str(self)
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        from.deserialize_option(Borrow).map(One)
    }
}

/// A list of strings, or `null`. `KEPT` entries are kept, the rest is only checked.
struct Many<'a, const KEPT: usize>(Texts<'a>);

impl<'de: 'a, 'a, const KEPT: usize> Deserialize<'de> for Many<'a, KEPT> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Collect<'a, const KEPT: usize>(PhantomData<&'a str>);
        impl<'de: 'a, 'a, const KEPT: usize> Visitor<'de> for Collect<'a, KEPT> {
            type Value = Texts<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of strings or null")
            }
            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(Texts::new())
            }
            fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
                from.deserialize_seq(self)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut kept = Texts::new();
                while kept.len() < KEPT {
                    let Some(One(text)) = list.next_element()? else {
                        return Ok(kept);
                    };
                    kept.push(text);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(kept)
            }
        }
        from.deserialize_option(Collect::<KEPT>(PhantomData))
            .map(Many)
    }
}

fn text<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Text<'a>, D::Error> {
    One::deserialize(from).map(|one| one.0)
}

fn texts<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Texts<'a>, D::Error> {
    Many::<{ usize::MAX }>::deserialize(from).map(|many| many.0)
}

fn first<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Text<'a>, D::Error> {
    Many::<1>::deserialize(from).map(|many| many.0.into_iter().next().unwrap_or_default())
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_borrow_from_the_line() {
        let line = r#"{"sourceIPs":["10.0.0.1"],"user":{"groups":["a","b\u0026"]}}"#;
        let event: WireEvent<'_> = serde_json::from_str(line).unwrap();
        assert!(matches!(event.source_ips[0], Cow::Borrowed("10.0.0.1")));
        assert!(matches!(event.user.groups[0], Cow::Borrowed("a")));
        assert_eq!(event.user.groups[1], "b&");
    }

    #[test]
    fn null_is_absent() {
        let line = r#"{"kind":null,"user":null,"impersonatedUser":null,"sourceIPs":null,"objectRef":{"name":null},
            "responseStatus":null,"requestObject":null,"annotations":{"authorization.k8s.io/reason":null}}"#;
        let event: WireEvent<'_> = serde_json::from_str(line).unwrap();
        assert_eq!(
            event,
            WireEvent {
                object_ref: Some(WireObjectRef::default()),
                ..WireEvent::default()
            }
        );
        let nulls =
            r#"{"user":{"extra":{"authentication.kubernetes.io/pod-name":null},"groups":[null]}}"#;
        let event: WireEvent<'_> = serde_json::from_str(nulls).unwrap();
        assert_eq!(
            (event.user.extra.pod_name.as_ref(), event.user.groups.len()),
            ("", 1)
        );
    }

    #[test]
    fn raw_text_is_unescaped_on_demand() {
        assert_eq!(Raw(r#""by \"x\"""#).text(), r#"by "x""#);
        assert_eq!(Raw("5").text(), "");
        assert_eq!(Raw::default().text(), "");
    }
}
