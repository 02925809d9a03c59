package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionSource;
import training.lora.api.DatasetRole;
import training.lora.trainer.convert.FolderCaptions.Caption;
import training.lora.trainer.files.DataFiles;

/** OneTrainer's concepts, each a data set; what is done with pictures and captions they must have in common. */
final class OneTrainerConcepts {
    /** Extensions of the pictures that it knows. */
    private static final List<String> FORMATS = List.of("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "avif");

    private final Options options;
    private final Findings findings;
    private final Places places;
    private final PictureFolders folders;
    private final Draft draft;
    private final OneTrainerTokens tokens;
    private final List<Options> concepts;

    OneTrainerConcepts(Options options, Places places, PictureFolders folders, Draft draft, OneTrainerTokens tokens) {
        this.tokens = tokens;
        this.options = options;
        this.findings = options.findings();
        this.places = places;
        this.folders = folders;
        this.draft = draft;
        concepts = options.children("concepts").stream()
                .filter(concept -> concept.flag("enabled", true))
                .toList();
    }

    void put() {
        if (concepts.isEmpty()) {
            throw options.wrong("concepts", "have one that is enabled, or `concept_file_name` name a file with it");
        }
        concepts.forEach(this::dataset);
        boolean flip = common("image.enable_random_flip", c -> image(c).flag("enable_random_flip", false));
        draft.put("concepts.image.enable_random_flip", "preparation.flip", flip);
        captions();
    }

    private static Options image(Options concept) {
        return concept.child("image");
    }

    private static Options text(Options concept) {
        return concept.child("text");
    }

    private void dataset(Options concept) {
        String path = concept.text("path");
        if (path == null) {
            throw concept.wrong("path", "be given");
        }
        ObjectNode dataset = draft.dataset("concepts.path", places.input(findings, "concepts.path", path));
        String name = concept.text("name");
        String wanted = name == null ? "" : Draft.name(name, 63);
        boolean taken = draft.at("datasets").findValuesAsText("name").contains(wanted);
        if (!wanted.isEmpty() && !taken) {
            dataset.put("name", wanted);
        }
        switch (concept.text("type", "STANDARD").toUpperCase(Locale.ROOT)) {
            case "STANDARD" -> {}
            case "VALIDATION" -> dataset.put("role", DatasetRole.Validation.name());
            default -> throw concept.refused("type");
        }
        if (!dataset.has("role")) {
            int repeats = (int) Math.max(1, Math.round(concept.number("balancing", 1)));
            double weight = concept.number("loss_weight", 1);
            if (repeats != 1) {
                dataset.put("repeats", repeats);
            }
            if (weight != 1) {
                dataset.set("weight", Draft.node(weight));
            }
        }
        boolean learned = !dataset.has("role");
        boolean named = source(concept).equals("concept");
        if (tokens.any() ? learned : named) {
            String trigger = !tokens.any()
                    ? prompt(concept)
                    : trigger(dataset, named ? inLine(concept, prompt(concept)) : tokens.placeholder(path));
            dataset.putObject("concept").put("mode", "Object").put("trigger", trigger);
            draft.originOfDataset(
                    tokens.any() ? tokens.placeholderKey() : "concepts.text.prompt_path", "concept.trigger");
        }
    }

    /** What calls it; where its placeholder is written as a data set's name, one of that name stands for it in captions. */
    private String trigger(ObjectNode dataset, String placeholder) {
        String trigger = NewTokens.trigger(placeholder);
        if (NewTokens.isName(placeholder)) {
            String name = NewTokens.name(placeholder);
            for (JsonNode other : draft.at("datasets")) {
                if (other != dataset && other.path("name").asText().equals(name)) {
                    if (!other.at("/concept/trigger").asText().equals(trigger)) {
                        throw findings.invalid(
                                "`concepts.name` must not be that of another concept's placeholder, was " + name);
                    }
                    return trigger;
                }
            }
            draft.call(dataset, name);
        }
        return trigger;
    }

    private String source(Options concept) {
        String source = text(concept).text("prompt_source", "sample").toLowerCase(Locale.ROOT);
        if (!List.of("sample", "concept").contains(source)) {
            throw text(concept).refused("prompt_source");
        }
        return source;
    }

    private String prompt(Options concept) {
        String path = text(concept).text("prompt_path", "");
        List<String> lines = ConfigText.text(places.path(findings, "concepts.text.prompt_path", path))
                .lines()
                .filter(line -> !line.isBlank())
                .toList();
        if (lines.size() != 1) {
            throw text(concept).wrong("prompt_path", "name a file of one line, which calls the concept");
        }
        return lines.get(0).strip();
    }

    private void captions() {
        boolean named = common("text.prompt_source", this::source).equals("concept");
        draft.put("preparation.captions.source", named ? CaptionSource.None : CaptionSource.Auto);
        for (Options concept : concepts) {
            PictureFolder folder = folder(concept);
            if (folder != null) {
                new FolderRules(FORMATS, concept.flag("include_subdirectories", false), true)
                        .tellPictures(findings, folder, concept.text("path", ""));
            }
        }
        if (!named) {
            ofPictures();
        }
        if (named && tokens.any()) {
            around(common("text.prompt_path", this::prompt));
        }
        String captions = "training.captions.";
        draft.put(
                "concepts.text.enable_tag_shuffling",
                captions + "shuffle",
                common("text.enable_tag_shuffling", c -> text(c).flag("enable_tag_shuffling", false)));
        draft.put(
                "concepts.text.keep_tags_count",
                captions + "keepTokens",
                common("text.keep_tags_count", c -> text(c).whole("keep_tags_count", 1)));
        double share = common(
                "text.tag_dropout_probability",
                c -> text(c).flag("tag_dropout_enable", false) ? text(c).number("tag_dropout_probability", 0) : 0);
        String mode = common("text.tag_dropout_mode", c -> text(c).text("tag_dropout_mode", "FULL"));
        if (share > 0 && !List.of("FULL", "RANDOM").contains(mode)) {
            throw text(concepts.get(0)).refused("tag_dropout_mode");
        }
        String field = mode.equals("RANDOM") ? "tagDropout" : "dropout";
        draft.put(captions + "dropout", 0);
        if (share > 0) {
            draft.put("concepts.text.tag_dropout_probability", captions + field, share);
        }
    }

    private @Nullable PictureFolder folder(Options concept) {
        return folders.at("concepts.path", concept.text("path", ""));
    }

    /** Captions beside the pictures, of whose lines one is drawn there. */
    private void ofPictures() {
        Placeholders placeholders = Placeholders.of(draft, tokens.placeholders());
        List<Caption> all = new ArrayList<>();
        boolean here = true;
        for (Options concept : concepts) {
            PictureFolder folder = folder(concept);
            if (folder == null) {
                findings.note(
                        "captions that aren't here to be read must have one line and no %s: here that stands for the words that call a concept"
                                .formatted(String.join(" and no ", placeholders.all())));
                here = false;
                continue;
            }
            FolderCaptions captions = folders.captions(folder);
            captions.requireWithout(placeholders, concept, "path");
            captions.requireOne(concept, "path");
            FolderRules.tellTables(findings, captions, folder.tables());
            FolderRules.tellCaptions(findings, folder, concept.text("path", ""), DataFiles.CAPTION);
            all.addAll(captions.all());
        }
        List<Caption> several =
                // Of a table's captions each is one, whatever its lines.
                all.stream()
                        .filter(caption -> !caption.ofTable() && caption.lines().size() > 1)
                        .toList();
        if (several.isEmpty()) {
            return;
        }
        if (here && all.stream().noneMatch(caption -> caption.text().matches("(?s).*[{}].*"))) {
            draft.put("preparation.captions.wildcards", true);
            findings.note("`preparation.captions.wildcards` draws one of a caption's lines each time, as there");
        } else {
            findings.differs(
                    "the lines of a caption are one, of which none is drawn, since captions have braces or aren't here (%s)"
                            .formatted(FolderRules.some(FolderCaptions.files(several))));
        }
    }

    /** The placeholder in the one line that is every picture's caption. */
    private String inLine(Options concept, String line) {
        String placeholder = tokens.placeholderOf(line);
        if (placeholder == null) {
            throw text(concept)
                    .wrong(
                            "prompt_path",
                            "name a file whose line has %s%s in it once"
                                    .formatted(tokens.all().contains(", ") ? "one of " : "", tokens.all()));
        }
        return placeholder;
    }

    /** What stands around the placeholder in the one line that is every picture's caption. */
    private void around(String line) {
        String placeholder = inLine(concepts.get(0), line);
        int at = line.indexOf(placeholder);
        String before = line.substring(0, at);
        String behind = line.substring(at + placeholder.length());
        if (!before.isEmpty()) {
            draft.put("concepts.text.prompt_path", "preparation.captions.prefix", before);
        }
        if (!behind.isEmpty()) {
            draft.put("concepts.text.prompt_path", "preparation.captions.suffix", behind);
        }
    }

    private <T> T common(String key, Function<Options, T> value) {
        return Options.common(concepts, "concepts", key, value);
    }
}
