package training.lora.trainer.prepare;

import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionSource;
import training.lora.api.CaptionsSpec;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.Wildcards;
import training.lora.trainer.files.CaptionEntries.Entry;
import training.lora.trainer.files.CaptionTable;
import training.lora.trainer.files.NoTextException;
import training.lora.trainer.files.TextFile;

/** What the spec says of captions: which files are heeded, and what words are put before what they say. */
final class CaptionRules {
    /** How many places of a file are named. */
    private static final int NAMED = 5;

    private final CaptionsSpec captions;
    private final Concepts concepts;

    CaptionRules(LoraTrainingSpec spec) {
        this(spec.preparation().captions(), Concepts.of(spec.datasets()));
    }

    CaptionRules(CaptionsSpec captions, Concepts concepts) {
        this.captions = captions;
        this.concepts = concepts;
        if (captions.wildcards()) {
            requirePaired("prefix", captions.prefix());
            requirePaired("suffix", behind());
        }
    }

    private static void requirePaired(String field, String text) {
        String unpaired = Wildcards.unpaired(text);
        if (unpaired != null) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.preparation.captions.%s` %s%s".formatted(field, Wildcards.PAIRED, unpaired));
        }
    }

    private String behind() {
        return captions.suffix() == null ? "" : captions.suffix();
    }

    /** Whether nothing beside the pictures is heeded. */
    boolean ignored() {
        return captions.source() == CaptionSource.None;
    }

    /** Whether each picture must have a caption beside it. */
    boolean required() {
        return captions.source() == CaptionSource.Sidecar;
    }

    /**
     * What is trained on where {@code text} is said: what calls the concept is in all but what must not change, once where what stands
     * around captions says it.
     */
    String worded(DatasetSpec dataset, String text) {
        if (dataset.role() == DatasetRole.Regularization) {
            return text;
        }
        String around = captions.prefix() + " " + behind();
        return captions.prefix() + concepts.caption(dataset, text, around) + behind();
    }

    SidecarText ofFile(DataFolder.Entry file) throws IOException, NoTextException {
        if (!captions.wildcards()) {
            return of(file.name(), List.of(CaptionText.read(file.path())), false);
        }
        List<String> lines = TextFile.read(file.path()).lines().toList();
        requirePaired(IntStream.range(0, lines.size())
                .mapToObj(i -> unpaired("in line " + (i + 1), lines.get(i)))
                .flatMap(Stream::ofNullable)
                .toList());
        return of(file.name(), CaptionText.ofLines(lines), false);
    }

    SidecarText ofTable(CaptionTable table, Entry said) throws NoTextException {
        if (captions.wildcards()) {
            requirePaired(said.texts().stream()
                    .map(text -> unpaired("in what it says of " + said.picture(), text))
                    .flatMap(Stream::ofNullable)
                    .toList());
        }
        List<CaptionText> texts = said.texts().stream().map(CaptionText::of).toList();
        return of(table.name(), texts, said.whole());
    }

    private static @Nullable String unpaired(String where, String text) {
        String unpaired = Wildcards.unpaired(text);
        return unpaired == null ? null : where + " " + unpaired;
    }

    private static void requirePaired(List<String> unpaired) throws NoTextException {
        if (!unpaired.isEmpty()) {
            throw new NoTextException(Wildcards.PAIRED + Names.some(unpaired, NAMED));
        }
    }

    private static SidecarText of(String from, List<CaptionText> texts, boolean whole) {
        List<String> plain = texts.isEmpty()
                ? List.of("")
                : texts.stream().map(CaptionText::text).toList();
        int invisible = texts.stream().mapToInt(CaptionText::invisible).sum();
        return new SidecarText(from, plain, invisible, whole);
    }

    /**
     * What a picture is trained on.
     *
     * @param variants as in an item
     */
    record Caption(String text, @Nullable List<String> variants) {}

    /** What is trained on where {@code text} is said beside a picture; null where nothing is. */
    Caption caption(DatasetSpec dataset, @Nullable SidecarText text) {
        if (text == null) {
            String words = worded(dataset, "").strip();
            // What stands around it may be drawn too.
            return captions.wildcards() ? of(List.of(words), false) : new Caption(words, null);
        }
        return text.whole()
                ? whole(text.texts())
                : of(text.texts().stream().map(t -> worded(dataset, t)).toList(), false);
    }

    /** What is trained on where that was prepared: it has the concept's words. */
    Caption whole(List<String> texts) {
        return of(texts, true);
    }

    /** What a prepared picture is trained on, as texts that {@link #whole} reads as the same. */
    List<String> lines(Sample sample) {
        if (sample.variants() != null) {
            return sample.variants();
        }
        // Nothing is drawn for it: its braces are text.
        return List.of(captions.wildcards() ? Wildcards.escaped(sample.caption()) : sample.caption());
    }

    private Caption of(List<String> worded, boolean whole) {
        if (captions.wildcards()) {
            return new Caption(Wildcards.first(worded), Wildcards.vary(worded) ? worded : null);
        }
        if (worded.size() == 1) {
            return new Caption(worded.get(0), null);
        }
        // Of several one is drawn, in which braces are text; those that were prepared stand there in that form.
        List<String> lines =
                whole ? worded : worded.stream().map(Wildcards::escaped).toList();
        return new Caption(Wildcards.first(lines), lines);
    }
}
