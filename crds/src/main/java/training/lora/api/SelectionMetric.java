package training.lora.api;

/** Metrics that can pick the best checkpoint. */
public enum SelectionMetric {
    Score,
    TextAlignment,
    TrainingImageAlignment,
    StyleAlignment,
    Diversity
}
