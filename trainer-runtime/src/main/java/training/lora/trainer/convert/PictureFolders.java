package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;
import training.lora.trainer.convert.PictureFolder.Found;

/** The folders of pictures that a configuration names, each of which is listed and whose captions are read once. */
final class PictureFolders {
    private final Places places;
    private final Findings findings;
    private final Map<Path, Optional<PictureFolder>> listed = new HashMap<>();
    private final Map<Reading, FolderCaptions> read = new HashMap<>();

    /** What was read: the captions of a folder, with those of {@code tables}. */
    private record Reading(PictureFolder folder, List<Found> tables) {}

    PictureFolders(Places places, Findings findings) {
        this.places = places;
        this.findings = findings;
    }

    /**
     * The folder that {@code text} names; null where it isn't here or can't be read.
     *
     * @param key the option, for messages
     */
    @Nullable PictureFolder at(String key, String text) {
        return Places.isAddress(text) ? null : at(places.path(findings, key, text));
    }

    private @Nullable PictureFolder at(Path path) {
        return listed.computeIfAbsent(path.normalize(), PictureFolders::list).orElse(null);
    }

    private static Optional<PictureFolder> list(Path path) {
        try {
            return Files.isDirectory(path) ? Optional.of(PictureFolder.list(path)) : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /**
     * The captions of {@code folder}, with all tables that lie in it.
     *
     * @throws training.lora.trainer.TrainerException InvalidConfiguration where a file is no text, or a table is none
     */
    FolderCaptions captions(PictureFolder folder) {
        return captions(folder, folder.tables());
    }

    /**
     * The captions of {@code folder}.
     *
     * @param tables those of the tables in it that are read
     * @throws training.lora.trainer.TrainerException InvalidConfiguration where a file is no text, or a table is none
     */
    FolderCaptions captions(PictureFolder folder, List<Found> tables) {
        return read.computeIfAbsent(
                new Reading(folder, tables), reading -> FolderCaptions.read(findings, folder, tables));
    }

    /**
     * Sets the length of the training. Where mirrored copies are added an epoch here has each picture twice, while there each is
     * mirrored by chance and an epoch is no longer: then as many steps are set as there, or where pictures can't be counted half as
     * many epochs.
     *
     * @param key the option
     * @param draft with its data sets and the size of a batch
     */
    void putEpochs(String key, int epochs, Draft draft) {
        if (!draft.at("preparation.flip").asBoolean()) {
            draft.put(key, "training.epochs", epochs);
            return;
        }
        Integer epoch = epoch(draft);
        String became;
        if (epoch != null) {
            int steps = (int) Math.min(Integer.MAX_VALUE, (long) epochs * epoch);
            draft.put(key, "training.steps", steps);
            became = steps + " steps";
        } else {
            int half = (epochs + 1) / 2;
            draft.put(key, "training.epochs", half);
            became = half + ", each as long as two there";
        }
        findings.note("`%s` %d became %s: with preparation.flip an epoch here has mirrored copies too"
                .formatted(key, epochs, became));
    }

    /** Steps that an epoch of {@code draft} has there; null where its pictures can't be counted. */
    @Nullable Integer epoch(Draft draft) {
        Integer pictures = pictures(draft);
        int batch = draft.at("training.batchSize").asInt()
                * draft.at("training.gradientAccumulation").asInt();
        return pictures == null || batch < 1 ? null : Integer.valueOf((pictures + batch - 1) / batch);
    }

    /**
     * Pictures of an epoch; null where they can't be counted. Regularization pictures count as many again, as in kohya's
     * scripts; those for validation don't.
     */
    private @Nullable Integer pictures(Draft draft) {
        int pictures = 0;
        boolean regularized = false;
        for (JsonNode dataset : draft.at("datasets")) {
            String role = dataset.path("role").asText();
            if (role.equals(DatasetRole.Validation.name())) {
                continue;
            }
            String uri = dataset.path("uri").asText();
            PictureFolder folder = Places.isAddress(uri) ? null : at(places.to().resolve(uri));
            Integer count = folder == null ? null : folder.count();
            if (count == null) {
                return null;
            }
            if (role.equals(DatasetRole.Regularization.name())) {
                regularized = true;
            } else {
                pictures += count * dataset.path("repeats").asInt(1);
            }
        }
        return regularized ? Integer.valueOf(2 * pictures) : Integer.valueOf(pictures);
    }
}
