package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;

/**
 * Configurations of older versions of OneTrainer with the keys of today, as the migrations in its {@code TrainConfig.py} and
 * {@code ConceptConfig.py} bring them forward. Configurations before {@code __version} 2 had other keys for each model's part, which
 * stay as they are.
 */
final class OneTrainerVersions {
    private static final String VERSION = "__version";

    /** The last version in which uneven timesteps had no name of their own. */
    private static final int WITHOUT_DISTRIBUTIONS = 3;

    private static final String DISTRIBUTION = "timestep_distribution";

    /** The last version that had the key, and what it is called since. */
    private record Renamed(int last, String name) {}

    private static final Map<String, Renamed> RENAMED = Map.of(
            "save_after", new Renamed(5, "save_every"),
            "save_after_unit", new Renamed(5, "save_every_unit"),
            "lora_layers", new Renamed(7, "layer_filter"),
            "lora_layer_preset", new Renamed(7, "layer_filter_preset"),
            "lora_layers_regex", new Renamed(7, "layer_filter_regex"));

    private OneTrainerVersions() {}

    /**
     * Gives {@code options}, those of a whole file with its concepts, the keys of today, as their versions ask for.
     *
     * @throws training.lora.trainer.TrainerException InvalidConfiguration where an old key asks for what isn't here
     */
    static void bringForward(Options options) {
        ObjectNode file = options.node();
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
        timesteps(options);
        JsonNode checkpointing = file.path("gradient_checkpointing");
        if (checkpointing.isBoolean()) {
            file.put("gradient_checkpointing", checkpointing.asBoolean() ? "ON" : "OFF");
        }
        for (JsonNode concept : file.path("concepts")) {
            if (concept instanceof ObjectNode group) {
                concept(group);
            }
        }
    }

    /**
     * In old files {@code noising_weight} alone asked for what is {@code SIGMOID} today. A file without a version is old where it
     * doesn't name a distribution: presets that come with OneTrainer have no version and are of today.
     */
    private static void timesteps(Options options) {
        ObjectNode file = options.node();
        boolean old =
                file.has(VERSION) ? file.path(VERSION).asInt(0) <= WITHOUT_DISTRIBUTIONS : !options.has(DISTRIBUTION);
        if (!old) {
            return;
        }
        if (options.number("noising_weight", 0) != 0) {
            throw options.wrong(
                    "noising_weight",
                    "be 0 in a file of `%s` %d or before, or without one, where it draws timesteps by a sigmoid, which isn't here"
                            .formatted(VERSION, WITHOUT_DISTRIBUTIONS));
        }
        file.remove(List.of("noising_weight", "noising_bias", DISTRIBUTION));
    }

    private static void concept(ObjectNode concept) {
        int version = concept.path(VERSION).asInt(0);
        if (version == 0 && concept.has("repeats")) {
            concept.set("balancing", concept.remove("repeats"));
        }
        if (version <= 1 && concept.has("validation_concept")) {
            boolean heldOut = !Values.isOff(concept.remove("validation_concept"));
            concept.put("type", heldOut ? "VALIDATION" : "STANDARD");
        }
    }
}
