//! A control plane of one etcd and one kube-apiserver on loopback, for one test.
//!
//! Refuses to be configured further than tests need: more flags are given as they are.

use crate::authority::{Authority, Issued};
use crate::client::Client;
use crate::upstream::{Program, free_port, programs};
use std::path::{Path, PathBuf};

/// Every request at Metadata, every stage but the first: as docs/audit-policy.yaml, shorter.
const POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n";

pub struct ControlPlane {
    dir: PathBuf,
    authority: Authority,
    etcd: Program,
    server: Program,
    pub url: String,
}

impl ControlPlane {
    /// Starts both, and waits until requests are served; `flags` are given to the API server. A
    /// printed reason and `None` where the programs cannot be had.
    pub fn start(dir: &Path, flags: &[String]) -> Option<ControlPlane> {
        programs()?;
        let dir = dir.join("control-plane");
        std::fs::create_dir(&dir).unwrap();
        let authority = Authority::new(&dir, "authority");
        let own = authority.issue(&dir, "server", "127.0.0.1");
        let (etcd, etcd_url) = etcd(&dir, &authority, &own);
        let port = free_port();
        let arguments: Vec<String> = api_server(&dir, &authority, &own, &etcd_url, port)
            .into_iter()
            .chain(flags.iter().cloned())
            .collect();
        let server = Program::start("kube-apiserver", &arguments);
        let url = format!("https://127.0.0.1:{port}");
        let mut plane = ControlPlane {
            dir,
            authority,
            etcd,
            server,
            url,
        };
        plane.wait_until_ready();
        Some(plane)
    }

    /// A client of that name in that group, such as `system:masters`.
    pub fn client(&self, name: &str, group: &str) -> Client {
        let issued = self.authority.issue_to(&self.dir, name, name, group);
        Client::new(&self.url, &self.authority.file, Some(&issued))
    }

    /// The API server's own audit log.
    pub fn audit_log(&self) -> PathBuf {
        audit_log(&self.dir)
    }

    /// Ends the API server as the kubelet does; what it has buffered is sent before.
    pub fn stop(&mut self) {
        self.server.terminate();
    }

    fn wait_until_ready(&mut self) {
        let client = self.client("prober", "system:masters");
        let ready = || client.get("/readyz").is_ok_and(|(status, _)| status == 200);
        self.etcd.wait("it runs", || true);
        self.server.wait("it serves requests", ready);
    }
}

fn audit_log(dir: &Path) -> PathBuf {
    dir.join("audit.log")
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn etcd(dir: &Path, authority: &Authority, own: &Issued) -> (Program, String) {
    let (client, peer) = (free_port(), free_port());
    let url = format!("https://127.0.0.1:{client}");
    let peers = format!("http://127.0.0.1:{peer}");
    let arguments = [
        "--name=test".to_owned(),
        format!("--data-dir={}", shown(&dir.join("etcd"))),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=test={peers}"),
        format!("--cert-file={}", shown(&own.certificate)),
        format!("--key-file={}", shown(&own.key)),
        format!("--trusted-ca-file={}", shown(&authority.file)),
        "--client-cert-auth".to_owned(),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    (Program::start("etcd", &arguments), url)
}

fn api_server(
    dir: &Path,
    authority: &Authority,
    own: &Issued,
    etcd: &str,
    port: u16,
) -> Vec<String> {
    let policy = dir.join("policy.yaml");
    std::fs::write(&policy, POLICY).unwrap();
    let [ca, certificate, key] =
        [&authority.file, &own.certificate, &own.key].map(|path| shown(path));
    vec![
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={certificate}"),
        format!("--tls-private-key-file={key}"),
        format!("--client-ca-file={ca}"),
        format!("--etcd-servers={etcd}"),
        format!("--etcd-cafile={ca}"),
        format!("--etcd-certfile={certificate}"),
        format!("--etcd-keyfile={key}"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={certificate}"),
        format!("--service-account-signing-key-file={key}"),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        format!("--audit-policy-file={}", shown(&policy)),
        format!("--audit-log-path={}", shown(&audit_log(dir))),
    ]
}
