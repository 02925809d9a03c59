package training.lora.trainer.florence;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Florence-2's tokenizer, which is BART's: byte-pair encoding of the bytes of a text. */
final class FlorenceTokenizer implements AutoCloseable {
    private final HuggingFaceTokenizer tokenizer;

    private FlorenceTokenizer(HuggingFaceTokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** @param field that names {@code folder} */
    static FlorenceTokenizer open(String field, Path folder) {
        Path file = folder.resolve(FlorenceFiles.TOKENIZER);
        try {
            JsonNode description = Json.MAPPER.readTree(file.toFile());
            ((ObjectNode) description).remove(List.of("truncation", "padding"));
            return new FlorenceTokenizer(HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(Json.MAPPER.writeValueAsBytes(description)),
                    Map.of("truncation", "false", "padding", "false")));
        } catch (IOException | RuntimeException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must have a tokenizer as transformers writes it, but %s is none: %s"
                            .formatted(field, file, e.getMessage()),
                    e);
        }
    }

    /** The tokens of a whole text, between begin and end. */
    long[] whole(String text) {
        return tokenizer.encode(text, true, false).getIds();
    }

    /** The tokens of a part of a text. */
    long[] part(String text) {
        return text.isEmpty()
                ? new long[0]
                : tokenizer.encode(text, false, false).getIds();
    }

    /** The text, without special tokens. */
    String text(long[] tokens) {
        return tokens.length == 0 ? "" : tokenizer.decode(tokens, true).strip();
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
