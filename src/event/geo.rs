//! Whose network a public address belongs to, and in which country: what the operator's GeoIP files
//! say of it.
//!
//! Refuses to look anything up. The files are the shell's; what they said when the event was read
//! is part of the event, so that it is judged the same when they have changed.

use std::fmt;
use std::net::IpAddr;

/// What is known of one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geo<'a> {
    /// Which address.
    pub ip: IpAddr,
    /// ISO 3166-1 alpha-2; empty where it is not known.
    pub country: &'a str,
    /// Number of the autonomous system; 0 where it is not known.
    pub asn: u32,
    /// The name of whoever runs it, without a comma; empty where it is not known.
    pub network: &'a str,
}

/// `AS64500 Example Net, DE`: the words that people read, and that a baseline remembers.
impl fmt::Display for Geo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asn == 0 {
            return f.write_str(self.country);
        }
        write!(f, "AS{}", self.asn)?;
        for (before, text) in [(" ", self.network), (", ", self.country)] {
            if !text.is_empty() {
                write!(f, "{before}{text}")?;
            }
        }
        Ok(())
    }
}
