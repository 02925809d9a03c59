package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Where the course of a training is written to, beside the workspace's JSON lines. It changes no result. */
public record TrackingSpec(
        @JsonPropertyDescription(
                "Whether event files for TensorBoard are written, to folders in train/tensorboard of the workspace, which is what tensorboard's --logdir takes: scalars, and the pictures drawn while it trains. Default false.")
        Boolean tensorBoard,

        @JsonPropertyDescription("A server of MLflow that is told too. Unset: none.") @Nullable MlflowSpec mlflow,

        @JsonPropertyDescription("A project of Weights & Biases that is told too. Unset: none.") @Nullable WandbSpec wandb) {
    /** What names a server: no password and no token, since everyone may read the resource. */
    static final String SERVER = "^https?://[^/?#@\\s]+(/[^?#\\s]*)?$";

    public TrackingSpec {
        tensorBoard = orDefault(tensorBoard, false);
    }

    /** The names of Secrets by the field that has {@code secretRef}. */
    public Map<String, String> secrets() {
        Map<String, String> names = new TreeMap<>();
        if (mlflow != null && mlflow.secretRef() != null) {
            names.put("spec.tracking.mlflow", mlflow.secretRef().name());
        }
        if (wandb != null && wandb.secretRef() != null) {
            names.put("spec.tracking.wandb", wandb.secretRef().name());
        }
        return names;
    }
}
