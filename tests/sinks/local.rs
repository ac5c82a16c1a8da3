//! A receiver on this machine that answers by a script, and keeps every request byte for byte.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Far more than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub enum Reply {
    Status(u16, &'static str),
    /// Reads the request, and ends its half of the connection without a word.
    HalfClose,
    /// Reads the request, and never answers.
    Silence,
}

pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| {
            line.split_once(": ")
                .map(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        let line = self.head.lines().find(|line| of(line) == Some(true))?;
        line.split_once(": ").map(|(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub struct Local {
    pub url: String,
    requests: Receiver<Request>,
}

impl Local {
    /// Answers by the script, then 200 for ever.
    pub fn start(script: &[Reply]) -> Local {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(VecDeque::from(script.to_vec())));
        let (seen, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, seen) = (script.clone(), seen.clone());
                std::thread::spawn(move || serve(&stream.unwrap(), &script, &seen));
            }
        });
        Local { url, requests }
    }

    pub fn next(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("a request")
    }

    /// Whether nothing comes for so long.
    pub fn quiet_for(&self, time: Duration) -> bool {
        self.requests.recv_timeout(time).is_err()
    }
}

fn serve(stream: &TcpStream, script: &Mutex<VecDeque<Reply>>, seen: &Sender<Request>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let request = Request {
            head,
            body: Vec::new(),
        };
        let length = request
            .header("content-length")
            .map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let reply = script
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Reply::Status(200, "ok"));
        let _ = seen.send(Request { body, ..request });
        let mut out = stream;
        match reply {
            Reply::Status(status, extra) => {
                let (headers, text) = extra.split_once('|').unwrap_or(("", extra));
                let length = text.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{text}"
                );
                if out.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            Reply::HalfClose => {
                let _ = stream.shutdown(Shutdown::Write);
            }
            Reply::Silence => {
                let _ = reader.read(&mut [0]);
                return;
            }
        }
    }
}
