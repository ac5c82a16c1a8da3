//! The list of receivers: which settings make which requests.
//!
//! Refuses to know how a request is sent, or when.

use super::http::{Answer, Client, Post};
use super::queue::{Outcome, Parcel};
use super::settings::{Alertmanager, Pagerduty, Settings, Slack, Webhook};
use super::{alertmanager, pagerduty, slack, webhook};
use crate::base::Time;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone)]
enum Kind {
    Webhook(Webhook),
    /// One replica: each has a queue of its own, so that a dead one holds up nobody.
    Alertmanager(Alertmanager, String),
    Slack(Slack),
    Pagerduty(Pagerduty),
}

/// One place to send to.
#[derive(Clone)]
pub struct Receiver {
    /// Of the sink, with the replica behind `@` where there are several.
    pub name: String,
    pub settings: Settings,
    kind: Kind,
    timeout: Duration,
    ca_file: Option<PathBuf>,
    /// Made by the first request: a file of certificates may come later than we do.
    client: Option<Client>,
}

/// Every receiver of every sink, in the order of names.
#[must_use]
pub fn receivers(sinks: &BTreeMap<String, Settings>) -> Vec<Receiver> {
    sinks.iter().flat_map(|(name, settings)| receivers_of(name, settings)).collect()
}

/// The receivers of one sink.
#[must_use]
pub fn receivers_of(name: &str, settings: &Settings) -> Vec<Receiver> {
    let mut kinds: Vec<(String, Kind)> = Vec::new();
    let mut put = |kind| kinds.push((name.to_owned(), kind));
    if let Some(webhook) = &settings.webhook {
        put(Kind::Webhook(webhook.clone()));
    }
    if let Some(slack) = &settings.slack {
        put(Kind::Slack(slack.clone()));
    }
    if let Some(pagerduty) = &settings.pagerduty {
        put(Kind::Pagerduty(pagerduty.clone()));
    }
    if let Some(manager) = &settings.alertmanager {
        for url in &manager.urls {
            let one = manager.urls.len() == 1;
            let short = url.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
            let name = if one { name.to_owned() } else { format!("{name}@{short}") };
            kinds.push((name, Kind::Alertmanager(manager.clone(), url.clone())));
        }
    }
    let receiver = |(name, kind)| Receiver {
        name,
        settings: settings.clone(),
        kind,
        timeout: Duration::from_secs(settings.timeout_seconds),
        ca_file: settings.ca_file.clone(),
        client: None,
    };
    kinds.into_iter().map(receiver).collect()
}

impl Receiver {
    /// How often what goes on has to be sent again.
    #[must_use]
    pub fn refresh(&self) -> Option<Duration> {
        match &self.kind {
            Kind::Alertmanager(settings, _) => Some(Duration::from_secs(settings.resend_seconds)),
            Kind::Webhook(_) | Kind::Slack(_) | Kind::Pagerduty(_) => None,
        }
    }

    /// Sends a parcel, once.
    pub async fn deliver(&mut self, parcel: &Parcel, now: Time) -> (Outcome, Option<Answer>) {
        let post = match self.post(parcel, now) {
            Ok(post) => post,
            // A secret that is not mounted yet is no reason to lose a notice.
            Err(why) => return (Outcome::Retry { why, asked: None }, None),
        };
        if self.client.is_none() {
            match Client::new(&post.url, self.timeout, self.ca_file.as_deref()) {
                Ok(client) => self.client = Some(client),
                Err(why) => return (Outcome::Retry { why, asked: None }, None),
            }
        }
        match &self.client {
            Some(client) => client.send(post).await,
            None => unreachable!("the client was made above"),
        }
    }

    fn post(&self, parcel: &Parcel, now: Time) -> Result<Post, String> {
        match (&self.kind, parcel) {
            (Kind::Alertmanager(settings, replica), _) => alertmanager::post(settings, replica, parcel, now),
            (Kind::Webhook(settings), Parcel::Notice { note, .. }) => webhook::post(settings, note, now),
            (Kind::Slack(settings), Parcel::Notice { note, .. }) => slack::post(settings, note),
            (Kind::Pagerduty(settings), Parcel::Notice { note, .. }) => pagerduty::post(settings, note),
            (_, Parcel::Refresh(_)) => unreachable!("only Alertmanager forgets"),
        }
    }
}
