package training.lora.trainer.run;

import java.nio.file.Path;
import training.lora.trainer.files.FileDigests;

/**
 * The folder through which the stages hand over.
 *
 * @param root the folder
 * @param output what is published
 */
public record Workspace(Path root, Path output) {
    /** With the output inside. */
    public static Workspace of(Path root) {
        return new Workspace(root, root.resolve("output"));
    }

    /** Prepared pictures, captions, latents and text embeddings. */
    public Path dataset() {
        return root.resolve("dataset");
    }

    /** Checkpoints, losses and pictures drawn while training. */
    public Path train() {
        return root.resolve("train");
    }

    /** Pictures that were measured. */
    public Path evaluate() {
        return root.resolve("evaluate");
    }

    /** Digests of files that the run reads; to be closed. */
    public FileDigests digests() {
        return FileDigests.rememberedIn(root.resolve("digests.json"));
    }

    /** The log of all stages. */
    public Path log() {
        return root.resolve("run.log");
    }
}
