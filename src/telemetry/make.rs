//! How a line of the list of metrics becomes something that counts.
//!
//! Refuses labels that the list does not know: they are counted as `other`, so a label can never
//! grow.

use prometheus::core::Collector;
use prometheus::{Counter, Gauge, Histogram, HistogramOpts, IntCounter, IntGauge, Opts, Registry};
use prometheus::{CounterVec, IntCounterVec, IntGaugeVec};

/// A label and all its values.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    pub name: &'static str,
    pub values: fn() -> Vec<&'static str>,
}

/// One metric, as the reference page shows it.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub labels: &'static [Label],
    pub help: &'static str,
    /// What to do when it looks wrong.
    pub advice: &'static str,
}

/// Seconds: a commit is a few syncs, milliseconds on flash and seconds on a struggling disk.
const BUCKETS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// A kind of metric that the list can name.
pub(super) trait Make: Sized {
    const KIND: &'static str;
    /// Made, registered, and 0 for every known combination of labels.
    fn make(spec: &Spec, registry: &Registry) -> prometheus::Result<Self>;
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

macro_rules! make_plain {
    ($($kind:literal $type:ident),*) => {$(
        impl Make for $type {
            const KIND: &'static str = $kind;
            fn make(spec: &Spec, registry: &Registry) -> prometheus::Result<$type> {
                register(registry, $type::new(spec.name, spec.help)?)
            }
        }
    )*};
}

macro_rules! make_labelled {
    ($($kind:literal $type:ident),*) => {$(
        impl Make for $type {
            const KIND: &'static str = $kind;
            fn make(spec: &Spec, registry: &Registry) -> prometheus::Result<$type> {
                let names: Vec<&str> = spec.labels.iter().map(|l| l.name).collect();
                let metric = $type::new(Opts::new(spec.name, spec.help), &names)?;
                for values in combinations(spec.labels) {
                    metric.get_metric_with_label_values(&values)?;
                }
                register(registry, metric)
            }
        }
    )*};
}

make_plain!("counter" IntCounter, "counter" Counter, "gauge" IntGauge, "gauge" Gauge);
make_labelled!("counter" IntCounterVec, "counter" CounterVec, "gauge" IntGaugeVec);

impl Make for Histogram {
    const KIND: &'static str = "histogram";
    fn make(spec: &Spec, registry: &Registry) -> prometheus::Result<Histogram> {
        let opts = HistogramOpts::new(spec.name, spec.help).buckets(BUCKETS.to_vec());
        register(registry, Histogram::with_opts(opts)?)
    }
}

/// Every combination of the values of the labels.
fn combinations(labels: &[Label]) -> Vec<Vec<&'static str>> {
    labels.iter().fold(vec![Vec::new()], |all, label| {
        let with = |head: &Vec<&'static str>| {
            let head = head.clone();
            (label.values)()
                .into_iter()
                .map(move |value| [head.as_slice(), &[value]].concat())
        };
        all.iter().flat_map(with).collect()
    })
}

/// The value if the label has it, else `other`.
pub(super) fn known(label: &Label, value: &str) -> &'static str {
    (label.values)()
        .into_iter()
        .find(|v| *v == value)
        .unwrap_or("other")
}
