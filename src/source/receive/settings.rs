//! What an operator says of the door.
//!
//! Refuses a door that anyone can use: events that somebody makes up would be judged, and hide what
//! happens.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Field, what is wrong with it, and what to do.
pub type Wrong = (&'static str, &'static str, &'static str);

/// The door for the webhook backend of API servers and for other senders. Changes need a restart,
/// but for the contents of the files, which are looked at every five seconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port of the door, such as `0.0.0.0:9465`; without it there is none.
    #[schemars(with = "Option<String>")]
    pub listen: Option<SocketAddr>,
    /// Our certificate and those between it and its authority, in PEM.
    pub cert_file: Option<PathBuf>,
    /// The key of the certificate, in PEM.
    pub key_file: Option<PathBuf>,
    /// Authorities in PEM: who sends has to show a certificate that one of them has issued for
    /// clients.
    pub client_ca_file: Option<PathBuf>,
    /// A file with a secret that senders have to show as `Authorization: Bearer`.
    pub token_file: Option<PathBuf>,
    /// The directory where batches are kept until they are read; `spool` in the state directory
    /// without it.
    pub spool: Option<PathBuf>,
    /// Megabytes (10^6) that it may take. Beyond, what comes is dropped, and told as a gap.
    pub spool_megabytes: u64,
    /// Megabytes (10^6) of the largest request, packed or not; a larger one is refused, and told as
    /// a gap.
    pub body_megabytes: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: None,
            cert_file: None,
            key_file: None,
            client_ca_file: None,
            token_file: None,
            spool: None,
            spool_megabytes: 1000,
            body_megabytes: 32,
        }
    }
}

impl Settings {
    /// What of it makes no sense.
    #[must_use]
    pub fn wrong(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        if !(16..=1_000_000).contains(&self.spool_megabytes) {
            found.push((
                "spool_megabytes",
                "the size of the spool is out of range",
                "set 16 to 1000000",
            ));
        }
        if !(1..=128).contains(&self.body_megabytes) {
            found.push((
                "body_megabytes",
                "the largest request is out of range",
                "set 1 to 128; the default is 32",
            ));
        }
        let Some(listen) = self.listen else {
            return found;
        };
        if self.cert_file.is_none() || self.key_file.is_none() {
            let remedy = "name cert_file and key_file: API servers send over HTTPS";
            found.push(("listen", "a door needs a certificate and its key", remedy));
        }
        if self.client_ca_file.is_none() && self.token_file.is_none() && !listen.ip().is_loopback()
        {
            let remedy = "name client_ca_file or token_file, or listen on 127.0.0.1";
            found.push((
                "listen",
                "nobody who sends would be asked who they are",
                remedy,
            ));
        }
        found
    }

    /// Bytes of the largest request.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        usize::try_from(self.body_megabytes)
            .unwrap_or(usize::MAX)
            .saturating_mul(1_000_000)
    }
}
