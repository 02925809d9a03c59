package training.lora.operator.plan;

import org.jspecify.annotations.Nullable;

/**
 * How the trainer's container of a finished Job ended.
 *
 * @param exitCode its exit code
 * @param cause Kubernetes' word for it, for example OOMKilled
 * @param terminationMessage what it wrote; a StageResult in JSON if all went well
 */
public record PodResult(
        int exitCode, @Nullable String cause, @Nullable String terminationMessage) {}
