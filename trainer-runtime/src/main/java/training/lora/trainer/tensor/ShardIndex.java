package training.lora.trainer.tensor;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * A {@code *.safetensors.index.json}.
 *
 * @param places the file beside it that holds each tensor
 */
record ShardIndex(Path index, Map<String, String> places) {
    /**
     * Reads it.
     *
     * @throws TrainerException InvalidConfiguration if it is none, or with every file that it names and that is missing
     */
    static ShardIndex read(Path index) {
        JsonNode map;
        try {
            map = Json.MAPPER.readTree(index.toFile()).path("weight_map");
        } catch (IOException e) {
            throw new TrainerException(Reason.InvalidConfiguration, index + " must be readable JSON", e);
        }
        Map<String, String> places = new LinkedHashMap<>();
        map.fields().forEachRemaining(e -> places.put(e.getKey(), e.getValue().asText()));
        for (String name : places.values()) {
            if (!name.matches("[\\w.-]+\\.safetensors")) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        index + " must name .safetensors files beside it, but names \"" + name + "\"");
            }
        }
        if (places.isEmpty()) {
            throw new TrainerException(Reason.InvalidConfiguration, index + " must have a weight_map with tensors");
        }
        ShardIndex read = new ShardIndex(index, places);
        read.requireAll(read.names(), name -> Files.isRegularFile(index.resolveSibling(name)));
        return read;
    }

    /** The files. */
    Set<String> names() {
        return new TreeSet<>(places.values());
    }

    void requireAll(Set<String> names, Predicate<String> there) {
        List<String> missing = names.stream().filter(there.negate()).toList();
        if (!missing.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "all that " + index + " names must be there, but these are missing: " + String.join(", ", missing));
        }
    }
}
