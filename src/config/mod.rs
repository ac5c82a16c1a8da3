//! stand-in
use crate::detect::Policy;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    Oldest,
    End,
}
impl From<Begin> for crate::source::Start {
    fn from(b: Begin) -> Self {
        match b {
            Begin::Oldest => Self::Oldest,
            Begin::End => Self::End,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Daemon {
    pub audit_logs: Vec<PathBuf>,
    pub state: PathBuf,
    pub incidents: Option<PathBuf>,
    pub listen: SocketAddr,
    pub start: Begin,
    pub max_line_bytes: usize,
    pub poll_seconds: f64,
}
#[derive(Clone, Debug)]
pub struct Config {
    pub daemon: Daemon,
    pub policy: Policy,
}
impl Config {
    pub fn load(_: Option<&Path>) -> Result<Config> {
        Ok(Config {
            daemon: Daemon {
                audit_logs: vec![],
                state: "/var/lib/tokentrail".into(),
                incidents: None,
                listen: "127.0.0.1:9464".parse()?,
                start: Begin::Oldest,
                max_line_bytes: 16 << 20,
                poll_seconds: 1.0,
            },
            policy: Policy::default(),
        })
    }
}
pub struct Reloader;
impl Reloader {
    pub fn new(_: Option<&Path>) -> Reloader {
        Reloader
    }
    pub fn check(&mut self) -> Option<Result<Config>> {
        None
    }
}
