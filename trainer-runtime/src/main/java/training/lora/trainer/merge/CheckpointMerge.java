package training.lora.trainer.merge;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.function.UnaryOperator;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.FolderCopy;
import training.lora.trainer.model.basemodel.StoredWeights;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.unet.UNet;

/**
 * Puts adapters into a checkpoint: a copy of it, a single file or a diffusers folder as {@link FolderCopy} has it, in which the
 * adapted weights are others, of the same type. All else stays byte for byte. They are computed in fp32, one weight at a time.
 */
public final class CheckpointMerge {
    private CheckpointMerge() {}

    /**
     * Writes {@code base} with {@code adapters} in it to {@code out}, which must not exist yet.
     *
     * @throws training.lora.trainer.TrainerException InvalidConfiguration if an adapter doesn't fit the base model
     */
    public static void merge(Path base, List<Weighted> adapters, Path out, NDManager manager) throws IOException {
        try (StableDiffusion model = StableDiffusion.open(base, manager);
                UNet outline = model.outline(manager);
                AddedChanges added = AddedChanges.open(adapters, model, outline);
                StoredWeights weights = StoredWeights.open(base)) {
            List<Projection> changed = AdapterFiles.projections(model, outline).stream()
                    .filter(added::affect)
                    .toList();
            copied(base, out, copies -> {
                try (Patches patches = new Patches(copies)) {
                    for (Projection p : changed) {
                        merge(p, added, weights, patches, manager);
                    }
                }
            });
        }
    }

    private static void merge(
            Projection p, AddedChanges added, StoredWeights weights, Patches patches, NDManager manager)
            throws IOException {
        StoredWeights.Weight place = Patches.place(weights, p);
        try (NDManager scope = manager.newSubManager()) {
            patches.write(place, added.added(p, Patches.read(place, p, scope), scope));
        }
    }

    /** What is done with a copy before it has its name. */
    private interface Changing {
        /** @param copies of each of the base model's files its copy */
        void change(UnaryOperator<Path> copies) throws IOException;
    }

    private static void copied(Path base, Path out, Changing changing) throws IOException {
        if (Files.isRegularFile(base)) {
            WholeFile.write(out, temporary -> {
                Files.copy(base, temporary, StandardCopyOption.REPLACE_EXISTING);
                // A copy may be as read-only as the base model.
                temporary.toFile().setWritable(true);
                changing.change(file -> temporary);
            });
            return;
        }
        Path temporary = WholeFile.temporary(out.toAbsolutePath());
        if (Files.exists(temporary)) {
            Folders.delete(temporary);
        }
        try {
            FolderCopy copy = FolderCopy.of(base);
            copy.write(temporary, file -> true);
            changing.change(file -> copy.in(temporary, file));
            Files.move(temporary, out, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            if (Files.exists(temporary)) {
                Folders.delete(temporary);
            }
        }
    }
}
