package training.lora.trainer.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import training.lora.api.OutputSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.s3.S3Location;
import training.lora.trainer.s3.S3Prefix;
import training.lora.trainer.source.Source;
import training.lora.trainer.source.Sources;
import training.lora.trainer.source.Surroundings;
import training.lora.trainer.source.Use;

/**
 * Where {@code spec.output.uri} wants what is published.
 *
 * @param uri without a slash at its end
 * @param folder the place, where it is a folder; null for one in a bucket
 * @param bucket the place, where it is in a bucket; null for a folder
 */
public record Destination(
        String uri, @Nullable Path folder, @Nullable S3Prefix bucket) implements AutoCloseable {
    private static final String FIELD = "spec.output";

    /**
     * What the spec names; null where it names nothing.
     *
     * @param surroundings of the process
     * @throws TrainerException InvalidConfiguration if it is no place for an output
     */
    public static @Nullable Destination of(OutputSpec spec, Sources sources, Surroundings surroundings)
            throws IOException {
        if (spec.uri() == null) {
            return null;
        }
        String uri = spec.uri().replaceFirst("/+$", "");
        // It is no data set, but has a uri and a Secret as one.
        Source place = new Source(
                FIELD + ".uri",
                uri,
                Use.Dataset,
                null,
                spec.secretRef() == null ? null : spec.secretRef().name());
        if (uri.startsWith(S3Location.SCHEME)) {
            S3Prefix bucket = S3Prefix.open(
                    FIELD, uri, place.secret(), surroundings.secrets().of(place), surroundings::variable);
            return new Destination(bucket.location().uri(), null, bucket);
        }
        if (uri.contains("://") && !uri.startsWith("pvc://")) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.output.uri` must begin with s3:// or pvc://, or be a path outside a cluster, was "
                            + spec.uri());
        }
        Path folder = sources.place(place);
        requireInVolume(uri, folder, sources.volume(place));
        return new Destination(uri, folder, null);
    }

    /** No link of a claim leads to another volume of the pod. */
    private static void requireInVolume(String uri, Path folder, @Nullable Path volume) throws IOException {
        Path there = folder;
        while (there != null && !Files.exists(there)) {
            there = there.getParent();
        }
        if (volume != null
                && there != null
                && there.startsWith(volume)
                && !there.toRealPath().startsWith(volume.toRealPath())) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.output.uri` %s must lie in its claim, but a link there leads out of it".formatted(uri));
        }
    }

    @Override
    public void close() {
        if (bucket != null) {
            bucket.close();
        }
    }
}
