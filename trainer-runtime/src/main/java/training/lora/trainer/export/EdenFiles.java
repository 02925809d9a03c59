package training.lora.trainer.export;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import training.lora.api.Json;
import training.lora.api.ModelFamily;
import training.lora.api.RunSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.convert.EdenArguments;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** A checkpoint as Eden's trainer lays it out, for what reads such folders. */
public final class EdenFiles {
    private EdenFiles() {}

    /**
     * Writes the adapter, the tokens of all words in one file, the tokens' names and the configuration.
     *
     * @param folder where they go
     * @param metadata what the adapter's file says of itself, the steps of the whole run among it
     */
    public static void write(Path folder, RunSpec run, LoraAdapter adapter, ExportMetadata metadata)
            throws IOException {
        Files.createDirectories(folder);
        ModelFamily family = ModelFamily.valueOf(metadata.family().name());
        int steps = Integer.parseInt(Objects.requireNonNull(metadata.entries().get("ss_max_train_steps")));
        String stem = run.owner().name() + "_" + EdenArguments.version(family);
        if (!adapter.projections().isEmpty()) {
            Exports.writeAlone(folder.resolve(stem + "_lora.safetensors"), adapter, metadata);
        }
        TokenEmbeddings tokens = adapter.tokens();
        ObjectNode names = Json.MAPPER.createObjectNode();
        if (tokens != null) {
            writeTokens(folder.resolve(stem + "_embeddings.safetensors"), tokens);
            names = EdenArguments.tokenDictionary(
                    tokens.words().stream().map(TokenEmbeddings.Word::text).toList(),
                    tokens.words().get(0).count());
        }
        write(folder.resolve("special_params.json"), names);
        write(
                folder.resolve("training_args.json"),
                EdenArguments.of(run.spec(), run.owner().name(), family, steps));
    }

    private static void write(Path file, JsonNode json) throws IOException {
        WholeFile.write(file, temporary -> Json.PRETTY.writeValue(temporary.toFile(), json));
    }

    /** A tensor for each text encoder: the words' embeddings one below the other, as the tokens are numbered. */
    private static void writeTokens(Path file, TokenEmbeddings tokens) throws IOException {
        Map<Component, List<LazyTensor>> rows = new EnumMap<>(Component.class);
        tokens.values()
                .values()
                .forEach(word -> word.forEach((encoder, row) ->
                        rows.computeIfAbsent(encoder, e -> new ArrayList<>()).add(row)));
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        rows.forEach((encoder, all) -> tensors.put(TokenFiles.key(encoder), LazyTensor.joined(all)));
        WholeFile.write(file, temporary -> SafeTensorsWriter.writeLazy(temporary, tensors, new TreeMap<>()));
    }
}
