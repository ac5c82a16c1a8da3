//! Bodies as their readers want them: by the readers themselves where these install by name, else
//! by what their vendors document, with the page that says so.

use super::local::{Local, Reply};
use super::{deliver, note, receiver, secret, send};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use tokentrail::base::Time;
use tokentrail::sink::{Note, Outcome, Parcel};

/// A note with everything in it that an incident can have.
fn full(revision: u32, status: &str) -> Arc<Note> {
    let mut row: Value = serde_json::from_slice(&note(revision, status, "high").line).unwrap();
    row["detectors"] = json!(["unexpected-agent", "enumeration"]);
    row["techniques"] = json!(["T1613", "T1552.007"]);
    row["origins"] = json!(["pod network", "203.0.113.9"]);
    row["user_agents"] = json!(["curl"]);
    row["credentials"] = json!(["JTI=1"]);
    row["audit_ids"] = json!(["5b0d9a3e-0000-4000-8000-000000000001"]);
    row["respond"] = json!(["kubectl -n shop get pods"]);
    row["requests"] = json!(7);
    row["baseline"] =
        json!({ "mature": true, "since": "2026-01-01T00:00:00Z", "days": 9, "events": 4000 });
    row["findings"][0]["detector"] = "unexpected-agent".into();
    Arc::new(Note::read(row.to_string().as_bytes()).unwrap())
}

/// What one request to a local receiver holds.
fn body(settings: impl Fn(&str) -> String, note: &Arc<Note>) -> (super::local::Request, Outcome) {
    let local = Local::start(&[]);
    let outcome = send(&settings(&local.url), note);
    (local.next(), outcome)
}

fn hook(more: &str) -> impl Fn(&str) -> String {
    let more = more.to_owned();
    move |url| format!("webhook: {{ url: '{url}', {more} }}")
}

/// A virtual environment with packages from PyPI; `None` where it cannot be had.
fn python() -> Option<PathBuf> {
    static MADE: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let dir = tempfile::tempdir().ok()?;
        let home = dir.path().join("venv");
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&home)
            .output()
            .ok()?
            .status
            .success()
            .then_some(())?;
        let pip = Command::new(home.join("bin/pip"))
            .args([
                "install",
                "-q",
                "--disable-pip-version-check",
                "cloudevents==1.13.0",
                "py-ocsf-models==0.10.0",
            ])
            .output()
            .ok()?;
        pip.status.success().then(|| (dir, home.join("bin/python")))
    });
    let found = made.as_ref().map(|(_, python)| python.clone());
    if found.is_none() {
        crate::skipped::because(
            "cloudevents and py-ocsf-models cannot be installed from PyPI here (python3 with venv and pip)",
        );
    }
    found
}

fn run(program: &Path, script: &str, input: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("input.json"), input).unwrap();
    std::fs::write(dir.path().join("script"), script).unwrap();
    let out = Command::new(program)
        .arg("script")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
    assert!(out.status.success(), "{text}\n{input}");
    text.trim().to_owned()
}

/// The models of <https://pypi.org/project/py-ocsf-models/>, which follow the published schema;
/// what they leave out, `anomaly_analyses`, by
/// <https://schema.ocsf.io/1.5.0/objects/anomaly_analysis>.
#[test]
fn an_ocsf_finding_is_one_for_those_who_read_the_schema() {
    let (request, _) = body(hook("format: ocsf"), &full(1, "open"));
    let finding = request.json();
    assert_eq!(
        (&finding["class_uid"], &finding["type_uid"]),
        (&json!(2004), &json!(200_401))
    );
    let analysis = &finding["anomaly_analyses"][0];
    assert_eq!(
        analysis["analysis_target"]["name"],
        "system:serviceaccount:tokentrail-test:sample"
    );
    for list in ["anomalies", "baselines"] {
        let one = &analysis[list][0];
        assert_eq!(one["observed_attribute"], "unexpected-agent");
        assert!(
            one["observations"][0]["value"].is_string()
                && one["observations"][0]["timespan"]["type_id"].is_u64()
        );
    }
    assert_eq!(analysis["anomalies"][0]["observed_pattern"], "UNSEEN");
    let (request, _) = body(hook("format: ocsf"), &full(3, "resolved"));
    let end = request.json();
    assert_eq!(
        (&end["type_uid"], &end["status"], &end["is_alert"]),
        (&json!(200_403), &json!("Resolved"), &json!(false))
    );
    let Some(python) = python() else { return };
    let script = "from py_ocsf_models.events.findings.detection_finding import DetectionFinding as D\n\
        d = D.model_validate_json(open('input.json').read())\n\
        print(d.severity_id.name, d.activity_id.name, d.status_id.name, d.finding_info.attacks[1].sub_technique.uid)";
    assert_eq!(
        run(&python, script, &finding.to_string()),
        "High Create New T1552.007"
    );
    assert!(run(&python, script, &end.to_string()).starts_with("High Close Resolved"));
}

/// Read by the SDK of CloudEvents, <https://pypi.org/project/cloudevents/>.
#[test]
fn cloudevents_in_both_modes_are_read_by_their_sdk() {
    let note = full(2, "updated");
    let (structured, _) = body(hook("cloudevents: structured"), &note);
    assert_eq!(
        structured.header("content-type"),
        Some("application/cloudevents+json")
    );
    let (binary, _) = body(hook("cloudevents: binary, format: ocsf"), &note);
    assert_eq!(binary.header("content-type"), Some("application/json"));
    let key = note.key();
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", key.as_str()),
        ("ce-source", "/tokentrail/c1"),
    ] {
        assert_eq!(binary.header(name), Some(value));
    }
    let event = structured.json();
    assert_eq!(
        (&event["specversion"], &event["id"]),
        (&json!("1.0"), &json!(key))
    );
    assert_eq!(
        event["data"],
        serde_json::from_slice::<Value>(&note.line).unwrap()
    );
    let Some(python) = python() else { return };
    let script = "import json\nfrom cloudevents.http import from_http\n\
        for headers, body in json.load(open('input.json')):\n    \
            e = from_http(headers, body)\n    \
            print(e['id'], e['type'], e['subject'], e['time'], 'finding_info' in e.data or 'findings' in e.data)";
    let headers = |request: &super::local::Request| -> Value {
        let lines = request
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        Value::Object(
            lines
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
        )
    };
    let of =
        |r: &super::local::Request| json!([headers(r), String::from_utf8(r.body.clone()).unwrap()]);
    let read = run(
        &python,
        script,
        &json!([of(&structured), of(&binary)]).to_string(),
    );
    let line = format!(
        "{key} tokentrail.incident.v1 {} 2026-01-02T03:04:05.000000Z True",
        note.id
    );
    assert_eq!(read, format!("{line}\n{line}"));
}

/// `types.FalcoPayload` of Falcosidekick: strings but for `output_fields` and `tags`; `priority` is
/// one of Falco's (<https://falco.org/docs/concepts/rules/basic-elements/#priority>), and an empty
/// `output` is refused.
#[test]
fn falcosidekick_can_read_what_the_webhook_sends() {
    let (request, _) = body(hook("format: falco"), &full(1, "open"));
    let alert = request.json();
    for name in [
        "uuid", "output", "priority", "rule", "time", "source", "hostname",
    ] {
        assert!(
            alert[name].as_str().is_some_and(|text| !text.is_empty()),
            "{name}: {alert}"
        );
    }
    assert_eq!(
        (&alert["priority"], &alert["source"]),
        (&json!("Error"), &json!("k8s_audit"))
    );
    let (fields, tags) = (
        alert["output_fields"].as_object().unwrap(),
        alert["tags"].as_array().unwrap(),
    );
    assert!(fields.values().all(Value::is_string) && fields["k8s.ns.name"] == "tokentrail-test");
    assert!(tags.iter().all(Value::is_string) && tags.contains(&json!("T1613")));
    assert!(Time::parse(alert["time"].as_str().unwrap()).is_some());
    let uuid: Vec<usize> = alert["uuid"]
        .as_str()
        .unwrap()
        .split('-')
        .map(str::len)
        .collect();
    assert_eq!(uuid, [8, 4, 4, 4, 12]);
}

/// <https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/format-events-for-http-event-collector>
#[test]
fn splunk_gets_an_event_with_its_token_and_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let token = secret(&dir, "B5A79AAD-D822-46CC-80D1-819F80D7BFB0");
    let note = full(2, "updated");
    let busy = r#"{"text":"Server is busy","code":9}"#;
    let local = Local::start(&[
        Reply::Status(200, r#"{"text":"Success","code":0}"#),
        Reply::Status(503, busy),
    ]);
    let base = local.url.trim_end_matches("/hook");
    let text = format!("splunk: {{ url: '{base}', token: {{ file: '{token}' }}, index: soc }}");
    assert_eq!(send(&text, &note), Outcome::Delivered);
    let request = local.next();
    assert!(
        request
            .head
            .starts_with("POST /services/collector/event HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert_eq!(
        request.header("authorization"),
        Some("Splunk B5A79AAD-D822-46CC-80D1-819F80D7BFB0")
    );
    let event = request.json();
    assert_eq!(
        (&event["time"], &event["index"]),
        (&json!("1767323045.000"), &json!("soc"))
    );
    assert_eq!(
        (&event["host"], &event["sourcetype"]),
        (&json!("c1"), &json!("tokentrail:incident"))
    );
    assert_eq!(
        event["event"],
        serde_json::from_slice::<Value>(&note.line).unwrap()
    );
    assert!(
        event["fields"]
            .as_object()
            .unwrap()
            .values()
            .all(Value::is_string),
        "nested fields are refused"
    );
    let Outcome::Retry { why, .. } = send(&text, &note) else {
        panic!("a busy server is no refusal")
    };
    assert!(why.contains("Server is busy"), "{why}");
}

/// <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk>: an action line and
/// a source line, each with a newline; the answer has an item for each action.
#[test]
fn elasticsearch_gets_a_bulk_request_and_each_item_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let key = secret(&dir, "a2V5OnNlY3JldA==");
    let note = full(2, "updated");
    let item = |status: u16| -> &'static str {
        let text = json!({ "took": 3, "errors": status > 299, "items": [{ "create": { "_id": "x", "status": status } }] });
        Box::leak(text.to_string().into_boxed_str())
    };
    let script = [201, 409, 429, 503, 400, 403].map(|status| Reply::Status(200, item(status)));
    let local = Local::start(
        &[
            &script[..],
            &[Reply::Status(200, "<html>"), Reply::Status(413, "big")],
        ]
        .concat(),
    );
    let base = local.url.trim_end_matches("/hook");
    let text = format!(
        "elasticsearch: {{ url: '{base}/', index: incidents, api_key: {{ file: '{key}' }} }}"
    );
    let mut es = receiver(&text);
    let parcel = Parcel::Notice {
        note: note.clone(),
        before: None,
    };
    let outcomes: Vec<Outcome> = (0..8).map(|_| deliver(&mut es, &parcel).0).collect();
    let kinds: Vec<&str> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Delivered => "taken",
            Outcome::Retry { .. } => "again",
            Outcome::Refused { .. } => "never",
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "taken", "taken", "again", "again", "never", "never", "again", "never"
        ]
    );
    let request = local.next();
    assert!(
        request
            .head
            .starts_with("POST /incidents/_bulk HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(
        request.header("authorization"),
        Some("ApiKey a2V5OnNlY3JldA==")
    );
    let text = String::from_utf8(request.body).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(text.ends_with('\n') && lines.len() == 2);
    assert_eq!(lines[0], json!({ "create": { "_id": note.key() } }));
    ecs(&lines[1]);
    let basic =
        format!("elasticsearch: {{ url: '{base}', user: elastic, password: {{ file: '{key}' }} }}");
    send(&basic, &note);
    let request = std::iter::repeat_with(|| local.next()).nth(7).unwrap();
    assert!(
        request
            .header("authorization")
            .unwrap()
            .starts_with("Basic ZWxhc3RpYzph"),
        "{}",
        request.head
    );
}

/// Names and values that <https://www.elastic.co/docs/reference/ecs/ecs-event> and its neighbours
/// allow.
fn ecs(document: &Value) {
    assert!(Time::parse(document["@timestamp"].as_str().unwrap()).is_some());
    assert_eq!(document["event"]["kind"], "alert");
    assert_eq!(
        document["event"]["category"],
        json!(["intrusion_detection"])
    );
    assert_eq!(document["event"]["type"], json!(["change"]));
    assert_eq!(document["source"]["ip"], "203.0.113.9");
    assert_eq!(document["user_agent"]["original"], "curl");
    assert_eq!(document["orchestrator"]["namespace"], "tokentrail-test");
    assert_eq!(document["orchestrator"]["cluster"]["name"], "c1");
    assert_eq!(
        document["threat"]["technique"]["id"],
        json!(["T1613", "T1552.007"])
    );
    assert!(document["event"]["severity"].is_u64() && document["event"]["risk_score"].is_u64());
}

/// <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>,
/// and Microsoft's own reader of cards, <https://www.npmjs.com/package/adaptivecards>, where npm
/// has it.
#[test]
fn teams_gets_a_card_that_its_reader_takes() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::start(&[Reply::Status(202, "")]);
    let url = secret(&dir, &local.url);
    assert_eq!(
        send(
            &format!("teams: {{ url: {{ file: '{url}' }} }}"),
            &full(1, "open")
        ),
        Outcome::Delivered
    );
    let message = local.next().json();
    assert_eq!(message["type"], "message");
    let attachment = &message["attachments"][0];
    assert_eq!(
        attachment["contentType"],
        "application/vnd.microsoft.card.adaptive"
    );
    let card = &attachment["content"];
    assert_eq!(
        (&card["type"], &card["version"]),
        (&json!("AdaptiveCard"), &json!("1.4"))
    );
    let npm = Command::new("npm")
        .args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "adaptivecards@3.0.5",
        ])
        .current_dir(dir.path())
        .output();
    if !npm.is_ok_and(|out| out.status.success()) {
        crate::skipped::because("the reader of cards cannot be installed from npm here");
        return;
    }
    std::fs::write(dir.path().join("card.json"), card.to_string()).unwrap();
    let script = "const A = require('./node_modules/adaptivecards/dist/adaptivecards.js');\n\
        const context = new A.SerializationContext(A.Versions.v1_4);\n\
        const card = new A.AdaptiveCard();\n\
        card.parse(JSON.parse(require('fs').readFileSync('card.json')), context);\n\
        const said = [];\n\
        for (let i = 0; i < context.eventCount; i++) said.push(context.getEventAt(i).message);\n\
        console.log(JSON.stringify([said, card.getItemCount()]));";
    let out = Command::new("node")
        .args(["-e", script])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
    let blocks = card["body"].as_array().unwrap().len();
    assert_eq!(text.trim(), json!([[], blocks]).to_string());
}

/// `pkg/apis/core/validation/events.go` of Kubernetes: what `events.k8s.io/v1` asks of a new Event.
#[test]
fn the_api_server_would_take_the_event() {
    let dir = tempfile::tempdir().unwrap();
    let token = secret(&dir, "first");
    let local = Local::start(&[
        Reply::Status(201, "{}"),
        Reply::Status(409, "{}"),
        Reply::Status(403, "{}"),
    ]);
    let base = local.url.trim_end_matches("/hook");
    let text = format!("kubernetes: {{ url: '{base}', token: {{ file: '{token}' }} }}");
    let note = full(2, "updated");
    assert_eq!(send(&text, &note), Outcome::Delivered);
    std::fs::write(&token, "second").unwrap();
    assert_eq!(
        send(&text, &note),
        Outcome::Delivered,
        "it is there already"
    );
    assert!(
        matches!(send(&text, &note), Outcome::Retry { .. }),
        "the role may come later"
    );
    let request = local.next();
    assert!(
        request.head.starts_with(
            "POST /apis/events.k8s.io/v1/namespaces/tokentrail-test/events HTTP/1.1\r\n"
        )
    );
    assert_eq!(request.header("authorization"), Some("Bearer first"));
    assert_eq!(local.next().header("authorization"), Some("Bearer second"));
    let event = request.json();
    let text = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    assert_eq!(
        (text("/apiVersion"), text("/kind")),
        ("events.k8s.io/v1", "Event")
    );
    assert_eq!(
        (text("/metadata/name"), text("/type")),
        (format!("tokentrail.{}", note.key()).as_str(), "Warning")
    );
    assert_eq!(text("/metadata/namespace"), text("/regarding/namespace"));
    assert_eq!(
        (text("/regarding/kind"), text("/regarding/name")),
        ("ServiceAccount", "sample")
    );
    assert_eq!(
        (text("/reason"), text("/action")),
        ("UnexpectedAgent", "Detected")
    );
    for required in [
        "/reportingController",
        "/reportingInstance",
        "/action",
        "/reason",
    ] {
        assert!(
            !text(required).is_empty() && text(required).len() <= 128,
            "{required}"
        );
    }
    // A MicroTime: RFC 3339 with six digits.
    assert!(text("/eventTime").len() == 27 && Time::parse(text("/eventTime")).is_some());
    assert!(text("/note").contains(&note.id) && text("/note").len() <= 1024);
}

#[test]
fn a_file_and_standard_output_take_every_form() {
    let dir = tempfile::tempdir().unwrap();
    for format in ["tokentrail", "ecs", "ocsf", "falco"] {
        let path = dir.path().join(format);
        let text = format!("file: {{ path: '{}', format: {format} }}", path.display());
        for revision in 1..=2 {
            assert_eq!(send(&text, &full(revision, "updated")), Outcome::Delivered);
        }
        let lines = std::fs::read_to_string(&path).unwrap();
        assert_eq!(super::harness::incidents_of(&lines).len(), 2);
    }
    let config = dir.path().join("t.yaml");
    std::fs::write(&config, "sinks:\n  out: { stdout: { format: ecs } }\n").unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_tokentrail"))
        .args(["sink", "test", "out", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let documents: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(
        (documents.len(), &documents[1]["event"]["type"]),
        (2, &json!(["end"]))
    );
    assert!(
        text.contains("out: took the sample\n") && text.contains("out: took its end\n"),
        "{text}"
    );
}
