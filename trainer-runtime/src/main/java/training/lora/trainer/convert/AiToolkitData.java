package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;
import training.lora.api.MaskSource;
import training.lora.api.Sizing;
import training.lora.trainer.convert.FolderCaptions.Caption;
import training.lora.trainer.files.DataFiles;

/** ai-toolkit's data sets; what is done with pictures and captions those that are learned from must have in common. */
final class AiToolkitData {
    private static final FolderRules RULES = new FolderRules(List.of("jpg", "jpeg", "png", "webp"), true, false);

    private final Options options;
    private final Findings findings;
    private final Places places;
    private final PictureFolders folders;
    private final Draft draft;
    private final AiToolkitTokens tokens;
    private final List<Options> sets;

    AiToolkitData(Options options, Places places, Draft draft, AiToolkitTokens tokens) {
        this.tokens = tokens;
        this.options = options;
        this.findings = options.findings();
        this.places = places;
        folders = new PictureFolders(places, findings);
        this.draft = draft;
        sets = options.children("datasets");
    }

    void put() {
        if (sets.isEmpty()) {
            throw options.wrong("datasets", "have at least one entry");
        }
        sets.forEach(this::dataset);
        sets.forEach(this::captions);
        resolution();
        boolean square = flag("square_crop", false);
        draft.put(
                "datasets.buckets",
                "preparation.sizing",
                flag("buckets", true) && !square ? Sizing.Buckets : Sizing.CenterCrop);
        draft.put("datasets.flip_x", "preparation.flip", flag("flip_x", false));
        JsonNode ending = ofLearned("caption_ext");
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
        String key = key(set);
        String path = set.text(key);
        if (path == null) {
            throw set.wrong("folder_path", "be given");
        }
        ObjectNode dataset = draft.dataset("datasets." + key, places.input(findings, "datasets." + key, path));
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
        PictureFolder folder = folder(set);
        FolderCaptions captions = folder == null ? null : folders.captions(folder);
        // A blank caption is as none there.
        boolean captioned = captions == null
                || captions.all().stream().anyMatch(caption -> !caption.text().isBlank());
        if (tokens.any() && !regularization) {
            requireTokens(trigger, unset != null && !captioned);
            trigger = tokens.trigger();
            draft.originOfDataset("embedding.trigger", "concept.trigger");
        }
        if (trigger == null && unset != null && !captioned && !regularization) {
            trigger = unset;
        } else if (unset != null && (captions == null || captions.pictureLacksCaption(findings))) {
            findings.differs(
                    "pictures of %s without a caption are not called \"%s\": captions must lie beside them, in files of their names"
                            .formatted(path, unset));
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

    /** The option of {@code set} that names its folder. */
    private static String key(Options set) {
        return set.text("folder_path") == null ? "dataset_path" : "folder_path";
    }

    private @Nullable PictureFolder folder(Options set) {
        return folders.at("datasets." + key(set), set.text(key(set), ""));
    }

    /** What stands for the trigger in captions, there (nothing without one) or here, would be learned as it stands, or not. */
    private void captions(Options set) {
        String path = set.text(key(set), "");
        PictureFolder folder = folder(set);
        Placeholders placeholders = set.flag("is_reg", false) ? Placeholders.NONE : Placeholders.of(draft, Set.of());
        if (folder == null) {
            findings.note(
                    "captions that aren't here to be read must have no [trigger] or [name], which there become the trigger");
            if (!placeholders.all().isEmpty()) {
                findings.note("captions that aren't here to be read must have no %s, which become the trigger here"
                        .formatted(String.join(" and no ", placeholders.all())));
            }
            return;
        }
        RULES.tellPictures(findings, folder, path);
        FolderCaptions captions = folders.captions(folder);
        for (Caption caption : captions.all()) {
            if (caption.text().contains("[trigger]") || caption.text().contains("[name]")) {
                throw findings.invalid(
                        "`%s` must have captions without [trigger] and [name], in whose place the trigger must be written out; was %s with one in %s"
                                .formatted(
                                        "datasets." + key(set),
                                        path,
                                        caption.file().name()));
            }
        }
        captions.requireWithout(placeholders, set, key(set));
        captions.requireOne(set, key(set));
        FolderRules.tellTables(findings, captions, folder.tables());
        FolderRules.tellCaptions(
                findings,
                folder,
                path,
                set.text("caption_ext", DataFiles.CAPTION).replaceFirst("^\\.", ""));
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

    /** What {@code key} says, which counts for regularization pictures too, whatever is said of these. */
    private @Nullable JsonNode common(String key) {
        first().tellOthers(
                        key, sets.stream().filter(s -> s.flag("is_reg", false)).toList());
        return ofLearned(key);
    }

    /** The same, which must be one for all that are learned from. */
    private @Nullable JsonNode ofLearned(String key) {
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
