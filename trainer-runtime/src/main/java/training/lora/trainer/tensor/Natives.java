package training.lora.trainer.tensor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * The native libraries of PyTorch: those that come with the trainer, which know CPUs alone, or a folder's that the user
 * names, as libtorch's {@code lib} or the {@code torch/lib} of a Python installation.
 *
 * @param folder that the user named; null for those that come with the trainer
 * @param cuda whether they know CUDA
 */
record Natives(@Nullable Path folder, boolean cuda) {
    /** DJL's own variables. */
    static final String FOLDER = "PYTORCH_LIBRARY_PATH";

    private static final String FLAVOR = "PYTORCH_FLAVOR";

    /** What DJL's glue between Java and libtorch was built for; it needs these very symbols. */
    static final String VERSION = "2.7.1";

    /** DJL's glue for CUDA. It calls libtorch only, so that it serves builds for each CUDA 12. */
    private static final String CUDA_GLUE = "cu128";

    /** Its glue for CPUs works with natives that know CUDA too, and needs no driver. */
    private static final String CPU_GLUE = "cpu";

    private static final Pattern RELEASE = Pattern.compile("\\d+\\.\\d+\\.\\d+");

    /**
     * Those that {@code folder} has.
     *
     * @param folder value of {@link #FOLDER}; null or empty where it isn't set
     * @throws TrainerException InvalidConfiguration if there are none, or of another version
     */
    static Natives in(@Nullable String folder) {
        if (folder == null || folder.isEmpty()) {
            return new Natives(null, false);
        }
        Path path = Path.of(folder);
        if (!Files.isRegularFile(path.resolve("libtorch.so"))) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    FOLDER + " must name a folder with libtorch.so, but there is none in " + folder);
        }
        String version = version(path);
        if (version != null && !version.equals(VERSION)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must name the libraries of PyTorch %s, but %s holds those of %s"
                            .formatted(FOLDER, VERSION, folder, version));
        }
        return new Natives(path, Files.isRegularFile(path.resolve("libtorch_cuda.so")));
    }

    /** From what lies beside the folder: Python's version.py or libtorch's build-version; null if nothing tells. */
    private static @Nullable String version(Path folder) {
        for (String name : List.of("version.py", "build-version")) {
            Path file = folder.resolveSibling(name);
            if (Files.isRegularFile(file)) {
                try {
                    Matcher found = RELEASE.matcher(Files.readString(file));
                    if (found.find()) {
                        return found.group();
                    }
                } catch (IOException e) {
                    throw new TrainerException(Reason.InvalidConfiguration, file + " must be readable", e);
                }
            }
        }
        return null;
    }

    /** Tells DJL which glue to load with them; the first to tell it, or the user by its variable, stands. */
    void load(boolean withCuda) {
        if (folder != null && System.getenv(FLAVOR) == null && System.getProperty(FLAVOR) == null) {
            System.setProperty(FLAVOR, withCuda ? CUDA_GLUE : CPU_GLUE);
        }
    }
}
