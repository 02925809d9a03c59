package training.lora.trainer.prepare;

import ai.djl.ndarray.NDManager;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.CaptionsSpec;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.prepare.PicturePipeline.PreparedItem;
import training.lora.trainer.prepare.PicturePipeline.PreparedPicture;
import training.lora.trainer.prepare.PrepareProgress.Part;
import training.lora.trainer.prepare.StepCache.Step;
import training.lora.trainer.prepare.caption.Captioner;
import training.lora.trainer.prepare.caption.Captioners;
import training.lora.trainer.prepare.caption.CroppedPicture;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.run.CaptionSettings;
import training.lora.trainer.run.RunContext;

/** Gives captions to the pictures that come without: by the captioner that the spec names, or else the platform. */
final class Captioning {
    private static final Logger LOG = LoggerFactory.getLogger(Captioning.class);

    private final RunContext context;
    private final StepCache cache;
    private final FileDigests digests;
    private final PrepareProgress progress;
    private final long seed;
    private final CaptionSettings settings;
    private final CaptionRules rules;
    private @Nullable String cost;

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

    Captioning(RunContext context, StepCache cache, FileDigests digests, PrepareProgress progress) {
        this.context = context;
        this.cache = cache;
        this.digests = digests;
        this.progress = progress;
        this.seed = context.run().spec().training().seed();
        this.settings = context.captioner();
        this.rules = new CaptionRules(context.run().spec());
    }

    /** What the captions of {@code items} depend on beside what is said there; empty where all have their own. */
    static String key(RunContext context, List<Item> items, FileDigests digests) throws IOException {
        CaptionSettings settings = context.captioner();
        if (!settings.captions().source().made() || items.stream().allMatch(i -> i.captionFrom() != null)) {
            return "";
        }
        return Captioners.key(
                        settings.captions(), context.run().spec().training().seed())
                + "\n" + context.platformsModelDigest(digests);
    }

    /** The captions of all prepared pictures, in their order. */
    List<Caption> captions(List<PreparedItem> prepared, Path folder, NDManager manager) throws IOException {
        List<CroppedPicture> without = new ArrayList<>();
        List<String> keys = new ArrayList<>();
        boolean makes = settings.captions().source().made()
                && prepared.stream().anyMatch(p -> p.item().captionFrom() == null);
        String models = makes ? context.preparingDigest(digests) + context.platformsModelDigest(digests) : "";
        for (PreparedItem item : prepared) {
            if (makes && item.item().captionFrom() == null) {
                // Copies and other sizes of a picture show what it shows.
                PreparedPicture picture = item.pictures().get(0);
                without.add(new CroppedPicture(item.item(), folder.resolve(picture.file())));
                keys.add(key(item.item(), picture.digest(), models));
            }
        }
        List<String> made = makes ? made(without, keys, manager) : List.of();
        List<Caption> all = new ArrayList<>();
        int next = 0;
        for (PreparedItem item : prepared) {
            Caption caption = item.item().captionFrom() == null && makes
                    ? new Caption(
                            rules.worded(item.item().dataset(), made.get(next++)),
                            null,
                            settings.captions().source().name())
                    : new Caption(
                            item.item().caption(),
                            item.item().variants(),
                            item.item().captionFrom());
            item.pictures().forEach(picture -> all.add(caption));
        }
        return all;
    }

    /** All that a made caption depends on; the item's name counts only where chance does. */
    private String key(Item item, String picture, String models) throws IOException {
        CaptionsSpec captions = settings.captions();
        return Sha256.of(String.join(
                "\n",
                Captioners.key(captions, seed),
                models,
                captions.model() == null ? "" : captions.model().uri(),
                captions.temperature() > 0 ? item.name() : "",
                picture));
    }

    /** Captions of {@code pictures}: those that an earlier preparation made, and those of the captioner. */
    private List<String> made(List<CroppedPicture> pictures, List<String> keys, NDManager manager) throws IOException {
        Map<Integer, String> made = new TreeMap<>();
        List<Integer> open = new ArrayList<>();
        for (int i = 0; i < pictures.size(); i++) {
            byte[] kept = cache.get(Step.CAPTION, keys.get(i));
            if (kept != null) {
                made.put(i, new String(kept, StandardCharsets.UTF_8));
            } else {
                open.add(i);
            }
        }
        if (!open.isEmpty()) {
            try (Captioner captioner = Captioners.open(settings, context, seed, manager)) {
                for (int i = 0; i < open.size(); i += captioner.atOnce()) {
                    context.stopIfAsked("while it captioned pictures");
                    List<Integer> some = open.subList(i, Math.min(open.size(), i + captioner.atOnce()));
                    List<String> captions =
                            captioner.captions(some.stream().map(pictures::get).toList());
                    for (int j = 0; j < some.size(); j++) {
                        int index = some.get(j);
                        String caption = captions.get(j);
                        LOG.info("{}: {}", pictures.get(index).item().name(), caption);
                        cache.put(Step.CAPTION, keys.get(index), caption.getBytes(StandardCharsets.UTF_8));
                        made.put(index, caption);
                    }
                    progress.tell(Part.CAPTIONED, i + some.size(), open.size());
                }
                cost = captioner.cost();
            }
        }
        return List.copyOf(made.values());
    }

    /** What captions have cost, in a sentence; null where they cost nothing. */
    @Nullable String cost() {
        return cost;
    }

    /** Pictures that are trained on without a word of their own, a sentence; null if none are. */
    static @Nullable String note(List<Sample> samples) {
        List<Sample> without =
                samples.stream().filter(sample -> sample.captionFrom() == null).toList();
        if (without.isEmpty()) {
            return null;
        }
        String text = without.get(0).caption();
        // Copies and other sizes of a picture count once.
        return "%d of %d pictures have no caption, and are trained on %s alone; `spec.preparation.captions.source` may name what captions them"
                .formatted(names(without), names(samples), text.isEmpty() ? "the empty caption" : '"' + text + '"');
    }

    private static long names(List<Sample> samples) {
        return samples.stream().map(Sample::name).distinct().count();
    }
}
