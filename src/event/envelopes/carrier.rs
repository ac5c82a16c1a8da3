//! Names of carriers, and which of them were met.

/// What an event can come in. The order is that of summaries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Carrier {
    /// `logEvents[].message` of Amazon CloudWatch Logs (EKS).
    CloudWatch,
    /// Base64 records: Amazon Kinesis and Data Firehose, Google Pub/Sub push.
    Records,
    /// Google Cloud Logging's `LogEntry` (GKE). It has no groups, uid or credential id.
    Gke,
    /// Diagnostic records of Azure (AKS).
    Aks,
    /// ViaQ documents of OpenShift, whose `level` is not the event's.
    ViaQ,
    /// OpenTelemetry logs as JSON.
    Otlp,
    /// One field of another object: Fluent Bit, Fluentd, Vector, Filebeat, Logstash, Alibaba SLS,
    /// Tencent CLS, OVH, Elasticsearch hits.
    Field,
    /// A JSON array.
    Array,
    /// Text before the JSON: a container runtime's time and stream, a node's name, a time stamp.
    Prefix,
}

impl Carrier {
    pub const ALL: [Carrier; 9] = [
        Carrier::CloudWatch,
        Carrier::Records,
        Carrier::Gke,
        Carrier::Aks,
        Carrier::ViaQ,
        Carrier::Otlp,
        Carrier::Field,
        Carrier::Array,
        Carrier::Prefix,
    ];

    /// The name in summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Carrier::CloudWatch => "CloudWatch",
            Carrier::Records => "base64 records",
            Carrier::Gke => "GKE",
            Carrier::Aks => "AKS",
            Carrier::ViaQ => "ViaQ",
            Carrier::Otlp => "OTLP",
            Carrier::Field => "a field of other JSON",
            Carrier::Array => "JSON array",
            Carrier::Prefix => "text before the JSON",
        }
    }
}

/// The carriers of one line, how many events they brought, and what else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Carriers {
    met: u16,
    /// Records that by their carrier's own words are no audit events: probes, other categories, a
    /// component's own log.
    pub foreign: u32,
    /// Events that a carrier cut off; what stands before the cut is used.
    pub cut: u32,
}

impl Carriers {
    pub(super) fn note(&mut self, carrier: Carrier) {
        self.met |= 1 << carrier as u16;
    }

    /// Adds those of another part of the line.
    pub fn add(&mut self, more: Carriers) {
        self.met |= more.met;
        self.foreign += more.foreign;
        self.cut += more.cut;
    }

    /// Whether the line came in nothing but itself.
    #[must_use]
    pub fn is_native(self) -> bool {
        self.met == 0
    }

    /// Those that were met, in the order of [`Carrier::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Carrier> {
        let all = Carrier::ALL.into_iter();
        all.filter(move |carrier| self.met & (1 << *carrier as u16) != 0)
    }
}
