package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionSource;
import training.lora.api.CropMode;
import training.lora.api.DatasetRole;
import training.lora.api.Json;
import training.lora.api.MaskSource;
import training.lora.api.Sizing;
import training.lora.api.UpscaleSource;
import training.lora.trainer.TrainerException;

/** kohya's data sets, with what is done with their pictures and captions, which all have in common here. */
final class KohyaData {
    /** As many checkpoints as may be kept. */
    static final int ALL_CHECKPOINTS = 100;

    private static final List<String> CAPTIONS = List.of(".txt", ".caption");

    private static final List<String> PICTURES = List.of(".png", ".jpg", ".jpeg", ".webp", ".bmp");

    /** What options of the command line are called in a dataset configuration. */
    private static final Map<String, String> NAMES =
            Map.of("train_batch_size", "batch_size", "dataset_repeats", "num_repeats");

    private final Options root;
    private final Findings findings;
    private final Places places;
    private final Draft draft;
    private final KohyaScripts scripts;
    private final @Nullable KohyaTokens tokens;
    private final List<Options> subsets = new ArrayList<>();

    /** @param tokens those that call what is learned; null where none are trained */
    KohyaData(Options root, KohyaScripts scripts, @Nullable KohyaTokens tokens, Places places, Draft draft) {
        this.root = root;
        this.scripts = scripts;
        this.tokens = tokens;
        this.findings = root.findings();
        this.places = places;
        this.draft = draft;
    }

    void put() {
        for (Options dataset : root.children("datasets")) {
            for (Options subset : dataset.children("subsets")) {
                subsets.add(joined(dataset, subset.node()));
            }
        }
        boolean table = root.has("in_json") || scripts.are(KohyaScript.FineTune);
        if (!table) {
            root.ignore("dataset_repeats");
        }
        if (subsets.isEmpty() && table && root.has("train_data_dir")) {
            subsets.add(ofTable());
        } else if (subsets.isEmpty()) {
            folders("train_data_dir", false);
            folders("reg_data_dir", true);
        }
        if (subsets.isEmpty()) {
            throw root.wrong(
                    "train_data_dir",
                    "be a folder %sof pictures, where `datasets` of a dataset configuration has no subsets"
                            .formatted(table ? "" : "with folders N_NAME "));
        }
        subsets.forEach(this::dataset);
        sizes();
        captions();
        mask();
        draft.put("train_batch_size", "training.batchSize", (int) number("batch_size", 1));
    }

    /** The options that hold for a subset: its own, its data set's, the general ones, those of the command line. */
    private Options joined(@Nullable Options dataset, ObjectNode subset) {
        ObjectNode joined = Json.MAPPER.createObjectNode();
        root.node().fields().forEachRemaining(field -> {
            String name = NAMES.getOrDefault(field.getKey(), field.getKey());
            boolean own = name.equals("num_repeats") || name.equals("in_json");
            if (!field.getValue().isContainerNode() && !own) {
                joined.set(name, field.getValue());
            }
        });
        joined.setAll(root.child("general").node());
        if (dataset != null) {
            joined.setAll(dataset.node());
        }
        joined.remove("subsets");
        joined.setAll(subset);
        return new Options(findings, joined, "");
    }

    /** The folder whose pictures in_json has the captions of; without one the captions lie beside them. */
    private Options ofTable() {
        ObjectNode subset = Json.MAPPER
                .createObjectNode()
                .put("image_dir", root.text("train_data_dir"))
                .put("num_repeats", root.whole("dataset_repeats", 1));
        if (root.has("in_json")) {
            subset.set("in_json", root.raw("in_json"));
        }
        return joined(null, subset);
    }

    /** Captions are read from a table that lies with the pictures, under a name that tables have. */
    private void table(Options subset, String key, String folder) {
        String table = subset.text(key);
        if (table == null) {
            return;
        }
        Path file = Places.isAddress(folder) ? null : places.path(findings, key, table);
        if (file == null
                || !file.resolveSibling("").equals(places.path(findings, "image_dir", folder))
                || !file.getFileName().toString().matches("metadata\\.jsonl?")) {
            throw findings.refused(
                    key.equals("in_json") ? key : "datasets.subsets." + key, Objects.requireNonNull(subset.raw(key)));
        }
        if (!Files.isRegularFile(file)) {
            throw subset.wrong(key, "be a file");
        }
        draft.put(key, "preparation.captions.source", CaptionSource.Auto);
    }

    /** Folders N_NAME, as kohya reads them; others are passed over. */
    private void folders(String key, boolean regularization) {
        String text = root.text(key);
        if (text == null) {
            return;
        }
        Path folder = places.path(findings, key, text);
        try (Stream<Path> entries = Files.list(folder)) {
            for (Path entry : entries.filter(Files::isDirectory).sorted().toList()) {
                String[] parts = entry.getFileName().toString().split("_", 2);
                if (parts[0].matches("[1-9]\\d{0,5}")) {
                    subsets.add(joined(
                            null,
                            Json.MAPPER
                                    .createObjectNode()
                                    .put("image_dir", text.replaceFirst("/+$", "") + "/" + entry.getFileName())
                                    .put("num_repeats", Integer.parseInt(parts[0]))
                                    .put("is_reg", regularization)
                                    .put("class_tokens", parts.length < 2 ? "" : parts[1])));
                } else {
                    findings.note("the folder %s has no number of repeats before a _ in its name, and is passed over"
                            .formatted(entry.getFileName()));
                }
            }
        } catch (IOException e) {
            throw root.wrong(key, "be a folder that can be read");
        }
    }

    private void dataset(Options subset) {
        String folder = subset.text("image_dir");
        if (folder == null) {
            throw findings.invalid("each entry of `datasets.subsets` must have an `image_dir`");
        }
        ObjectNode dataset = draft.dataset("image_dir", places.uri(findings, "image_dir", folder));
        int repeats = subset.whole("num_repeats", 1);
        if (repeats < 1) {
            throw subset.wrong("num_repeats", "be at least 1");
        }
        boolean regularization = subset.flag("is_reg", false);
        if (regularization) {
            dataset.put("role", DatasetRole.Regularization.name());
        }
        if (repeats != 1) {
            dataset.put("repeats", repeats);
        }
        double weight = subset.number("prior_loss_weight", 1);
        if (regularization && weight != 1) {
            dataset.set("weight", Draft.node(weight));
        }
        table(subset, "in_json", folder);
        table(subset, "metadata_file", folder);
        String called = subset.text("class_tokens");
        if (tokens != null && !regularization) {
            tokens.concept(dataset);
        } else if (called != null && !regularization && captions(places, findings, "image_dir", folder) == 0) {
            dataset.putObject("concept").put("mode", "Object").put("trigger", called);
        }
    }

    /** How many captions lie in a folder; -1 where it isn't here. */
    static int captions(Places places, Findings findings, String key, String text) {
        return Places.isAddress(text) ? -1 : count(places.path(findings, key, text), CAPTIONS);
    }

    /** The files of captions in {@code folder}, by their names; none where it can't be read. */
    static List<Path> captionFiles(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> ends(file, CAPTIONS))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            return List.of();
        }
    }

    private static int count(Path folder, List<String> endings) {
        if (!Files.isDirectory(folder)) {
            return -1;
        }
        try (Stream<Path> files = Files.list(folder)) {
            return (int) files.filter(file -> ends(file, endings)).count();
        } catch (IOException e) {
            return -1;
        }
    }

    private static boolean ends(Path file, List<String> endings) {
        return endings.stream().anyMatch(file.getFileName().toString().toLowerCase(Locale.ROOT)::endsWith);
    }

    /** Pictures of an epoch; null where they can't be counted. Regularization pictures count as many again, as there. */
    static @Nullable Integer pictures(Draft draft, Places places) {
        int pictures = 0;
        boolean regularized = false;
        for (JsonNode dataset : draft.at("datasets")) {
            String uri = dataset.path("uri").asText();
            int count = Places.isAddress(uri) ? -1 : count(places.to().resolve(uri), PICTURES);
            if (count < 0) {
                return null;
            }
            if (dataset.has("role")) {
                regularized = true;
            } else {
                pictures += count * dataset.path("repeats").asInt(1);
            }
        }
        return regularized ? 2 * pictures : pictures;
    }

    private List<Options> learned() {
        return subsets.stream().filter(s -> !s.flag("is_reg", false)).toList();
    }

    /** What {@code key} says, which must be the same for all that are learned from. */
    private @Nullable JsonNode common(String key) {
        List<Options> asked = learned().isEmpty() ? subsets : learned();
        JsonNode first = asked.get(0).raw(key);
        for (Options subset : asked) {
            if (!Objects.equals(subset.raw(key), first)) {
                throw differing(key, first, subset.raw(key));
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
        draft.put("preparation.sizing", buckets ? Sizing.Buckets : Sizing.CenterCrop);
        if (buckets) {
            int least = Math.min(side, multiple(number("min_bucket_reso", 256)));
            int most = Math.max(side, multiple(number("max_bucket_reso", 1024)));
            draft.put("min_bucket_reso", "preparation.buckets.minimumSide", least);
            draft.put("max_bucket_reso", "preparation.buckets.maximumSide", most);
            if (!flag("bucket_no_upscale")) {
                draft.put("preparation.upscale.source", UpscaleSource.Lanczos);
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
        for (String key : List.of("caption_extension", "caption_extention")) {
            JsonNode ending = common(key);
            if (ending != null && !List.of(".txt", ".caption").contains(ending.asText())) {
                throw findings.refused(key, ending);
            }
            if (ending != null) {
                draft.put(key, "preparation.captions.source", CaptionSource.Auto);
            }
        }
        boolean template = tokens != null && tokens.hasTemplate();
        if (!template) {
            around();
        }
        if (tokens != null) {
            tokens.captions(learned(), learned().size() < subsets.size());
        }
        String captions = "training.captions.";
        draft.put("caption_dropout_rate", captions + "dropout", dropout("caption_dropout_rate"));
        draft.put("shuffle_caption", captions + "shuffle", !template && flag("shuffle_caption"));
        draft.put("keep_tokens", captions + "keepTokens", template ? 0 : (int) number("keep_tokens", 0));
        draft.put("caption_tag_dropout_rate", captions + "tagDropout", dropout("caption_tag_dropout_rate"));
        draft.put("max_token_length", captions + "maxTokens", root.whole("max_token_length", 75));
    }

    /** A rate at which captions or tags are left out, which the scripts of new tokens don't do. */
    private double dropout(String key) {
        double rate = number(key, 0);
        if (tokens != null && rate != 0) {
            findings.ignores(key, scripts.lacks());
            return 0;
        }
        return rate;
    }

    private void around() {
        JsonNode prefix = common("caption_prefix");
        if (prefix != null && !prefix.asText().isBlank()) {
            draft.put("caption_prefix", "preparation.captions.prefix", prefix.asText() + " ");
        }
        JsonNode suffix = common("caption_suffix");
        if (suffix != null && !suffix.asText().isBlank()) {
            draft.put("caption_suffix", "preparation.captions.suffix", " " + suffix.asText());
        }
        if (flag("enable_wildcard")) {
            draft.put("enable_wildcard", "preparation.captions.wildcards", true);
        }
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
