//! The engine's state as records: a room, a key, bytes. What the store keeps and gives back.
//!
//! Refuses partial restores: records of an unknown version are an error, never a guess.

use super::Engine;
use super::camera::Camera;
use super::clock::Clock;
use super::twin::Twins;
use crate::base::Digest;
use crate::base::remembered::Remembered;
use crate::baseline::addresses::Census;
use crate::baseline::makers::Makers;
use crate::baseline::{Account, Address};
use crate::baseline::{Causes, Prevalence};
use crate::incident::Incident;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::net::IpAddr;

/// The first byte of every record: the version of its bytes.
const VERSION: u8 = 5;

/// Which part of the engine a record belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Room {
    /// One record: clock, camera, ids given.
    Core = 1,
    /// By username.
    Account = 2,
    /// By address.
    Address = 3,
    /// By incident id; open ones only.
    Incident = 4,
    /// By incident id: what an acknowledgement would teach.
    Lessons = 5,
    /// By incident id: acknowledgements.
    Ack = 6,
    /// By what was gained and who gained it, with a NUL between.
    Link = 7,
    /// By namespace and pod, with a slash between: pods that are gone.
    Departed = 8,
    /// By address: the pod whose stolen token was used from there.
    Stolen = 9,
}

/// One changed record; without a value it is deleted.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    pub room: Room,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

impl Room {
    /// In the order in which they are restored.
    pub const ALL: [Room; 9] = [
        Room::Core,
        Room::Account,
        Room::Address,
        Room::Incident,
        Room::Lessons,
        Room::Ack,
        Room::Link,
        Room::Departed,
        Room::Stolen,
    ];
}

#[derive(Serialize, Deserialize)]
struct Core {
    seq: u64,
    clock: Clock,
    camera: Camera,
    twins: Twins,
    makers: Makers,
    memory: crate::incident::Memory,
    census: Census,
    prevalence: Prevalence,
    causes: Causes,
}

impl Engine {
    /// Everything that changed since the last call, in a fixed order.
    pub fn drain_records(&mut self, out: &mut Vec<Record>) {
        let core = Core {
            seq: self.seq,
            clock: self.clock.clone(),
            camera: self.camera.clone(),
            twins: self.twins.clone(),
            makers: self.makers.clone(),
            memory: self.correlator.memory.clone(),
            census: self.addresses.census().clone(),
            prevalence: self.prevalence.clone(),
            causes: self.causes.clone(),
        };
        out.push(record(Room::Core, Vec::new(), Some(&core)));
        out.extend(
            self.population
                .drain_changes()
                .into_iter()
                .map(|(k, v)| extended(Room::Account, k.as_bytes().to_vec(), v)),
        );
        out.extend(
            self.addresses
                .drain_changes()
                .into_iter()
                .map(|(k, v)| record(Room::Address, k.to_string().into_bytes(), v)),
        );
        out.extend(
            self.correlator
                .drain_changes()
                .into_iter()
                .map(|(k, v)| extended(Room::Incident, k.0.to_vec(), v)),
        );
        for (id, lessons, ack) in self.word.drain_changes() {
            out.push(record(Room::Lessons, id.0.to_vec(), lessons));
            out.push(record(Room::Ack, id.0.to_vec(), ack));
        }
        for ((what, by), link) in self.correlator.links().drain_changes() {
            out.push(record(
                Room::Link,
                format!("{what}\0{by}").into_bytes(),
                link.as_ref(),
            ));
        }
        for (pod, at) in self.departed.drain_changes() {
            out.push(record(Room::Departed, pod.into_bytes(), at.as_ref()));
        }
        out.extend(
            self.stolen
                .drain_changes()
                .into_iter()
                .map(|(k, v)| record(Room::Stolen, k.to_string().into_bytes(), v)),
        );
    }

    /// Forgets what changed: for those who keep no state.
    pub fn skip_records(&mut self) {
        self.population.drain_changes();
        self.addresses.drain_changes();
        self.correlator.drain_changes();
        self.correlator.links().drain_changes();
        self.departed.drain_changes();
        self.stolen.drain_changes();
        self.word.drain_changes();
    }

    /// Takes back one record of a state that was stored.
    ///
    /// # Errors
    /// A sentence that says which record cannot be read: its version is unknown or its bytes are
    /// damaged.
    pub fn restore(&mut self, room: u8, key: &[u8], value: &[u8]) -> Result<(), String> {
        match room {
            r if r == Room::Core as u8 => {
                let core: Core = read(room, key, value)?;
                self.seq = core.seq;
                self.clock = core.clock;
                self.camera = core.camera;
                self.twins = core.twins;
                self.makers = core.makers;
                self.correlator.memory = core.memory;
                self.addresses.restore_census(core.census);
                self.prevalence = core.prevalence;
                self.causes = core.causes;
            }
            r if r == Room::Account as u8 => {
                let account: Account = read_extended(room, key, value)?;
                self.population.restore(text(room, key)?.into(), account);
            }
            r if r == Room::Address as u8 => {
                let address: Address = read(room, key, value)?;
                self.addresses.restore(ip(room, key)?, address);
            }
            r if r == Room::Incident as u8 => {
                let incident: Incident = read_extended(room, key, value)?;
                self.correlator.restore(incident, &self.policy);
            }
            r if r == Room::Lessons as u8 => self
                .word
                .restore_lessons(id(room, key)?, read(room, key, value)?),
            r if r == Room::Ack as u8 => self
                .word
                .restore_ack(id(room, key)?, read(room, key, value)?),
            r if r == Room::Link as u8 => {
                let (what, by) = text(room, key)?
                    .split_once('\0')
                    .ok_or_else(|| unreadable(room, key))?;
                self.correlator
                    .links()
                    .restore((what.into(), by.into()), read(room, key, value)?);
            }
            r if r == Room::Departed as u8 => {
                if !self
                    .departed
                    .restore(text(room, key)?, read(room, key, value)?)
                {
                    return Err(unreadable(room, key));
                }
            }
            r if r == Room::Stolen as u8 => {
                self.stolen.restore(ip(room, key)?, read(room, key, value)?);
            }
            _ => return Err(unreadable(room, key)),
        }
        Ok(())
    }
}

/// What a room holds, in one word.
#[must_use]
pub fn room_name(room: u8) -> &'static str {
    match room {
        r if r == Room::Core as u8 => "core",
        r if r == Room::Account as u8 => "account",
        r if r == Room::Address as u8 => "address",
        r if r == Room::Incident as u8 => "open incident",
        r if r == Room::Lessons as u8 => "lessons of incident",
        r if r == Room::Ack as u8 => "acknowledgement of incident",
        r if r == Room::Link as u8 => "link of incident",
        r if r == Room::Departed as u8 => "pod that is gone",
        r if r == Room::Stolen as u8 => "address of a stolen token",
        _ => "record",
    }
}

/// The account that a record holds; `None` if its version is unknown or its bytes are damaged.
#[must_use]
pub fn account(value: &[u8]) -> Option<Account> {
    read_extended(Room::Account as u8, b"", value).ok()
}

/// A record for people; `None` if its version is unknown or its bytes are damaged.
#[must_use]
pub fn describe(room: u8, value: &[u8]) -> Option<serde_json::Value> {
    fn json<T: DeserializeOwned + Serialize>(room: u8, value: &[u8]) -> Option<serde_json::Value> {
        serde_json::to_value(read::<T>(room, b"", value).ok()?).ok()
    }
    fn json_extended<T: DeserializeOwned + Serialize + Extended>(
        room: u8,
        value: &[u8],
    ) -> Option<serde_json::Value> {
        let whole: T = read_extended(room, b"", value).ok()?;
        let mut json = serde_json::to_value(&whole).ok()?;
        if let Some(extension) = whole.extension() {
            json["networks"] = serde_json::to_value(extension).ok()?;
        }
        Some(json)
    }
    match room {
        r if r == Room::Core as u8 => json::<Core>(room, value),
        r if r == Room::Account as u8 => json_extended::<Account>(room, value),
        r if r == Room::Address as u8 => json::<Address>(room, value),
        r if r == Room::Incident as u8 => json_extended::<Incident>(room, value),
        _ => None,
    }
}

fn record<T: Serialize>(room: Room, key: Vec<u8>, value: Option<&T>) -> Record {
    let value = value.map(|value| {
        let mut bytes = vec![VERSION];
        bytes.extend(encoded(value));
        bytes
    });
    Record { room, key, value }
}

/// # Panics
/// A value cannot be encoded: an empty record in its place would lose what an account has learned.
fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    match postcard::to_allocvec(value) {
        Ok(bytes) => bytes,
        Err(error) => panic!("records are plain data that always encode: {error}"),
    }
}

fn read<T: DeserializeOwned>(room: u8, key: &[u8], value: &[u8]) -> Result<T, String> {
    match value.split_first() {
        Some((&VERSION, bytes)) => postcard::from_bytes(bytes).map_err(|_| unreadable(room, key)),
        _ => Err(unreadable(room, key)),
    }
}

/// What came later and few have: it stands behind the rest, and where there is none, nothing does.
trait Extended {
    type Extension: Serialize + DeserializeOwned;
    fn extension(&self) -> Option<&Self::Extension>;
    fn extend(&mut self, extension: Self::Extension);
}

impl Extended for Account {
    type Extension = Remembered;

    fn extension(&self) -> Option<&Remembered> {
        (!self.networks.is_empty()).then_some(&self.networks)
    }

    fn extend(&mut self, networks: Remembered) {
        self.networks = networks;
    }
}

impl Extended for Incident {
    type Extension = Vec<SmolStr>;

    fn extension(&self) -> Option<&Vec<SmolStr>> {
        (!self.networks.is_empty()).then_some(&self.networks)
    }

    fn extend(&mut self, networks: Vec<SmolStr>) {
        self.networks = networks;
    }
}

fn extended<T: Serialize + Extended>(room: Room, key: Vec<u8>, value: Option<&T>) -> Record {
    let mut record = record(room, key, value);
    if let (Some(bytes), Some(extension)) = (&mut record.value, value.and_then(T::extension)) {
        bytes.extend(encoded(extension));
    }
    record
}

fn read_extended<T: DeserializeOwned + Extended>(
    room: u8,
    key: &[u8],
    value: &[u8],
) -> Result<T, String> {
    let Some((&VERSION, bytes)) = value.split_first() else {
        return Err(unreadable(room, key));
    };
    let (mut whole, rest): (T, &[u8]) =
        postcard::take_from_bytes(bytes).map_err(|_| unreadable(room, key))?;
    if !rest.is_empty() {
        whole.extend(postcard::from_bytes(rest).map_err(|_| unreadable(room, key))?);
    }
    Ok(whole)
}

fn text(room: u8, key: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(key).map_err(|_| unreadable(room, key))
}

fn ip(room: u8, key: &[u8]) -> Result<IpAddr, String> {
    text(room, key)?.parse().map_err(|_| unreadable(room, key))
}

fn id(room: u8, key: &[u8]) -> Result<Digest, String> {
    key.try_into()
        .map(Digest)
        .map_err(|_| unreadable(room, key))
}

fn unreadable(room: u8, key: &[u8]) -> String {
    format!(
        "record {room}/{} is damaged or of a newer version",
        String::from_utf8_lossy(key).escape_debug()
    )
}
