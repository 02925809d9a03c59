package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterType;
import training.lora.api.ConceptMode;
import training.lora.api.Json;
import training.lora.api.ModelFamily;

/** What Eden draws while it trains: by texts of our own, in its size, steps and guidance. */
final class EdenSampling {
    private static final String NEGATIVE = "blurry, deformed, disfigured, bad anatomy, text, watermark, nudity";
    private static final String CLIP = "hf://openai/clip-vit-base-patch32";
    private static final String HOLE = "{}";
    private static final int STEPS = 25;
    private static final int GUIDANCE = 8;

    private final Options options;
    private final Draft draft;
    private final ConceptMode mode;

    EdenSampling(Options options, Draft draft, ConceptMode mode) {
        this.options = options;
        this.draft = draft;
        this.mode = mode;
    }

    /** What stands before and behind a caption and a prompt: {@code prompt_modifier} has one {} for it. */
    static String[] modifier(Options options) {
        String modifier = options.text("prompt_modifier", HOLE);
        int hole = modifier.indexOf(HOLE);
        if (hole < 0 || modifier.indexOf(HOLE, hole + 1) >= 0) {
            throw options.refused("prompt_modifier");
        }
        return new String[] {modifier.substring(0, hole), modifier.substring(hole + HOLE.length())};
    }

    static long seed(Options options) {
        Long seed = options.seed("seed");
        return seed == null ? 0 : seed;
    }

    void put() {
        boolean bundled = draft.at("baseModel.uri").asText().startsWith("bundled://");
        int count = options.whole("n_sample_imgs", 4);
        if (count <= 0) {
            draft.put("sampling.enabled", false);
        } else {
            draft.put("n_sample_imgs", "sampling.prompts", prompts(count));
            draft.put("sampling.steps", STEPS);
            draft.put("sampling.guidance", GUIDANCE);
            strength();
            Integer size = size(bundled);
            if (size != null) {
                draft.put("validation_img_size", "sampling.size", size);
            }
        }
        if (!bundled) {
            draft.put("evaluation.clip.uri", CLIP);
        }
    }

    /** 0 stands for what it chooses itself. */
    private void strength() {
        double strength = options.number("sample_imgs_lora_scale", 0);
        if (strength == 0) {
            return;
        }
        boolean linear = !draft.at("training.adapter.type").asText().equals(AdapterType.DoRA.name());
        boolean adapter = draft.at("training.method").isMissingNode();
        if (linear && adapter) {
            draft.put("sample_imgs_lora_scale", "sampling.strength", strength);
        } else {
            options.ignore("sample_imgs_lora_scale");
        }
    }

    /** A side, or the root of the area of a width and a height, to a multiple of 64; unset, its default of the family. */
    private @Nullable Integer size(boolean bundled) {
        JsonNode given = options.raw("validation_img_size");
        if (given != null && given.isArray() && given.size() == 2) {
            double area = given.get(0).asDouble() * given.get(1).asDouble();
            return multiple(Math.sqrt(area));
        }
        if (given != null) {
            return multiple(options.whole("validation_img_size", 0));
        }
        String family = draft.at("baseModel.family").asText();
        if (bundled || family.isEmpty()) {
            return null;
        }
        return family.equals(ModelFamily.SDXL.name()) ? 1024 : 768;
    }

    private int multiple(double side) {
        if (!(side > 0)) {
            throw options.wrong("validation_img_size", "be a side in pixels, or a width and a height");
        }
        return (int) Math.max(1, Math.round(side / 64)) * 64;
    }

    private ArrayNode prompts(int count) {
        boolean triggered = draft.at("datasets.0.concept.trigger").isTextual();
        String thing = mode == ConceptMode.Face ? "a person" : "an object";
        List<String> names = triggered ? names() : List.of(thing);
        String[] modifier = modifier(options);
        List<String> texts = texts();
        ArrayNode prompts = Json.MAPPER.createArrayNode();
        for (int i = 0; i < count; i++) {
            String text = texts.get(i / names.size() % texts.size())
                    .replace(ConceptMode.PLACEHOLDER, names.get(i % names.size()));
            prompts.addObject()
                    .put("text", modifier[0] + text + modifier[1])
                    .put("negative", NEGATIVE)
                    .put("seed", seed(options) + i);
        }
        return prompts;
    }

    /** What stands for the words that prompts say in turn: of several those of each data set. */
    private List<String> names() {
        Set<String> words = new HashSet<>();
        List<String> names = new ArrayList<>();
        for (JsonNode dataset : draft.at("datasets")) {
            if (words.add(dataset.at("/concept/trigger").asText())) {
                names.add("<" + dataset.path("name").asText() + ">");
            }
        }
        return names.size() == 1 ? List.of(ConceptMode.PLACEHOLDER) : names;
    }

    private List<String> texts() {
        try (@Nullable InputStream in = EdenSampling.class.getResourceAsStream("eden-prompts.yaml")) {
            List<String> texts = new ArrayList<>();
            Json.STRICT_YAML
                    .readTree(in)
                    .path(mode.name().toLowerCase(Locale.ROOT))
                    .forEach(text -> texts.add(text.asText()));
            return texts;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
