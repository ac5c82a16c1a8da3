//! Both decoders over real logs: the bundled sample, and the corpora beside the repository if
//! present.

#[path = "common/skipped.rs"]
mod skipped;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use tokentrail::event::decode::{self, Limits};

#[derive(Default, Debug, PartialEq)]
struct Count {
    events: usize,
    malformed: usize,
    by_scanner: usize,
    lines: usize,
}

fn count(text: &[u8]) -> Count {
    let mut seen = Count::default();
    for line in text
        .split(|&b| b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
    {
        seen.lines += 1;
        one(line, &mut seen);
    }
    seen
}

fn one(line: &[u8], seen: &mut Count) {
    let mut slow = Vec::new();
    decode::line_by_reference(line, &Limits::default(), &mut |at, event| {
        slow.push(format!("{at} {event:?}"));
    });
    let mut slow = slow.into_iter();
    decode::line(line, &Limits::default(), &mut |at, event| {
        assert_eq!(slow.next(), Some(format!("{at} {event:?}")));
        if event.is_ok() {
            seen.events += 1;
        } else {
            seen.malformed += 1;
        }
    });
    assert_eq!(slow.next(), None);
    let text = std::str::from_utf8(line).unwrap_or("").trim();
    if let Some(fast) = decode::fast(text) {
        assert_eq!(Ok(fast), decode::reference(text));
        seen.by_scanner += 1;
    }
}

fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = File::open(path).unwrap();
    if path.extension().is_some_and(|e| e == "gz") {
        flate2::read::MultiGzDecoder::new(file)
            .read_to_end(&mut bytes)
            .unwrap();
    } else {
        { file }.read_to_end(&mut bytes).unwrap();
    }
    bytes
}

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if folder.is_dir() {
        return Some(folder);
    }
    skipped::because(&format!("no corpus at {}", folder.display()));
    None
}

#[test]
fn the_bundled_sample_reads_completely() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audit");
    let cluster = count(&read(&folder.join("cluster.jsonl")));
    assert_eq!((cluster.events, cluster.malformed), (51, 0), "{cluster:?}");
    assert_eq!(
        cluster.by_scanner, cluster.lines,
        "the fast path reads all that a current server writes"
    );
    let public = count(&read(&folder.join("public.jsonl")));
    assert_eq!(
        (public.events, public.malformed),
        (17, 1),
        "one has times without a zone: {public:?}"
    );
    let list = count(&read(&folder.join("list.jsonl")));
    assert_eq!((list.events, list.malformed), (3, 0));
}

#[test]
fn the_recorded_cluster_reads_completely() {
    let Some(corpus) = corpus() else { return };
    let seen = count(&read(&corpus.join("cluster/audit-dev.jsonl.gz")));
    assert_eq!((seen.events, seen.malformed), (56_147, 0));
    assert!(seen.by_scanner * 100 >= seen.lines * 99, "{seen:?}");
    for entry in fs::read_dir(corpus.join("cluster/rotated")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "gz") {
            let seen = count(&read(&path));
            assert_eq!((seen.malformed, seen.events), (0, seen.lines), "{path:?}");
        }
    }
}

/// Events that each public folder holds in native form, and lines or files that are something else.
#[test]
fn public_logs_read_as_their_readme_says() {
    let Some(corpus) = corpus() else { return };
    for (file, events, others) in [
        ("liggitt+audit2rbac/demo-2017-full.v1beta1.jsonl.gz", 757, 0),
        ("liggitt+audit2rbac/demo.v1.log", 37, 0),
        (
            "openshift+cluster-logging-operator/vrl-testdata-audit_in.jsonl.gz",
            100,
            0,
        ),
        // As a table of the vendor's has them: times without a zone. Six were cut to what a rule
        // needs.
        ("panther-labs+panther-analysis/aws_eks_rules.jsonl", 14, 6),
        // Four were cut to what a rule needs.
        ("panther-labs+panther-analysis/gcp_k8s_rules.jsonl", 14, 4),
        ("GoogleCloudPlatform+khi/native-oss-test-log.jsonl", 1, 0),
        ("GoogleCloudPlatform+khi/gke-k8s_audit.jsonl", 3, 0),
        (
            "splunk+security_content/kubernetes_audit.example_log.jsonl",
            1,
            0,
        ),
    ] {
        let seen = count(&read(&corpus.join("public").join(file)));
        assert_eq!((seen.events, seen.malformed), (events, others), "{file}");
    }
    let (mut events, mut malformed) = (0, 0);
    for entry in fs::read_dir(corpus.join("public/falcosecurity+falco/k8s_audit")).unwrap() {
        let seen = count(&read(&entry.unwrap().path()));
        (events, malformed) = (events + seen.events, malformed + seen.malformed);
    }
    assert_eq!((events, malformed), (51, 1), "falco");
}

/// Who asked for what, and how it ended: what both forms of one request must have in common.
fn request(text: &[u8]) -> Vec<String> {
    let mut told = Vec::new();
    decode::line(text.trim_ascii(), &Limits::default(), &mut |_, event| {
        let event = event.unwrap();
        let operation = &event.operation;
        // The converter that made the twins calls the core group by a name.
        let group = operation.group.replace("core", "");
        // The API server takes a Namespace for one of its own objects; the converter did not.
        let namespace = match operation.resource {
            "namespaces" => "",
            _ => operation.namespace,
        };
        told.push(format!(
            "{} {} {} {group}/{}/{} {namespace}/{} {} {:?}",
            event.time,
            event.username,
            operation.verb,
            operation.resource,
            operation.subresource,
            operation.name,
            event.decision,
            event.source_ips,
        ));
        // It guessed how a request ended that Google calls unknown.
        if event.code != 101 {
            told.push(event.code.to_string());
        }
    });
    told
}

#[test]
fn entries_of_gke_say_what_their_native_twins_say() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("public/sysdiglabs+stackdriver-webhook-bridge");
    let mut compared = 0;
    for entry in fs::read_dir(folder.join("log_entries")).unwrap() {
        let path = entry.unwrap().path();
        let twin = folder
            .join("k8s_audit_events")
            .join(path.file_name().unwrap());
        let (google, native) = (request(&read(&path)), request(&read(&twin)));
        assert_eq!(google, native, "{}", path.display());
        compared += 1;
    }
    assert_eq!(compared, 25);
}

/// Documents over several lines, with a byte order mark or in arrays, are read through the program.
#[test]
fn documents_over_several_lines_read_as_their_readme_says() {
    let Some(corpus) = corpus() else { return };
    for (file, events) in [
        ("sysdiglabs+aks-audit-log/event.json", 22),
        ("sysdiglabs+aks-audit-log/sample_EventHubs_event.json", 1),
        ("sysdiglabs+aks-audit-log/sample_KubeAuditLog_event.json", 1),
        (
            "openshift+cluster-logging-operator/logsamples/viaq_audit_kubernetes.json",
            1,
        ),
        (
            "openshift+cluster-logging-operator/logsamples/viaq_audit_openshift.json",
            1,
        ),
        (
            "openshift+cluster-logging-operator/logsamples/otlp_audit_kube.json",
            3,
        ),
        (
            "openshift+cluster-logging-operator/logsamples/otlp_audit_openshift.json",
            3,
        ),
        (
            "openshift+cluster-logging-operator/logsamples/raw_audit_openshift.json",
            1,
        ),
        (
            "openshift+cluster-logging-operator/vrl-log5607_sample.json",
            1,
        ),
        ("alcideio+rbac-tool/testdata-01.json", 3),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tokentrail"))
            .arg("replay")
            .arg(corpus.join("public").join(file))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.starts_with(&format!("{events} event")),
            "{file}: {said}"
        );
        assert!(said.contains("malformed lines: none"), "{file}: {said}");
    }
}
