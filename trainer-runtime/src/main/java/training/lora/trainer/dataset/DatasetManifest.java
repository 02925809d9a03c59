package training.lora.trainer.dataset;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;
import training.lora.trainer.model.PictureSizes;

/**
 * manifest.json of a prepared data set.
 *
 * @param version {@link #VERSION}
 * @param key digest over all that the folder was made from
 * @param digest sha256 over pictures and captions as they came
 * @param baseModelDigest of the model whose latents and embeddings these are
 * @param model the base model's family
 * @param resolution side of the pictures in pixels
 * @param samples the pictures, in the order of their names
 * @param note what people should know of the pictures, in a sentence; null if nothing
 * @param files sha256 of every other file of the folder, by its relative name
 */
@RecordBuilder
public record DatasetManifest(
        String version,
        String key,
        String digest,
        String baseModelDigest,
        String model,
        int resolution,
        List<Sample> samples,
        @Nullable String note,
        Map<String, String> files) {
    /** What every version of this file begins with. */
    static final String VERSIONS = "lora.training/dataset/";

    /** Version of this file's JSON. */
    public static final String VERSION = VERSIONS + "v5";

    /**
     * A picture with its caption.
     *
     * @param name data set and file, as in {@code main/bat.png}
     * @param dataset the data set's name
     * @param role what the data set is for
     * @param file the prepared picture, relative to the folder
     * @param caption the caption, prefix included
     * @param sha256 digest of the picture as it came
     * @param sizes its sizes as it came and as it is prepared
     */
    @RecordBuilder
    public record Sample(
            String name,
            String dataset,
            DatasetRole role,
            String file,
            String caption,
            String sha256,
            PictureSizes sizes) {}
}
