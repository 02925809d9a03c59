package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;
import training.lora.api.MaskSource;
import training.lora.api.Sizing;

/** ai-toolkit's data sets; what is done with pictures and captions those that are learned from must have in common. */
final class AiToolkitData {
    private final Options options;
    private final Findings findings;
    private final Places places;
    private final Draft draft;
    private final AiToolkitTokens tokens;
    private final List<Options> sets;

    AiToolkitData(Options options, Places places, Draft draft, AiToolkitTokens tokens) {
        this.tokens = tokens;
        this.options = options;
        this.findings = options.findings();
        this.places = places;
        this.draft = draft;
        sets = options.children("datasets");
    }

    void put() {
        if (sets.isEmpty()) {
            throw options.wrong("datasets", "have at least one entry");
        }
        sets.forEach(this::dataset);
        resolution();
        boolean square = flag("square_crop", false);
        draft.put(
                "datasets.buckets",
                "preparation.sizing",
                flag("buckets", true) && !square ? Sizing.Buckets : Sizing.CenterCrop);
        draft.put("datasets.flip_x", "preparation.flip", flag("flip_x", false));
        JsonNode ending = common("caption_ext");
        if (ending != null) {
            if (!List.of("txt", "caption").contains(ending.asText().replaceFirst("^\\.", ""))) {
                throw findings.refused("datasets.caption_ext", ending);
            }
            draft.put("datasets.caption_ext", "preparation.captions.source", "Auto");
        }
        String captions = "training.captions.";
        draft.put("datasets.caption_dropout_rate", captions + "dropout", number("caption_dropout_rate", 0));
        draft.put("datasets.shuffle_tokens", captions + "shuffle", flag("shuffle_tokens", false));
        draft.put("datasets.token_dropout_rate", captions + "tagDropout", number("token_dropout_rate", 0));
        draft.put("datasets.keep_tokens", captions + "keepTokens", (int) number("keep_tokens", 0));
        if (flag("alpha_mask", false)) {
            draft.put("datasets.alpha_mask", "preparation.mask.source", MaskSource.Alpha);
            draft.put("datasets.mask_min_value", "preparation.mask.bias", number("mask_min_value", 0));
        }
    }

    private void dataset(Options set) {
        String path = set.text("folder_path");
        String key = path == null ? "dataset_path" : "folder_path";
        path = path == null ? set.text("dataset_path") : path;
        if (path == null) {
            throw set.wrong("folder_path", "be given");
        }
        ObjectNode dataset = draft.dataset("datasets." + key, places.uri(findings, "datasets." + key, path));
        boolean regularization = set.flag("is_reg", false);
        double weight = set.number("loss_multiplier", 1);
        if (regularization) {
            dataset.put("role", DatasetRole.Regularization.name());
            weight *= options.child("train").number("reg_weight", 1);
        }
        int repeats = set.whole("num_repeats", 1);
        if (repeats != 1) {
            dataset.put("repeats", repeats);
        }
        if (weight != 1) {
            dataset.set("weight", Draft.node(weight));
        }
        String trigger = set.text("trigger_word");
        trigger = trigger == null ? options.text("trigger_word") : trigger;
        String unset = set.text("default_caption");
        boolean captioned = KohyaFolders.captions(places, findings, "datasets." + key, path) != 0;
        placeholders("datasets." + key, path);
        if (tokens.any() && !regularization) {
            requireTokens(trigger, unset != null && !captioned);
            trigger = tokens.trigger();
            draft.origin(
                    "embedding.trigger",
                    "spec.datasets[%d].concept.trigger"
                            .formatted(draft.at("datasets").size() - 1));
        }
        if (trigger == null && unset != null && !captioned) {
            trigger = unset;
        }
        if (trigger != null && !regularization) {
            dataset.putObject("concept").put("mode", "Object").put("trigger", trigger);
        }
    }

    /** The embedding's trigger is the one that captions have. */
    private void requireTokens(@Nullable String trigger, boolean elsewise) {
        if (trigger != null && !trigger.equals(tokens.trigger())) {
            throw findings.invalid("`trigger_word` must be that of the embedding, %s, or unset, was %s"
                    .formatted(tokens.trigger(), trigger));
        }
        if (elsewise) {
            throw findings.invalid(
                    "`datasets.default_caption` must be unset where an embedding is trained, whose trigger is the caption of a picture without one");
        }
    }

    /** In captions they are the trigger there, or nothing without one; here they would be learned as they stand. */
    private void placeholders(String key, String path) {
        Path folder = Places.isAddress(path) ? null : places.path(findings, key, path);
        if (folder == null || !Files.isDirectory(folder)) {
            findings.note(
                    "captions that aren't here to be read must have no [trigger] or [name], which there become the trigger");
            return;
        }
        for (Path file : KohyaFolders.captionFiles(folder)) {
            String caption = KohyaFolders.text(file);
            if (caption.contains("[trigger]") || caption.contains("[name]")) {
                throw findings.invalid(
                        "`%s` must have captions without [trigger] and [name], in whose place the trigger must be written out; was %s with one in %s"
                                .formatted(key, path, file.getFileName()));
            }
        }
    }

    private void resolution() {
        JsonNode given = common("resolution");
        List<Integer> sides = new ArrayList<>();
        if (given == null) {
            sides.add(512);
        } else {
            for (JsonNode side : given.isArray() ? given : List.of(given)) {
                if (!side.asText().matches("[1-9]\\d{0,4}")) {
                    throw findings.invalid("`datasets.resolution` must be a whole number or a list of them, was "
                            + Values.shown(given));
                }
                sides.add(Math.max(1, Math.round(side.asInt() / 64f)) * 64);
            }
        }
        if (sides.size() == 1) {
            draft.put("datasets.resolution", "preparation.resolution", sides.get(0));
        } else {
            draft.put(
                    "datasets.resolution",
                    "preparation.resolutions",
                    sides.stream().distinct().toList());
        }
    }

    private Options first() {
        return sets.stream().filter(s -> !s.flag("is_reg", false)).findFirst().orElse(sets.get(0));
    }

    private @Nullable JsonNode common(String key) {
        JsonNode first = first().raw(key);
        for (Options set : sets) {
            if (!set.flag("is_reg", false) && !Objects.equals(first, set.raw(key))) {
                throw findings.invalid("`datasets.%s` must be the same in all data sets here, was %s and %s"
                        .formatted(key, first, set.raw(key)));
            }
        }
        return first;
    }

    private boolean flag(String key, boolean unset) {
        common(key);
        return first().flag(key, unset);
    }

    private double number(String key, double unset) {
        common(key);
        return first().number(key, unset);
    }
}
