package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;

/** Where the course of a training is written to, beside the workspace's JSON lines. It changes no result. */
public record TrackingSpec(
        @JsonPropertyDescription(
                "Whether event files for TensorBoard are written, to train/tensorboard in the workspace: scalars, and the pictures drawn while it trains. Default false.")
        Boolean tensorBoard) {
    public TrackingSpec {
        tensorBoard = orDefault(tensorBoard, false);
    }
}
