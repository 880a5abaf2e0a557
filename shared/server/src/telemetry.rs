use std::fmt;
use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt as log};

use crate::config::{LogFormat, TelemetryConfig};
use crate::reply::panic_text;

/// A library that tells, at its finest level, of the phone numbers that it reads.
const TELLS_VALUES: &str = "rlibphonenumber";

/// The bounds of the buckets of all durations, in seconds.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
];

/// Logs, traces and metrics of the process. Installed once, by the binary; kept until its end,
/// and then flushed.
pub struct Telemetry {
    traces: SdkTracerProvider,
    metrics: PrometheusHandle,
}

/// The telemetry could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("the trace exporter: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("the metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error("telemetry is installed already: {0}")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

impl Telemetry {
    /// Logs to standard error; sends traces where the configuration names a collector. To be
    /// called within a tokio runtime, which the exporter uses.
    pub fn install(config: &TelemetryConfig, service: &'static str) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::builder().parse(&config.log)?;
        let mut traces = SdkTracerProvider::builder().with_resource(
            Resource::builder()
                .with_attribute(KeyValue::new("service.name", service))
                .build(),
        );
        if let Some(endpoint) = &config.otlp_endpoint {
            let exporter = opentelemetry_otlp::SpanExporter::builder()
                .with_tonic()
                .with_endpoint(endpoint.to_string())
                .build()?;
            traces = traces.with_batch_exporter(exporter);
        }
        // Without a collector, too: the trace id in the logs is what joins those of all services.
        let traces = traces.build();
        let tracer = traces.tracer_with_scope(InstrumentationScope::builder("datacovey").build());
        let logs = match config.log_format {
            LogFormat::Json => log::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(true)
                .with_writer(std::io::stderr)
                .boxed(),
            LogFormat::Text => log::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false)
                .boxed(),
        };
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .install_recorder()?;
        // What is logged decides nothing about what is traced; and the spans around an event name the
        // request in its line, however little is logged.
        let spans = || filter_fn(|it| it.is_span() && *it.level() <= Level::INFO);
        Registry::default()
            .with(logs.with_filter(filter.or(spans()).and(filter_fn(tells_no_values))))
            .with(
                tracing_opentelemetry::layer()
                    .with_tracer(tracer)
                    .with_filter(spans()),
            )
            .try_init()?;
        log_panics();
        Ok(Self { traces, metrics })
    }

    /// What the admin port shows of the metrics.
    #[must_use]
    pub fn metrics(&self) -> PrometheusHandle {
        self.metrics.clone()
    }

    /// Sends what has not been sent yet. Blocks, for seconds at most.
    pub fn flush(self) {
        if let Err(error) = self.traces.shutdown() {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// Values of people's files are not logged, whatever is asked for.
fn tells_no_values(event: &Metadata<'_>) -> bool {
    !event.target().starts_with(TELLS_VALUES)
}

/// Panics go where all else is logged, as one line, with the request they belong to.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let said = panic_text(panic.payload());
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(place, said, %backtrace, "panic");
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::Context;

    use super::*;

    /// The targets of the events that pass.
    #[derive(Clone, Default)]
    struct Passed(Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Passed {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(event.metadata().target().to_owned());
        }
    }

    #[test]
    fn what_would_log_values_is_silent_whatever_is_asked_for() {
        for asked in ["trace", "rlibphonenumber=trace,rlibphonenumber::parse=trace,info"] {
            let passed = Passed::default();
            let filter = EnvFilter::builder().parse(asked).unwrap();
            let layer = passed.clone().with_filter(filter.and(filter_fn(tells_no_values)));
            tracing::subscriber::with_default(Registry::default().with(layer), || {
                tracing::trace!(target: "rlibphonenumber::parse", "+1 650 253 0000");
                tracing::error!(target: "rlibphonenumber", "+1 650 253 0000");
                tracing::info!(target: "transfer", "an import");
            });
            assert_eq!(*passed.0.lock().unwrap(), ["transfer"], "{asked}");
        }
    }
}
