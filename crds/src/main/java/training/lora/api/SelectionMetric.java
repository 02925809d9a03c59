package training.lora.api;

/** Metrics that can pick the best checkpoint. */
public enum SelectionMetric {
    Score,
    TextAlignment,
    TrainingImageAlignment,
    StyleAlignment,
    Diversity;

    /** The name of what it chooses by, among the metrics of a checkpoint. */
    public String metric() {
        return Character.toLowerCase(name().charAt(0)) + name().substring(1);
    }
}
