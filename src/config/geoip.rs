//! The operator's GeoIP files: in which country and in whose network a public address is.
//!
//! Refuses the network and the clock: what the files say is all that is known, and nothing is
//! fetched. Refuses a file that is damaged or of another kind, before anything is judged by it.

mod record;

use super::Problem;
use crate::base::text;
use crate::event::{Geo, origin};
use maxminddb::{Reader, WithinOptions};
use record::Record;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file, in bytes: it is held in memory. Those with countries or networks alone have a
/// tenth of it.
const BYTES_MAX: u64 = 256 << 20;
/// Records looked at before a file is held to be of another kind: few have none of what their kind
/// is for.
const RECORDS_TRIED: usize = 10_000;

/// Files in MaxMind's format (`.mmdb`), by which the origin of a request from a public address has
/// a country and a network.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Geoip {
    /// A file with countries: GeoLite2-Country, DB-IP Country Lite, IPinfo Lite, or any that has
    /// more.
    pub country: Option<PathBuf>,
    /// A file with networks (autonomous systems): GeoLite2-ASN, DB-IP ASN Lite, IPinfo Lite, or any
    /// that has more.
    pub asn: Option<PathBuf>,
}

impl Geoip {
    fn named(&self) -> impl Iterator<Item = (Kind, &Path)> {
        let both = [(Kind::Country, &self.country), (Kind::Asn, &self.asn)];
        both.into_iter()
            .filter_map(|(kind, path)| Some((kind, path.as_deref()?)))
    }

    /// What changes when a file is replaced: too large to be read every second, they are told apart
    /// by inode, size and time.
    pub(super) fn stamps(&self, dir: &Path) -> Vec<Vec<u8>> {
        let stamp = |(_, path): (Kind, &Path)| {
            let path = dir.join(path);
            let seen = std::fs::metadata(&path)
                .map(|m| (m.dev(), m.ino(), m.len(), m.mtime(), m.mtime_nsec()));
            format!("{} {:?}", path.display(), seen.map_err(|e| e.kind())).into_bytes()
        };
        self.named().map(stamp).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Country,
    Asn,
}

impl Kind {
    fn field(self) -> &'static str {
        match self {
            Kind::Country => "geoip.country",
            Kind::Asn => "geoip.asn",
        }
    }

    fn is_in(self, record: &Record<'_>) -> bool {
        match self {
            Kind::Country => !record.country().is_empty(),
            Kind::Asn => record.asn() != 0,
        }
    }
}

type Database = Arc<Reader<Vec<u8>>>;

/// The files, read.
#[derive(Default)]
pub struct Databases {
    country: Option<Database>,
    asn: Option<Database>,
}

/// What they say of one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    ip: IpAddr,
    country: SmolStr,
    asn: u32,
    network: SmolStr,
}

impl Found {
    #[must_use]
    pub fn as_geo(&self) -> Geo<'_> {
        Geo {
            ip: self.ip,
            country: &self.country,
            asn: self.asn,
            network: &self.network,
        }
    }
}

impl Databases {
    /// Reads and checks the files; relative paths begin at `dir`.
    pub(super) fn open(settings: &Geoip, dir: &Path) -> Result<Databases, Vec<Problem>> {
        let (mut all, mut problems) = (Databases::default(), Vec::new());
        for (kind, path) in settings.named() {
            // One file may have both, and is held once.
            let twin = all
                .country
                .as_ref()
                .filter(|_| settings.country.as_deref() == Some(path));
            match twin
                .map_or_else(|| read(&dir.join(path)), |twin| Ok(twin.clone()))
                .and_then(|db| of(kind, db))
            {
                Ok(database) if kind == Kind::Country => all.country = Some(database),
                Ok(database) => all.asn = Some(database),
                Err((what, remedy)) => problems.push(Problem {
                    file: None,
                    field: kind.field().to_owned(),
                    what: format!("{} {what}", dir.join(path).display()),
                    remedy: remedy.to_owned(),
                    place: None,
                }),
            }
        }
        if problems.is_empty() {
            Ok(all)
        } else {
            Err(problems)
        }
    }

    /// Whether no file is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.country.is_none() && self.asn.is_none()
    }

    /// What is known of a public address; `None` of others, and where nothing is.
    #[must_use]
    pub fn look_up(&self, ip: IpAddr) -> Option<Found> {
        if self.is_empty() || origin::is_private(ip) {
            return None;
        }
        let (countries, networks) = (
            record(self.country.as_ref(), ip),
            record(self.asn.as_ref(), ip),
        );
        let asn = networks.asn();
        let network = if asn == 0 {
            SmolStr::default()
        } else {
            SmolStr::new(networks.network())
        };
        let found = Found {
            ip,
            country: countries.country().into(),
            asn,
            network,
        };
        (found.asn != 0 || !found.country.is_empty()).then_some(found)
    }
}

/// Equal are those that hold the same readings.
impl PartialEq for Databases {
    fn eq(&self, other: &Databases) -> bool {
        let same = |a: &Option<Database>, b: &Option<Database>| {
            a.as_ref().map(Arc::as_ptr) == b.as_ref().map(Arc::as_ptr)
        };
        same(&self.country, &other.country) && same(&self.asn, &other.asn)
    }
}

impl std::fmt::Debug for Databases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind =
            |db: &Option<Database>| db.as_ref().map(|db| db.metadata().database_type.clone());
        f.debug_struct("Databases")
            .field("country", &kind(&self.country))
            .field("asn", &kind(&self.asn))
            .finish()
    }
}

/// An address of the other family, or a record that cannot be read, is not known.
fn record(database: Option<&Database>, ip: IpAddr) -> Record<'_> {
    let found = database.and_then(|db| db.lookup(ip).ok()?.decode().ok()?);
    found.unwrap_or_default()
}

/// What is wrong, and what to do.
type Wrong = (String, &'static str);

fn read(path: &Path) -> Result<Database, Wrong> {
    let unreadable = |e: std::io::Error| {
        (
            format!("cannot be read: {e}"),
            "check its path and who may read it, or leave the setting out",
        )
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > BYTES_MAX {
        let remedy = "use a file that ends with countries or networks: it is held in memory";
        return Err((format!("is over {} MiB", BYTES_MAX >> 20), remedy));
    }
    let damaged = |e: maxminddb::MaxMindDbError| {
        let remedy = "download it again, unpack it, and name the .mmdb file in it";
        (
            format!(
                "is damaged, or no file in MaxMind's format: {}",
                text::clean(&e.to_string())
            ),
            remedy,
        )
    };
    let database = Reader::from_source(bytes).map_err(damaged)?;
    database.verify().map_err(damaged)?;
    Ok(Arc::new(database))
}

/// The database, if it has what it is named for.
fn of(kind: Kind, database: Database) -> Result<Database, Wrong> {
    let records = database
        .networks(WithinOptions::default())
        .into_iter()
        .flatten()
        .take(RECORDS_TRIED);
    let mut read = records.filter_map(|found| found.ok()?.decode::<Record<'_>>().ok()?);
    if read.any(|record| kind.is_in(&record)) {
        drop(read);
        return Ok(database);
    }
    drop(read);
    let name = text::cut(&database.metadata().database_type, 64);
    let (missing, remedy) = match kind {
        Kind::Country => (
            "countries",
            "name one that has, such as GeoLite2-Country.mmdb",
        ),
        Kind::Asn => ("networks", "name one that has, such as GeoLite2-ASN.mmdb"),
    };
    Err((
        format!("has no {missing}: it is of type {:?}", text::name(name)),
        remedy,
    ))
}

#[cfg(test)]
mod tests;
