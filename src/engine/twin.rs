//! Which events are of one request: its stages, and what two logs say of it.
//!
//! An aggregated API server records what kube-apiserver hands on to it under the same audit id,
//! with the same user and credential; its `sourceIPs` are those that kube-apiserver saw, and
//! kube-apiserver's own address. Refuses the audit id alone, which clients choose: one that is sent
//! twice is of two requests.

use crate::base::{Digest, Span, Time, text};
use crate::event::AuditEvent;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// Receipts of one request by two servers are at most so far apart, with their clocks.
const SKEW: Span = Span::seconds(5);
/// Records remembered: the two of one request lie close together.
const RECENT_MAX: usize = 1024;

/// The request that an event belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// When the server that recorded it first received it: with the audit id, the same in all
    /// events of one request.
    pub received: Time,
    /// Another server recorded this request before.
    pub is_copy: bool,
    /// The last of the `sourceIPs` is the server that handed the request on.
    pub is_relayed: bool,
    record: u64,
}

/// What servers recorded last.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Twins {
    records: BTreeMap<u64, Record>,
    order: VecDeque<u64>,
    /// By the record that a server would have made that handed the request on.
    handed_on: BTreeMap<u64, u64>,
    /// Some event was handed on by a server, or a second log is read: before that no request has
    /// two records.
    may_be: bool,
    /// Events heard before that; saturating.
    alone: u16,
}

/// All that one server recorded of one request.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Record {
    received: Time,
    /// By the server that recorded the request first.
    first: Time,
    is_copy: bool,
    is_relayed: bool,
    is_judged: bool,
    /// The other record of the request.
    twin: Option<u64>,
    outer: Option<u64>,
}

impl Twins {
    /// Says of which request an event is. `of_several`: more than one log is read.
    pub fn hear(&mut self, event: &AuditEvent<'_>, of_several: bool) -> Request {
        self.may_be |= of_several || event.source_ips.len() > 1;
        // A second log begins with the first, or some day: until then nobody pays for it.
        if !self.may_be && usize::from(self.alone) >= RECENT_MAX {
            return Request {
                received: event.received,
                ..Request::default()
            };
        }
        self.alone = self.alone.saturating_add(1);
        let key = key(event, &event.source_ips);
        let known = self
            .records
            .get(&key)
            .filter(|known| known.has(event.received))
            .copied();
        let record = known.unwrap_or_else(|| self.remember(key, event));
        Request {
            received: record.first,
            is_copy: record.is_copy,
            is_relayed: record.is_relayed,
            record: key,
        }
    }

    /// Whether an event that can be judged is: not if what another server recorded of it was. It
    /// is, then.
    pub fn take(&mut self, request: Request) -> bool {
        let Some(record) = self.records.get_mut(&request.record) else {
            return true;
        };
        record.is_judged = true;
        let twin = record.twin;
        !twin
            .and_then(|twin| self.records.get(&twin))
            .is_some_and(|twin| twin.is_judged && twin.first == request.received)
    }

    fn remember(&mut self, key: u64, event: &AuditEvent<'_>) -> Record {
        let received = event.received;
        let (is_copy, is_relayed, is_judged) = (false, false, false);
        let mut record = Record {
            received,
            first: received,
            is_copy,
            is_relayed,
            is_judged,
            twin: None,
            outer: None,
        };
        let handed_on = event
            .source_ips
            .split_last()
            .map(|(_, before)| before)
            .filter(|before| !before.is_empty());
        record.outer = handed_on.map(|before| self::key(event, before));
        let outer = record
            .outer
            .and_then(|outer| Some((outer, self.records.get_mut(&outer)?)));
        if let Some((of, outer)) = outer.filter(|(_, outer)| outer.may_be_of(received)) {
            outer.twin = Some(key);
            record = Record {
                received: outer.first,
                first: outer.first,
                is_copy: true,
                is_relayed: true,
                twin: Some(of),
                ..record
            };
        } else if let Some(of) = self.handed_on.get(&key).copied()
            && let Some(inner) = self
                .records
                .get_mut(&of)
                .filter(|inner| inner.may_be_of(received))
        {
            (inner.twin, inner.is_relayed) = (Some(key), true);
            record = Record {
                received: inner.first,
                first: inner.first,
                is_copy: true,
                twin: Some(of),
                ..record
            };
        }
        if let Some(outer) = record.outer {
            self.handed_on.insert(outer, key);
        }
        if self.records.insert(key, record).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > RECENT_MAX
            && let Some(outer) = self
                .order
                .pop_front()
                .and_then(|oldest| self.records.remove(&oldest)?.outer)
        {
            self.handed_on.remove(&outer);
        }
        record
    }
}

impl Record {
    /// Whether it is of a request that was received then. History has a copy's time as that of the
    /// first record.
    fn has(&self, received: Time) -> bool {
        self.received == received || self.is_copy && self.may_be_near(received)
    }

    fn may_be_near(&self, received: Time) -> bool {
        self.received.since(received).0.abs() <= SKEW.0
    }

    /// Whether a request that another server received then may be this one.
    fn may_be_of(&self, received: Time) -> bool {
        self.twin.is_none() && self.may_be_near(received)
    }
}

/// Who asked for what, seen with these addresses.
fn key(event: &AuditEvent<'_>, source_ips: &[IpAddr]) -> u64 {
    let mut addresses: SmallVec<[u8; 34]> = SmallVec::new();
    for ip in source_ips {
        match ip {
            IpAddr::V4(ip) => addresses.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => addresses.extend_from_slice(&ip.octets()),
        }
    }
    let texts = [
        event.audit_id,
        event.username,
        event.credential.id,
        event.operation.verb,
    ];
    let [id, user, credential, verb] = texts.map(str::as_bytes);
    let path = event
        .uri
        .split_once('?')
        .map_or(event.uri, |(path, _)| path);
    // As history keeps it, so that what is judged again has the same ids; an ordinary path holds
    // nothing to be redacted.
    let is_ordinary = |b: u8| b != b'J' && (b.is_ascii_alphanumeric() || b"/._-".contains(&b));
    let path = if path.bytes().all(is_ordinary) {
        Cow::Borrowed(path)
    } else {
        text::clean(path)
    };
    let [a, b, c, d, e, f, g, h, ..] =
        Digest::of_parts(&[id, user, credential, verb, path.as_bytes(), &addresses]).0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::decode::{self, Limits};

    fn hear(twins: &mut Twins, id: &str, received: &str, stage: &str, ips: &str) -> Request {
        let line = format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{id}","stage":"{stage}","requestURI":"/apis/metrics.k8s.io/v1beta1/pods","verb":"list","user":{{"username":"system:serviceaccount:a:b"}},"sourceIPs":[{ips}],"responseStatus":{{"code":200}},"requestReceivedTimestamp":"2026-03-02T08:00:{received}Z","stageTimestamp":"2026-03-02T08:00:59Z"}}"#
        );
        let mut heard = None;
        decode::line(line.as_bytes(), &Limits::default(), &mut |_, event| {
            heard = Some(twins.hear(event.unwrap(), true));
        });
        heard.unwrap()
    }

    const CLIENT: &str = r#""10.0.0.5""#;
    const RELAYED: &str = r#""10.0.0.5","192.168.0.1""#;

    #[test]
    fn two_stages_are_one_request_and_one_audit_id_of_two_is_two() {
        let mut twins = Twins::default();
        let first = hear(&mut twins, "x", "01", "RequestReceived", CLIENT);
        assert_eq!(
            hear(&mut twins, "x", "01", "ResponseComplete", CLIENT),
            first
        );
        let second = hear(&mut twins, "x", "01.000001", "ResponseComplete", CLIENT);
        assert!(second.received != first.received && !second.is_copy);
        assert!(twins.take(first) && twins.take(second));
    }

    #[test]
    fn two_logs_of_one_request_are_one_whichever_is_read_first() {
        let mut twins = Twins::default();
        let outer = hear(&mut twins, "x", "01", "ResponseComplete", CLIENT);
        let inner = hear(&mut twins, "x", "01.002", "ResponseComplete", RELAYED);
        assert_eq!(
            (inner.received, inner.is_copy, inner.is_relayed),
            (outer.received, true, true)
        );
        assert!(
            twins.take(inner) && !twins.take(outer),
            "the first that can be judged is"
        );
        let inner = hear(&mut twins, "y", "02.002", "ResponseComplete", RELAYED);
        let outer = hear(&mut twins, "y", "02", "RequestReceived", CLIENT);
        assert_eq!(
            (outer.received, outer.is_copy, inner.is_copy),
            (inner.received, true, false)
        );
        assert_eq!(
            hear(&mut twins, "y", "02", "ResponseComplete", CLIENT),
            outer
        );
    }

    #[test]
    fn a_forged_header_makes_no_pair_of_other_requests() {
        let mut twins = Twins::default();
        let client = hear(&mut twins, "x", "01", "ResponseComplete", CLIENT);
        for (id, ips) in [
            ("y", RELAYED),
            ("x", r#""10.0.0.6","192.168.0.1""#),
            ("x", r#""192.168.0.1""#),
        ] {
            let other = hear(&mut twins, id, "01.002", "ResponseComplete", ips);
            assert!(
                !other.is_copy && other.received != client.received,
                "{id} {ips}"
            );
        }
        assert!(
            !hear(&mut twins, "x", "09", "ResponseComplete", RELAYED).is_copy,
            "long after it"
        );
    }
}
