package training.lora.trainer.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Folders;
import training.lora.trainer.source.FetchedSources;

/**
 * The folder through which the stages hand over.
 *
 * @param root the folder
 * @param output what is published
 * @param destination where the spec wants what is published; null: in the output folder, wherever that is
 * @param digestsOfAll the file that remembers digests for several runs; null where this one has its own
 */
public record Workspace(
        Path root,
        Path output,
        @Nullable Destination destination,
        @Nullable Path digestsOfAll) {
    /** With the output inside. */
    public static Workspace of(Path root) {
        return new Workspace(root, root.resolve("output"), null, null);
    }

    /** Whether what is published in the output folder goes to another place too. */
    public boolean uploads() {
        return destination != null && destination.bucket() != null;
    }

    /** Where people find a published file: relative to the folder that has the output folder, or a uri. */
    public String artifact(String name) {
        return (destination == null ? output.getFileName().toString() : destination.uri()) + "/" + name;
    }

    /** Where people find all that was published, for messages. */
    public String published() {
        return destination == null || destination.bucket() == null ? output.toString() : destination.uri();
    }

    /** What names the output folder, for messages. */
    private String outputOption() {
        return destination == null ? "--output" : "spec.output.uri";
    }

    /**
     * Sees to it that files can be written to the output folder.
     *
     * @throws TrainerException InvalidConfiguration if not
     */
    public void requireWritableOutput() {
        Folders.requireWritable(outputOption(), output);
    }

    /** Prepared pictures, captions, latents and text embeddings. */
    public Path dataset() {
        return root.resolve("dataset");
    }

    /** Where prepared data are made. */
    public Path preparing() {
        return root.resolve(".dataset.tmp");
    }

    /** What was made per picture and step, for the next preparation. */
    public Path made() {
        return root.resolve(".made");
    }

    /** Checkpoints, losses and pictures drawn while training. */
    public Path train() {
        return root.resolve("train");
    }

    /** What services that collect the course of trainings are told. */
    public Path tracking() {
        return root.resolve("tracking");
    }

    /** Pictures that were measured. */
    public Path evaluate() {
        return root.resolve("evaluate");
    }

    /**
     * Sees to it that what is published is not mixed with what the run works with.
     *
     * @throws TrainerException InvalidConfiguration if it would be
     */
    public void requireApart() throws IOException {
        Path work = real(root);
        Path published = real(output);
        boolean among = Stream.of(dataset(), train(), evaluate(), tracking(), results(), cache())
                .anyMatch(own -> published.startsWith(work.resolve(root.relativize(own))));
        if (among || work.startsWith(published)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` %s must be a folder apart from those that the run works in, but these are in %s"
                            .formatted(outputOption(), output, root));
        }
    }

    /** Without links, as far as it is there. */
    private static Path real(Path path) throws IOException {
        Path parent = path.getParent();
        return Files.exists(path) || parent == null
                ? path.toRealPath()
                : real(parent).resolve(path.getFileName());
    }

    /** How the stages ended. */
    public Path results() {
        return root.resolve("results");
    }

    /** Digests of files that the run reads; to be closed. */
    public FileDigests digests() {
        return FileDigests.rememberedIn(digestsOfAll == null ? root.resolve(".digests.json") : digestsOfAll);
    }

    /** What was fetched of sources that are elsewhere. */
    public FetchedSources fetched() {
        return new FetchedSources(root.resolve("sources.json"));
    }

    /** Where fetched files lie, unless a shared place is set. */
    public Path cache() {
        return root.resolve("cache");
    }

    /** The log of all stages. */
    public Path log() {
        return root.resolve("run.log");
    }
}
