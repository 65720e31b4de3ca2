//! Work queues, under the names that client-go gives their figures; read from the queues when metrics are asked for.

use crate::queue::Queue;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::gauge::ConstGauge,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The queues of a process, each with the kind that it is for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Queues(Arc<Mutex<Vec<Named>>>);

/// A queue, and the kind in small letters.
type Named = (String, Arc<Queue>);

/// A figure: its name, what it is, and how a queue has it.
type Figure = (&'static str, &'static str, fn(&Queue) -> Box<dyn EncodeMetric>);

const FIGURES: [Figure; 7] = [
    ("workqueue_depth", "Objects that wait for a worker", |queue| {
        let depth = i64::try_from(queue.depth()).unwrap_or(i64::MAX);
        Box::new(ConstGauge::new(depth))
    }),
    ("workqueue_adds", "Objects that were added to wait", |queue| {
        Box::new(queue.figures().adds.clone())
    }),
    (
        "workqueue_retries",
        "Passes that failed and are tried again",
        |queue| Box::new(queue.figures().retries.clone()),
    ),
    (
        "workqueue_queue_duration_seconds",
        "How long objects waited for a worker",
        |queue| Box::new(queue.figures().waited.clone()),
    ),
    (
        "workqueue_work_duration_seconds",
        "How long passes took",
        |queue| Box::new(queue.figures().worked.clone()),
    ),
    (
        "workqueue_unfinished_work_seconds",
        "How long all passes that are under way have been so together",
        |queue| Box::new(ConstGauge::new(queue.unfinished().as_secs_f64())),
    ),
    (
        "workqueue_longest_running_processor_seconds",
        "How long the longest pass that is under way has been so",
        |queue| Box::new(ConstGauge::new(queue.longest().as_secs_f64())),
    ),
];

impl Queues {
    pub(super) fn watch(&self, kind: &str, queue: Arc<Queue>) {
        self.lock().push((kind.to_lowercase(), queue));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Named>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Queues {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let queues = self.lock();
        for (name, help, figure) in FIGURES {
            let Some((_, first)) = queues.first() else {
                return Ok(());
            };
            let kind = figure(first).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (kind, queue) in queues.iter() {
                let labels = [("controller", kind.as_str()), ("name", kind.as_str())];
                figure(queue).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Key, metrics::Metrics, queue::Queue};
    use std::{sync::Arc, time::Duration};

    #[tokio::test(start_paused = true)]
    async fn what_queues_did_is_told() {
        let (metrics, queue) = (Metrics::default(), Arc::new(Queue::default()));
        assert!(!metrics.render().contains("workqueue"), "there is none");
        metrics.watch_queue("Bucket", queue.clone());
        metrics.watch_queue("HelmChart", Arc::default());
        let (first, second) = (Key::new("apps", "first"), Key::new("apps", "second"));
        queue.add(first.clone());
        queue.add(first.clone());
        queue.add(second.clone());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(queue.next().await, first);
        tokio::time::advance(Duration::from_secs(3)).await;
        queue.failed(&first);
        queue.done(&first);
        assert_eq!(queue.next().await, second);
        tokio::time::advance(Duration::from_secs(4)).await;
        queue.add(first);
        let text = metrics.render();
        for (name, value) in [
            ("depth", "1"),
            ("adds_total", "3"),
            ("retries_total", "1"),
            ("queue_duration_seconds_sum", "7.0"),
            ("queue_duration_seconds_count", "2"),
            ("work_duration_seconds_sum", "3.0"),
            ("unfinished_work_seconds", "4.0"),
            ("longest_running_processor_seconds", "4.0"),
        ] {
            let line = format!("workqueue_{name}{{controller=\"bucket\",name=\"bucket\"}} {value}\n");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        assert!(text.contains("workqueue_depth{controller=\"helmchart\",name=\"helmchart\"} 0\n"));
        assert_eq!(text.matches("# TYPE workqueue_depth gauge").count(), 1);
    }
}
