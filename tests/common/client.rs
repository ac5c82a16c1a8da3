//! A client of HTTPS servers on loopback, with a certificate of its own where one is asked for.

use crate::authority::Issued;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An answer of a test's own server takes no longer.
const ANSWER: Duration = Duration::from_secs(30);

pub struct Client {
    url: String,
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
}

impl Client {
    pub fn new(url: &str, authority: &Path, own: Option<&Issued>) -> Client {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(authority).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let tls = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = vec![CertificateDer::from_pem_file(&own.certificate).unwrap()];
                builder
                    .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&own.key).unwrap())
                    .unwrap()
            }
        };
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(ANSWER)
            .no_proxy()
            .build()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Client {
            url: url.to_owned(),
            runtime,
            http,
        }
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> Result<(u16, String), reqwest::Error> {
        self.send(self.http.get(format!("{}{path}", self.url)))
    }

    /// Status and body of a POST of JSON.
    pub fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(u16, String), reqwest::Error> {
        self.send(self.request(path, body))
    }

    /// The same, with more headers.
    pub fn post_with(
        &self,
        path: &str,
        body: &serde_json::Value,
        headers: &[(&str, &str)],
    ) -> Result<(u16, String), reqwest::Error> {
        let request = headers
            .iter()
            .fold(self.request(path, body), |request, (name, value)| {
                request.header(*name, *value)
            });
        self.send(request)
    }

    fn request(&self, path: &str, body: &serde_json::Value) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<(u16, String), reqwest::Error> {
        self.runtime.block_on(async {
            let answer = request.send().await?;
            Ok((answer.status().as_u16(), answer.text().await?))
        })
    }
}
