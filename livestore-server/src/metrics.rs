//! Counts for Prometheus.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// What a server counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Sockets that are open.
    pub(crate) sockets: Gauge,
    /// Sockets that were cut off because their client did not read.
    pub(crate) slow: Counter,
    /// Frames that nobody understands.
    pub(crate) bad_frames: Counter,
    /// Visitors who were not let in.
    pub(crate) refused: Counter,
    /// Pushes, by what became of them.
    pub(crate) pushes: Family<PushLabels, Counter>,
    /// Events that were appended.
    pub(crate) events_in: Counter,
    /// Events that were handed out.
    pub(crate) events_out: Counter,
    /// How long appends took.
    pub(crate) append_seconds: Histogram,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct PushLabels {
    pub(crate) outcome: PushOutcome,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
pub(crate) enum PushOutcome {
    Accepted,
    Ahead,
    Rejected,
    Refused,
    Failed,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("livestore"),
            sockets: Gauge::default(),
            slow: Counter::default(),
            bad_frames: Counter::default(),
            refused: Counter::default(),
            pushes: Family::default(),
            events_in: Counter::default(),
            events_out: Counter::default(),
            append_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 14)),
        };
        let Self { registry, sockets, slow, bad_frames, refused, .. } = &mut metrics;
        registry.register("sockets", "Open sockets", sockets.clone());
        registry.register("slow_sockets", "Sockets cut off because nobody read", slow.clone());
        registry.register("bad_frames", "Frames that were not understood", bad_frames.clone());
        registry.register("refused_visitors", "Visitors who were not let in", refused.clone());
        let Self { registry, pushes, events_in, events_out, append_seconds, .. } = &mut metrics;
        registry.register("pushes", "Pushes", pushes.clone());
        registry.register("events_appended", "Events appended", events_in.clone());
        registry.register("events_sent", "Events handed out", events_out.clone());
        registry.register("append_seconds", "How long appends took", append_seconds.clone());
        metrics
    }
}

/// Counted while it lives, however that ends.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a Gauge);

impl<'a> Counted<'a> {
    pub(crate) fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn count_push(&self, outcome: PushOutcome) {
        self.pushes.get_or_create(&PushLabels { outcome }).inc();
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("BUG: writing to a string does not fail");
        text
    }
}
