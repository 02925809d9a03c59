package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Artifact;
import training.lora.api.Manifest;
import training.lora.api.Owner;
import training.lora.trainer.files.CaptionTables;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.prepare.report.Reports;
import training.lora.trainer.publish.Output;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.run.Workspace;

/** The file in which captions wait for a look: in the output, or beside a result that stands there, which stays as it is. */
final class ReviewFile {
    private static final String BESIDE = Publisher.REVIEW + CaptionTables.PREPARED;

    private final Workspace workspace;
    private final Output output;

    /** What stands there; null if nothing is published. */
    private final @Nullable Manifest result;

    private final boolean beside;

    private ReviewFile(Workspace workspace, Output output) throws IOException {
        this.workspace = workspace;
        this.output = output;
        this.result = output.manifest();
        // While a result is exchanged there is no manifest, but the captions that it was trained on are there to the
        // end.
        this.beside = result != null || output.read(BESIDE) != null;
    }

    static ReviewFile of(Owner owner, Workspace workspace) throws IOException {
        return new ReviewFile(workspace, Output.published(owner, workspace));
    }

    /**
     * Captions that are there.
     *
     * @param name of the file, in the output
     * @param place the same as people know it
     */
    record Found(String name, String place, byte[] content) {}

    /** What stands in the output; null if nothing is published. */
    @Nullable Manifest result() {
        return result;
    }

    /** Where captions wait, as people know it. */
    String place() {
        return place(name());
    }

    private String name() {
        return beside ? BESIDE : CaptionTables.PREPARED;
    }

    private String place(String name) {
        return workspace.destination() == null
                ? workspace.output().resolve(name).toString()
                : workspace.artifact(name);
    }

    private @Nullable Found found(String name) throws IOException {
        byte[] content = output.read(name);
        return content == null ? null : new Found(name, place(name), content);
    }

    /** What waits there, or what somebody made of the captions of the result; null if nothing does. */
    @Nullable Found written() throws IOException {
        Found own = found(name());
        return own == null ? ofResultEdited() : own;
    }

    /** The captions of the result, if they are others than it was trained on; else null. */
    @Nullable Found ofResultEdited() throws IOException {
        Found found = result == null ? null : found(CaptionTables.PREPARED);
        return found == null || isUntouched(found) ? null : found;
    }

    /** Whether it waits for a look, and is not the result's. */
    boolean waits(Found found) {
        return found.name().equals(name());
    }

    /** The captions that the result was trained on, if they are as they were published; else null. */
    @Nullable Found ofResult() throws IOException {
        Found found = result == null ? null : found(CaptionTables.PREPARED);
        return found != null && isUntouched(found) ? found : null;
    }

    private boolean isUntouched(Found found) {
        return result != null
                && result.files().stream()
                        .anyMatch(file ->
                                file.uri().equals(found.name()) && file.sha256().equals(Sha256.of(found.content())));
    }

    /** Puts captions there, with the page that shows their pictures. */
    Artifact put(byte[] content) throws IOException {
        Map<String, byte[]> files = new LinkedHashMap<>();
        Path page = workspace.dataset().resolve(Reports.PAGE);
        if (Files.exists(page)) {
            files.put((beside ? Publisher.REVIEW : "dataset/") + Reports.PAGE, Files.readAllBytes(page));
        }
        files.put(name(), content);
        output.offer(files);
        return artifact(new Found(name(), place(), content));
    }

    Artifact artifact(Found found) {
        return new Artifact(
                "captions",
                null,
                workspace.artifact(found.name()),
                (long) found.content().length,
                Sha256.of(found.content()));
    }
}
