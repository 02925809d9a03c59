package training.lora.trainer.run;

import java.nio.file.Path;

/**
 * The folder through which the stages hand over.
 *
 * @param root the folder
 */
public record Workspace(Path root) {
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

    /** What is published. */
    public Path output() {
        return root.resolve("output");
    }
}
