//! THE list of metrics: name, type, labels, help, and what to do when one looks wrong.
//!
//! Refuses labels from the wire: no account, address or token is ever one, so that the number of
//! series is fixed, and scraping tells no secret. The one exception is asked for, and capped. The
//! reference page is generated from the list.

use super::accounts::{Accounts, OTHER};
use super::make::{Label, Make, Spec, known};
use crate::detect::{Severity, detectors};
use crate::engine::camera;
use crate::event::decode::Malformed;
use crate::incident::Kind;
use prometheus::{
    Counter, CounterVec, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
};
use prometheus::{Registry, TextEncoder};

const REASON: Label = Label {
    name: "reason",
    values: || Malformed::ALL.iter().map(|m| m.reason()).collect(),
};
const SEVERITY: Label = Label {
    name: "severity",
    values: || Severity::ALL.iter().map(|s| s.label()).collect(),
};
const KIND: Label = Label {
    name: "kind",
    values: || vec!["threat", "visibility"],
};
const MATURITY: Label = Label {
    name: "maturity",
    values: || vec!["learning", "mature"],
};
const OUTCOME: Label = Label {
    name: "outcome",
    values: || vec!["success", "failure"],
};
const GAP: Label = Label {
    name: "kind",
    values: || {
        vec![
            "nul",
            "torn",
            "truncated",
            "unreadable",
            "removed",
            "lost",
            "dropped",
            "silent",
            "other",
        ]
    },
};
const DETECTOR: Label = Label {
    name: "detector",
    values: || {
        let told = camera::ALL.into_iter().chain(["other"]);
        detectors::ALL
            .iter()
            .map(|d| d.meta.id)
            .chain(told)
            .collect()
    },
};
/// Its values are the operator's: names in the settings.
const SINK: Label = Label {
    name: "sink",
    values: Vec::new,
};
/// Those of service accounts, capped by `accounts.rs`, and only where somebody asked for them.
const NAMESPACE: Label = Label {
    name: "namespace",
    values: Vec::new,
};
const ACCOUNT: Label = Label {
    name: "serviceaccount",
    values: Vec::new,
};
const LOSS: Label = Label {
    name: "reason",
    values: || vec!["refused", "over_limit"],
};
/// How requests of the receiver end; `source/receive` names them.
const RECEIVED: Label = Label {
    name: "outcome",
    values: || {
        let good = ["stored", "repeated", "dropped", "shed"];
        good.into_iter()
            .chain([
                "unauthorized",
                "unreadable",
                "too_large",
                "broken",
                "failed",
                "other",
            ])
            .collect()
    },
};
const VERSION: Label = Label {
    name: "version",
    values: || vec![env!("CARGO_PKG_VERSION")],
};

macro_rules! metrics {
    ($($field:ident: $type:ident = $name:literal [$($label:ident),*], $help:literal, $advice:literal;)*) => {
        /// Every metric.
        pub const ALL: &[Spec] = &[$(Spec {
            name: $name,
            kind: <$type as Make>::KIND,
            labels: &[$($label),*],
            help: $help,
            advice: $advice,
        }),*];

        /// The metrics of one process, in a registry of their own. Cheap to update from any thread.
        pub struct Metrics {
            registry: Registry,
            $(#[doc = $help] pub $field: $type,)*
        }

        impl Metrics {
            fn make(registry: Registry) -> prometheus::Result<Metrics> {
                let mut specs = ALL.iter();
                let mut next = || specs.next().ok_or(prometheus::Error::Msg("the list is too short".to_owned()));
                Ok(Metrics { $($field: $type::make(next()?, &registry)?,)* registry })
            }
        }
    };
}

metrics! {
    lines_read: IntCounter = "tokentrail_lines_read_total" [],
        "Lines read from the audit logs.",
        "Flat while the API server works: see /readyz, and whether the log's path is right.";
    bytes_read: IntCounter = "tokentrail_bytes_read_total" [],
        "Bytes read from the audit logs.",
        "As for lines.";
    bytes_behind: IntGauge = "tokentrail_bytes_behind" [],
        "Bytes in the audit logs that are not read yet.",
        "Grows: the disk or the CPU limit is too slow for this log. Lines are lost when the API server removes rotated files before they are read.";
    lag: Gauge = "tokentrail_lag_seconds" [],
        "Wall clock minus the stage time of the newest event, in seconds.",
        "High with few bytes behind: the API server is idle, its clock is off, or it buffers its log.";
    events_decoded: IntCounter = "tokentrail_events_decoded_total" [],
        "Audit events decoded.",
        "Fewer than lines: see malformed lines.";
    events_judged: IntCounter = "tokentrail_events_judged_total" [],
        "Audit events judged; the others repeat what was judged, or have no response yet.",
        "Far fewer than decoded: the audit policy records RequestReceived, which only costs.";
    malformed: IntCounterVec = "tokentrail_malformed_total" [REASON],
        "Lines or events that could not be read.",
        "too_long: raise daemon.max_line_bytes. nul_bytes, not_json: a crash, or two writers of one file. not_an_event: another log. wrapped: a log shipper's copy; name the API server's own file.";
    gaps: IntCounterVec = "tokentrail_gaps_total" [GAP],
        "Holes in what was seen.",
        "Each is told in a visibility incident; what happened in it was not judged. Keep more rotated files.";
    gap_seconds: CounterVec = "tokentrail_gap_seconds_total" [GAP],
        "Stage time that holes span, in seconds, where known.",
        "As for gaps.";
    findings: IntCounterVec = "tokentrail_findings_total" [DETECTOR, SEVERITY],
        "Findings of detectors, before they are joined to incidents.",
        "One detector far ahead of the others: see Tuning on its page in docs/detectors.";
    exempted: IntCounter = "tokentrail_findings_exempted_total" [],
        "Findings that an exemption or an acknowledgement covered.",
        "Grows fast: an exemption covers more than it should; see docs/rules.md.";
    rule_errors: IntCounter = "tokentrail_rule_errors_total" [],
        "Times that a rule or exemption had no answer at an event; other rules are not touched.",
        "Grows: the log of the daemon names the rule and the fault.";
    incidents_opened: IntCounterVec = "tokentrail_incidents_opened_total" [SEVERITY, KIND],
        "Incidents opened, by their first severity.",
        "Look at the incidents.";
    incidents_escalated: IntCounterVec = "tokentrail_incidents_escalated_total" [SEVERITY, KIND],
        "Incidents that became more severe, by the severity they reached.",
        "Look at the incidents.";
    incidents_resolved: IntCounterVec = "tokentrail_incidents_resolved_total" [SEVERITY, KIND],
        "Incidents that ended, by their last severity.",
        "Flat while incidents are open: see incidents.quiet_seconds.";
    incidents_open: IntGaugeVec = "tokentrail_incidents_open" [SEVERITY, KIND],
        "Incidents that are open now.",
        "Near incidents.open_limit: the least severe are ended early.";
    baselines: IntGaugeVec = "tokentrail_baselines" [MATURITY],
        "Accounts that are remembered.",
        "None mature after a week: see the settings under learning, and gaps.";
    accounts_refused: IntCounter = "tokentrail_accounts_refused_total" [],
        "Times that an account found no place in memory and was judged as never seen.",
        "Grows: raise limits.accounts, or find out who makes so many accounts.";
    commit_duration: Histogram = "tokentrail_commit_duration_seconds" [],
        "Duration of a commit of the state, in seconds.",
        "Over a second: the disk of daemon.state is too slow, or shared with a database.";
    last_commit: Gauge = "tokentrail_last_commit_timestamp_seconds" [],
        "Wall clock of the last commit, in seconds since 1970; 0 before the first.",
        "Old while lines are read: see the log of the daemon for a full disk.";
    state_size: IntGauge = "tokentrail_state_size_bytes" [],
        "Size of the state, in bytes.",
        "Grows without more accounts: report it.";
    outbox_rows: IntGauge = "tokentrail_outbox_rows" [],
        "Notices that are committed and not in the incidents file yet.",
        "Grows: the file cannot be written; see the log of the daemon.";
    sink_delivered: IntCounterVec = "tokentrail_sink_delivered_total" [SINK],
        "Notices that a sink's receiver has taken.",
        "Flat while incidents open: see sink_failed and sink_queue, and `tokentrail sink test`.";
    sink_failed: IntCounterVec = "tokentrail_sink_failed_total" [SINK],
        "Tries of a delivery that failed and are repeated.",
        "Grows: the receiver is down, slow or limits our rate; the log of the daemon says which.";
    sink_dropped: IntCounterVec = "tokentrail_sink_dropped_total" [SINK, LOSS],
        "Notices that a sink never delivers.",
        "refused: the receiver wants another form, secret or address; see the log. over_limit: it was away too long, see keep_seconds and keep_notices.";
    sink_queue: IntGaugeVec = "tokentrail_sink_queue_rows" [SINK],
        "Notices that wait for a sink.",
        "Grows: as for sink_failed. At keep_notices the oldest is dropped.";
    received: IntCounterVec = "tokentrail_received_requests_total" [RECEIVED],
        "Requests of senders of audit events, by how they ended.",
        "dropped: the disk or the limit of the spool is full, and a visibility incident says what was lost. shed: the disk is too slow. unauthorized: a sender has another token, or somebody tries. too_large: raise receive.body_megabytes.";
    received_events: IntCounter = "tokentrail_received_events_total" [],
        "Audit events in requests that were stored.",
        "Flat while API servers work: see apiserver_audit_error_total there, and received_requests here.";
    receive_duration: Histogram = "tokentrail_receive_duration_seconds" [],
        "From the headers of a request to its answer, in seconds: a sync of the disk is part of it.",
        "Near a second: the disk of the spool is too slow; API servers keep in memory what waits.";
    receive_connections: IntGauge = "tokentrail_receive_connections" [],
        "Connections of senders that are open.",
        "At 256: others wait. An API server has one for each batch on its way.";
    spool_size: IntGauge = "tokentrail_spool_size_bytes" [],
        "Bytes of batches that are kept until they are read.",
        "Near receive.spool_megabytes: reading is too slow, or has stopped; what comes then is dropped.";
    spool_dropped: IntCounter = "tokentrail_spool_dropped_events_total" [],
        "Audit events that came and could not be kept.",
        "Grows: as for dropped requests. Each loss is told in a visibility incident.";
    account_incidents: IntCounterVec = "tokentrail_account_incidents_total" [NAMESPACE, ACCOUNT],
        "Incidents opened, by service account; none unless daemon.account_series is set.",
        "Look at the incidents of the account.";
    account_series_dropped: IntCounter = "tokentrail_account_series_dropped_total" [],
        "Incidents that were counted under `_other`, since daemon.account_series accounts have a series already.",
        "Grows: raise daemon.account_series, or ask `tokentrail query` instead.";
    reloads: IntCounterVec = "tokentrail_config_reloads_total" [OUTCOME],
        "Changes of the settings file that were noticed.",
        "failure: the log of the daemon says what is wrong; the last good settings stay in force.";
    reload_success: IntGauge = "tokentrail_config_last_reload_successful" [],
        "1 if the settings in force are those of the file, 0 if the file has an error.",
        "0: the log of the daemon names file, line and setting.";
    reload_time: Gauge = "tokentrail_config_last_reload_success_timestamp_seconds" [],
        "Wall clock when settings were last loaded, in seconds since 1970.",
        "Older than the file: see config_last_reload_successful.";
    build_info: IntGaugeVec = "tokentrail_build_info" [VERSION],
        "Always 1; the label says the version.",
        "Different versions at once: a rollout is under way, or stuck.";
    cpu: Counter = "process_cpu_seconds_total" [],
        "User and system time of the process, in seconds (Linux).",
        "Near the CPU limit with bytes behind: raise the limit.";
    resident_memory: IntGauge = "process_resident_memory_bytes" [],
        "Resident memory of the process, in bytes (Linux).",
        "Near the memory limit: lower limits.accounts, or raise the limit.";
    open_fds: IntGauge = "process_open_fds" [],
        "Open files and sockets of the process (Linux).",
        "Grows without end: report it.";
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// All metrics, those with labels at 0 for every combination.
    #[must_use]
    pub fn new() -> Metrics {
        // The list is constant, so it makes metrics or it never did: a test calls this.
        let Ok(metrics) = Metrics::make(Registry::new()) else {
            unreachable!("the list of metrics contradicts itself")
        };
        metrics
            .build_info
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        metrics.reload_success.set(1);
        metrics
    }

    pub fn count_malformed(&self, reason: Malformed) {
        self.malformed.with_label_values(&[reason.reason()]).inc();
    }

    /// A hole of a kind, and the seconds of stage time that it spans (0 where unknown).
    pub fn count_gap(&self, kind: &str, seconds: f64) {
        let kind = [known(&GAP, kind)];
        self.gaps.with_label_values(&kind).inc();
        self.gap_seconds
            .with_label_values(&kind)
            .inc_by(seconds.max(0.0));
    }

    pub fn count_finding(&self, detector: &str, severity: Severity) {
        self.findings
            .with_label_values(&[known(&DETECTOR, detector), severity.label()])
            .inc();
    }

    pub fn count_opened(&self, severity: Severity, kind: Kind) {
        self.incidents_opened
            .with_label_values(&[severity.label(), kind_label(kind)])
            .inc();
    }

    pub fn count_escalated(&self, severity: Severity, kind: Kind) {
        self.incidents_escalated
            .with_label_values(&[severity.label(), kind_label(kind)])
            .inc();
    }

    pub fn count_resolved(&self, severity: Severity, kind: Kind) {
        self.incidents_resolved
            .with_label_values(&[severity.label(), kind_label(kind)])
            .inc();
    }

    /// Replaces the numbers of open incidents.
    pub fn set_open(&self, open: impl IntoIterator<Item = (Severity, Kind)>) {
        let mut counts = [[0i64; 2]; Severity::ALL.len()];
        for (severity, kind) in open {
            counts[severity as usize][usize::from(kind == Kind::Visibility)] += 1;
        }
        for severity in Severity::ALL {
            for (kind, count) in [Kind::Threat, Kind::Visibility]
                .into_iter()
                .zip(counts[severity as usize])
            {
                self.incidents_open
                    .with_label_values(&[severity.label(), kind_label(kind)])
                    .set(count);
            }
        }
    }

    /// Notices of a sink that were delivered, failed, were refused, were dropped; and how many
    /// wait.
    pub fn count_sink(
        &self,
        name: &str,
        [delivered, failed, refused, dropped]: [u64; 4],
        depth: usize,
    ) {
        self.sink_delivered
            .with_label_values(&[name])
            .inc_by(delivered);
        self.sink_failed.with_label_values(&[name]).inc_by(failed);
        self.sink_dropped
            .with_label_values(&[name, "refused"])
            .inc_by(refused);
        self.sink_dropped
            .with_label_values(&[name, "over_limit"])
            .inc_by(dropped);
        self.sink_queue
            .with_label_values(&[name])
            .set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// A request of a sender ended so.
    pub fn count_received(&self, outcome: &str, events: u64, seconds: f64) {
        self.received
            .with_label_values(&[known(&RECEIVED, outcome)])
            .inc();
        self.received_events.inc_by(events);
        self.receive_duration.observe(seconds);
    }

    /// An incident of a service account was opened.
    pub fn count_account(&self, accounts: &Accounts, namespace: &str, name: &str) {
        let Some([namespace, name]) = accounts.labels(namespace, name) else {
            return;
        };
        self.account_incidents
            .with_label_values(&[&namespace, &name])
            .inc();
        self.account_series_dropped
            .inc_by(u64::from(namespace == OTHER));
    }

    pub fn set_baselines(&self, learning: usize, mature: usize) {
        for (label, count) in [("learning", learning), ("mature", mature)] {
            self.baselines
                .with_label_values(&[label])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The settings file was loaded, at this wall clock in seconds since 1970, at the start or by a
    /// change.
    pub fn config_loaded(&self, now_seconds: f64) {
        self.reload_success.set(1);
        self.reload_time.set(now_seconds);
    }

    /// A change of the settings file was noticed: `Some(seconds since 1970)` if it is in force now.
    pub fn config_reloaded(&self, in_force_at: Option<f64>) {
        let outcome = if in_force_at.is_some() {
            "success"
        } else {
            "failure"
        };
        self.reloads.with_label_values(&[outcome]).inc();
        match in_force_at {
            Some(now) => self.config_loaded(now),
            None => self.reload_success.set(0),
        }
    }

    /// Everything in the text format 0.0.4 of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        super::process::observe(self);
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

fn kind_label(kind: Kind) -> &'static str {
    match kind {
        Kind::Threat => "threat",
        Kind::Visibility => "visibility",
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
