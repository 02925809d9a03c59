package training.lora.trainer.florence;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.opencv.core.Mat;
import training.lora.trainer.onnx.OnnxArray;
import training.lora.trainer.onnx.OnnxModel;
import training.lora.trainer.picture.PictureInput;
import training.lora.trainer.picture.PillowResize.Filter;

/**
 * Florence-2 (Xiao et al. 2023): a picture is seen, and an encoder and a decoder of texts (BART's) answer a question about it.
 * It is read in the files of the published export, onnx-community/Florence-2-base and its like.
 */
public final class Florence implements AutoCloseable {
    static final String LOGITS = "logits";

    private static final String WHAT = "a Florence-2 model as onnx-community exports it";

    /** The published models' input, for a folder without a preprocessor_config.json. */
    private static final PictureInput PUBLISHED = new PictureInput(
            768, 768, Filter.Bicubic, new float[] {0.485f, 0.456f, 0.406f}, new float[] {0.229f, 0.224f, 0.225f});

    private final List<AutoCloseable> open = new ArrayList<>();
    private final OnnxModel vision;
    private final OnnxModel embed;
    private final OnnxModel encoder;
    private final OnnxModel decoder;
    private final FlorenceTokenizer tokenizer;
    private final FlorenceSettings settings;
    private final PictureInput input;
    private final List<String> own = new ArrayList<>();
    private final List<String> seen = new ArrayList<>();
    private final long heads;
    private final long headWidth;

    private Florence(String field, Path folder) {
        Map<String, Path> graphs = FlorenceFiles.graphs(field, folder);
        settings = FlorenceSettings.read(field, folder);
        input = PictureInput.read(folder.resolve(FlorenceFiles.PICTURES), PUBLISHED);
        try {
            tokenizer = FlorenceTokenizer.open(field, folder);
            open.add(tokenizer);
            vision = graph(field, graphs, FlorenceFiles.VISION);
            vision.require(WHAT, List.of("pixel_values"), List.of("image_features"));
            embed = graph(field, graphs, FlorenceFiles.EMBED);
            embed.require(WHAT, List.of("input_ids"), List.of("inputs_embeds"));
            encoder = graph(field, graphs, FlorenceFiles.ENCODER);
            encoder.require(WHAT, List.of("inputs_embeds", "attention_mask"), List.of("last_hidden_state"));
            decoder = graph(field, graphs, FlorenceFiles.DECODER);
            long[] keys = requireDecoder(decoder);
            heads = keys[1];
            headWidth = keys[3];
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private OnnxModel graph(String field, Map<String, Path> graphs, String name) {
        OnnxModel model = OnnxModel.open(field, Objects.requireNonNull(graphs.get(name)));
        open.add(model);
        return model;
    }

    /** The shape of a layer's keys. */
    private long[] requireDecoder(OnnxModel model) {
        for (int i = 0; i == 0 || model.inputs().contains(past(layer(i) + ".decoder.key")); i++) {
            own.addAll(List.of(layer(i) + ".decoder.key", layer(i) + ".decoder.value"));
            seen.addAll(List.of(layer(i) + ".encoder.key", layer(i) + ".encoder.value"));
        }
        List<String> inputs = new ArrayList<>(
                List.of("encoder_attention_mask", "encoder_hidden_states", "inputs_embeds", "use_cache_branch"));
        List<String> outputs = new ArrayList<>(List.of(LOGITS));
        for (List<String> cache : List.of(own, seen)) {
            cache.forEach(name -> inputs.add(past(name)));
            cache.forEach(name -> outputs.add(present(name)));
        }
        model.require(WHAT, inputs, outputs);
        long[] keys = model.inputShape(past(own.get(0)));
        if (keys == null || keys.length != 4 || keys[1] < 1 || keys[3] < 1) {
            throw model.mismatch(WHAT, "%s (texts, heads, tokens, width)".formatted(past(own.get(0))));
        }
        return keys;
    }

    private static String layer(int number) {
        return Integer.toString(number);
    }

    static String past(String name) {
        return "past_key_values." + name;
    }

    static String present(String name) {
        return "present." + name;
    }

    /**
     * Opens a model.
     *
     * @param field the field that names it, for messages
     * @throws training.lora.trainer.TrainerException InvalidConfiguration if it is none, or a file is missing
     */
    public static Florence open(String field, Path folder) {
        return new Florence(field, folder);
    }

    /**
     * Pictures as the decoder reads them, with a question about each.
     *
     * @param states (pictures, tokens, width)
     */
    public record Seen(OnnxArray.Floats states) {
        int count() {
            return (int) states.shape()[0];
        }

        long tokens() {
            return states.shape()[1];
        }

        /** One of them. */
        public Seen only(int picture) {
            int size = states.data().length / count();
            return new Seen(new OnnxArray.Floats(
                    Arrays.copyOfRange(states.data(), picture * size, (picture + 1) * size),
                    1,
                    tokens(),
                    states.shape()[2]));
        }
    }

    /**
     * Looks at pictures.
     *
     * @param pictures of 8 bits and three channels, blue first, which stay the caller's
     */
    public Seen see(List<Mat> pictures, String question) {
        long[] asked = tokenizer.whole(question);
        OnnxArray.Floats words = embed(asked, 1);
        List<OnnxArray.Floats> features = new ArrayList<>();
        for (Mat picture : pictures) {
            // One at a time: together they are no faster, and take more memory.
            features.add(features(picture));
        }
        int width = (int) words.shape()[2];
        int tokens = (int) features.get(0).shape()[1] + asked.length;
        float[] both = new float[pictures.size() * tokens * width];
        int at = 0;
        for (OnnxArray.Floats feature : features) {
            if (feature.shape()[2] != width) {
                throw vision.mismatch(
                        WHAT, "image_features of %d numbers, but they have %d".formatted(width, feature.shape()[2]));
            }
            // What is seen comes before the words.
            for (float[] part : List.of(feature.data(), words.data())) {
                System.arraycopy(part, 0, both, at, part.length);
                at += part.length;
            }
        }
        return new Seen(encoder.run(
                Map.of(
                        "inputs_embeds",
                        new OnnxArray.Floats(both, pictures.size(), tokens, width),
                        "attention_mask",
                        ones(pictures.size(), tokens)),
                "last_hidden_state"));
    }

    OnnxArray.Floats features(Mat picture) {
        OnnxArray.Floats features = vision.run(
                Map.of("pixel_values", new OnnxArray.Floats(input.of(picture), 1, 3, input.height(), input.width())),
                "image_features");
        if (features.shape().length != 3) {
            throw vision.mismatch(
                    WHAT, "image_features (1, tokens, width), but they are " + Arrays.toString(features.shape()));
        }
        return features;
    }

    static OnnxArray.Longs ones(int rows, int columns) {
        long[] ones = new long[rows * columns];
        Arrays.fill(ones, 1);
        return new OnnxArray.Longs(ones, rows, columns);
    }

    /** @param ids of {@code rows} texts of the same length */
    OnnxArray.Floats embed(long[] ids, int rows) {
        return embed.run(Map.of("input_ids", new OnnxArray.Longs(ids, rows, ids.length / rows)), "inputs_embeds");
    }

    OnnxModel decoder() {
        return decoder;
    }

    /** Names of the keys and values of the texts' own tokens. */
    List<String> own() {
        return own;
    }

    /** Names of the keys and values of what is seen. */
    List<String> seen() {
        return seen;
    }

    /** What the first step is given in the place of a cache; it looks at none. */
    Map<String, OnnxArray> noCache(int rows) {
        Map<String, OnnxArray> none = new LinkedHashMap<>();
        for (List<String> cache : List.of(own, seen)) {
            cache.forEach(name -> none.put(past(name), new OnnxArray.Floats(new float[0], rows, heads, 0, headWidth)));
        }
        return none;
    }

    /**
     * Begins texts about pictures.
     *
     * @param before the tokens that each begins with, but for the last, which {@link FlorenceText#next} is given first
     * @param times texts about each picture, which lie together
     */
    public FlorenceText begin(Seen pictures, long[] before, int times) {
        return new FlorenceText(this, pictures, before, times);
    }

    /** How it writes. */
    public FlorenceSettings settings() {
        return settings;
    }

    /** Tokens of the beginning of a text. */
    public long[] tokens(String text) {
        return tokenizer.part(text);
    }

    /** The text of {@code tokens}, without special ones. */
    public String text(long[] tokens) {
        return tokenizer.text(tokens);
    }

    @Override
    public void close() {
        RuntimeException first = null;
        for (AutoCloseable part : open) {
            try {
                part.close();
            } catch (Exception e) {
                // One that can't be closed leaves the others no longer open than it must.
                if (first == null) {
                    first = e instanceof RuntimeException runtime ? runtime : new IllegalStateException(e);
                } else {
                    first.addSuppressed(e);
                }
            }
        }
        open.clear();
        if (first != null) {
            throw first;
        }
    }
}
