//! An API server and its log: what it writes, how it rotates, and what becomes of the files.
//!
//! Refuses to know who reads. It remembers every complete line, which is the truth that a run is
//! held against.

use super::chance::Chance;
use super::common::{DAY, HOUR, MINUTE, Request, SECOND};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The longest line that is read; the daemon's least setting.
pub const MAX_LINE: usize = 64 << 10;
const ACCOUNTS: u64 = 9;

/// What a line is to its reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Event,
    Malformed,
    TooLong,
}

/// A complete line that reached the disk.
#[derive(Clone, Debug)]
pub struct Line {
    pub what: What,
    pub text: String,
    /// The number of its file.
    pub file: u64,
    /// Its file was cut or deleted when nobody had to have read it.
    pub at_risk: bool,
}

pub struct Server {
    dir: PathBuf,
    pub written: Vec<Line>,
    /// Of the active file: where its lines begin in `written`.
    begin: usize,
    /// Files begun so far.
    files: u64,
    /// Rotated files, with their lines.
    rotated: Vec<(PathBuf, std::ops::Range<usize>)>,
    /// A gzip file that is being written, and its plain original.
    packing: Option<(PathBuf, PathBuf)>,
    /// The rest of a line of which the first part is written.
    rest: Option<String>,
    /// A file whose inode the next one gets.
    grave: Option<PathBuf>,
    times: HashSet<i64>,
    /// Milliseconds of 2026.
    now: i64,
    names: u64,
    /// Cuts and deletions that a reader has to tell.
    pub losses: u64,
    /// Lines without an end, and runs of NUL bytes.
    pub scars: u64,
    /// The file of the last scar, and the lines before it.
    scar: Option<(u64, usize)>,
}

impl Server {
    pub fn new(dir: &Path) -> Server {
        fs::create_dir_all(dir).unwrap();
        Server {
            dir: dir.to_owned(),
            written: Vec::new(),
            begin: 0,
            files: 0,
            rotated: Vec::new(),
            packing: None,
            rest: None,
            grave: None,
            times: HashSet::new(),
            now: 0,
            names: 0,
            losses: 0,
            scars: 0,
            scar: None,
        }
    }

    pub fn log(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    /// Some requests, now and then one that is late, malformed, too long, or there twice.
    pub fn serve(&mut self, requests: u64, chance: &mut Chance) {
        self.complete();
        for _ in 0..requests {
            let twice = self.written.len() > self.begin + 1 && chance.percent(2);
            let (what, text) = match chance.below(200) {
                0 => (
                    What::Malformed,
                    format!("{{\"kind\":\"Event\",\"auditID\":{}", self.written.len()),
                ),
                1 => (
                    What::TooLong,
                    format!(
                        "{{\"n\":{},\"pad\":\"{}\"}}",
                        self.written.len(),
                        "x".repeat(MAX_LINE)
                    ),
                ),
                _ if twice => self
                    .written
                    .last()
                    .map(|line| (line.what, line.text.clone()))
                    .unwrap(),
                _ => (What::Event, self.request(chance)),
            };
            self.append(format!("{text}\n").as_bytes());
            self.written.push(Line {
                what,
                text,
                file: self.files,
                at_risk: false,
            });
        }
    }

    /// The first part of a line.
    pub fn begin_line(&mut self, chance: &mut Chance) {
        self.complete();
        let text = self.request(chance);
        let (now, later) = text.split_at(1 + chance.size(text.len() - 1));
        self.append(now.as_bytes());
        self.rest = Some(later.to_owned());
        self.written.push(Line {
            what: What::Event,
            text,
            file: self.files,
            at_risk: false,
        });
    }

    /// The rest of it.
    pub fn complete(&mut self) {
        if let Some(rest) = self.rest.take() {
            self.append(format!("{rest}\n").as_bytes());
        }
    }

    /// The server dies in the middle of a line, and goes on in the same file, or after the NUL
    /// bytes that a host's crash leaves.
    pub fn restart(&mut self, chance: &mut Chance) {
        let Some(rest) = self.rest.take() else { return };
        let torn = self.written.pop().map(|line| line.text).unwrap_or_default();
        if chance.percent(50) {
            self.append(&[0; 700]);
            // Half a line and the NUL bytes behind it are one hole.
            self.count_scar();
            return;
        }
        let next = self.request(chance);
        self.append(format!("{next}\n").as_bytes());
        let text = format!("{}{next}", &torn[..torn.len() - rest.len()]);
        // The whole line is set aside for the torn event in it; the one behind that is read.
        self.written.push(Line {
            what: What::Malformed,
            text,
            file: self.files,
            at_risk: false,
        });
        self.written.push(Line {
            what: What::Event,
            text: next,
            file: self.files,
            at_risk: false,
        });
    }

    /// A scar right behind another one is the same hole.
    fn count_scar(&mut self) {
        let scar = (self.files, self.written.len());
        self.scars += u64::from(self.scar.replace(scar) != Some(scar));
    }

    /// By rename, as kube-apiserver does.
    pub fn rotate(&mut self, chance: &mut Chance) {
        if !self.log().exists() || self.written.len() == self.begin {
            return;
        }
        if self.rest.is_some() && self.written.len() > self.begin + 1 && chance.percent(30) {
            // It died, and the file will not get the rest.
            self.rest = None;
            self.written.pop();
            self.count_scar();
        }
        self.complete();
        let to = self.name();
        fs::rename(self.log(), &to).unwrap();
        self.rotated.push((to, self.begin..self.written.len()));
        self.begin_file();
        if chance.percent(30) {
            File::create(self.log()).unwrap();
        }
    }

    /// By copy and cut, as `logrotate` can.
    pub fn copy_and_cut(&mut self) {
        self.complete();
        if !self.log().exists() || self.written.len() == self.begin {
            return;
        }
        let to = self.name();
        fs::copy(self.log(), &to).unwrap();
        self.rotated.push((to, self.begin..self.written.len()));
        self.begin_file();
        OpenOptions::new()
            .write(true)
            .open(self.log())
            .unwrap()
            .set_len(0)
            .unwrap();
        self.losses += 1;
    }

    /// Compresses a rotated file, in two steps.
    pub fn pack(&mut self, chance: &mut Chance) {
        if let Some((plain, packed)) = self.packing.take() {
            if plain.exists() {
                fs::write(&packed, gzip(&fs::read(&plain).unwrap())).unwrap();
                fs::remove_file(&plain).unwrap();
                self.rotated
                    .iter_mut()
                    .filter(|(path, _)| *path == plain)
                    .for_each(|r| r.0.clone_from(&packed));
            }
            return;
        }
        let plain: Vec<_> = self
            .rotated
            .iter()
            .filter(|(path, _)| path.extension().is_none_or(|e| e != "gz"))
            .collect();
        if plain.is_empty() {
            return;
        }
        let plain = chance.pick(&plain).0.clone();
        let packed = PathBuf::from(format!("{}.gz", plain.display()));
        let whole = gzip(&fs::read(&plain).unwrap());
        fs::write(&packed, &whole[..chance.size(whole.len())]).unwrap();
        self.packing = Some((plain, packed));
    }

    /// Cuts the active file, as an operator or an intruder does.
    pub fn cut(&mut self) {
        if !self.log().exists() {
            return;
        }
        self.lose_active();
        OpenOptions::new()
            .write(true)
            .open(self.log())
            .unwrap()
            .set_len(0)
            .unwrap();
    }

    /// Deletes the active file; the next one may get its inode, if nobody holds it open.
    pub fn delete(&mut self, is_held: bool) {
        if !self.log().exists() {
            return;
        }
        self.lose_active();
        let grave = self.dir.join(".grave");
        if is_held || grave.exists() {
            fs::remove_file(self.log()).unwrap();
        } else {
            fs::rename(self.log(), &grave).unwrap();
            self.grave = Some(grave);
        }
    }

    /// Whether the oldest file can go, and there are others that tell that nothing is missing.
    pub fn is_rich(&self) -> bool {
        self.rotated.len() > 2
    }

    /// The oldest file goes.
    pub fn clean_up(&mut self, all_read: bool) {
        if self.rotated.is_empty() {
            return;
        }
        let (path, lines) = self.rotated.remove(0);
        if let Some((_, packed)) = self.packing.take_if(|(plain, _)| *plain == path) {
            fs::remove_file(packed).unwrap();
        }
        fs::remove_file(path).unwrap();
        if !all_read {
            self.written[lines]
                .iter_mut()
                .for_each(|line| line.at_risk = true);
            self.losses += 1;
        }
    }

    fn begin_file(&mut self) {
        self.begin = self.written.len();
        self.files += 1;
    }

    fn lose_active(&mut self) {
        if self.rest.take().is_some() {
            self.written.pop();
        }
        self.written[self.begin..]
            .iter_mut()
            .for_each(|line| line.at_risk = true);
        self.begin_file();
        self.losses += 1;
    }

    fn append(&mut self, bytes: &[u8]) {
        if let Some(grave) = self.grave.take().filter(|_| !self.log().exists()) {
            OpenOptions::new()
                .write(true)
                .open(&grave)
                .unwrap()
                .set_len(0)
                .unwrap();
            fs::rename(grave, self.log()).unwrap();
        }
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }

    fn name(&mut self) -> PathBuf {
        self.names += 1;
        let n = self.names;
        self.dir.join(format!(
            "audit-2026-01-01T{:02}-{:02}-{:02}.000.log",
            n / 3600,
            n / 60 % 60,
            n % 60
        ))
    }

    /// A line of an account that does what it always does; now and then of one that does not.
    fn request(&mut self, chance: &mut Chance) -> String {
        self.now += match chance.below(1000) {
            0..700 => chance.below(5 * SECOND as u64) as i64,
            700..985 => chance.below(20 * MINUTE as u64) as i64,
            985..998 => chance.below(3 * HOUR as u64) as i64,
            _ => chance.below(DAY as u64) as i64,
        };
        let mut at = self.now;
        if chance.percent(4) {
            at = (at - chance.below(2 * HOUR as u64) as i64).max(0);
        }
        while !self.times.insert(at) {
            at += 1;
        }
        let n = chance.below(ACCOUNTS);
        let account = format!("team-{}:worker-{n}", n % 3);
        let usual = Request::of_pod(
            &account,
            &format!("worker-{n}-0"),
            &format!("10.0.0.{}", n + 1),
        );
        let namespace = format!("team-{}", n % 3);
        let request = match chance.below(60) {
            0 => Request {
                ip: format!("203.0.113.{}", chance.below(4)),
                ..usual
            },
            1 => Request {
                agent: "curl/8.5.0".into(),
                ..usual
            },
            2 => usual.does("list", "secrets", "kube-system", ""),
            3 => usual.does("create", "pods/exec", &namespace, "web-0"),
            4 => usual.does("create", "clusterrolebindings", "", "mine"),
            5..8 => Request {
                code: 403,
                ..usual.does(
                    "get",
                    chance.pick::<&str>(&["secrets", "nodes", "pods"]),
                    "kube-system",
                    "x",
                )
            },
            8 => Request::of_nobody("203.0.113.9"),
            9 => Request::of_node("node-a", "192.0.2.1").does("get", "nodes", "", "node-a"),
            10..30 => usual.does(
                "get",
                "configmaps",
                &namespace,
                chance.pick::<&str>(&["a", "b", "c"]),
            ),
            _ => usual,
        };
        request.line(at)
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}
