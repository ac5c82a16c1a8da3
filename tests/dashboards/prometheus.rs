//! A real Prometheus on a free port of the loopback, and `promtool` and `amtool` beside it.
//!
//! Refuses to pretend: where a program is not installed the caller is told so and says it.

use super::files::rules_file;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Whether `program` can be run; says so if not.
pub fn can_run(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        crate::skipped::because(&format!(
            "{program} is not installed (apt-get install prometheus prometheus-alertmanager)"
        ));
    }
    found
}

/// Runs a checker in the folder of the dashboards and requires that it is content.
pub fn check(program: &str, arguments: &[&str], input: &str) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(super::files::folder());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {arguments:?}: {said}");
}

pub struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    /// Scrapes `targets`, and loads the rules, four times a second.
    pub fn start(dir: &Path, targets: &[&str]) -> Prometheus {
        let config = dir.join("prometheus.yaml");
        let rules = rules_file();
        let text = format!(
            "global: {{scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs: [{{job_name: tokentrail, static_configs: [{{targets: {targets:?}}}]}}]\n"
        );
        fs::write(&config, text).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("tsdb").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("Prometheus ended at once: {said:#?}"))
                .unwrap();
            if let Some((_, address)) = line.split_once("msg=\"Listening on\" address=") {
                break address.trim().to_owned();
            }
            said.push(line);
        };
        std::thread::spawn(move || lines.for_each(drop));
        Prometheus { child, address }
    }

    /// The `data` of an answer of the API; `Err` says what is wrong, also while it is starting.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        let mut stream = TcpStream::connect(&self.address).map_err(|e| e.to_string())?;
        // HTTP/1.0, so that the answer comes in one piece.
        write!(
            stream,
            "GET /api/v1/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n"
        )
        .map_err(|e| e.to_string())?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .map_err(|e| e.to_string())?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let value: Value = serde_json::from_str(body).map_err(|_| answer.clone())?;
        if value["status"] == "success" {
            Ok(value["data"].clone())
        } else {
            Err(value["error"].to_string())
        }
    }

    /// Whether an expression gives a number now. Panics if it is not PromQL.
    pub fn has_data(&self, expression: &str) -> bool {
        let data = match self.get(&format!("query?query={}", encoded(expression))) {
            Ok(data) => data,
            Err(error) if error.contains("Service Unavailable") => return false,
            Err(error) => panic!("{expression}: {error}"),
        };
        let number = |sample: &Value| {
            sample["value"][1]
                .as_str()
                .is_some_and(|value| value != "NaN")
        };
        data["result"].as_array().unwrap().iter().any(number)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric();
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
