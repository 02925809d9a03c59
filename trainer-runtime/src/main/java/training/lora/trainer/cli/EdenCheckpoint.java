package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.export.EdenFiles;
import training.lora.trainer.files.FileName;
import training.lora.trainer.files.Folders;
import training.lora.trainer.model.StableDiffusion;

/**
 * What {@code --checkpoint_folder} names: a LoRA file, whichever trainer it is of, and what Eden's trainer writes beside its own.
 *
 * @param lora null where tokens alone were trained
 * @param embeddings the new tokens of Eden's layout; null where there are none
 */
record EdenCheckpoint(@Nullable Path lora, @Nullable Path embeddings) {
    private static final Logger LOG = LoggerFactory.getLogger(EdenCheckpoint.class);
    private static final String LORA = "_lora.safetensors";
    private static final String EMBEDDINGS = "_embeddings.safetensors";

    /** The file {@code path} with its embeddings, or those in the folder. */
    static EdenCheckpoint at(Path path) throws IOException {
        if (Files.isRegularFile(path)) {
            String name = FileName.of(path);
            Path beside = path.resolveSibling(name.replaceFirst(LORA + "$", EMBEDDINGS));
            return new EdenCheckpoint(path, name.endsWith(LORA) && Files.isRegularFile(beside) ? beside : null);
        }
        if (!Files.isDirectory(path)) {
            throw wrong("--checkpoint_folder must be a folder or a file, was " + path);
        }
        List<Path> all = Folders.list(path, file -> FileName.extension(file).equals("safetensors"));
        List<Path> embeddings = ending(all, EMBEDDINGS);
        if (embeddings.size() > 1) {
            throw wrong("--checkpoint_folder must have one file of embeddings in it, but %s has %d"
                    .formatted(path, embeddings.size()));
        }
        List<Path> others = all.stream()
                .filter(file -> !FileName.of(file).contains("embeddings"))
                .toList();
        List<Path> named = ending(others, LORA);
        List<Path> found = named.isEmpty() ? others : named;
        if (found.size() > 1 || (found.isEmpty() && embeddings.isEmpty())) {
            throw wrong(
                    "--checkpoint_folder must have one LoRA file in it, but %s has %d".formatted(path, found.size()));
        }
        return new EdenCheckpoint(
                found.isEmpty() ? null : found.get(0), embeddings.isEmpty() ? null : embeddings.get(0));
    }

    private static List<Path> ending(List<Path> files, String ending) {
        return files.stream().filter(file -> FileName.of(file).endsWith(ending)).toList();
    }

    /**
     * Reads it for {@code model}.
     *
     * @param triggers the words that call what was learned; where there are none, prompts say none, as Eden's don't where its
     *     training had no tokens, though it writes some down
     * @throws TrainerException InvalidConfiguration if it has new tokens and none is called by one of them: prompts would not say it
     */
    LoraAdapter read(List<String> triggers, StableDiffusion model, NDManager manager) throws IOException {
        LoraAdapter adapter = EdenFiles.read(lora, embeddings, triggers, model, manager);
        TokenEmbeddings tokens = adapter.tokens();
        if (tokens == null) {
            return adapter;
        }
        List<String> words =
                tokens.words().stream().map(TokenEmbeddings.Word::text).toList();
        if (triggers.isEmpty()) {
            LOG.warn(
                    "pictures are drawn without the new tokens of {}, called {}, since --config_filename has no trigger",
                    lora != null ? lora : embeddings,
                    String.join(", ", words));
            return adapter;
        }
        if (words.stream().noneMatch(word -> triggers.stream().anyMatch(word::equalsIgnoreCase))) {
            adapter.close();
            throw wrong(
                    "--config_filename must have the word of new tokens as a trigger, but those of %s are called %s and it has %s: name it with --set datasets[0].concept.trigger=%s"
                            .formatted(
                                    String.valueOf(lora != null ? lora : embeddings),
                                    String.join(", ", words),
                                    String.join(", ", triggers),
                                    words.get(0)));
        }
        return adapter;
    }

    private static TrainerException wrong(String sentence) {
        return new TrainerException(Reason.InvalidConfiguration, sentence);
    }
}
