//! How many connections each address has, so that one client leaves room for others.
//!
//! Refuses to remember an address that has none.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections by address. Clones share them.
#[derive(Clone)]
pub struct Guests {
    most: usize,
    all: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's share of its address, until it is dropped.
pub struct Guest {
    guests: Guests,
    address: IpAddr,
}

impl Guests {
    /// So many of one address.
    #[must_use]
    pub fn at_most(most: usize) -> Guests {
        Guests {
            most,
            all: Arc::default(),
        }
    }

    /// `None` if this address has as many as it may.
    #[must_use]
    pub fn admit(&self, address: IpAddr) -> Option<Guest> {
        let mut all = self.lock();
        let mine = all.entry(address).or_default();
        (*mine < self.most).then(|| {
            *mine += 1;
            Guest {
                guests: self.clone(),
                address,
            }
        })
    }

    /// Whether nobody is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut all = self.guests.lock();
        if let Some(mine) = all.get_mut(&self.address) {
            *mine -= 1;
            if *mine == 0 {
                all.remove(&self.address);
            }
        }
    }
}
