//! Who we are, and whom we believe: certificate, authorities of clients, and the secret, out of
//! files that may change.
//!
//! Refuses to go on without what the settings name. What is wrong later changes nothing: what was
//! good stays in force.

use super::Settings;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use sha2::{Digest as _, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Longest of these files, in bytes.
const LONGEST: u64 = 1 << 20;

/// What is in force.
#[derive(Clone)]
pub struct Identity {
    pub tls: Arc<ServerConfig>,
    /// SHA-256 of the secret: comparing digests tells nobody how much of a guess is right.
    token: Option<[u8; 32]>,
}

impl Identity {
    /// Whether a request may enter that shows this `Authorization`, or this bare key.
    #[must_use]
    pub fn admits(&self, authorization: Option<&[u8]>, key: Option<&[u8]>) -> bool {
        let Some(token) = self.token else { return true };
        let shown = authorization.and_then(|value| {
            let (scheme, secret) = value.split_at_checked(7)?;
            scheme
                .eq_ignore_ascii_case(b"bearer ")
                .then(|| secret.trim_ascii())
        });
        shown
            .or(key)
            .is_some_and(|shown| <[u8; 32]>::from(Sha256::digest(shown)) == token)
    }
}

/// The files, and what they said when they last made sense.
pub struct Secured {
    settings: Settings,
    seen: [u8; 32],
    now: RwLock<Identity>,
}

/// What the files hold.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    clients: Option<Vec<u8>>,
    token: Option<Vec<u8>>,
}

impl Secured {
    /// Reads the files.
    ///
    /// # Errors
    /// A sentence: a file cannot be read, or does not hold what it should.
    pub fn open(settings: &Settings) -> Result<Secured, String> {
        let contents = Contents::read(settings)?;
        let now = RwLock::new(contents.identity(settings)?);
        Ok(Secured {
            settings: settings.clone(),
            seen: contents.digest(),
            now,
        })
    }

    /// What is in force.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.now
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Looks at the files again; true if what they say now is in force.
    ///
    /// # Errors
    /// As [`Secured::open`]; what was in force stays so. Told once, until the files change again.
    pub fn look_again(&mut self) -> Result<bool, String> {
        let contents = match Contents::read(&self.settings) {
            Ok(contents) => contents,
            // A file that is being exchanged is there a moment later; one that stays away is told
            // once.
            Err(_) if self.seen == [0; 32] => return Ok(false),
            Err(error) => {
                self.seen = [0; 32];
                return Err(error);
            }
        };
        let digest = contents.digest();
        if digest == self.seen {
            return Ok(false);
        }
        self.seen = digest;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) =
            contents.identity(&self.settings)?;
        Ok(true)
    }
}

impl Contents {
    fn read(settings: &Settings) -> Result<Contents, String> {
        let missing = |name: &str| format!("receive.{name} is not named");
        Ok(Contents {
            certificate: read(&settings.cert_file, "cert_file")?
                .ok_or_else(|| missing("cert_file"))?,
            key: read(&settings.key_file, "key_file")?.ok_or_else(|| missing("key_file"))?,
            clients: read(&settings.client_ca_file, "client_ca_file")?,
            token: read(&settings.token_file, "token_file")?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for part in [
            Some(&self.certificate),
            Some(&self.key),
            self.clients.as_ref(),
            self.token.as_ref(),
        ] {
            let part = part.map_or(&[][..], Vec::as_slice);
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    fn identity(&self, settings: &Settings) -> Result<Identity, String> {
        let named = |name: &str, path: &Option<PathBuf>, why: &dyn std::fmt::Display| {
            let path = path.as_deref().unwrap_or(Path::new("")).display();
            format!("receive.{name} {path} cannot be used: {why}")
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let failed = |why: &dyn std::fmt::Display| {
                    named("client_ca_file", &settings.client_ca_file, why)
                };
                let mut roots = rustls::RootCertStore::empty();
                for authority in certificates(pem).map_err(|why| failed(&why))? {
                    roots.add(authority).map_err(|why| failed(&why))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|why| failed(&why))?)
            }
        };
        let chain = certificates(&self.certificate)
            .map_err(|why| named("cert_file", &settings.cert_file, &why))?;
        let failed = |why: &dyn std::fmt::Display| named("key_file", &settings.key_file, why);
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|why| failed(&why))?;
        let mut tls = builder
            .with_single_cert(chain, key)
            .map_err(|why| failed(&why))?;
        // One connection for each batch on its way: HTTP/2 would bind a server to one of several
        // receivers.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let token = match &self.token {
            None => None,
            Some(text) => {
                let secret = text.trim_ascii();
                if secret.is_empty() {
                    return Err(named("token_file", &settings.token_file, &"it is empty"));
                }
                Some(Sha256::digest(secret).into())
            }
        };
        Ok(Identity {
            tls: Arc::new(tls),
            token,
        })
    }
}

/// `None` where no file is named.
fn read(path: &Option<PathBuf>, name: &str) -> Result<Option<Vec<u8>>, String> {
    let Some(path) = path else { return Ok(None) };
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    read.map_err(|error| format!("receive.{name} {} cannot be read: {error}", path.display()))?;
    Ok(Some(bytes))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() {
        Err("it holds no certificate in PEM form".to_owned())
    } else {
        Ok(found)
    }
}
