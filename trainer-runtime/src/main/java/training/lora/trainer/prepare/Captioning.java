package training.lora.trainer.prepare;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.core.JsonProcessingException;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.CaptionSource;
import training.lora.api.CaptionsSpec;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.api.Stage;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.prepare.PicturePipeline.PreparedItem;
import training.lora.trainer.prepare.PicturePipeline.PreparedPicture;
import training.lora.trainer.prepare.caption.Captioner;
import training.lora.trainer.prepare.caption.Captioners;
import training.lora.trainer.prepare.caption.CroppedPicture;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.run.RunContext;

/** Gives captions to the pictures that come without: by the captioner that the spec names, or else the platform. */
final class Captioning {
    private static final Logger LOG = LoggerFactory.getLogger(Captioning.class);

    /** The platform's captioner: fields of spec.preparation.captions in JSON. */
    static final String VARIABLE = "LORA_CAPTIONER";

    private final RunContext context;
    private final Settings settings;
    private final CaptionRules rules;

    /**
     * What captions.
     *
     * @param field where it is said
     */
    private record Settings(String field, CaptionsSpec captions) {}

    /**
     * The caption of a prepared picture.
     *
     * @param variants as in a sample
     * @param from the file or captioner that it came from; null where it is the words that call the concept
     */
    @RecordBuilder
    record Caption(
            String text,
            @Nullable List<String> variants,
            @Nullable String from) {}

    Captioning(RunContext context) {
        this.context = context;
        this.settings = settings(context);
        this.rules = new CaptionRules(context.run().spec());
    }

    private static Settings settings(RunContext context) {
        CaptionsSpec own = context.run().spec().preparation().captions();
        String platform = context.surroundings().variable(VARIABLE);
        if (own.source() != CaptionSource.Auto || platform == null || platform.isBlank()) {
            return new Settings("spec.preparation.captions", own);
        }
        try {
            return new Settings(VARIABLE, Json.STRICT_YAML.readValue(platform, CaptionsSpec.class));
        } catch (JsonProcessingException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    VARIABLE + " must hold fields of spec.preparation.captions in JSON: " + Json.problem(e),
                    e);
        }
    }

    /** What the captions of {@code items} depend on beside what is said there; empty where all have their own. */
    static String key(RunContext context, List<Item> items) {
        Settings settings = settings(context);
        if (!settings.captions().source().modelled() || items.stream().allMatch(i -> i.captionFrom() != null)) {
            return "";
        }
        return Captioners.key(
                        settings.captions(), context.run().spec().training().seed()) + "\n";
    }

    /** The captions of all prepared pictures, in their order. */
    List<Caption> captions(List<PreparedItem> prepared, Path folder, NDManager manager) throws IOException {
        List<CroppedPicture> without = new ArrayList<>();
        for (PreparedItem item : prepared) {
            if (item.item().captionFrom() == null) {
                for (PreparedPicture picture : item.pictures()) {
                    without.add(new CroppedPicture(item.item(), folder.resolve(picture.file())));
                }
            }
        }
        List<String> made = without.isEmpty() ? List.of() : made(without, manager);
        List<Caption> all = new ArrayList<>();
        int next = 0;
        for (PreparedItem item : prepared) {
            for (int i = 0; i < item.pictures().size(); i++) {
                all.add(
                        item.item().captionFrom() == null && !made.isEmpty()
                                ? new Caption(
                                        rules.worded(item.item().dataset(), made.get(next++)),
                                        null,
                                        settings.captions().source().name())
                                : new Caption(
                                        item.item().caption(),
                                        item.item().variants(),
                                        item.item().captionFrom()));
            }
        }
        return all;
    }

    /** Captions of {@code pictures} by the captioner; empty where there is none. */
    private List<String> made(List<CroppedPicture> pictures, NDManager manager) throws IOException {
        long seed = context.run().spec().training().seed();
        try (Captioner captioner = Captioners.open(settings.field(), settings.captions(), context, seed, manager)) {
            if (captioner == null) {
                return List.of();
            }
            List<String> made = new ArrayList<>();
            for (int i = 0; i < pictures.size(); i += captioner.atOnce()) {
                context.stopIfAsked("while it captioned pictures");
                List<CroppedPicture> some = pictures.subList(i, Math.min(pictures.size(), i + captioner.atOnce()));
                List<String> captions = captioner.captions(some);
                for (int j = 0; j < some.size(); j++) {
                    LOG.info("{}: {}", some.get(j).item().name(), captions.get(j));
                }
                made.addAll(captions);
                context.report(Stage.Prepare, made.size(), pictures.size(), null, List.of(), null);
            }
            return made;
        }
    }

    /** Pictures that are trained on without a word of their own, a sentence; null if none are. */
    static @Nullable String note(List<Sample> samples) {
        List<Sample> without =
                samples.stream().filter(sample -> sample.captionFrom() == null).toList();
        if (without.isEmpty()) {
            return null;
        }
        String text = without.get(0).caption();
        return "%d of %d pictures have no caption, and are trained on %s alone; `spec.preparation.captions.source` may name what captions them"
                .formatted(without.size(), samples.size(), text.isEmpty() ? "the empty caption" : '"' + text + '"');
    }
}
