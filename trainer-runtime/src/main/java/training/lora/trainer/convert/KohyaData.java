package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionSource;
import training.lora.api.CropMode;
import training.lora.api.DatasetRole;
import training.lora.api.MaskSource;
import training.lora.api.Sizing;
import training.lora.api.UpscaleSource;
import training.lora.trainer.TrainerException;
import training.lora.trainer.convert.PictureFolder.Found;

/** kohya's data sets, with what is done with their pictures and captions, which all have in common here. */
final class KohyaData {
    /** As many checkpoints as may be kept. */
    static final int ALL_CHECKPOINTS = 100;

    private final Options root;
    private final Findings findings;
    private final Places places;
    private final PictureFolders folders;
    private final Draft draft;
    private final @Nullable KohyaTokens tokens;
    private final List<Options> subsets;

    /** @param tokens those that call what is learned; null where none are trained */
    KohyaData(
            Options root,
            KohyaScripts scripts,
            @Nullable KohyaTokens tokens,
            Places places,
            PictureFolders folders,
            Draft draft) {
        this.root = root;
        this.tokens = tokens;
        this.findings = root.findings();
        this.places = places;
        this.folders = folders;
        this.draft = draft;
        subsets = new KohyaSubsets(root, scripts, places).all();
    }

    void put() {
        subsets.forEach(this::dataset);
        if (tokens != null && learned().isEmpty()) {
            throw findings.invalid(
                    "there must be a data set that new tokens are learned from, but `%s` makes all of them regularization pictures"
                            .formatted(subsets.get(0).written("is_reg")));
        }
        sizes();
        captions();
        mask();
        draft.put(options("batch_size").written("batch_size"), "training.batchSize", whole("batch_size", 1));
    }

    /** Captions are read from a table that lies with the pictures, under a name that tables have. */
    private void table(Options subset, String key, String folder) {
        String table = subset.text(key);
        if (table == null) {
            return;
        }
        Path file = Places.isAddress(folder) ? null : places.path(findings, key, table);
        if (file == null
                || !file.resolveSibling("").equals(places.path(findings, subset.written("image_dir"), folder))
                || !file.getFileName().toString().matches("metadata\\.jsonl?")) {
            throw findings.refused(
                    key.equals("in_json") ? key : "datasets.subsets." + key, Objects.requireNonNull(subset.raw(key)));
        }
        if (!Files.isRegularFile(file)) {
            throw subset.wrong(key, "be a file");
        }
        draft.put(key, "preparation.captions.source", CaptionSource.Auto);
    }

    private void dataset(Options subset) {
        String folder = subset.text("image_dir");
        if (folder == null) {
            throw findings.invalid("each entry of `datasets.subsets` must have an `image_dir`");
        }
        String key = subset.written("image_dir");
        ObjectNode dataset = draft.dataset(key, places.input(findings, key, folder));
        int repeats = subset.whole("num_repeats", 1);
        if (repeats < 1) {
            throw subset.wrong("num_repeats", "be at least 1");
        }
        boolean regularization = subset.flag("is_reg", false);
        if (regularization) {
            dataset.put("role", DatasetRole.Regularization.name());
            draft.originOfDataset(subset.written("is_reg"), "role");
        }
        if (repeats != 1) {
            dataset.put("repeats", repeats);
            draft.originOfDataset(subset.written("num_repeats"), "repeats");
        }
        double weight = subset.number("prior_loss_weight", 1);
        if (regularization && weight != 1) {
            dataset.set("weight", Draft.node(weight));
            draft.originOfDataset("prior_loss_weight", "weight");
        }
        KohyaFolder.TABLES.forEach(table -> table(subset, table, folder));
        KohyaFolder content = KohyaFolder.of(subset, folders);
        content.tellPictures();
        String called = KohyaFolder.hasTable(subset) ? null : subset.text("class_tokens");
        if (tokens != null && !regularization) {
            tokens.concept(dataset);
        } else if (called != null && !regularization && content.hasNoCaptions()) {
            trigger(subset, called);
            dataset.putObject("concept").put("mode", "Object").put("trigger", called.strip());
            draft.originOfDataset(subset.written("class_tokens"), "concept.trigger");
        } else if (called != null && content.mayLackCaptions()) {
            findings.differs(
                    "%s without a caption are not called \"%s\": captions must lie beside them, in files of their names"
                            .formatted(
                                    regularization ? "regularization pictures" : "pictures of " + folder,
                                    called.strip()));
        }
    }

    /** Words that call a concept have nothing in them that parts tags or is written around names here. */
    private void trigger(Options subset, String called) {
        if (called.matches("(?s).*[,<>].*")) {
            throw findings.invalid(
                    "what pictures without captions are called (NAME of N_NAME, `class_tokens`) must have no comma, < or > in it here, was \"%s\" of %s: it may be the captions of these pictures, in files of their names"
                            .formatted(called, subset.text("image_dir")));
        }
    }

    /** What captions and prompts must be without, once the data sets are there. */
    Placeholders placeholders() {
        String own = tokens == null ? null : tokens.placeholder();
        return Placeholders.of(draft, own == null ? Set.of() : Set.of(own));
    }

    /**
     * Whether tables that no option names stay unread, as there: where they are all that could be read, so that nothing else is
     * lost by it.
     */
    private boolean passesOverTables() {
        List<KohyaFolder> all =
                subsets.stream().map(subset -> KohyaFolder.of(subset, folders)).toList();
        List<Found> unnamed =
                all.stream().flatMap(folder -> folder.unnamedTables().stream()).toList();
        boolean alone = !unnamed.isEmpty()
                && subsets.stream().noneMatch(KohyaFolder::hasTable)
                && all.stream().allMatch(KohyaFolder::hasNoCaptions);
        if (alone) {
            draft.put(subsets.get(0).written("image_dir"), "preparation.captions.source", CaptionSource.None);
            findings.note("tables of captions that no option names are passed over, as there: %s"
                    .formatted(unnamed.stream().map(t -> t.path().toString()).collect(Collectors.joining(", "))));
        }
        return alone;
    }

    /** Reads the captions; whether some of those that are learned lack the token. */
    private boolean lackToken() {
        boolean unnamed = !passesOverTables();
        boolean lacking = false;
        for (Options subset : subsets) {
            boolean learned = !subset.flag("is_reg", false);
            // Those of regularization pictures are text as it stands.
            Placeholders refused = learned ? placeholders() : Placeholders.NONE;
            KohyaCaptions captions = KohyaCaptions.read(KohyaFolder.of(subset, folders), folders, unnamed);
            if (captions == null) {
                KohyaCaptions.noteUnread(findings, refused);
                continue;
            }
            captions.require(refused);
            captions.tellDifferences();
            lacking |= learned && tokens != null && captions.lack(tokens.token());
        }
        return lacking;
    }

    private List<Options> learned() {
        return subsets.stream().filter(s -> !s.flag("is_reg", false)).toList();
    }

    private List<Options> regularization() {
        return subsets.stream().filter(s -> s.flag("is_reg", false)).toList();
    }

    /** The same, which counts for regularization pictures too, whatever is said of these. */
    private @Nullable JsonNode common(String key) {
        JsonNode first = ofLearned(key);
        learned().stream().findFirst().ifPresent(learned -> learned.tellOthers(key, regularization()));
        return first;
    }

    /** What {@code key} says, which must be the same for all that are learned from. */
    private @Nullable JsonNode ofLearned(String key) {
        List<Options> asked = learned().isEmpty() ? subsets : learned();
        JsonNode first = asked.get(0).raw(key);
        for (Options subset : asked) {
            if (!Objects.equals(subset.raw(key), first)) {
                Options saying = subset.has(key) ? subset : asked.get(0);
                throw differing(saying.written(key), first, subset.raw(key));
            }
        }
        return first;
    }

    private TrainerException differing(String key, @Nullable JsonNode first, @Nullable JsonNode other) {
        return findings.invalid("`%s` must be the same in all data sets here, was %s and %s"
                .formatted(
                        key,
                        first == null ? "unset" : Values.shown(first),
                        other == null ? "unset" : Values.shown(other)));
    }

    private Options options(String key) {
        common(key);
        return learned().stream().findFirst().orElse(subsets.get(0));
    }

    private double number(String key, double unset) {
        return options(key).number(key, unset);
    }

    private int whole(String key, int unset) {
        return options(key).whole(key, unset);
    }

    private boolean flag(String key) {
        return options(key).flag(key, false);
    }

    private void sizes() {
        boolean buckets = flag("enable_bucket");
        JsonNode given = common("resolution");
        int[] sides = sides(given);
        if (sides[0] != sides[1] && !buckets) {
            throw findings.refused("resolution", Objects.requireNonNull(given));
        }
        double root = Math.sqrt((double) sides[0] * sides[1]);
        int side = multiple(root);
        if (side != sides[0] || sides[0] != sides[1]) {
            findings.note("`resolution` %s became %d, a multiple of 64 whose square is nearest".formatted(given, side));
        }
        draft.put("resolution", "preparation.resolution", side);
        draft.put("enable_bucket", "preparation.sizing", buckets ? Sizing.Buckets : Sizing.CenterCrop);
        if (buckets) {
            int least = Math.min(side, multiple(number("min_bucket_reso", 256)));
            int most = Math.max(side, multiple(number("max_bucket_reso", 1024)));
            draft.put("min_bucket_reso", "preparation.buckets.minimumSide", least);
            draft.put("max_bucket_reso", "preparation.buckets.maximumSide", most);
            if (!flag("bucket_no_upscale")) {
                draft.put("bucket_no_upscale", "preparation.upscale.source", UpscaleSource.Lanczos);
            }
        }
        draft.put("preparation.crop", CropMode.Center);
        draft.put("flip_aug", "preparation.flip", flag("flip_aug"));
    }

    private static int multiple(double side) {
        return (int) Math.max(1, Math.round(side / 64)) * 64;
    }

    /** Width and height, which may be one number, "512,768" or an array; kohya has no default. */
    private int[] sides(@Nullable JsonNode given) {
        if (given == null) {
            throw findings.invalid("`resolution` must be given, was unset");
        }
        List<String> parts = new ArrayList<>();
        if (given.isArray()) {
            given.forEach(part -> parts.add(part.asText()));
        } else {
            parts.addAll(List.of(given.asText().split("\\s*,\\s*")));
        }
        if (parts.isEmpty()
                || parts.size() > 2
                || !parts.stream().allMatch(p -> p.strip().matches("[1-9]\\d{0,4}"))) {
            throw findings.invalid("`resolution` must be one or two whole numbers, was " + Values.shown(given));
        }
        int width = Integer.parseInt(parts.get(0).strip());
        return new int[] {
            width, parts.size() == 1 ? width : Integer.parseInt(parts.get(1).strip())
        };
    }

    private void captions() {
        boolean template = tokens != null && tokens.hasTemplate();
        boolean lacking = false;
        if (!template) {
            extensions();
            around();
            lacking = lackToken();
        }
        if (tokens != null) {
            tokens.captions(learned(), learned().size() < subsets.size(), lacking);
        }
        String captions = "training.captions.";
        // The scripts of new tokens have no such options, but all that a file has counts for its data sets.
        draft.put("caption_dropout_rate", captions + "dropout", number("caption_dropout_rate", 0));
        draft.put("shuffle_caption", captions + "shuffle", !template && flag("shuffle_caption"));
        draft.put("keep_tokens", captions + "keepTokens", template ? 0 : whole("keep_tokens", 0));
        draft.put(
                "caption_tag_dropout_rate",
                captions + "tagDropout",
                template ? 0 : number("caption_tag_dropout_rate", 0));
        draft.put("max_token_length", captions + "maxTokens", root.whole("max_token_length", 75));
    }

    /** What captions' files end with, which count where captions are no table's. */
    private void extensions() {
        for (String key : KohyaTokens.EXTENSIONS) {
            List<Options> asking = subsets.stream()
                    .filter(subset -> subset.has(key) && !findings.isOff(key, Objects.requireNonNull(subset.raw(key))))
                    .toList();
            if (!asking.isEmpty() && asking.stream().allMatch(KohyaFolder::hasTable)) {
                findings.ignores(key, "captions are a table's");
            }
            for (Options subset : subsets) {
                JsonNode ending = KohyaFolder.hasTable(subset) ? null : subset.raw(key);
                if (ending != null && !ending.asText().matches("\\.?(txt|caption)")) {
                    throw findings.refused(key, ending);
                } else if (ending != null) {
                    draft.put(key, "preparation.captions.source", CaptionSource.Auto);
                }
            }
        }
    }

    private void around() {
        aroundRegularization();
        JsonNode prefix = ofLearned("caption_prefix");
        if (prefix != null && !prefix.asText().isBlank()) {
            draft.put("caption_prefix", "preparation.captions.prefix", called(prefix.asText()) + " ");
        }
        JsonNode suffix = ofLearned("caption_suffix");
        if (suffix != null && !suffix.asText().isBlank()) {
            draft.put("caption_suffix", "preparation.captions.suffix", " " + called(suffix.asText()));
        }
        if (flag("enable_wildcard")) {
            draft.put("enable_wildcard", "preparation.captions.wildcards", true);
        }
    }

    private void aroundRegularization() {
        for (Options subset : regularization()) {
            for (String key : List.of("caption_prefix", "caption_suffix")) {
                if (subset.text(key) != null) {
                    findings.differs(
                            "`%s` stands in no captions of regularization pictures".formatted(subset.written(key)));
                }
            }
        }
    }

    /** Words that stand around captions, in which the trigger has no other name. */
    private String called(String words) {
        return tokens == null ? words : tokens.called(words);
    }

    private void mask() {
        boolean alpha = flag("alpha_mask");
        if (root.flag("masked_loss", false) && !alpha) {
            throw root.refused("masked_loss");
        }
        if (alpha) {
            draft.put("alpha_mask", "preparation.mask.source", MaskSource.Alpha);
        }
    }
}
