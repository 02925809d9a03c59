package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionSource;
import training.lora.api.ConceptMode;
import training.lora.api.OptimizerType;
import training.lora.api.TrainingMethod;
import training.lora.trainer.WholeWords;

/** What kohya's train_textual_inversion.py trains: new tokens in the place of its token_string, which calls the concept. */
final class KohyaTokens {
    /** What its templates for objects say before the token. */
    private static final String OBJECT =
            "{a photo of a|a rendering of a|a cropped photo of the|the photo of a|a photo of a clean|a photo of a dirty"
                    + "|a dark photo of the|a photo of my|a photo of the cool|a close-up photo of a|a bright photo of the"
                    + "|a cropped photo of a|a photo of the|a good photo of the|a photo of one|a close-up photo of the"
                    + "|a rendition of the|a photo of the clean|a rendition of a|a photo of a nice|a good photo of a"
                    + "|a photo of the nice|a photo of the small|a photo of the weird|a photo of the large|a photo of a cool"
                    + "|a photo of a small} ";

    /** What its templates for styles say before "in the style of" and the token, two of them twice, as there. */
    private static final String STYLE =
            "{a painting|a rendering|a cropped painting|the painting|a clean painting|a dirty painting|a dark painting"
                    + "|a picture|a cool painting|a close-up painting|a bright painting|a cropped painting|a good painting"
                    + "|a close-up painting|a rendition|a nice painting|a small painting|a weird painting|a large painting} ";

    /** What captions' files end with; the second is an older spelling. */
    static final List<String> EXTENSIONS = List.of("caption_extension", "caption_extention");

    /** What a template, which is the whole caption, leaves no place for. */
    private static final List<String> OF_CAPTIONS = Stream.concat(
                    EXTENSIONS.stream(),
                    Stream.of(
                            "caption_prefix",
                            "caption_suffix",
                            "enable_wildcard",
                            "shuffle_caption",
                            "keep_tokens",
                            "caption_tag_dropout_rate"))
            .toList();

    private final Options options;
    private final Findings findings;
    private final PictureFolders folders;
    private final Draft draft;
    private final String token;
    private final boolean object;
    private final boolean style;

    KohyaTokens(Options options, PictureFolders folders, Draft draft) {
        this.options = options;
        this.findings = options.findings();
        this.folders = folders;
        this.draft = draft;
        String given = options.text("token_string");
        if (given == null) {
            throw options.wrong("token_string", "be given");
        }
        token = given.strip();
        if (token.matches("(?s).*\\s.*")) {
            throw options.wrong("token_string", "be one word, without spaces in it");
        }
        NewTokens.requireName(options, "token_string", token);
        object = options.flag("use_object_template", false);
        style = !object && options.flag("use_style_template", false);
    }

    /** What calls the concept in captions there. */
    String token() {
        return token;
    }

    /** Whether captions are templates' and no pictures' own. */
    boolean hasTemplate() {
        return object || style;
    }

    /** Says that the token calls what is learned from a data set. */
    void concept(ObjectNode dataset) {
        String trigger = NewTokens.trigger(token);
        if (NewTokens.isName(token)
                && !draft.at("datasets").findValuesAsText("trigger").contains(trigger)) {
            draft.call(dataset, NewTokens.name(token));
        }
        dataset.putObject("concept")
                .put("mode", (style ? ConceptMode.Style : ConceptMode.Object).name())
                .put("trigger", trigger);
        draft.originOfDataset("token_string", "concept.trigger");
    }

    /** {@code words} with the trigger where they have the token, which may be written as a data set's name is. */
    String called(String words) {
        return words.replace(token, NewTokens.trigger(token));
    }

    /** What stands for the trigger in captions and prompts, as their writer meant it; null where the trigger itself does. */
    @Nullable String placeholder() {
        return NewTokens.isName(token) ? token : null;
    }

    /**
     * Sets the templates, or words around the token where no picture has a caption.
     *
     * @param learned the data sets that are learned from, with what each is called
     * @param regularized whether there are others
     * @param lacking whether there are captions without the token
     */
    void captions(List<Options> learned, boolean regularized, boolean lacking) {
        if (!hasTemplate()) {
            around(learned, lacking);
            return;
        }
        String key = object ? "use_object_template" : "use_style_template";
        if (regularized) {
            throw options.wrong(
                    key, "be unset where there are regularization pictures, which there are called by the token too");
        }
        draft.put(key, "preparation.captions.source", CaptionSource.None);
        draft.put(key, "preparation.captions.prefix", object ? OBJECT : STYLE);
        draft.put(key, "preparation.captions.wildcards", true);
        for (String other : OF_CAPTIONS) {
            boolean on = learned.stream()
                    .map(dataset -> dataset.raw(other))
                    .anyMatch(value -> value != null && !findings.isOff(other, value));
            if (on) {
                findings.ignores(other, "a template is the whole caption");
            }
        }
    }

    private void around(List<Options> learned, boolean lacking) {
        if (lacking) {
            findings.differs("captions without %s get it in front of them%s".formatted(token, again(learned.get(0))));
        }
        Set<String> called = new LinkedHashSet<>();
        for (Options dataset : learned) {
            KohyaFolder folder = KohyaFolder.of(dataset, folders);
            boolean beside = !KohyaFolder.hasTable(dataset);
            boolean uncaptioned = beside && folder.hasNoCaptions();
            called.add(uncaptioned ? ofFolder(dataset.text("class_tokens")) : token);
            if (beside && !uncaptioned && folder.mayLackCaptions()) {
                tellUncaptioned(dataset);
            }
        }
        if (called.size() > 1) {
            throw findings.invalid(
                    "what pictures without captions are called (NAME of N_NAME, `class_tokens`) must be %s alone, or the same in all data sets, in none of which a picture has a caption, was %s"
                            .formatted(token, String.join(", ", called)));
        }
        String words = called.iterator().next();
        Matcher found = WholeWords.of(token).matcher(words);
        if (found.find()) {
            put("prefix", called(words.substring(0, found.start())));
            put("suffix", called(words.substring(found.end())));
        }
    }

    /** What stands around all captions and has the token doesn't count as theirs. */
    private String again(Options dataset) {
        return Stream.of("caption_prefix", "caption_suffix")
                .filter(key -> WholeWords.in(dataset.text(key, ""), token))
                .findFirst()
                .map(", although `%s` has it too"::formatted)
                .orElse("");
    }

    /** Pictures without a caption have the token alone where others have one. */
    private void tellUncaptioned(Options dataset) {
        String words = dataset.text("class_tokens", token).strip();
        if (!words.equals(token)) {
            findings.differs("pictures of %s without a caption are called %s, and not \"%s\""
                    .formatted(dataset.text("image_dir", ""), token, words));
        }
    }

    private void put(String field, String text) {
        String path = "preparation.captions." + field;
        String own = draft.at(path).asText();
        if (!text.isEmpty()) {
            draft.put("class_tokens", path, field.equals("prefix") ? own + text : text + own);
        }
    }

    /** What pictures in a folder without captions are called. */
    private String ofFolder(@Nullable String words) {
        if (words == null) {
            return token;
        }
        if (!WholeWords.in(words, token)) {
            throw findings.invalid(
                    "what pictures without captions are called (NAME of N_NAME, `class_tokens`) must have `token_string` %s in it, in whole words, was \"%s\""
                            .formatted(token, words));
        }
        return words.strip().replaceAll("\\s+", " ");
    }

    /** Sets the fields of tokens, and what gradients are scaled down to. */
    void put(KohyaOptimizer optimizer) {
        draft.put("token_string", "training.method", TrainingMethod.TextualInversion);
        int count = options.whole("num_vectors_per_token", 1);
        if (count < 1) {
            throw options.wrong("num_vectors_per_token", "be at least 1");
        }
        draft.put("num_vectors_per_token", NewTokens.PATH + "count", count);
        String words = options.text("init_word");
        if (words != null) {
            draft.put("init_word", NewTokens.PATH + "initializer", words);
        }
        OptimizerType type = optimizer.type();
        String key = optimizer.typeKey();
        if (type == OptimizerType.Lion && key.equals("use_lion_optimizer")) {
            throw options.wrong(key, "be false where embeddings are trained, by AdamW, AdamW8bit or Prodigy");
        }
        draft.put(key, NewTokens.PATH + "optimizer", NewTokens.requireOptimizer(options, key, type));
        if (type == OptimizerType.AdamW8bit) {
            findings.note("AdamW8bit of `%s` became AdamW, whose states of a few tokens are small".formatted(key));
        }
        Optimizers.note(type, optimizer.arguments());
        constants(optimizer);
        draft.put("learning_rate", NewTokens.PATH + "learningRate", optimizer.commonRate());
        draft.put("optimizer_args.weight_decay", NewTokens.PATH + "weightDecay", optimizer.decay(type));
        draft.put(NewTokens.PATH + "deviationWeight", 0);
        String schedule = optimizer.scheduleName();
        draft.put(
                schedule.equals("polynomial") ? "lr_scheduler_power" : "lr_scheduler",
                NewTokens.PATH + "decayPower",
                decay(schedule));
        int warmUp = optimizer.warmUp();
        if (warmUp > 0) {
            draft.put("lr_warmup_steps", NewTokens.PATH + "warmupSteps", warmUp);
        }
        draft.put(NewTokens.PATH + "stopFraction", 1);
        optimizer.clip();
        gradient(type);
    }

    private void gradient(OptimizerType type) {
        List<String> seeing = new ArrayList<>();
        if (options.number("max_grad_norm", 1) != 0) {
            seeing.add("`max_grad_norm`");
        }
        if (type == OptimizerType.Prodigy) {
            seeing.add("Prodigy's estimate");
        }
        if (!seeing.isEmpty()) {
            findings.differs(
                    "%s %s the gradient of new tokens alone; there the gradient is that of the whole vocabulary, whose other rows are put back after each step"
                            .formatted(String.join(" and ", seeing), seeing.size() == 1 ? "sees" : "see"));
        }
    }

    private static void constants(KohyaOptimizer optimizer) {
        double[] betas = optimizer.betas();
        if (betas != null) {
            NewTokens.Constant.FirstMoment.note(optimizer.arguments(), "betas", betas[0]);
            NewTokens.Constant.SecondMoment.note(optimizer.arguments(), "betas", betas[1]);
        }
        NewTokens.Constant.Coefficient.note(optimizer.arguments());
        Double growth = optimizer.growth();
        if (growth != null) {
            NewTokens.Constant.Growth.note(optimizer.arguments(), "growth_rate", growth);
        }
    }

    /** The power by which the rate falls. */
    private double decay(String schedule) {
        return switch (schedule) {
            case "constant", "constant_with_warmup" -> 0;
            case "linear" -> 1;
            case "polynomial" -> options.number("lr_scheduler_power", 1);
            default ->
                throw options.wrong(
                        "lr_scheduler",
                        "be constant, constant_with_warmup, linear or polynomial where an embedding is trained");
        };
    }
}
