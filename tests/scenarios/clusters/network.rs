//! What stands between clients and an API server, and how its audit log shows them then.
//!
//! Refuses to change what happens: the same requests, at the addresses and with the credentials that the API server sees.

/// What stands between clients and the API server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
    /// As flat; people have no certificates but come by OpenID Connect: nothing tells one of their tokens from another.
    Oidc,
}

impl Network {
    /// The address that the API server sees.
    fn seen(self, ip: &str, own_networks: &[String; 2]) -> Option<String> {
        let [nodes, pods] = own_networks;
        let pod = ip.strip_prefix(pods.as_str()).and_then(|rest| rest.split('.').next());
        match self {
            Network::Flat | Network::Oidc => None,
            Network::NodeSnat => Some(format!("{nodes}{}", 10 + pod?.parse::<u8>().ok()?)),
            Network::EgressGateway => pod.map(|_| format!("{nodes}200")),
            Network::BalancedNodes if pod.is_some() => None,
            Network::LoadBalancer | Network::BalancedNodes if ip == format!("{nodes}1") || !ip.contains('.') => None,
            Network::LoadBalancer | Network::BalancedNodes => {
                Some(format!("{nodes}{}", 240 + ip.bytes().fold(0u8, |sum, b| sum.wrapping_add(b)) % 3))
            }
        }
    }
}

/// The line as the API server behind this network writes it; `own_networks` are how the addresses of nodes and of pods
/// begin: `10.0.0.` of which the node N is at 10 + N and the control plane at 1, `10.244.` with the pods of N at N.
pub fn as_seen(line: &str, network: Network, own_networks: &[String; 2]) -> String {
    let (before, after) = line.split_once(r#""sourceIPs":["#).expect("source addresses");
    let (ips, after) = after.split_once(']').expect("their end");
    let ips: Vec<&str> = ips.split(',').map(|ip| ip.trim_matches('"')).collect();
    let (last, forwarded) = ips.split_last().expect("an address");
    let seen = network.seen(last, own_networks).unwrap_or_else(|| (*last).to_owned());
    let ips: Vec<String> = forwarded.iter().copied().chain([seen.as_str()]).map(|ip| format!("\"{ip}\"")).collect();
    let is_person = network == Network::Oidc && !line.contains(r#""username":"system:"#);
    let before = if is_person { without_certificate(before) } else { before.to_owned() };
    let after = if is_person { without_certificate(after) } else { after.to_owned() };
    format!("{before}\"sourceIPs\":[{}]{after}", ips.join(","))
}

fn without_certificate(part: &str) -> String {
    let Some((before, extra)) = part.split_once(r#","extra":{"authentication.kubernetes.io/credential-id":["X509"#)
    else {
        return part.to_owned();
    };
    let (_, after) = extra.split_once("]}").expect("the end of extra");
    format!("{before}{after}")
}
