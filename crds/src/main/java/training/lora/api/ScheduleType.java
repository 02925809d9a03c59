package training.lora.api;

/** Courses of the learning rate after its warm-up. */
public enum ScheduleType {
    Constant,
    Linear,
    Cosine,
    CosineRestarts,
    Polynomial,
    Exponential
}
