package training.lora.trainer.model.blip;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** BERT's tokenizer for lower-cased text, with BLIP's two tokens of its own behind the vocabulary. */
final class WordPieces implements AutoCloseable {
    private static final List<String> SPECIAL = List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]");

    private final HuggingFaceTokenizer tokenizer;

    private WordPieces(HuggingFaceTokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** Reads tokenizer.json, or vocab.txt, of {@code folder}. */
    static WordPieces open(Path folder) {
        try {
            JsonNode description = Files.isRegularFile(folder.resolve("tokenizer.json"))
                    ? Json.MAPPER.readTree(folder.resolve("tokenizer.json").toFile())
                    : describe(Files.readAllLines(folder.resolve("vocab.txt"), StandardCharsets.UTF_8));
            ((ObjectNode) description).remove(List.of("truncation", "padding"));
            return new WordPieces(HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(Json.MAPPER.writeValueAsBytes(description)),
                    Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false")));
        } catch (IOException | RuntimeException e) {
            throw new TrainerException(
                    Reason.InvalidBaseModel, folder + " must hold BERT's tokenizer.json or vocab.txt", e);
        }
    }

    /** tokenizer.json of a vocabulary, one token a line. */
    static JsonNode describe(List<String> vocabulary) {
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("version", "1.0");
        ArrayNode added = root.putArray("added_tokens");
        ObjectNode model = root.putObject("model")
                .put("type", "WordPiece")
                .put("unk_token", "[UNK]")
                .put("continuing_subword_prefix", "##")
                .put("max_input_chars_per_word", 100);
        ObjectNode ids = model.putObject("vocab");
        vocabulary.forEach(token -> ids.put(token, ids.size()));
        int next = ids.size();
        for (String token : SPECIAL) {
            added.addObject()
                    .put("id", ids.has(token) ? ids.get(token).asInt() : next++)
                    .put("content", token)
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
        root.putObject("normalizer")
                .put("type", "BertNormalizer")
                .put("clean_text", true)
                .put("handle_chinese_chars", true)
                .putNull("strip_accents")
                .put("lowercase", true);
        root.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
        root.putObject("decoder").put("type", "WordPiece").put("prefix", "##").put("cleanup", true);
        return root;
    }

    long[] encode(String text) {
        return tokenizer.encode(text, false, false).getIds();
    }

    /** The text, without special tokens. */
    String decode(long[] tokens) {
        return tokens.length == 0 ? "" : tokenizer.decode(tokens, true).strip();
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
