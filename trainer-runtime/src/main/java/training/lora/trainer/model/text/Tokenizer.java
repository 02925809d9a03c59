package training.lora.trainer.model.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.layer.AddedTokens;
import training.lora.trainer.model.weights.Config;

/** CLIP's tokenizer: byte-pair encoding of lower-cased text between a begin and an end token, padded to one length. */
public final class Tokenizer implements AutoCloseable {
    /** CLIP's way to cut a text into words, from OpenAI's code. */
    private static final String WORDS = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

    private final HuggingFaceTokenizer tokenizer;
    private final int length;
    private final long begin;
    private final long end;
    private final long pad;

    private Tokenizer(HuggingFaceTokenizer tokenizer, int length, long begin, long end, long pad) {
        this.tokenizer = tokenizer;
        this.length = length;
        this.begin = begin;
        this.end = end;
        this.pad = pad;
    }

    /** Reads tokenizer.json, or vocab.json and merges.txt, of {@code folder}. */
    public static Tokenizer open(Path folder) {
        Config config = Config.read(folder.resolve("tokenizer_config.json"));
        try {
            JsonNode description = Files.isRegularFile(folder.resolve("tokenizer.json"))
                    ? Json.MAPPER.readTree(folder.resolve("tokenizer.json").toFile())
                    : fromVocabulary(folder);
            JsonNode vocabulary = description.at("/model/vocab");
            long begin = id(folder, description, vocabulary, token(config, "bos_token", "<|startoftext|>"));
            long end = id(folder, description, vocabulary, token(config, "eos_token", "<|endoftext|>"));
            long pad = id(folder, description, vocabulary, token(config, "pad_token", "<|endoftext|>"));
            ((ObjectNode) description).remove(List.of("truncation", "padding"));
            if (pad != end) {
                // SDXL's second pads with "!". In a text that stays a word, as in the original code.
                removeAdded(description, pad);
            }
            int length = config.integer("model_max_length", 77);
            return new Tokenizer(build(folder, description), length, begin, end, pad);
        } catch (IOException e) {
            throw new TrainerException(
                    Reason.InvalidBaseModel, folder + " must hold tokenizer.json, or vocab.json and merges.txt", e);
        }
    }

    /**
     * CLIP's own, for models that come without one.
     *
     * @param zeros whether texts are padded with zeros, as for OpenCLIP, not with end tokens
     */
    public static Tokenizer clip(boolean zeros) {
        ClipVocabulary vocabulary = ClipVocabulary.load();
        try {
            HuggingFaceTokenizer tokenizer = build(describe(vocabulary.ids(), vocabulary.merges()));
            long end = vocabulary.ids().get("<|endoftext|>").asLong();
            long begin = vocabulary.ids().get("<|startoftext|>").asLong();
            return new Tokenizer(tokenizer, ClipVocabulary.LENGTH, begin, end, zeros ? 0 : end);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static HuggingFaceTokenizer build(Path folder, JsonNode description) throws IOException {
        try {
            return build(description);
        } catch (RuntimeException e) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    folder + " must hold a tokenizer as transformers writes it, but: " + e.getMessage(),
                    e);
        }
    }

    private static HuggingFaceTokenizer build(JsonNode description) throws IOException {
        return HuggingFaceTokenizer.newInstance(
                new ByteArrayInputStream(Json.MAPPER.writeValueAsBytes(description)),
                Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
    }

    private static String token(Config config, String key, String otherwise) {
        if (!config.has(key)) {
            return otherwise;
        }
        String text = config.text(key, otherwise);
        return text.isEmpty() ? config.child(key).text("content", otherwise) : text;
    }

    private static long id(Path folder, JsonNode description, JsonNode vocabulary, String token) {
        for (JsonNode added : description.path("added_tokens")) {
            if (added.path("content").asText().equals(token)) {
                return added.path("id").asLong();
            }
        }
        if (!vocabulary.has(token)) {
            throw new TrainerException(
                    Reason.InvalidBaseModel, folder + " must have the token " + token + " in its vocabulary");
        }
        return vocabulary.get(token).asLong();
    }

    private static void removeAdded(JsonNode description, long id) {
        for (Iterator<JsonNode> added = description.path("added_tokens").elements(); added.hasNext(); ) {
            if (added.next().path("id").asLong() == id) {
                added.remove();
            }
        }
    }

    private static JsonNode fromVocabulary(Path folder) throws IOException {
        List<String> merges = Files.readString(folder.resolve("merges.txt"), StandardCharsets.UTF_8)
                .lines()
                .filter(line -> !line.isBlank() && !line.startsWith("#version"))
                .toList();
        return describe(Json.MAPPER.readTree(folder.resolve("vocab.json").toFile()), merges);
    }

    private static JsonNode describe(JsonNode vocabulary, List<String> pairs) {
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("version", "1.0");
        ArrayNode special = root.putArray("added_tokens");
        for (String token : List.of("<|startoftext|>", "<|endoftext|>")) {
            special.addObject()
                    .put("id", vocabulary.path(token).asLong())
                    .put("content", token)
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
        ArrayNode normalizers =
                root.putObject("normalizer").put("type", "Sequence").putArray("normalizers");
        normalizers.addObject().put("type", "NFC");
        normalizers
                .addObject()
                .put("type", "Replace")
                .put("content", " ")
                .putObject("pattern")
                .put("Regex", "\\s+");
        normalizers.addObject().put("type", "Lowercase");
        ArrayNode split =
                root.putObject("pre_tokenizer").put("type", "Sequence").putArray("pretokenizers");
        split.addObject()
                .put("type", "Split")
                .put("behavior", "Removed")
                .put("invert", true)
                .putObject("pattern")
                .put("Regex", WORDS);
        split.addObject()
                .put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", true);
        ObjectNode model = root.putObject("model")
                .put("type", "BPE")
                .put("continuing_subword_prefix", "")
                .put("end_of_word_suffix", "</w>")
                .put("unk_token", "<|endoftext|>")
                .put("fuse_unk", false);
        model.set("vocab", vocabulary);
        ArrayNode merges = model.putArray("merges");
        pairs.forEach(merges::add);
        return root;
    }

    /** How many tokens of a text a sequence has room for, beside the begin and the end token. */
    public int room() {
        return length - 2;
    }

    /** Encodes {@code text} to one length, cut before the end token if it is too long. */
    public Tokens encode(String text) {
        return chunks(text, 1, List.of()).get(0);
    }

    /** The tokens of {@code text} alone, those of {@code words} in the place of these. */
    private long[] content(String text, List<AddedTokens.Word> words) {
        if (words.isEmpty()) {
            return vocabulary(text);
        }
        // The first word that is found, and of several at one place the longest; what is left and right of it may hold
        // others.
        MatchResult found = null;
        int word = 0;
        int first = 0;
        int before = 0;
        for (int i = 0; i < words.size(); i++) {
            Matcher matcher = words.get(i).pattern().matcher(text);
            if (matcher.find() && (found == null || precedes(matcher, found))) {
                found = matcher.toMatchResult();
                word = i;
                first = before;
            }
            before += words.get(i).count();
        }
        if (found == null) {
            return vocabulary(text);
        }
        int begins = first;
        return Stream.of(
                        Arrays.stream(vocabulary(text.substring(0, found.start()))),
                        IntStream.range(0, words.get(word).count()).mapToLong(i -> Tokens.added(begins + i)),
                        Arrays.stream(content(text.substring(found.end()), words)))
                .flatMapToLong(ids -> ids)
                .toArray();
    }

    private static boolean precedes(MatchResult a, MatchResult b) {
        return a.start() < b.start() || a.start() == b.start() && a.end() > b.end();
    }

    /** The tokens of {@code text} in the vocabulary, however many. */
    public long[] vocabulary(String text) {
        return tokenizer.encode(text, false, false).getIds();
    }

    /**
     * Encodes {@code text} to {@code count} sequences of one length, each between a begin and an end token, as kohya does:
     * the text goes on from one to the next, cut behind the last; one that is left empty holds an end token.
     *
     * @param words that stand for added tokens
     */
    public List<Tokens> chunks(String text, int count, List<AddedTokens.Word> words) {
        long[] content = content(text, words);
        int room = room();
        List<Tokens> chunks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            long[] ids = new long[length];
            Arrays.fill(ids, pad);
            ids[0] = begin;
            int kept = Math.max(0, Math.min(room, content.length - i * room));
            System.arraycopy(content, Math.min(i * room, content.length), ids, 1, kept);
            ids[kept + 1] = end;
            chunks.add(new Tokens(ids, content.length > count * room));
        }
        return chunks;
    }

    /** Whether {@code text} is one token of the vocabulary. */
    public boolean isOneToken(String text) {
        return vocabulary(text).length == 1;
    }

    /** How many tokens {@code text} has, however many of them are read. */
    public int count(String text) {
        return vocabulary(text).length;
    }

    /** Encodes each of {@code texts}. */
    public List<Tokens> encode(List<String> texts) {
        return texts.stream().map(this::encode).toList();
    }

    /** The token that ends a text. */
    public long end() {
        return end;
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
