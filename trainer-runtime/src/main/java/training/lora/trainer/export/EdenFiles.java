package training.lora.trainer.export;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.ModelFamily;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.convert.EdenArguments;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** A checkpoint as Eden's trainer lays it out, for what reads such folders. */
public final class EdenFiles {
    private static final String NAMES = "special_params.json";

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
        write(folder.resolve(NAMES), names);
        write(
                folder.resolve("training_args.json"),
                EdenArguments.of(run.spec(), run.owner().name(), family, steps));
    }

    /**
     * Reads what {@link #write} writes, for {@code model}.
     *
     * @param lora a LoRA's file, in any form; null for tokens alone
     * @param embeddings the tokens of all words, with the words in special_params.json beside them; null for none, or where the
     *     LoRA's file bundles them
     * @param triggers the words that call what was learned: Eden calls its tokens TOK, whichever word that stands for
     * @throws TrainerException InvalidConfiguration if a file is not of its form or not for the model
     */
    public static LoraAdapter read(
            @Nullable Path lora,
            @Nullable Path embeddings,
            List<String> triggers,
            StableDiffusion model,
            NDManager manager)
            throws IOException {
        LoraAdapter adapter =
                lora == null ? LoraAdapter.of(List.of(), Map.of(), manager) : AdapterFiles.read(lora, model, manager);
        if (embeddings == null || adapter.tokens() != null) {
            return adapter;
        }
        return adapter.with(
                TokenFiles.read(embeddings, words(embeddings.resolveSibling(NAMES), triggers), model, manager));
    }

    /** How many tokens each word has, in their order. */
    private static Map<String, Integer> words(Path file, List<String> triggers) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw invalid(file + " must be there beside embeddings: it says how many tokens a word has");
        }
        Map<String, Integer> words = new LinkedHashMap<>();
        int next = 0;
        Iterator<Map.Entry<String, JsonNode>> entries = names(file).fields();
        while (entries.hasNext()) {
            Map.Entry<String, JsonNode> entry = entries.next();
            String tokens = entry.getValue().asText();
            int count = 0;
            while (tokens.startsWith("<s" + next + ">")) {
                tokens = tokens.substring(("<s" + next + ">").length());
                next++;
                count++;
            }
            if (count == 0 || !tokens.isEmpty()) {
                throw invalid("%s must give each word its tokens, numbered on from <s0>, but %s has \"%s\""
                        .formatted(file, entry.getKey(), entry.getValue().asText()));
            }
            boolean trigger = entry.getKey().equals(EdenArguments.TOKEN) && triggers.size() == 1;
            words.put(trigger ? triggers.get(0) : entry.getKey(), count);
        }
        return words;
    }

    private static JsonNode names(Path file) throws IOException {
        try {
            return Json.MAPPER.readTree(Files.readString(file));
        } catch (JsonProcessingException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, "%s must be JSON: %s".formatted(file, Json.problem(e)), e);
        }
    }

    private static TrainerException invalid(String sentence) {
        return new TrainerException(Reason.InvalidConfiguration, sentence);
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
