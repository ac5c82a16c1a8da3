//! TLS for every sink: whom we trust, and who we say that we are.
//!
//! Refuses to go on without the authorities or the certificate that the settings name, and to
//! accept any certificate.

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::BuilderVerifierExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files, in PEM. They are read whenever a client is made, which is after each failure to
/// connect.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Tls {
    /// Authorities in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and those between it and its authority, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// What a connection is made with. Where nothing is to be encrypted no authorities are asked
    /// for: small images have none at all.
    ///
    /// # Errors
    /// A sentence: a file cannot be read or holds nothing of use, or the system has no authorities.
    pub fn config(&self, is_needed: bool) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("TLS cannot be set up: {e}"))?;
        let builder = match &self.ca_file {
            Some(path) => builder.with_root_certificates(authorities(path)?),
            None if is_needed => builder.with_platform_verifier().map_err(|e| {
                format!("the authorities of this system cannot be read: {e}; name some in ca_file")
            })?,
            None => builder.with_root_certificates(rustls::RootCertStore::empty()),
        };
        let Some((certificate, key)) = &self.client else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(certificate, "client_cert_file")?;
        let failed = |e: &dyn std::fmt::Display| {
            format!("client_key_file {} cannot be used: {e}", key.display())
        };
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| failed(&e))?;
        builder
            .with_client_auth_cert(chain, secret)
            .map_err(|e| failed(&e))
    }
}

fn authorities(path: &Path) -> Result<rustls::RootCertStore, String> {
    let mut store = rustls::RootCertStore::empty();
    for certificate in certificates(path, "ca_file")? {
        store
            .add(certificate)
            .map_err(|e| format!("ca_file {} cannot be used: {e}", path.display()))?;
    }
    Ok(store)
}

fn certificates(path: &Path, setting: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed =
        |e: &dyn std::fmt::Display| format!("{setting} {} cannot be used: {e}", path.display());
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|e| failed(&e))?
        .collect();
    let found = found.map_err(|e| failed(&e))?;
    if found.is_empty() {
        return Err(failed(&"it holds no certificate in PEM form"));
    }
    Ok(found)
}
