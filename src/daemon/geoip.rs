//! What GeoIP files say of addresses, which come again and again.
//!
//! Refuses to grow with what clients send: addresses that are remembered have a limit.

use crate::config::{Databases, Found};
use crate::event::origin;
use hashbrown::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Most addresses remembered; then all are forgotten and asked for again.
const KNOWN_LIMIT: usize = 4_096;

/// The files, and what they said.
#[derive(Default)]
pub struct Lookups {
    databases: Arc<Databases>,
    known: HashMap<IpAddr, Option<Found>>,
}

impl Lookups {
    #[must_use]
    pub fn in_files(databases: &Arc<Databases>) -> Lookups {
        Lookups {
            databases: databases.clone(),
            known: HashMap::new(),
        }
    }

    /// What is known of a public address; `None` of others, and where nothing is.
    pub fn find(&mut self, ip: IpAddr) -> Option<&Found> {
        if self.databases.is_empty() || origin::is_private(ip) {
            return None;
        }
        if self.known.len() >= KNOWN_LIMIT && !self.known.contains_key(&ip) {
            self.known.clear();
        }
        let Lookups { databases, known } = self;
        known
            .entry(ip)
            .or_insert_with(|| databases.look_up(ip))
            .as_ref()
    }
}
