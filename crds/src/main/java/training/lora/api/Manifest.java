package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** manifest.json at the output: what came out, of which run, made from what. */
@RecordBuilder
public record Manifest(
        @JsonPropertyDescription("VERSION.") String version,

        @JsonPropertyDescription("The resource that the run belongs to.")
        Owner owner,

        @JsonPropertyDescription("Hash of what the run depends on.")
        String runId,

        @JsonPropertyDescription("Whether every stage asked for is done.")
        Boolean finished,

        @JsonPropertyDescription("When it was written, RFC 3339.")
        String time,

        @JsonPropertyDescription("The run's spec with all defaults, without the queries of urls.")
        LoraTrainingSpec spec,

        @JsonPropertyDescription("The base model's family.") String model,

        @JsonPropertyDescription("sha256 over the base model's files.")
        String baseModelDigest,

        @JsonPropertyDescription("sha256 over the pictures and captions.")
        String datasetDigest,

        @JsonPropertyDescription("sha256 over the captions that came back from a review; unset where there was none.")
        @Nullable String captionsDigest,

        @JsonPropertyDescription("sha256 of the adapter that was gone on from.") @Nullable String initFromDigest,

        @JsonPropertyDescription("sha256 over the files of the CLIP model that measured.") @Nullable String clipDigest,

        @JsonPropertyDescription("What was fetched over a network, as it was then; unset by earlier releases.")
        @Nullable List<SourceVersion> sources,

        @JsonPropertyDescription("Where it was trained: cpu, or the card's number and name.") @Nullable String device,

        @JsonPropertyDescription("Where and why the training ended before its last step; unset if it didn't.") @Nullable String stoppedEarly,

        @JsonPropertyDescription("What was measured of the base model.") @Nullable Checkpoint base,

        @JsonPropertyDescription("The best checkpoint.") @Nullable Checkpoint best,

        @JsonPropertyDescription("What was measured of each checkpoint.")
        List<Checkpoint> checkpoints,

        @JsonPropertyDescription("That the main adapter files do what was trained, file relative to the output.")
        List<Proof> proofs,

        @JsonPropertyDescription("Every file of the output but this one, uri relative to the output.")
        List<Artifact> files) {
    public Manifest {
        sources = sources == null ? null : List.copyOf(sources);
        checkpoints = checkpoints == null ? List.of() : List.copyOf(checkpoints);
        proofs = proofs == null ? List.of() : List.copyOf(proofs);
        files = files == null ? List.of() : List.copyOf(files);
    }
    /** Version of this file's JSON. */
    public static final String VERSION = "lora.training/manifest/v1";
}
