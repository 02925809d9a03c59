package training.lora.trainer.prepare;

import ai.djl.ndarray.NDManager;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.CaptionsSpec;
import training.lora.api.CleanUp;
import training.lora.api.PreparationSpec;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.prepare.PicturePipeline.PreparedItem;
import training.lora.trainer.prepare.PicturePipeline.PreparedPicture;
import training.lora.trainer.prepare.PrepareProgress.Part;
import training.lora.trainer.prepare.Rewriting.Said;
import training.lora.trainer.prepare.StepCache.Step;
import training.lora.trainer.prepare.caption.Captioner;
import training.lora.trainer.prepare.caption.Captioners;
import training.lora.trainer.prepare.caption.CroppedPicture;
import training.lora.trainer.prepare.caption.DeclinedPicturesException;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;
import training.lora.trainer.prepare.picture.PictureOptions;
import training.lora.trainer.prepare.picture.UnreadablePictureException;
import training.lora.trainer.prepare.report.PictureMeasures;
import training.lora.trainer.run.CaptionSettings;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.Picture;

/** Gives captions to the pictures that come without: by the captioner that the spec names, or else the platform. */
final class Captioning {
    private static final Logger LOG = LoggerFactory.getLogger(Captioning.class);

    /** Pictures that are captioned whole, to learn what they have in common. */
    private static final int GLANCED = 8;

    private static final int NAMED = 5;

    private final RunContext context;
    private final StepCache cache;
    private final FileDigests digests;
    private final PrepareProgress progress;
    private final long seed;
    private final CaptionSettings settings;
    private final CaptionRules rules;
    private final List<String> costs = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();

    /**
     * The caption of a prepared picture.
     *
     * @param variants as in a sample
     * @param from the file or captioner that it came from; null where it is the words that call the concept
     * @param original what it would be without clean-up; null where it is that
     */
    @RecordBuilder
    record Caption(
            String text,
            @Nullable List<String> variants,
            @Nullable String from,
            @Nullable String original) {}

    /** Takes how many of all are captioned. */
    private interface Told {
        void tell(int done, int all);
    }

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
        PreparationSpec spec = context.run().spec().preparation();
        boolean own = items.stream().allMatch(i -> i.captionFrom() != null);
        if (!settings.captions().source().made() || (own && !Rewriting.glances(spec.captions(), spec.mask(), items))) {
            return "";
        }
        return Captioners.key(
                        settings.captions(), context.run().spec().training().seed())
                + "\n" + context.platformsModelDigest(digests);
    }

    /** The captions of all prepared pictures, in their order. */
    List<Caption> captions(List<PreparedItem> prepared, Path folder, Rewriting rewriting, NDManager manager)
            throws IOException {
        List<CroppedPicture> without = new ArrayList<>();
        List<String> keys = new ArrayList<>();
        boolean makes = settings.captions().source().made()
                && prepared.stream().anyMatch(p -> p.item().captionFrom() == null);
        String models = makes ? models() : "";
        for (PreparedItem item : prepared) {
            if (makes && item.item().captionFrom() == null) {
                // Copies and other sizes of a picture show what it shows.
                PreparedPicture picture = item.pictures().get(0);
                without.add(new CroppedPicture(item.item(), folder.resolve(picture.file())));
                keys.add(key(item.item(), picture.digest(), models));
            }
        }
        // Where they are rewritten after, that is the second half.
        int halves = context.run().spec().preparation().captions().cleanUp() == CleanUp.Model ? 2 : 1;
        Map<Integer, String> declined = new TreeMap<>();
        List<@Nullable String> made = makes
                ? made(
                        without,
                        keys,
                        declined,
                        manager,
                        (done, all) -> progress.tell(Part.CAPTIONED, done, halves * all))
                : List.of();
        tellOf(declined, without);
        List<Said> said = new ArrayList<>();
        int next = 0;
        for (PreparedItem prepare : prepared) {
            Item item = prepare.item();
            String text = item.captionFrom() == null && makes ? made.get(next++) : null;
            said.add(
                    text == null
                            ? Said.of(item)
                            : new Said(
                                    item,
                                    List.of(text),
                                    settings.captions().source().name()));
        }
        List<Said> rewritten = rewriting.rewritten(said);
        List<Caption> all = new ArrayList<>();
        for (int i = 0; i < said.size(); i++) {
            Caption caption = caption(said.get(i), rewritten.get(i));
            prepared.get(i).pictures().forEach(picture -> all.add(caption));
        }
        return all;
    }

    private Caption caption(Said said, Said rewritten) {
        Item item = said.item();
        List<String> texts = rewritten.texts();
        boolean made = item.captionFrom() == null && said.from() != null;
        String original = made
                ? rules.worded(
                        item.dataset(), Objects.requireNonNull(said.texts()).get(0))
                : item.caption();
        if (texts == null || texts.equals(said.texts())) {
            return new Caption(original, made ? null : item.variants(), said.from(), null);
        }
        if (made) {
            return new Caption(rules.worded(item.dataset(), texts.get(0)), null, said.from(), original);
        }
        CaptionRules.Caption worded = rules.caption(
                item.dataset(), new SidecarText(Objects.requireNonNull(said.from()), texts, item.invisible(), false));
        return new Caption(worded.text(), worded.variants(), said.from(), original);
    }

    /**
     * Captions of some of {@code items}, of the whole pictures: for what must be known before they are cropped.
     *
     * @param folder for small copies of them
     * @return empty where nothing makes captions
     */
    List<String> glance(List<Item> items, PictureOptions options, Path folder, NDManager manager) throws IOException {
        if (!settings.captions().source().made()) {
            return List.of();
        }
        Files.createDirectories(folder);
        List<CroppedPicture> pictures = new ArrayList<>();
        List<String> keys = new ArrayList<>();
        String models = models();
        int count = Math.min(GLANCED, items.size());
        for (int i = 0; i < count; i++) {
            Item item = items.get((int) ((long) i * items.size() / count));
            Path small = folder.resolve("whole-%d.png".formatted(i));
            try (Photo photo = Photo.read(item.file(), options)) {
                Files.write(small, small(photo.colour()));
            } catch (UnreadablePictureException e) {
                // It is told when its turn comes.
                continue;
            }
            pictures.add(new CroppedPicture(item, small));
            keys.add(key(item, Sha256.of(small), models));
        }
        // They are captioned before the first picture is read.
        // One that is declined says nothing of what they have in common; its crops are asked for on their own.
        List<@Nullable String> captions = made(pictures, keys, new TreeMap<>(), manager, (done, all) -> {});
        Folders.delete(folder);
        return captions.stream().flatMap(Stream::ofNullable).toList();
    }

    private static byte[] small(Mat colour) throws IOException {
        Mat small = PictureMeasures.scaled(colour);
        try {
            return Picture.png(small);
        } finally {
            small.release();
        }
    }

    private String models() throws IOException {
        return context.preparingDigest(context.named().captionModel(), digests) + context.platformsModelDigest(digests);
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

    /**
     * Captions of {@code pictures}: those that an earlier preparation made, and those of the captioner; null where it declined
     * to give one.
     *
     * @param declined takes what was said of each of these, by its place
     */
    private List<@Nullable String> made(
            List<CroppedPicture> pictures,
            List<String> keys,
            Map<Integer, String> declined,
            NDManager manager,
            Told told)
            throws IOException {
        Map<Integer, String> made = new TreeMap<>();
        List<Integer> open = new ArrayList<>();
        for (int i = 0; i < pictures.size(); i++) {
            byte[] kept = cache.get(Step.CAPTION, keys.get(i));
            byte[] refusal = kept != null ? null : cache.get(Step.CAPTION, declined(keys.get(i)));
            if (kept != null) {
                made.put(i, new String(kept, StandardCharsets.UTF_8));
            } else if (refusal != null) {
                declined.put(i, new String(refusal, StandardCharsets.UTF_8));
            } else {
                open.add(i);
            }
        }
        if (!open.isEmpty()) {
            try (Captioner captioner = Captioners.open(settings, context, seed, manager)) {
                for (int i = 0; i < open.size(); i += captioner.atOnce()) {
                    context.stopIfAsked("while it captioned pictures");
                    List<Integer> some = open.subList(i, Math.min(open.size(), i + captioner.atOnce()));
                    List<@Nullable String> captions = new ArrayList<>();
                    try {
                        captions.addAll(captioner.captions(
                                some.stream().map(pictures::get).toList()));
                    } catch (DeclinedPicturesException e) {
                        captions.addAll(e.captions());
                        for (Map.Entry<Integer, String> one : e.declined().entrySet()) {
                            int index = some.get(one.getKey());
                            byte[] why = one.getValue().getBytes(StandardCharsets.UTF_8);
                            cache.put(Step.CAPTION, declined(keys.get(index)), why);
                            declined.put(index, one.getValue());
                        }
                    }
                    for (int j = 0; j < some.size(); j++) {
                        int index = some.get(j);
                        String caption = captions.get(j);
                        if (caption == null) {
                            continue;
                        }
                        LOG.info("{}: {}", pictures.get(index).item().name(), caption);
                        cache.put(Step.CAPTION, keys.get(index), caption.getBytes(StandardCharsets.UTF_8));
                        made.put(index, caption);
                    }
                    told.tell(i + some.size(), open.size());
                }
                String cost = captioner.cost();
                if (cost != null) {
                    costs.add(cost);
                }
                if (captioner.note() != null) {
                    notes.add(captioner.note());
                }
            }
        }
        return IntStream.range(0, pictures.size()).mapToObj(made::get).toList();
    }

    /** Where it is kept that a captioner declined a picture: it is paid for, too, and another setting asks again. */
    private static String declined(String key) {
        return Sha256.of("declined\n" + key);
    }

    /** All of them are told at once, after the others' captions are kept. One picture must not end what many are made for. */
    private void tellOf(Map<Integer, String> declined, List<CroppedPicture> pictures) {
        if (declined.isEmpty()) {
            return;
        }
        List<String> each = declined.entrySet().stream()
                .map(one -> "that of " + pictures.get(one.getKey()).item().name() + " " + one.getValue())
                .toList();
        String which =
                "%d of %d captions were not made: %s".formatted(each.size(), pictures.size(), Names.some(each, NAMED));
        if (2 * declined.size() > pictures.size()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "most pictures must have a caption of their own or one that `%s` gives, but %s; another setting of it asks again"
                            .formatted(settings.field(), which));
        }
        notes.add(which
                + "; these pictures are trained on the words that call the concept alone, unless a caption lies beside them or another setting of `%s`, which asks again, gives one"
                        .formatted(settings.field()));
    }

    /** What people should know of captions that were made, and of those that were not, a sentence each. */
    List<String> notes() {
        return notes;
    }

    /** What captions have cost, a sentence each time; empty where they cost nothing. */
    List<String> costs() {
        return costs;
    }

    /** Pictures that are trained on without a word of their own, a sentence; null if none are. */
    static @Nullable String note(List<Sample> samples, CaptionSettings settings) {
        // Those that a captioner gave no caption are told with the reason.
        List<Sample> without = samples.stream()
                .filter(sample -> sample.captionFrom() == null
                        && !settings.captions().source().made())
                .toList();
        if (without.isEmpty()) {
            return null;
        }
        String text = without.get(0).caption();
        // Copies and other sizes of a picture count once.
        return "%d of %d pictures have no caption, and are trained on %s alone; `spec.preparation.captions.source` may name what captions them"
                .formatted(
                        TextNotes.pictures(without),
                        TextNotes.pictures(samples),
                        text.isEmpty() ? "the empty caption" : '"' + text + '"');
    }
}
