package training.lora.trainer.trained;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Checkpoint;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptSpec;
import training.lora.api.SafetySpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.files.Folders;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.safety.SafetyCheck;
import training.lora.trainer.safety.UnsafePictures;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.sample.PictureGrid;

/** The pictures that are drawn while it trains: the same prompts and seeds at step 0 and at each checkpoint. */
public final class SamplePictures {
    private static final Logger LOG = LoggerFactory.getLogger(SamplePictures.class);

    /** Prompts where the spec has none. */
    private static final int DEFAULT_PROMPTS = 4;

    private final Path folder;
    private final List<PromptSpec> prompts;
    private final List<PictureGrid.Strip> training;
    private final @Nullable SafetyCheck safety;

    private SamplePictures(
            Path folder, List<PromptSpec> prompts, List<PictureGrid.Strip> training, @Nullable SafetyCheck safety) {
        this.folder = folder;
        this.prompts = prompts;
        this.training = training;
        this.safety = safety;
    }

    /**
     * Those of a run.
     *
     * @param folder the train stage's folder; pictures go to samples/step-000060/00.png
     * @param data the pictures that it is trained on
     */
    public static SamplePictures of(Path folder, LoraTrainingSpec spec, PreparedDataset data) {
        return new SamplePictures(folder.resolve("samples"), prompts(spec, data), trainingPictures(spec, data), null);
    }

    /** The spec's prompts, or the first captions of each concept in turn with seeds from 1. */
    public static List<PromptSpec> prompts(LoraTrainingSpec spec, PreparedDataset data) {
        return Concepts.of(spec.datasets())
                .prompts(
                        "spec.sampling.prompts",
                        spec.sampling().prompts(),
                        data.manifest().samples(),
                        DEFAULT_PROMPTS,
                        1);
    }

    /** The pictures of each concept that it is trained on, as the model is shown them. */
    public static List<PictureGrid.Strip> trainingPictures(LoraTrainingSpec spec, PreparedDataset data) {
        List<Concepts.Concept> concepts = Concepts.of(spec.datasets()).all();
        List<PictureGrid.Strip> strips = new ArrayList<>();
        for (Concepts.Concept concept : concepts) {
            List<Path> files = data.pictureFiles(concept.datasets());
            String of = concepts.size() == 1 ? "" : " of " + concept.name();
            strips.add(new PictureGrid.Strip("training pictures%s (%d)".formatted(of, files.size()), files));
        }
        return strips;
    }

    /** @param progress told how many pictures each batch added; may throw to end it */
    public void draw(
            int step, ImageSampler sampler, @Nullable LoraAdapter adapter, NDManager manager, IntConsumer progress)
            throws IOException {
        sampler.draw(
                prompts,
                adapter,
                manager,
                (i, picture) -> safe(step, i, picture).write(file(step, i)),
                progress);
    }

    private Picture safe(int step, int i, Picture picture) throws IOException {
        if (safety == null) {
            return picture;
        }
        double probability = safety.probability(picture);
        if (safety.isSafe(probability)) {
            return picture;
        }
        LOG.warn("sample {} of step {} is unsafe by `spec.preparation.safety`", i + 1, step);
        UnsafePictures.add(folder(step), name(i), probability);
        return safety.shown(picture);
    }

    /** How likely the picture of prompt {@code i} is unsafe; null where it is safe, or nothing looked at it. */
    public @Nullable Double unsafe(int step, int i) throws IOException {
        return UnsafePictures.read(folder(step)).get(name(i));
    }

    /** Which of the pictures of the base model and of {@code checkpoints} are unsafe, behind {@code note}; null if there is nothing to say. */
    public @Nullable String withUnsafe(@Nullable String note, LoraTrainingSpec spec, List<Checkpoint> checkpoints)
            throws IOException {
        List<String> unsafe = new ArrayList<>();
        List<Integer> steps = IntStream.concat(
                        IntStream.of(0), checkpoints.stream().mapToInt(Checkpoint::step))
                .boxed()
                .toList();
        for (int step : steps) {
            Map<String, Double> known = UnsafePictures.read(folder(step));
            for (int i = 0; i < prompts.size(); i++) {
                Double probability = known.get(name(i));
                if (probability != null) {
                    unsafe.add(SafetyCheck.named("sample %d of step %d".formatted(i + 1, step), probability));
                }
            }
        }
        SafetySpec settings = spec.preparation().safety();
        if (unsafe.isEmpty() || settings == null) {
            return note;
        }
        String sentence = SafetyCheck.samplesSentence(settings, unsafe);
        return note == null ? sentence : note + "; " + sentence;
    }

    /** The same, whose pictures {@code check} looks at; null: nothing does. */
    public SamplePictures lookedAtBy(@Nullable SafetyCheck check) {
        return new SamplePictures(folder, prompts, training, check);
    }

    /** The picture of prompt {@code i}, from 0. */
    public Path file(int step, int i) {
        return folder(step).resolve(name(i));
    }

    private Path folder(int step) {
        return folder.resolve(Publisher.folderName(step));
    }

    private static String name(int i) {
        return "%02d.png".formatted(i);
    }

    /** Files of the pictures of a step in the train stage's folder, in the order of their prompts. */
    public static List<Path> files(Path train, int step) {
        Path folder = train.resolve("samples").resolve(Publisher.folderName(step));
        List<Path> files = new ArrayList<>();
        for (int i = 0; Files.isRegularFile(folder.resolve(name(i))); i++) {
            files.add(folder.resolve(name(i)));
        }
        return files;
    }

    /** Deletes all pictures. */
    public void clear() throws IOException {
        cut(-1);
    }

    /** Deletes the pictures of steps after {@code step}: another adapter drew them where the training went back. */
    public void cut(int step) throws IOException {
        Folders.deleteIn(folder, name -> Publisher.step(name) > step);
    }

    /** Whether the pictures of {@code step} are there. */
    public boolean drawn(int step) {
        for (int i = 0; i < prompts.size(); i++) {
            if (!Files.isRegularFile(file(step, i))) {
                return false;
            }
        }
        return !prompts.isEmpty();
    }

    /**
     * Writes the table of what the base model and {@code checkpoints} drew, below training pictures; the step {@code best}
     * is marked.
     */
    public void writeGrid(Path grid, List<Checkpoint> checkpoints, @Nullable Integer best) throws IOException {
        List<PictureGrid.Column> columns = new ArrayList<>();
        columns.add(column(0, false));
        for (Checkpoint checkpoint : checkpoints) {
            columns.add(column(checkpoint.step(), checkpoint.step().equals(best)));
        }
        PictureGrid.write(grid, training, prompts.stream().map(PromptSpec::text).toList(), columns);
    }

    private PictureGrid.Column column(int step, boolean best) {
        List<Path> files =
                IntStream.range(0, prompts.size()).mapToObj(i -> file(step, i)).toList();
        return PictureGrid.Column.of(step, files, best);
    }
}
