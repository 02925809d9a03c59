package training.lora.trainer.trained;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.AdapterFormat;
import training.lora.api.Checkpoint;
import training.lora.api.RunSpec;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.publish.Publisher;

/** Where the files of a training's checkpoints are, and whether they are those that were written. */
public final class CheckpointFiles {
    private static final Logger LOG = LoggerFactory.getLogger(CheckpointFiles.class);

    /** Ends the name of the file beside a checkpoint's folder that has the digests of its files. */
    public static final String DIGESTS = ".sha256";

    private CheckpointFiles() {}

    /** The folder of all checkpoints. */
    public static Path folder(Path train) {
        return train.resolve("checkpoints");
    }

    /** The file that what was trained is read back from: kohya's form where it was asked for. */
    public static Path adapterFile(RunSpec run, Path train, int step) {
        String name = run.spec().output().formats().contains(AdapterFormat.Kohya)
                ? Publisher.kohyaName(run)
                : run.spec().training().trainsModel() ? Publisher.TRAINED_UNET : Publisher.DIFFUSERS;
        return folder(train).resolve(Publisher.folderName(step)).resolve(name);
    }

    /**
     * Those of {@code checkpoints} whose files are what was written; of the others the log says so.
     *
     * @param folder of all checkpoints
     */
    public static List<Checkpoint> whole(Path folder, List<Checkpoint> checkpoints) throws IOException {
        List<Checkpoint> whole = new ArrayList<>();
        for (Checkpoint checkpoint : checkpoints) {
            Path path = folder.resolve(Publisher.folderName(checkpoint.step()));
            Path digests = folder.resolve(path.getFileName() + DIGESTS);
            if (Files.isDirectory(path)
                    && Files.isRegularFile(digests)
                    && Files.readString(digests, StandardCharsets.ISO_8859_1).equals(digests(path))) {
                whole.add(checkpoint);
            } else {
                LOG.warn("the checkpoint {} is left out: its files are missing or not those of {}", path, digests);
            }
        }
        return whole;
    }

    /** Digests and names of all files below {@code checkpoint}, as sha256sum prints them there. */
    public static String digests(Path checkpoint) throws IOException {
        StringBuilder lines = new StringBuilder();
        try (Stream<Path> files = Files.walk(checkpoint)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                lines.append(Sha256.of(file)).append("  ").append(checkpoint.relativize(file));
                lines.append('\n');
            }
        }
        return lines.toString();
    }
}
