package training.lora.trainer.florence;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * How Florence-2 writes, as generation_config.json says, or else the texts' part of config.json, or else as all published
 * ones do.
 *
 * @param start the token before a text
 * @param begin the token that a text begins with
 * @param first the token that is written first, whatever is likelier; -1 where none is
 * @param end the token that ends a text
 * @param last the token that a text of the greatest length ends with; -1 where any may
 * @param pad what follows the end
 * @param noRepeat so many tokens in a row are never written twice; 0 where they may be
 * @param early whether a search ends with as many texts as it has beams, though another might be likelier
 * @param longest most tokens of a text, all of them counted
 */
@RecordBuilder
public record FlorenceSettings(
        long start, long begin, long first, long end, long last, long pad, int noRepeat, boolean early, int longest) {
    static FlorenceSettings read(String field, Path folder) {
        JsonNode texts = json(field, folder.resolve(FlorenceFiles.CONFIG)).path("text_config");
        JsonNode writing = json(field, folder.resolve(FlorenceFiles.GENERATION));
        return FlorenceSettingsBuilder.builder()
                .start(number(writing, texts, "decoder_start_token_id", 2))
                .begin(number(writing, texts, "bos_token_id", 0))
                .first(number(writing, texts, "forced_bos_token_id", 0))
                .end(number(writing, texts, "eos_token_id", 2))
                .last(number(writing, texts, "forced_eos_token_id", 2))
                .pad(number(writing, texts, "pad_token_id", 1))
                .noRepeat((int) Math.max(0, number(writing, texts, "no_repeat_ngram_size", 3)))
                .early(find(writing, texts, "early_stopping").asBoolean(true))
                .longest((int) number(writing, texts, "max_position_embeddings", 1024))
                .build();
    }

    private static JsonNode find(JsonNode writing, JsonNode texts, String key) {
        return writing.has(key) ? writing.get(key) : texts.path(key);
    }

    /** -1 where it is null: switched off. */
    private static long number(JsonNode writing, JsonNode texts, String key, long otherwise) {
        JsonNode value = find(writing, texts, key);
        return value.isNull() ? -1 : value.asLong(otherwise);
    }

    private static JsonNode json(String field, Path file) {
        if (!Files.isRegularFile(file)) {
            return MissingNode.getInstance();
        }
        try {
            return Json.MAPPER.readTree(file.toFile());
        } catch (IOException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must have a %s in JSON, but %s is none: %s"
                            .formatted(field, file.getFileName(), file, e.getMessage()),
                    e);
        }
    }
}
