package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.WholeWords;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.text.Vocabulary;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.tensor.Finite;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/**
 * Embeddings of new tokens in the forms that other tools read: a file for each word, which is called as the word, and all of
 * them in a LoRA's file, as OneTrainer bundles them and ComfyUI and AUTOMATIC1111 read them.
 */
public final class TokenFiles {
    private static final String ENDING = ".safetensors";

    /** The one tensor of an embedding for Stable Diffusion 1.x, whose name no reader heeds. */
    private static final String ONLY = "emb_params";

    /** The names of tensors in files of one word. */
    static final Set<String> NAMES = Set.of(ONLY, "clip_l", "clip_g");

    private static final String BUNDLED = "bundle_emb.";

    private static final Pattern BUNDLED_NAME =
            Pattern.compile(Pattern.quote(BUNDLED) + "(?<word>[^.]+)\\.(?<encoder>clip_l|clip_g)");

    private TokenFiles() {}

    static String key(Component encoder) {
        return encoder == Component.TextEncoder2 ? "clip_g" : "clip_l";
    }

    private static Component encoder(String key) {
        return key.equals("clip_g") ? Component.TextEncoder2 : Component.TextEncoder;
    }

    /** The names of the files that {@link #write} writes, in the checkpoint's folder. */
    public static List<String> names(TokenEmbeddings tokens) {
        return tokens.words().stream()
                .map(word -> Publisher.EMBEDDINGS + word.text() + ENDING)
                .toList();
    }

    /** Writes a file for each word into their folder below {@code folder}. */
    public static void write(Path folder, TokenEmbeddings tokens, ExportMetadata metadata) throws IOException {
        for (Map.Entry<String, Map<Component, LazyTensor>> word :
                tokens.values().entrySet()) {
            Map<String, LazyTensor> tensors = new LinkedHashMap<>();
            Map<Component, LazyTensor> rows = word.getValue();
            rows.forEach((encoder, row) -> tensors.put(rows.size() == 1 ? ONLY : key(encoder), row));
            Map<String, String> meta = new TreeMap<>(metadata.entries());
            meta.remove("ss_network_module");
            meta.put(
                    "modelspec.architecture",
                    metadata.family().architecture().replaceFirst("/.*", "/textual-inversion"));
            meta.put("modelspec.title", word.getKey());
            meta.put("modelspec.trigger_phrase", word.getKey());
            meta.put("modelspec.hash_sha256", "0x" + SafeTensorsWriter.lazyBodyDigest(tensors));
            WholeFile.write(
                    folder.resolve(Publisher.EMBEDDINGS + word.getKey() + ENDING),
                    temporary -> SafeTensorsWriter.writeLazy(temporary, tensors, meta));
        }
    }

    /** The tensors that bundle {@code tokens} in a LoRA's file. */
    static Map<String, LazyTensor> bundle(Map<String, Map<Component, LazyTensor>> tokens) {
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        tokens.forEach(
                (word, rows) -> rows.forEach((encoder, row) -> tensors.put(BUNDLED + word + "." + key(encoder), row)));
        return tensors;
    }

    /** The sizes of a word's embeddings, for a person. */
    public static String describe(Map<Component, LazyTensor> rows) {
        return rows.entrySet().stream()
                .map(e -> "%d of width %d for %s"
                        .formatted(
                                e.getValue().shape().get(0),
                                e.getValue().shape().get(1),
                                key(e.getKey())))
                .collect(Collectors.joining(", "));
    }

    /** Whether {@code tensor} is named as one of {@link #bundle}. */
    static boolean isBundled(String tensor) {
        return tensor.startsWith(BUNDLED);
    }

    /**
     * The embeddings that a LoRA's file bundles, by word and text encoder; they can be read until it is closed.
     *
     * @throws TrainerException InvalidConfiguration if there are others than of CLIP's text encoders, or shapes don't fit
     */
    static Map<String, Map<Component, LazyTensor>> bundledIn(SafeTensors file) {
        Map<String, Map<Component, LazyTensor>> tokens = new LinkedHashMap<>();
        for (String tensor : file.entries().keySet()) {
            if (!isBundled(tensor)) {
                continue;
            }
            Matcher name = BUNDLED_NAME.matcher(tensor);
            if (!name.matches()) {
                throw invalid("%s must bundle embeddings of clip_l and clip_g alone, but holds %s"
                        .formatted(file.file(), tensor));
            }
            tokens.computeIfAbsent(name.group("word"), word -> new EnumMap<>(Component.class))
                    .put(encoder(name.group("encoder")), rows(file, tensor));
        }
        return tokens;
    }

    /**
     * Looks whether {@code file} can be read as one of tensors, as {@link #read} needs it.
     *
     * @throws TrainerException InvalidConfiguration if not
     */
    public static void require(Path file) {
        SafeTensors.open(file).close();
    }

    /**
     * Reads files of one word each, whose names are the words, as {@link #write} and other trainers write them, for {@code model}.
     *
     * @throws TrainerException InvalidConfiguration if one is none, or not for this model
     */
    public static TokenEmbeddings read(List<Path> files, StableDiffusion model, NDManager parent) {
        Map<String, Map<Component, LazyTensor>> tokens = new LinkedHashMap<>();
        List<SafeTensors> opened = new ArrayList<>();
        try {
            for (Path file : files) {
                SafeTensors tensors = SafeTensors.open(file);
                opened.add(tensors);
                Map<Component, LazyTensor> rows = new EnumMap<>(Component.class);
                for (String key : tensors.entries().keySet()) {
                    boolean named = key.equals("clip_l") || key.equals("clip_g");
                    if (!named && tensors.entries().size() > 1) {
                        throw invalid("%s must be an embedding of one tensor, or of clip_l and clip_g, but holds %s"
                                .formatted(file, key));
                    }
                    rows.put(named ? encoder(key) : Component.TextEncoder, rows(tensors, key));
                }
                String word = word(file);
                if (tokens.put(word, rows) != null) {
                    throw invalid("%s must be the only embedding that is called %s".formatted(file, word));
                }
            }
            return of(tokens, files.get(0), model, parent);
        } finally {
            opened.forEach(SafeTensors::close);
        }
    }

    /**
     * Reads a file in which the embeddings of all words lie one below the other, in clip_l and for two text encoders clip_g.
     *
     * @param counts how many embeddings each word has, in their order
     * @throws TrainerException InvalidConfiguration if there are others than these, or they are not for this model
     */
    static TokenEmbeddings read(Path file, Map<String, Integer> counts, StableDiffusion model, NDManager parent) {
        long all = counts.values().stream().mapToInt(Integer::intValue).sum();
        Map<String, Map<Component, LazyTensor>> tokens = new LinkedHashMap<>();
        try (SafeTensors tensors = SafeTensors.open(file)) {
            for (String key : tensors.entries().keySet()) {
                LazyTensor rows = rows(tensors, key);
                if (!NAMES.contains(key) || rows.shape().get(0) != all) {
                    throw invalid("%s must hold %d embeddings in each of clip_l and clip_g, but holds %s of shape %s"
                            .formatted(file, all, key, rows.shape()));
                }
                int from = 0;
                for (Map.Entry<String, Integer> word : counts.entrySet()) {
                    int first = from;
                    int end = first + word.getValue();
                    from = end;
                    tokens.computeIfAbsent(word.getKey(), any -> new EnumMap<>(Component.class))
                            .put(
                                    encoder(key),
                                    new LazyTensor(
                                            new Shape(
                                                    word.getValue(),
                                                    rows.shape().get(1)),
                                            rows.type(),
                                            scope -> rows.in(scope).get(new NDIndex("%d:%d".formatted(first, end)))));
                }
            }
            return of(tokens, file, model, parent);
        }
    }

    /** The word that the embeddings of {@code file}, which has one, are called by. */
    public static String word(Path file) {
        return file.getFileName().toString().replaceFirst("\\.safetensors$", "");
    }

    /**
     * The tokens of a file for {@code model}.
     *
     * @param values by word and text encoder
     * @param file for messages
     * @throws TrainerException InvalidConfiguration if the model's text encoders have others
     */
    static TokenEmbeddings of(
            Map<String, Map<Component, LazyTensor>> values, Path file, StableDiffusion model, NDManager parent) {
        for (Vocabulary vocabulary : model.prompts().vocabularies()) {
            long width = vocabulary.table().getShape().get(1);
            values.forEach((word, rows) -> {
                LazyTensor own = rows.get(vocabulary.encoder());
                if (own == null || own.shape().get(1) != width) {
                    throw invalid("%s must hold embeddings of %d numbers for the model's %s, but those of %s have %s"
                            .formatted(
                                    file,
                                    width,
                                    key(vocabulary.encoder()),
                                    word,
                                    own == null ? "none" : own.shape().get(1)));
                }
            });
        }
        int encoders = model.prompts().vocabularies().size();
        values.forEach((word, rows) -> {
            if (rows.size() != encoders) {
                throw invalid(
                        "%s must hold embeddings for %d text encoders as the model has, but those of %s are for %d"
                                .formatted(file, encoders, word, rows.size()));
            }
            if (rows.values().stream().map(row -> row.shape().get(0)).distinct().count() > 1) {
                throw invalid("%s must hold as many embeddings for each text encoder, but those of %s are %s"
                        .formatted(file, word, describe(rows)));
            }
        });
        return TokenEmbeddings.of(values, WholeWords::of, parent);
    }

    /** Rows of embeddings (n, D), fp32; a single embedding may have lost its first dimension. */
    private static LazyTensor rows(SafeTensors file, String tensor) {
        long[] stored = file.entry(tensor).shape();
        if (stored.length != 1 && stored.length != 2) {
            throw invalid("%s must hold rows of embeddings, but %s has the shape %s"
                    .formatted(file.file(), tensor, new Shape(stored)));
        }
        Shape shape = stored.length == 1 ? new Shape(1, stored[0]) : new Shape(stored);
        return new LazyTensor(
                shape, DataType.FLOAT32, scope -> file.read(tensor, scope).reshape(shape));
    }

    private static NDArray finite(SafeTensors file, String tensor, NDArray rows) {
        if (!Finite.all(rows)) {
            throw invalid("%s must hold finite numbers, but its tensor %s holds NaN or an infinity"
                    .formatted(file.file(), tensor));
        }
        return rows;
    }

    private static TrainerException invalid(String message) {
        return new TrainerException(Reason.InvalidConfiguration, message);
    }
}
