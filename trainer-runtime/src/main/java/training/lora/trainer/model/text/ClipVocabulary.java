package training.lora.trainer.model.text;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.zip.GZIPInputStream;
import training.lora.api.Json;

/**
 * CLIP's vocabulary, made from the list of merges as OpenAI's simple_tokenizer.py makes it: each byte as a letter, each
 * with the mark of a word's end, each merge, and two tokens of its own.
 *
 * @param ids number of each token
 * @param merges pairs in their order
 */
public record ClipVocabulary(ObjectNode ids, List<String> merges) {
    /** Tokens of a text, begin and end included. */
    public static final int LENGTH = 77;

    /** clip/bpe_simple_vocab_16e6.txt.gz of github.com/openai/CLIP, MIT licence. */
    private static final String RESOURCE = "clip-bpe.txt.gz";

    /** Words of the vocabulary. */
    public static final int TOKENS = 49408;

    private static final int BYTES = 256;
    private static final int MERGES = TOKENS - 2 - 2 * BYTES;

    public static ClipVocabulary load() {
        List<String> merges;
        try (InputStream in = ClipVocabulary.class.getResourceAsStream(RESOURCE);
                BufferedReader lines = new BufferedReader(new InputStreamReader(
                        new GZIPInputStream(Objects.requireNonNull(in, RESOURCE)), StandardCharsets.UTF_8))) {
            merges = lines.lines().skip(1).limit(MERGES).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        List<String> letters = letters();
        ObjectNode ids = Json.MAPPER.createObjectNode();
        letters.forEach(letter -> ids.put(letter, ids.size()));
        letters.forEach(letter -> ids.put(letter + "</w>", ids.size()));
        merges.forEach(pair -> ids.put(pair.replace(" ", ""), ids.size()));
        ids.put("<|startoftext|>", ids.size());
        ids.put("<|endoftext|>", ids.size());
        return new ClipVocabulary(ids, merges);
    }

    /** A printable character for each byte: those of Latin-1 that are printable, then others for the rest in order. */
    private static List<String> letters() {
        List<String> printable = new ArrayList<>();
        for (int b = 0; b < BYTES; b++) {
            if (printable(b)) {
                printable.add(Character.toString(b));
            }
        }
        int next = BYTES;
        for (int b = 0; b < BYTES; b++) {
            if (!printable(b)) {
                printable.add(Character.toString(next++));
            }
        }
        return printable;
    }

    private static boolean printable(int b) {
        return b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae && b <= 0xff;
    }
}
