//! Where an account's requests come from, by class: addresses of pods change with every rollout.
//!
//! Refuses raw pod addresses as habits; an external address is remembered as its network.

use crate::baseline::addresses::{Addresses, is_cluster};
use crate::event::{AuditEvent, CredentialKind, Principal, origin};
use std::fmt;
use std::net::IpAddr;

/// Most origins remembered of one account.
pub const LIMIT: usize = 24;

/// What an address is to the credential that came from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// The address of the pod that the credential is bound to, or the first one that it was used
    /// from.
    OwnPod,
    /// The address of its node.
    OwnNode,
    /// An address that many pods share: SNAT, an egress gateway, a load balancer.
    Shared,
    /// The address of another pod that is alive.
    OtherPod,
    /// The address of a node that is not its own.
    OtherNode,
    /// Some address of the cluster.
    Cluster,
    /// A network outside the cluster, private or public.
    Network,
    /// The event names no address.
    Unknown,
}

/// The caller's address and what it is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Origin {
    pub ip: Option<IpAddr>,
    pub class: Class,
}

impl Origin {
    /// Classifies the caller of `event`, given what is known of addresses before it.
    #[must_use]
    pub fn of(event: &AuditEvent<'_>, ip: Option<IpAddr>, addresses: &Addresses) -> Origin {
        let Some(ip) = ip else {
            return Origin {
                ip: None,
                class: Class::Unknown,
            };
        };
        Origin {
            ip: Some(ip),
            class: class_of(event, ip, addresses),
        }
    }

    /// The words an origin is remembered by.
    pub fn key<'k>(&self, out: &'k mut String) -> &'k str {
        use std::fmt::Write;
        out.clear();
        match (self.class, self.ip) {
            (Class::Network, Some(ip)) => {
                let _ = write!(out, "{}", origin::neighbourhood(ip));
            }
            (class, _) => out.push_str(class.words()),
        }
        out
    }

    /// Outside the cluster and reachable over the internet.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.class == Class::Network && self.ip.is_some_and(|ip| !origin::is_private(ip))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            // No baseline learns it as its own, so its class is that of strangers; its place is
            // known all the same.
            Some(ip) if ip.is_loopback() => write!(f, "{ip} (the API server's own host)"),
            Some(ip) => write!(f, "{ip} ({})", self.class.words()),
            None => f.write_str(self.class.words()),
        }
    }
}

impl Class {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Class::OwnPod => "own pod",
            Class::OwnNode => "own node",
            Class::Shared => "shared address",
            Class::OtherPod => "another pod",
            Class::OtherNode => "another node",
            Class::Cluster => "cluster",
            Class::Network => "outside the cluster",
            Class::Unknown => "no address",
        }
    }
}

fn class_of(event: &AuditEvent<'_>, ip: IpAddr, addresses: &Addresses) -> Class {
    let known = addresses.get(ip);
    if known.is_some_and(|a| a.is_shared()) {
        return Class::Shared;
    }
    let node = known.map_or("", |a| a.node.name.as_str());
    let credential = &event.credential;
    match (event.principal, credential.kind) {
        (Principal::Node { name }, _) if node == name => Class::OwnNode,
        (Principal::Node { .. }, _)
            if node.is_empty() && known.is_none_or(|a| !a.has_live_pod(event.time)) =>
        {
            outside_or(Class::OwnNode, ip, addresses)
        }
        (_, CredentialKind::PodBound | CredentialKind::PodBoundWithoutId) => {
            if !node.is_empty() {
                return if node == credential.node || credential.node.is_empty() {
                    Class::OwnNode
                } else {
                    Class::OtherNode
                };
            }
            match known.and_then(|a| a.pod.as_ref()) {
                Some(pod) if pod.uid == *credential.pod_uid => Class::OwnPod,
                // It may have inherited the address.
                Some(_) if known.is_some_and(|a| a.is_successor(credential.pod_uid)) => {
                    Class::OwnPod
                }
                Some(_) if known.is_some_and(|a| a.has_live_pod(event.time)) => Class::OtherPod,
                _ => outside_or(Class::OwnPod, ip, addresses),
            }
        }
        (_, CredentialKind::NodeBound) if node == credential.node => Class::OwnNode,
        (_, CredentialKind::NodeBound) if !node.is_empty() => Class::OtherNode,
        _ => outside_or(Class::Cluster, ip, addresses),
    }
}

/// `inside` where the address is one of the cluster's, or where nothing is known that says
/// otherwise.
fn outside_or(inside: Class, ip: IpAddr, addresses: &Addresses) -> Class {
    match (inside, is_cluster(addresses, ip)) {
        (_, true) => inside,
        // A pod that is seen for the first time: a private address is taken for its own.
        (Class::OwnPod | Class::OwnNode, false) if origin::is_private(ip) => inside,
        _ => Class::Network,
    }
}
