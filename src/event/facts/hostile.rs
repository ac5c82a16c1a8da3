//! What texts of attackers look like: names of tools, command lines that call back, credentials.
//!
//! Refuses to be complete: whoever renames a tool is not in these lists. They name what gives
//! itself away.

/// Names long enough to be told anywhere in a text.
const TOOLS: [&str; 14] = [
    "access_matrix",
    "kube-hunter",
    "kubehunter",
    "kubeletctl",
    "kubeletmein",
    "kubesploit",
    "masscan",
    "metasploit",
    "nsenter",
    "peirates",
    "rakkess",
    "stratus-red-team",
    "stratus_red_team",
    "who-can",
];

/// Names that are parts of other words: told only between separators.
const SHORT_TOOLS: [&str; 10] = [
    "botb", "deepce", "hydra", "kali", "kdigger", "nikto", "nmap", "nuclei", "sqlmap", "zgrab",
];

const MINERS: [&str; 22] = [
    "2miners",
    "coinminer",
    "cpuminer",
    "cryptominer",
    "cryptonight",
    "ethminer",
    "hashvault",
    "kinsing",
    "lolminer",
    "minerd",
    "minergate",
    "minexmr",
    "monero",
    "nanopool",
    "nbminer",
    "nicehash",
    "randomx",
    "stratum+",
    "supportxmr",
    "xmr-",
    "xmr.",
    "xmrig",
];

const CALLS_BACK: [&str; 12] = [
    "/dev/tcp/",
    "/dev/udp/",
    "bash -i >",
    "sh -i >",
    "sh -i 2>",
    "nc -e",
    "ncat -e",
    "nc -lvp",
    "netcat -e",
    "-e /bin/",
    "mkfifo ",
    "socket.socket(",
];

/// Keys and marks of credentials (Falco's list of words in ConfigMaps, and the heads of keys).
const CREDENTIALS: [&str; 9] = [
    "aws-access-key-id",
    "aws_access_key_id",
    "aws_secret_access_key",
    "-----BEGIN EC PRIVATE KEY",
    "-----BEGIN PRIVATE KEY",
    "-----BEGIN RSA PRIVATE KEY",
    "passphrase",
    "password",
    "secret_key",
];

/// A name, an image or a user agent that names a known tool of attackers and testers.
#[must_use]
pub fn is_tool(text: &str) -> bool {
    let text = text.to_lowercase();
    TOOLS.iter().any(|tool| text.contains(tool))
        || text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| SHORT_TOOLS.contains(&word))
}

/// A name, an image or a lower-case command line of a coin miner.
#[must_use]
pub fn is_miner(text: &str) -> bool {
    MINERS.iter().any(|miner| text.contains(miner))
}

/// A lower-case command line that opens a shell to somewhere else, or waits to give one.
#[must_use]
pub fn calls_back(line: &str) -> bool {
    CALLS_BACK.iter().any(|sign| line.contains(sign))
}

/// A lower-case command line that reads the file of a token, a key or the node's passwords.
#[must_use]
pub fn reads_token(line: &str) -> bool {
    const FILES: [&str; 10] = [
        "serviceaccount/token",
        "/token ",
        "/.aws/",
        "/.kube/",
        "/.azure/",
        "/etc/kubernetes/",
        "/var/lib/kubelet/pki",
        "id_rsa",
        "/etc/shadow",
        "gcloud/credentials",
    ];
    FILES.iter().any(|file| line.contains(file))
        || (line.contains("/run/secrets/") && line.contains("token"))
}

/// A lower-case command line that asks a cloud's metadata service.
#[must_use]
pub fn asks_metadata(line: &str) -> bool {
    const SERVICES: [&str; 5] = [
        "169.254.169.254",
        "169.254.170.2",
        "metadata.google.internal",
        "fd00:ec2::254",
        "100.100.100.200",
    ];
    SERVICES.iter().any(|service| line.contains(service))
}

pub(super) fn holds_credentials(body: &str) -> bool {
    CREDENTIALS.iter().any(|sign| body.contains(sign))
}
