package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;

/**
 * Configurations of older versions of OneTrainer with the keys of today, as its {@code __migration_2} and so on in
 * {@code TrainConfig.py} bring them forward. Those before {@code __version} 2 had other keys for each model's part.
 */
final class OneTrainerVersions {
    private static final String VERSION = "__version";

    /** The last version that had the key, and what it is called since. */
    private record Renamed(int last, String name) {}

    private static final Map<String, Renamed> RENAMED = Map.of(
            "save_after", new Renamed(5, "save_every"),
            "save_after_unit", new Renamed(5, "save_every_unit"),
            "lora_layers", new Renamed(7, "layer_filter"),
            "lora_layer_preset", new Renamed(7, "layer_filter_preset"),
            "lora_layers_regex", new Renamed(7, "layer_filter_regex"));

    private OneTrainerVersions() {}

    /** Gives {@code file} the keys of today, as its version asks for. */
    static void bringForward(ObjectNode file) {
        int version = file.path(VERSION).asInt(0);
        RENAMED.forEach((old, renamed) -> {
            if (version <= renamed.last() && file.has(old)) {
                JsonNode value = file.remove(old);
                if (!value.isNull()) {
                    file.set(renamed.name(), value);
                }
            }
        });
        JsonNode gamma = version <= 2 ? file.remove("min_snr_gamma") : null;
        if (gamma != null && !Values.isOff(gamma)) {
            file.put("loss_weight_fn", "MIN_SNR_GAMMA").set("loss_weight_strength", gamma);
        }
        JsonNode checkpointing = file.path("gradient_checkpointing");
        if (checkpointing.isBoolean()) {
            file.put("gradient_checkpointing", checkpointing.asBoolean() ? "ON" : "OFF");
        }
    }
}
