package training.lora.trainer.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.AdapterFormat;
import training.lora.api.Checkpoint;
import training.lora.api.Metric;
import training.lora.api.RunSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.Exports;
import training.lora.trainer.files.Folders;
import training.lora.trainer.publish.Publisher;

/** The adapter at some steps, each in every form that was asked for; the newest are kept. */
public final class Checkpoints {
    private final RunSpec run;
    private final Path folder;
    private final ExportMetadata metadata;
    private final List<Checkpoint> kept = new ArrayList<>();

    /** @param train the train stage's folder; what an earlier attempt left in it is deleted */
    Checkpoints(RunSpec run, Path train, ExportMetadata metadata) throws IOException {
        this.run = run;
        this.folder = folder(train);
        this.metadata = metadata;
        Folders.delete(folder);
        Files.createDirectories(folder);
    }

    /** The folder of all checkpoints. */
    public static Path folder(Path train) {
        return train.resolve("checkpoints");
    }

    /** The file that an adapter is read back from: kohya's form where it was asked for. */
    public static Path adapterFile(RunSpec run, Path train, int step) {
        String name = run.spec().output().formats().contains(AdapterFormat.Kohya)
                ? Publisher.kohyaName(run)
                : Publisher.DIFFUSERS;
        return folder(train).resolve(Publisher.folderName(step)).resolve(name);
    }

    /** Writes a checkpoint; it stands under its name only when it is whole. */
    Checkpoint write(int step, LoraAdapter adapter, List<Metric> metrics) throws IOException {
        String name = Publisher.folderName(step);
        Path temporary = folder.resolve("." + name + ".tmp");
        Folders.delete(temporary);
        for (AdapterFormat format : run.spec().output().formats()) {
            switch (format) {
                case Kohya -> Exports.kohya(temporary.resolve(Publisher.kohyaName(run)), adapter, metadata);
                case Diffusers -> Exports.diffusers(temporary.resolve(Publisher.DIFFUSERS), adapter, metadata);
            }
        }
        Files.move(temporary, folder.resolve(name), StandardCopyOption.ATOMIC_MOVE);
        Checkpoint checkpoint = new Checkpoint(step, metrics);
        kept.add(checkpoint);
        while (kept.size() > run.spec().training().checkpoints().keep()) {
            Folders.delete(folder.resolve(Publisher.folderName(kept.remove(0).step())));
        }
        return checkpoint;
    }

    /** Those that are kept, oldest first. */
    List<Checkpoint> kept() {
        return List.copyOf(kept);
    }
}
