//! A receiver: one place to send to, with its connection.
//!
//! Refuses to know what is sent, or when: the kind of sink and the queue do.

use super::destination::{Call, Carrier, Destination, Message};
use super::http::{Answer, Client, Post};
use super::queue::{Outcome, Parcel};
use super::settings::Settings;
use super::stdout;
use super::tls::Tls;
use crate::base::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One place to send to.
pub struct Receiver {
    /// Name of the sink, with the replica behind `@` where there are several.
    pub name: String,
    pub settings: Settings,
    destination: Arc<dyn Destination>,
    replica: String,
    pub(super) cluster: String,
    timeout: Duration,
    tls: Tls,
    carrier: Carrier,
    /// Made by the first request, and again after no answer: a file of certificates may come later
    /// than we do.
    client: Option<Client>,
    handle: Option<String>,
}

/// Every receiver of every sink, in the order of names. `cluster` is the name of the cluster.
#[must_use]
pub fn receivers(sinks: &BTreeMap<String, Settings>, cluster: &str) -> Vec<Receiver> {
    sinks
        .iter()
        .flat_map(|(name, settings)| receivers_of(name, settings, cluster))
        .collect()
}

/// The receivers of one sink.
#[must_use]
pub fn receivers_of(name: &str, settings: &Settings, cluster: &str) -> Vec<Receiver> {
    let mut found = Vec::new();
    for destination in settings.destinations() {
        let mut replicas = destination.replicas();
        let several = replicas.len() > 1;
        if replicas.is_empty() {
            replicas.push(String::new());
        }
        for replica in replicas {
            let short = replica
                .trim_start_matches("https://")
                .trim_start_matches("http://")
                .trim_end_matches('/');
            found.push(Receiver {
                name: if several {
                    format!("{name}@{short}")
                } else {
                    name.to_owned()
                },
                settings: settings.clone(),
                carrier: destination.carrier(),
                timeout: Duration::from_secs(settings.timeout_seconds),
                tls: settings.tls(destination.ca_file()),
                destination: destination.clone(),
                replica,
                cluster: cluster.to_owned(),
                client: None,
                handle: None,
            });
        }
    }
    found
}

impl Receiver {
    /// How often what goes on has to be sent again.
    #[must_use]
    pub fn refresh(&self) -> Option<Duration> {
        self.destination.refresh()
    }

    /// Where the receiver keeps what the last delivery brought, if it said so; once.
    pub fn take_handle(&mut self) -> Option<String> {
        self.handle.take()
    }

    /// Sends a parcel, once. There is an answer where the receiver gives one.
    pub async fn deliver(&mut self, parcel: &Parcel, now: Time) -> (Outcome, Option<Answer>) {
        let message = match self.message(parcel, now) {
            Ok(message) => message,
            // A secret that is not mounted yet is no reason to lose a notice.
            Err(why) => return (Outcome::Retry { why, asked: None }, None),
        };
        let line = match message {
            Message::Posts(posts) => return self.post(&posts).await,
            Message::Line(line) => line,
        };
        let carried = match &self.carrier {
            Carrier::Wire(wire) => wire.carry(line, &self.tls, self.timeout).await,
            Carrier::File(file) => file.append(line).await,
            Carrier::Stdout => stdout::print(line).await,
            Carrier::Http => unreachable!("a line has no URL"),
        };
        (
            carried.map_or_else(
                |why| Outcome::Retry { why, asked: None },
                |()| Outcome::Delivered,
            ),
            None,
        )
    }

    pub(super) fn message(&self, parcel: &Parcel, now: Time) -> Result<Message, String> {
        self.destination.message(&Call {
            parcel,
            replica: &self.replica,
            cluster: &self.cluster,
            now,
        })
    }

    async fn post(&mut self, posts: &[Post]) -> (Outcome, Option<Answer>) {
        let mut last = None;
        for post in posts {
            let answer = match self.send(post).await {
                Ok(answer) => answer,
                Err(outcome) => {
                    self.client = None;
                    return (outcome, last);
                }
            };
            let outcome = self.destination.judge(&answer);
            if outcome != Outcome::Delivered {
                return (outcome, Some(answer));
            }
            // The first message is the one that is changed later; the others answer it.
            self.handle = self
                .handle
                .take()
                .or_else(|| self.destination.handle(&answer));
            last = Some(answer);
        }
        (Outcome::Delivered, last)
    }

    async fn send(&mut self, post: &Post) -> Result<Answer, Outcome> {
        let client = match &self.client {
            Some(client) => client,
            None => {
                let made = Client::new(&post.url, self.timeout, &self.tls);
                self.client
                    .insert(made.map_err(|why| Outcome::Retry { why, asked: None })?)
            }
        };
        client.send(post).await
    }
}

#[cfg(test)]
impl Receiver {
    pub(super) fn judge(&self, answer: &Answer) -> Outcome {
        self.destination.judge(answer)
    }
}
