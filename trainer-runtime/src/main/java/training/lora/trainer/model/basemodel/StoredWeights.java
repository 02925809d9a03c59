package training.lora.trainer.model.basemodel;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.weights.Layout;
import training.lora.trainer.model.weights.ModelFiles;
import training.lora.trainer.model.weights.Stored;
import training.lora.trainer.tensor.SafeTensors;

/** The weights of a base model's denoiser and text encoders as its files hold them, read one at a time. */
public final class StoredWeights implements AutoCloseable {
    private final Map<Part, SafeTensors> files = new EnumMap<>(Part.class);
    private final Map<Part, Layout> layouts = new EnumMap<>(Part.class);
    private final Path place;
    private final @Nullable SingleFile single;

    private StoredWeights(Path place, @Nullable SingleFile single) {
        this.place = place;
        this.single = single;
    }

    /**
     * A weight in a file.
     *
     * @param file that holds it
     * @param stored where in it
     */
    public record Weight(SafeTensors file, Stored stored) {}

    /** Opens a diffusers folder or a single file, which must be one that a model can be opened from. */
    public static StoredWeights open(Path place) {
        return new StoredWeights(place, Files.isRegularFile(place) ? SingleFile.open(place) : null);
    }

    /**
     * The weight that a network calls {@code name}; null if there is none.
     *
     * @param folder of the network in diffusers' form: unet, text_encoder or text_encoder_2
     */
    public @Nullable Weight find(String folder, String name) {
        Part part = Part.of(folder);
        SafeTensors file = file(part);
        Stored stored;
        if (single == null) {
            String key = new FolderPart(place.resolve(folder), part)
                    .find(file.entries().keySet(), name);
            stored = key == null ? null : Stored.whole(key);
        } else {
            stored = layouts.computeIfAbsent(part, single::layout).place(name);
        }
        return stored == null ? null : new Weight(file, stored);
    }

    /** The file that holds the weights of {@code part}, which stays this one's to close. */
    public SafeTensors file(Part part) {
        return files.computeIfAbsent(
                part,
                p -> single == null
                        ? ModelFiles.weights(place.resolve(p.folder()), p.stem())
                        : SafeTensors.open(place));
    }

    @Override
    public void close() {
        files.values().forEach(SafeTensors::close);
    }
}
