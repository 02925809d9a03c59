package training.lora.trainer.model.blip;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.ModelFiles;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.tensor.SafeTensors;

/**
 * BLIP (Li et al. 2022), BlipForConditionalGeneration of transformers: a vision transformer, and a BERT decoder that
 * attends to it, which says what a picture shows.
 */
public final class Blip implements AutoCloseable {
    private final NDManager manager;
    private final WordPieces tokenizer;
    private final BlipVision vision;
    private final BlipDecoder decoder;
    private final long begin;
    private final long end;
    private final long pad;

    private Blip(Path folder, NDManager manager) {
        this.manager = manager;
        ParameterSet parameters = new ParameterSet(manager.getDevice());
        Config config = Config.read(folder.resolve("config.json"));
        if (!config.has("model_type")) {
            throw config.wrong("model_type", "blip");
        }
        config.mustBe("model_type", "blip");
        Config text = config.child("text_config");
        vision = new BlipVision(parameters, config.child("vision_config"));
        decoder = new BlipDecoder(parameters, text, vision.width());
        begin = text.integer("bos_token_id", 30522);
        end = text.integer("sep_token_id", 102);
        pad = text.integer("pad_token_id", 0);
        tokenizer = WordPieces.open(folder);
        try (SafeTensors file = ModelFiles.weights(folder, "model")) {
            parameters.load(file, name -> find(file, name), manager);
        }
    }

    /** The last map is the word embedding, unless the file has one of its own; its bias has two names. */
    private static @Nullable String find(SafeTensors file, String name) {
        List<String> names =
                switch (name) {
                    case BlipDecoder.HEAD -> List.of(name, BlipDecoder.WORDS);
                    case BlipDecoder.HEAD_BIAS -> List.of(name, "text_decoder.cls.predictions.decoder.bias");
                    default -> List.of(name);
                };
        return names.stream().filter(file.entries()::containsKey).findFirst().orElse(null);
    }

    /** Reads config.json, the weights and the tokenizer of {@code folder}. */
    public static Blip open(Path folder, NDManager parent) {
        NDManager manager = parent.newSubManager();
        try {
            return new Blip(folder, manager);
        } catch (RuntimeException e) {
            manager.close();
            throw e;
        }
    }

    /** Side in pixels of the square pictures that it sees. */
    public int imageSize() {
        return vision.imageSize();
    }

    /** What it sees (B, N, C) in {@code pictures} (B, 3, S, S) in [0, 1], S the {@link #imageSize}. */
    public NDArray see(NDArray pictures) {
        return vision.forward(pictures);
    }

    /** Begins a text about each of the pictures of which {@code seen} (B, N, C) is what {@link #see} gave. */
    public BlipDecoder.Text begin(NDArray seen) {
        return decoder.begin(seen);
    }

    /** The token that a text begins with. */
    public long beginToken() {
        return begin;
    }

    /** The token that a text ends with. */
    public long endToken() {
        return end;
    }

    /** What follows the end, where other texts go on. */
    public long padToken() {
        return pad;
    }

    /** Most tokens of a text, its begin included. */
    public int longest() {
        return decoder.longest();
    }

    /** Tokens of {@code text}, without begin and end. */
    public long[] tokens(String text) {
        return tokenizer.encode(text);
    }

    /** The text of {@code tokens}. */
    public String text(long[] tokens) {
        return tokenizer.decode(tokens);
    }

    @Override
    public void close() {
        tokenizer.close();
        manager.close();
    }
}
