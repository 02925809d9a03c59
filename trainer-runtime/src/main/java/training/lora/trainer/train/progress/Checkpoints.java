package training.lora.trainer.train.progress;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Metric;
import training.lora.api.Proof;
import training.lora.api.RunSpec;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.order.RunLength;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.trained.CheckpointFiles;

/**
 * What is trained at some steps, each in every form that was asked for, with the digests of its files beside it. The newest
 * are kept, and beyond these the one that did best: by what was measured of it while it trained, else on held-out pictures,
 * where there are any.
 */
public final class Checkpoints {
    /** The metric that tells the best while it trains, where checkpoints are not measured by then. */
    private static final String BEST_BY = "validationLoss";

    /** Checkpoints, their digests, and what is left of either where a process was killed. */
    private static final Pattern OWN = Pattern.compile("\\.?step-\\d+(\\.sha256)?(\\.tmp)?");

    private final RunSpec run;
    private final RunLength length;
    private final Path folder;
    private final ExportMetadata metadata;
    private final Consumer<List<Checkpoint>> listener;
    private final List<Checkpoint> kept = new ArrayList<>();

    /**
     * @param length of the run
     * @param train the train stage's folder
     * @param metadata what files say of themselves
     * @param listener takes those that are kept, each time that they are others
     */
    public Checkpoints(
            RunSpec run, RunLength length, Path train, ExportMetadata metadata, Consumer<List<Checkpoint>> listener) {
        this.run = run;
        this.length = length;
        this.folder = CheckpointFiles.folder(train);
        this.metadata = metadata;
        this.listener = listener;
    }

    /** Goes back to when {@code checkpoints} were kept: others are deleted, and damaged ones are. */
    void restore(List<Checkpoint> checkpoints) throws IOException {
        Files.createDirectories(folder);
        kept.clear();
        Set<String> wanted = new HashSet<>();
        for (Checkpoint checkpoint : CheckpointFiles.whole(folder, checkpoints)) {
            kept.add(checkpoint);
            String name = Publisher.folderName(checkpoint.step());
            wanted.add(name);
            wanted.add(name + CheckpointFiles.DIGESTS);
        }
        Folders.deleteIn(folder, name -> OWN.matcher(name).matches() && !wanted.contains(name));
        listener.accept(kept());
    }

    /** Writes a checkpoint and proves its files; it stands under its name only when it is whole, and nothing is left of one that fails. */
    Checkpoint write(int step, Trained trained, List<Metric> metrics) throws IOException {
        String name = Publisher.folderName(step);
        Path temporary = folder.resolve("." + name + ".tmp");
        Path digestFile = folder.resolve(name + CheckpointFiles.DIGESTS);
        boolean whole = false;
        try {
            ExportMetadata described = metadata.with(TrainingMetadata.position(step, length));
            List<Proof> proofs = trained.write(temporary, described);
            Json.PRETTY.writeValue(temporary.resolve(Publisher.PROOF).toFile(), proofs);
            String digests = CheckpointFiles.digests(temporary);
            WholeFile.write(digestFile, file -> Files.writeString(file, digests));
            Files.move(temporary, folder.resolve(name), StandardCopyOption.ATOMIC_MOVE);
            whole = true;
        } finally {
            Folders.delete(temporary);
            if (!whole) {
                Files.deleteIfExists(digestFile);
            }
        }
        Checkpoint checkpoint = new Checkpoint(step, metrics);
        kept.add(checkpoint);
        for (Checkpoint old : superfluous()) {
            kept.remove(old);
            Folders.delete(folder.resolve(Publisher.folderName(old.step())));
            Files.deleteIfExists(folder.resolve(Publisher.folderName(old.step()) + CheckpointFiles.DIGESTS));
        }
        listener.accept(kept());
        return checkpoint;
    }

    /** Takes what was measured of a checkpoint in place of what was known. */
    void measured(Checkpoint checkpoint) {
        kept.replaceAll(c -> c.step().equals(checkpoint.step()) ? checkpoint : c);
    }

    /** All but the newest and the best; of equal ones the older is the best. */
    private List<Checkpoint> superfluous() {
        int keep = run.spec().training().checkpoints().keep();
        List<Checkpoint> old = new ArrayList<>(kept.subList(0, Math.max(0, kept.size() - keep)));
        String selected = run.spec().evaluation().select().metric();
        boolean measured = kept.stream().anyMatch(c -> c.metric(selected) != null);
        String by = measured ? selected : BEST_BY;
        double sign = measured ? -1 : 1;
        kept.stream()
                .filter(checkpoint -> checkpoint.metric(by) != null)
                .min(Comparator.comparingDouble(
                        c -> sign * Objects.requireNonNull(c.metric(by)).number()))
                .ifPresent(old::remove);
        return old;
    }

    /** Those that are kept, oldest first. */
    public List<Checkpoint> kept() {
        return List.copyOf(kept);
    }
}
