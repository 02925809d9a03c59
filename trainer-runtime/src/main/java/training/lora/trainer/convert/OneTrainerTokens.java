package training.lora.trainer.convert;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptMode;
import training.lora.api.OptimizerType;
import training.lora.api.TrainingMethod;

/**
 * OneTrainer's embeddings, alone (training_method EMBEDDING) or beside a LoRA: new tokens in their placeholders' place, which
 * is what calls a concept. What is said of each they must have in common.
 */
final class OneTrainerTokens {
    private final Options options;
    private final Findings findings;
    private final PictureFolders folders;
    private final Draft draft;
    private final boolean alone;
    private final List<Options> embeddings = new ArrayList<>();
    private final Set<String> placeholders = new LinkedHashSet<>();
    private final Set<String> triggers = new HashSet<>();

    /**
     * @param method the file's training_method
     * @param xl whether the model has two text encoders
     */
    OneTrainerTokens(Options options, String method, PictureFolders folders, Draft draft, boolean xl) {
        this.options = options;
        this.findings = options.findings();
        this.folders = folders;
        this.draft = draft;
        alone = method.equals("EMBEDDING");
        if (alone) {
            embeddings.add(options.child("embedding"));
            requireNew(embeddings.get(0));
        }
        embeddings.addAll(options.children("additional_embeddings"));
        if (any() && method.equals("FINE_TUNE")) {
            throw options.wrong("additional_embeddings", "be empty with training_method FINE_TUNE");
        }
        for (Options embedding : embeddings) {
            String placeholder = placeholder(embedding);
            NewTokens.requireName(embedding, "placeholder", placeholder);
            if (!triggers.add(NewTokens.trigger(placeholder)) || !placeholders.add(placeholder)) {
                throw embedding.wrong("placeholder", "be another than those of other embeddings");
            }
        }
        if (xl && any()) {
            requireBoth("text_encoder");
            requireBoth("text_encoder_2");
        }
    }

    private static String placeholder(Options embedding) {
        return embedding.text("placeholder", "<embedding>");
    }

    /** What the table refuses of additional embeddings, which counts of this one with its method alone. */
    private static void requireNew(Options embedding) {
        if (!embedding.flag("train", true)) {
            throw embedding.wrong("train", "be true with training_method EMBEDDING");
        }
        if (embedding.text("model_name") != null) {
            throw embedding.wrong("model_name", "be unset: tokens begin as words, and not as an embedding's file");
        }
        if (embedding.flag("is_output_embedding", false)) {
            throw embedding.wrong("is_output_embedding", "be false: text encoders learn what goes into them");
        }
    }

    private void requireBoth(String encoder) {
        if (!options.child(encoder).flag("train_embedding", true)) {
            throw options.child(encoder)
                    .wrong(
                            "train_embedding",
                            "be true where embeddings are trained, of which both text encoders learn");
        }
    }

    /** Whether tokens are all that is trained. */
    boolean alone() {
        return alone;
    }

    /** Whether any are trained. */
    boolean any() {
        return !embeddings.isEmpty();
    }

    /** The option that names what calls concepts. */
    String placeholderKey() {
        return embeddings.get(0).group() + "placeholder";
    }

    /** What {@code line}, the caption of all pictures, calls them; null where that isn't said exactly once. */
    @Nullable String placeholderOf(String line) {
        List<String> found = placeholders.stream().filter(line::contains).toList();
        boolean once = found.size() == 1 && line.indexOf(found.get(0)) == line.lastIndexOf(found.get(0));
        return once ? found.get(0) : null;
    }

    /** What is meant to be a placeholder in captions and prompts. */
    Set<String> placeholders() {
        return Set.copyOf(placeholders);
    }

    /** All of them. */
    String all() {
        return String.join(", ", placeholders);
    }

    /** What the captions of the pictures in {@code path} call them: the one placeholder, or that which they have. */
    String placeholder(String path) {
        List<String> captions = captions(path);
        List<String> found = placeholders.stream()
                .filter(placeholder -> captions.stream().anyMatch(caption -> caption.contains(placeholder)))
                .toList();
        if (placeholders.size() == 1) {
            String only = placeholders.iterator().next();
            if (captions.stream().anyMatch(caption -> !caption.contains(only))) {
                findings.note("captions without %s get it in front of them, which there they don't".formatted(only));
            }
            return only;
        }
        if (found.size() != 1) {
            throw findings.invalid(
                    "`concepts.path` must have captions here with one of %s, since a data set has one trigger, was %s with %s of them"
                            .formatted(all(), path, found.isEmpty() ? "none" : "several"));
        }
        return found.get(0);
    }

    /** Each line of a file is one, as there. */
    private List<String> captions(String path) {
        PictureFolder folder = folders.at("concepts.path", path);
        return folder == null
                ? List.of()
                : folders.captions(folder).all().stream()
                        .flatMap(caption -> caption.ofTable() || caption.lines().isEmpty()
                                ? Stream.of(caption.text())
                                : caption.lines().stream())
                        .toList();
    }

    /**
     * Sets the fields.
     *
     * @param optimizer what moves them there too
     * @param epoch steps of an epoch; null where the pictures can't be counted
     */
    void put(OneTrainerOptimizer optimizer, @Nullable Integer epoch) {
        if (alone) {
            draft.put("training_method", "training.method", TrainingMethod.TextualInversion);
        }
        if (!any()) {
            return;
        }
        requireOwnConcept();
        int count = common("token_count", OneTrainerTokens::count);
        put("token_count", "count", count);
        put(
                "initial_embedding_text",
                "initializer",
                common("initial_embedding_text", e -> NewTokens.initializer(e, "initial_embedding_text", count)));
        OptimizerType type = optimizer.type();
        OptimizerType own = NewTokens.requireOptimizer(options.child("optimizer"), "optimizer", type);
        draft.put("optimizer.optimizer", NewTokens.PATH + "optimizer", own);
        for (NewTokens.Constant constant : NewTokens.Constant.values()) {
            constant.note(options.child("optimizer"));
        }
        Double rate = options.number("embedding_learning_rate");
        draft.put(
                rate == null ? "learning_rate" : "embedding_learning_rate",
                NewTokens.PATH + "learningRate",
                rate == null ? optimizer.commonRate() : rate);
        draft.put("optimizer.weight_decay", NewTokens.PATH + "weightDecay", optimizer.decay(type));
        if (!options.flag("preserve_embedding_norm", false)) {
            draft.put(NewTokens.PATH + "deviationWeight", 0);
        }
        decay();
        int warmUp = optimizer.warmUp();
        if (warmUp > 0) {
            draft.put("learning_rate_warmup_steps", NewTokens.PATH + "warmupSteps", warmUp);
        }
        put("stop_training_after", "stopFraction", common("stop_training_after", e -> stop(e, epoch)));
    }

    /** The data set of that name says whose words are meant; without it they would be those of whichever concept. */
    private void requireOwnConcept() {
        boolean named = draft.at("datasets").findValuesAsText("name").contains(NewTokens.name(ConceptMode.PLACEHOLDER));
        if (embeddings.size() > 1 && placeholders.contains(ConceptMode.PLACEHOLDER) && !named) {
            throw findings.invalid(
                    "`%s` must be in the captions of a concept where it is %s beside others, for elsewhere that stands for any concept here"
                            .formatted(placeholderKey(), ConceptMode.PLACEHOLDER));
        }
    }

    private void put(String key, String field, Object value) {
        draft.put(embeddings.get(0).group() + key, NewTokens.PATH + field, value);
    }

    private static int count(Options embedding) {
        if (embedding.node().has("token_count") && !embedding.has("token_count")) {
            throw embedding
                    .findings()
                    .invalid(
                            "`%stoken_count` must be a whole number, for no tokenizer counts the words of initial_embedding_text here, was null"
                                    .formatted(embedding.group()));
        }
        int count = embedding.whole("token_count", 1);
        if (count < 1) {
            throw embedding.wrong("token_count", "be at least 1");
        }
        return count;
    }

    /** Their rate stays, or falls to nothing evenly. */
    private void decay() {
        boolean ends = options.number("learning_rate_min_factor", 0) == 0;
        switch (options.text("learning_rate_scheduler", "CONSTANT")) {
            case "CONSTANT" -> draft.put("learning_rate_scheduler", NewTokens.PATH + "decayPower", 0);
            case "LINEAR" -> {
                if (!ends) {
                    throw options.wrong("learning_rate_min_factor", "be 0 where embeddings are trained");
                }
                draft.put("learning_rate_scheduler", NewTokens.PATH + "decayPower", 1);
            }
            default ->
                throw options.wrong("learning_rate_scheduler", "be CONSTANT or LINEAR where embeddings are trained");
        }
    }

    /** The share of the training after which it isn't trained any more. */
    private double stop(Options embedding, @Nullable Integer epoch) {
        String unit = embedding.text("stop_training_after_unit", "NEVER").toUpperCase(Locale.ROOT);
        if (unit.equals("NEVER")) {
            return 1;
        }
        Integer after = embedding.whole("stop_training_after");
        if (after == null) {
            return 1;
        }
        if (after < 1) {
            throw embedding.wrong("stop_training_after", "be at least 1");
        }
        double epochs = OneTrainerOptimizer.epochs(options);
        if (unit.equals("EPOCH")) {
            return Math.min(1, after / epochs);
        }
        if (!unit.equals("STEP")) {
            throw embedding.wrong("stop_training_after_unit", "be NEVER, EPOCH or STEP");
        }
        if (epoch == null) {
            throw embedding.wrong("stop_training_after_unit", "be NEVER or EPOCH where the pictures can't be counted");
        }
        // There a step is a batch.
        double batches =
                epochs * epoch * draft.at("training.gradientAccumulation").asInt();
        return Math.min(1, after / batches);
    }

    private <T> T common(String key, Function<Options, T> value) {
        return Options.common(embeddings, "embeddings", key, value);
    }
}
