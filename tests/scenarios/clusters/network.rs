//! What stands between clients and an API server, how it changes, and how the audit log shows them
//! then.
//!
//! Refuses to change what happens: the same requests, at the addresses and with the credentials
//! that the API server sees.

use super::super::chance::Chance;
use super::super::world::{DAY, HOUR};
use serde::{Deserialize, Serialize};

/// What stands between clients and the API server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Network {
    /// Every pod has an address of its own.
    Flat,
    /// Pods appear at the address of their node.
    NodeSnat,
    /// All pods appear at one address.
    EgressGateway,
    /// Everybody but the control plane appears at one of three addresses.
    LoadBalancer,
    /// Pods reach the API server directly, nodes and people by a load balancer.
    BalancedNodes,
    /// As flat; people have no certificates but come by OpenID Connect: nothing tells one of their
    /// tokens from another.
    Oidc,
    /// One of two API servers is behind a balancer: everybody appears at both addresses by turns.
    HalfBalanced,
    /// One of two API servers hands requests on to the other: the peer is the last that forwarded
    /// them.
    Peers,
    /// The pods of one namespace in three leave by a gateway.
    SomeByGateway,
}

impl Network {
    /// Whether a pod can be told from another pod by its address, on another node at least.
    pub fn tells_pods_apart(self) -> bool {
        matches!(
            self,
            Network::Flat
                | Network::Oidc
                | Network::NodeSnat
                | Network::BalancedNodes
                | Network::Peers
        )
    }

    /// Whether a pod can be told from its node by its address.
    pub fn tells_pods_from_nodes(self) -> bool {
        self.tells_pods_apart() && self != Network::NodeSnat
    }

    /// The address that the API server sees of who is at `ip`.
    fn seen(self, ip: &str, line: &Line<'_>, wiring: &Wiring) -> Option<String> {
        let [nodes, pods] = &wiring.own_networks;
        let pod = ip
            .strip_prefix(pods.as_str())
            .and_then(|rest| rest.split('.').next());
        let is_local = ip == format!("{nodes}1") || !ip.contains('.');
        match self {
            Network::Flat | Network::Oidc => None,
            Network::NodeSnat => Some(wiring.node(pod?.parse::<u8>().ok()?, line.at)),
            Network::EgressGateway => pod.map(|_| format!("{nodes}200")),
            Network::SomeByGateway => pod
                .filter(|_| line.namespace_sum().is_multiple_of(3))
                .map(|_| format!("{nodes}201")),
            Network::Peers => line
                .is_odd()
                .then(|| format!("{nodes}2"))
                .filter(|_| !is_local),
            Network::BalancedNodes if pod.is_some() => None,
            Network::HalfBalanced if line.is_odd() => None,
            Network::LoadBalancer | Network::BalancedNodes | Network::HalfBalanced if is_local => {
                None
            }
            Network::HalfBalanced => Some(format!("{nodes}250")),
            Network::LoadBalancer | Network::BalancedNodes => {
                Some(format!("{nodes}{}", 240 + sum(ip) % 3))
            }
        }
    }
}

fn sum(text: &str) -> u8 {
    text.bytes().fold(0, u8::wrapping_add)
}

/// One line of the log and when it was written.
struct Line<'l> {
    text: &'l str,
    at: i64,
}

impl Line<'_> {
    /// By turns: the audit id ends in the time.
    fn is_odd(&self) -> bool {
        let id = self
            .text
            .split_once(r#""auditID":""#)
            .and_then(|(_, rest)| rest.split('"').next());
        sum(id.unwrap_or_default()) % 2 == 1
    }

    fn namespace_sum(&self) -> u8 {
        let account = self
            .text
            .split_once(r#""username":"system:serviceaccount:"#)
            .map_or("", |(_, rest)| rest);
        sum(account.split(':').next().unwrap_or_default())
    }
}

/// A network over the life of a cluster.
pub struct Wiring {
    /// In the order of time, the first from the beginning.
    phases: Vec<(i64, Network)>,
    /// How the addresses of nodes and of pods begin: `10.0.0.` of which the node N is at 10 + N and
    /// the control plane at 1, `10.244.` with the pods of N at N.
    pub own_networks: [String; 2],
    /// Nodes that got another address, and when: they are at 50 + N then.
    pub moved: Vec<(u8, i64)>,
}

impl Wiring {
    pub fn new(
        network: Network,
        own_networks: [String; 2],
        days: i64,
        chance: &mut Chance,
    ) -> Wiring {
        let mut phases = vec![(i64::MIN, network)];
        if chance.percent(25) {
            let at = (5 + chance.below((days - 6) as u64) as i64) * DAY + 10 * HOUR;
            let next = match network {
                Network::Flat | Network::Oidc => *chance.pick(&[
                    Network::NodeSnat,
                    Network::EgressGateway,
                    Network::LoadBalancer,
                    Network::BalancedNodes,
                    Network::HalfBalanced,
                    Network::Peers,
                    Network::SomeByGateway,
                ]),
                _ => Network::Flat,
            };
            phases.push((at, next));
        }
        Wiring {
            phases,
            own_networks,
            moved: Vec::new(),
        }
    }

    /// A network that never changes.
    pub fn steady(network: Network, own_networks: [String; 2]) -> Wiring {
        Wiring {
            phases: vec![(i64::MIN, network)],
            own_networks,
            moved: Vec::new(),
        }
    }

    pub fn at(&self, at: i64) -> Network {
        self.phases
            .iter()
            .rev()
            .find(|(since, _)| *since <= at)
            .map_or(Network::Flat, |(_, network)| *network)
    }

    /// When it changed.
    pub fn changes(&self) -> impl Iterator<Item = (i64, Network)> {
        self.phases.iter().skip(1).copied()
    }

    /// Where this node is.
    fn node(&self, number: u8, at: i64) -> String {
        let is_moved = self
            .moved
            .iter()
            .any(|(node, since)| *node == number && *since <= at);
        format!(
            "{}{}",
            self.own_networks[0],
            if is_moved { 50 + number } else { 10 + number }
        )
    }

    /// The line as the API server behind this network writes it.
    pub fn as_seen(&self, text: &str, at: i64) -> String {
        let line = Line { text, at };
        let network = self.at(at);
        let (before, after) = text
            .split_once(r#""sourceIPs":["#)
            .expect("source addresses");
        let (ips, after) = after.split_once(']').expect("their end");
        let ips: Vec<&str> = ips.split(',').map(|ip| ip.trim_matches('"')).collect();
        let (last, forwarded) = ips.split_last().expect("an address");
        let seen = network.seen(last, &line, self);
        let hop = (network == Network::Peers && seen.is_some()).then_some(*last);
        let last = seen.unwrap_or_else(|| (*last).to_owned());
        let ips: Vec<String> = forwarded
            .iter()
            .copied()
            .chain(hop)
            .chain([last.as_str()])
            .map(|ip| format!("\"{ip}\""))
            .collect();
        let is_person =
            self.phases[0].1 == Network::Oidc && !text.contains(r#""username":"system:"#);
        let before = if is_person {
            without_certificate(before)
        } else {
            before.to_owned()
        };
        let after = if is_person {
            without_certificate(after)
        } else {
            after.to_owned()
        };
        format!("{before}\"sourceIPs\":[{}]{after}", ips.join(","))
    }
}

fn without_certificate(part: &str) -> String {
    let Some((before, extra)) =
        part.split_once(r#","extra":{"authentication.kubernetes.io/credential-id":["X509"#)
    else {
        return part.to_owned();
    };
    let (_, after) = extra.split_once("]}").expect("the end of extra");
    format!("{before}{after}")
}
