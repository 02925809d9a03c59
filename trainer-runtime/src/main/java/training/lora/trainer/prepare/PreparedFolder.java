package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.dataset.DatasetManifestBuilder;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.Workspace;

/** The workspace's folder of prepared data, as an earlier run left it. */
final class PreparedFolder {
    private static final Logger LOG = LoggerFactory.getLogger(PreparedFolder.class);

    private final Path folder;
    private final Path old;

    PreparedFolder(Workspace workspace) {
        this.folder = workspace.dataset();
        this.old = folder.resolveSibling(".dataset.old");
    }

    /**
     * Sees to it that it may be replaced: a folder of that name may be anybody's, even that of the pictures.
     *
     * @throws TrainerException InvalidConfiguration if prepare did not write it
     */
    void requireOwn() throws IOException {
        if (Files.exists(folder) && !PreparedDataset.isOne(folder)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`--workspace` %s must be a folder that runs alone write to, but its folder %s is none that `prepare` wrote; take another --workspace"
                            .formatted(folder.getParent(), folder.getFileName()));
        }
        Folders.delete(old);
    }

    /** What it holds; null if nothing, or nothing that can be understood. */
    @Nullable DatasetManifest manifest() {
        if (!Files.isRegularFile(folder.resolve(PreparedDataset.MANIFEST))) {
            return null;
        }
        try {
            return PreparedDataset.manifest(folder);
        } catch (TrainerException e) {
            LOG.warn("{} is damaged: {}", folder, e.getMessage());
            return null;
        }
    }

    /** Whether it holds all that was made of {@code key}, undamaged. */
    boolean holds(String key) throws IOException {
        DatasetManifest manifest = manifest();
        if (manifest == null) {
            return false;
        }
        if (!manifest.key().equals(key)) {
            LOG.info("{} was prepared from other data or settings; what changed is made anew", folder);
            return false;
        }
        boolean whole = PreparedDataset.digests(folder).equals(manifest.files());
        if (whole) {
            LOG.info("{} holds this data set already", folder);
        } else {
            LOG.warn("{} is damaged and is made anew: its files are not those of its manifest", folder);
        }
        return whole;
    }

    /** Takes what it holds for another run, of the same key. */
    DatasetManifest adopt(InputDigests inputs, LoraTrainingSpec spec) throws IOException {
        DatasetManifest manifest = DatasetManifestBuilder.builder(PreparedDataset.manifest(folder))
                .initFromDigest(inputs.initFrom())
                .spec(spec)
                .build();
        WholeFile.write(
                folder.resolve(PreparedDataset.MANIFEST),
                temporary -> Json.PRETTY.writeValue(temporary.toFile(), manifest));
        return manifest;
    }

    /** Puts {@code made} in its place; at no time is there one that is half deleted. */
    void replaceBy(Path made) throws IOException {
        if (Files.exists(folder)) {
            Files.move(folder, old, StandardCopyOption.ATOMIC_MOVE);
        }
        Files.move(made, folder, StandardCopyOption.ATOMIC_MOVE);
        Folders.delete(old);
    }
}
