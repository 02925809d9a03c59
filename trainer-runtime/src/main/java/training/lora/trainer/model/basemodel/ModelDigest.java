package training.lora.trainer.model.basemodel;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Sha256;

/** Identity of a model: what its files hold, wherever they lie and whatever links lead to them. */
public final class ModelDigest {
    private ModelDigest() {}

    /**
     * sha256, hex, of a model in a folder or a file.
     *
     * @param vae folder or file of the autoencoder that takes the place of the model's own; null where none does
     * @throws TrainerException InvalidBaseModel if a folder holds no file of a model
     */
    public static String of(Path place, @Nullable Path vae, FileDigests digests) throws IOException {
        String own = of(place, digests);
        return vae == null ? own : Sha256.of(own + " " + of(vae, digests));
    }

    private static String of(Path place, FileDigests digests) throws IOException {
        return Files.isDirectory(place) ? folder(place, digests) : digests.of(place);
    }

    /**
     * Over the names and digests of the files that a model is read from, in the names' order. What else lies there counts
     * for nothing: runs and LoRAs are often kept beside a model.
     */
    private static String folder(Path folder, FileDigests digests) throws IOException {
        List<Path> files = new ArrayList<>();
        Path index = folder.resolve(PartFiles.INDEX);
        if (Files.isRegularFile(index)) {
            files.add(index);
            for (String component : PartFiles.COMPONENTS) {
                addParts(folder.resolve(component), files);
            }
        } else {
            addParts(folder, files);
        }
        if (files.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    folder + " must hold a model's .json and .safetensors files, but has none");
        }
        return over(folder, files, digests);
    }

    /**
     * sha256, hex, of a BLIP model: over the files that it is read from.
     *
     * @throws TrainerException InvalidBaseModel if it has no weights; its message goes on after a uri
     */
    public static String blip(Path place, FileDigests digests) throws IOException {
        if (!Files.isDirectory(place)) {
            return digests.of(place);
        }
        try (Stream<Path> entries = Files.list(place)) {
            List<String> names = entries.filter(Files::isRegularFile)
                    .map(file -> file.getFileName().toString())
                    .toList();
            return over(
                    place,
                    new ArrayList<>(
                            PartFiles.blip(names).stream().map(place::resolve).toList()),
                    digests);
        }
    }

    private static String over(Path folder, List<Path> files, FileDigests digests) throws IOException {
        files.sort(null);
        Sha256 all = new Sha256();
        for (Path file : files) {
            all.add(folder.relativize(file) + " " + digests.of(file) + "\n");
        }
        return all.hex();
    }

    private static void addParts(Path component, List<Path> files) throws IOException {
        if (Files.isDirectory(component)) {
            try (Stream<Path> entries = Files.list(component)) {
                entries.filter(ModelDigest::isPart).filter(Files::isRegularFile).forEach(files::add);
            }
        }
    }

    /** Whether it may decide what the model does; a tokenizer's merges do too. What is hidden belongs to other tools. */
    private static boolean isPart(Path file) {
        String name = file.getFileName().toString();
        boolean weights = name.endsWith(".safetensors")
                && Stream.of(Part.values()).anyMatch(part -> name.startsWith(part.stem()));
        return !name.startsWith(".") && (weights || name.endsWith(".json") || name.equals("merges.txt"));
    }
}
