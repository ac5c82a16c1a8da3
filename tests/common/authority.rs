//! Authorities of a test, and the certificates that they issue.

use std::path::{Path, PathBuf};

/// An authority of a test, and its certificate's file.
pub struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub file: PathBuf,
}

pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new(dir: &Path, name: &str) -> Authority {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.key_usages = vec![
            rcgen::KeyUsagePurpose::KeyCertSign,
            rcgen::KeyUsagePurpose::CrlSign,
        ];
        let key = rcgen::KeyPair::generate().unwrap();
        let file = dir.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Authority {
            issuer: rcgen::Issuer::new(params, key),
            file,
        }
    }

    /// For a host, or for a client of that name.
    pub fn issue(&self, dir: &Path, name: &str, host: &str) -> Issued {
        self.issue_to(dir, name, host, "")
    }

    /// For a client of an organization, which Kubernetes takes for a group.
    pub fn issue_to(&self, dir: &Path, name: &str, host: &str, organization: &str) -> Issued {
        // Colons make no host, but users of Kubernetes.
        let hosts = if host.contains(':') {
            Vec::new()
        } else {
            vec![host.to_owned()]
        };
        let mut params = rcgen::CertificateParams::new(hosts).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, host);
        if !organization.is_empty() {
            params
                .distinguished_name
                .push(rcgen::DnType::OrganizationName, organization);
        }
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        let key = rcgen::KeyPair::generate().unwrap();
        let issued = Issued {
            certificate: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
        };
        std::fs::write(
            &issued.certificate,
            params.signed_by(&key, &self.issuer).unwrap().pem(),
        )
        .unwrap();
        std::fs::write(&issued.key, key.serialize_pem()).unwrap();
        issued
    }
}
