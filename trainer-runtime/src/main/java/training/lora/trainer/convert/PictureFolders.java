package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;

/** The folders of pictures that a configuration names, each of which is listed and whose captions are read once. */
final class PictureFolders {
    private final Places places;
    private final Findings findings;
    private final Map<Path, Optional<PictureFolder>> listed = new HashMap<>();
    private final Map<PictureFolder, FolderCaptions> read = new HashMap<>();

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
        return read.computeIfAbsent(folder, any -> FolderCaptions.read(findings, folder, folder.tables()));
    }

    /** Steps of an epoch of {@code draft}; null where its pictures can't be counted. */
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
