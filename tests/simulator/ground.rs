//! What the simulated daemon stands on: a clock that is set, a disk that forgets, and receivers
//! that do not always answer.
//!
//! Refuses to let time pass by itself.

use super::chance::Chance;
use super::disk::Disk;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokentrail::daemon::Ground;
use tokentrail::sink::{Desk, Inbox, Link, Note, Outcome, Parcel, Receiver, Step};
use tokentrail::store::{Store, StoreError};

/// Parcels that one desk may send before the others have their turn.
const AT_ONCE: usize = 40;

pub struct Model {
    now: Mutex<Instant>,
    pub disk: Disk,
    desks: Mutex<Vec<Served>>,
}

struct Served {
    name: String,
    desk: Desk,
    inbox: Inbox,
    /// Sent, and not answered yet.
    under_way: Option<Parcel>,
}

/// By receiver: incident and revision, in the order in which they arrived, copies among them.
pub type Heard = BTreeMap<String, Vec<(String, u32)>>;

impl Model {
    pub fn new(disk: Disk) -> Model {
        Model {
            now: Mutex::new(Instant::now()),
            disk,
            desks: Mutex::default(),
        }
    }

    pub fn pass(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }

    /// The process is gone, and everything that was under way with it.
    pub fn forget(&self) {
        self.desks.lock().unwrap().clear();
    }

    /// Every desk does what it can; `trouble` of a hundred parcels fare badly. True if nothing is
    /// left to do.
    pub fn deliver(&self, trouble: u64, chance: &mut Chance, heard: &mut Heard) -> bool {
        let now = self.now();
        let mut all = true;
        for served in self.desks.lock().unwrap().iter_mut() {
            while let Ok(rows) = served.inbox.try_recv() {
                served.desk.take(rows, now);
            }
            all &= served.work(
                now,
                trouble,
                chance,
                heard.entry(served.name.clone()).or_default(),
            );
        }
        all
    }
}

impl Served {
    fn work(
        &mut self,
        now: Instant,
        trouble: u64,
        chance: &mut Chance,
        heard: &mut Vec<(String, u32)>,
    ) -> bool {
        for _ in 0..AT_ONCE {
            let parcel = match self.under_way.take() {
                Some(parcel) => parcel,
                None => match self.desk.next(now) {
                    Step::Send(parcel) => parcel,
                    // For the time to try again, or to send again what goes on.
                    Step::Wait(_) => return self.desk.depth() == 0,
                    Step::Idle => return true,
                },
            };
            if chance.percent(trouble) {
                // Slow: it is neither there nor lost yet.
                self.under_way = Some(parcel);
                return false;
            }
            let fails = chance.percent(trouble);
            let arrives = !fails || chance.percent(50);
            if let (Parcel::Notice { note, .. }, true) = (&parcel, arrives) {
                heard.push((note.id.clone(), note.revision));
            }
            let why = || "simulated".to_owned();
            let asked = chance
                .percent(20)
                .then(|| Duration::from_secs(chance.below(100)));
            let outcome = if fails {
                Outcome::Retry { why: why(), asked }
            } else {
                Outcome::Delivered
            };
            self.desk.answered(&outcome, now, chance.any());
        }
        false
    }
}

impl Ground for Model {
    fn now(&self) -> Instant {
        *self.now.lock().unwrap()
    }

    fn store(&self, dir: &Path) -> Result<Store, StoreError> {
        Store::open_on(dir, self.disk.clone())
    }

    fn link(&self, receiver: Receiver, next_row: u64, told: Vec<Arc<Note>>) -> Link {
        let (link, desk, inbox) = Link::open(&receiver, next_row, told);
        let name = receiver.name.clone();
        self.desks.lock().unwrap().push(Served {
            name,
            desk,
            inbox,
            under_way: None,
        });
        link
    }
}
