package training.lora.trainer.export;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;

/**
 * What a file says of itself. Nothing in it depends on when or where it was made.
 *
 * @param title the run's name
 * @param baseModel the base model's name
 * @param family the base model's family
 * @param paths names of the base model's UNet in the original code
 * @param resolution side in pixels of the pictures that it was trained on
 * @param prediction what the base model predicts: {@code epsilon} or {@code v}
 * @param trigger the phrase that calls what was learned, null if there is none
 * @param training what else kohya's files say of the training, {@code ss_…} to value
 */
@RecordBuilder
public record ExportMetadata(
        String title,
        String baseModel,
        LoraFamily family,
        UNetStateDictAdapter paths,
        int resolution,
        String prediction,
        @Nullable String trigger,
        Map<String, String> training) {
    /** Version of Stability's ModelSpec that the keys follow. */
    private static final String MODEL_SPEC = "1.0.1";

    public ExportMetadata {
        training = Map.copyOf(training);
    }

    /** Of an adapter for {@code model}. */
    public static ExportMetadata of(String title, String baseModel, StableDiffusion model, int resolution) {
        return ExportMetadataBuilder.builder()
                .title(title)
                .baseModel(baseModel)
                .family(LoraFamily.valueOf(model.family().name()))
                .paths(new UNetStateDictAdapter(model.unet().config()))
                .resolution(resolution)
                .prediction(predictionType(model))
                .training(Map.of())
                .build();
    }

    /** ModelSpec's word for what the model predicts. */
    private static String predictionType(StableDiffusion model) {
        return switch (model.schedule().prediction()) {
            case Epsilon -> "epsilon";
            case V -> "v";
        };
    }

    /** The same of another title, by which AUTOMATIC1111 calls a file. */
    public ExportMetadata titled(String other) {
        return ExportMetadataBuilder.builder(this).title(other).build();
    }

    /** The same with a trigger. */
    public ExportMetadata withTrigger(@Nullable String phrase) {
        return ExportMetadataBuilder.builder(this).trigger(phrase).build();
    }

    /** The same with more said of the training. */
    public ExportMetadata with(Map<String, String> more) {
        Map<String, String> all = new TreeMap<>(training);
        all.putAll(more);
        return ExportMetadataBuilder.builder(this).training(all).build();
    }

    /** As safetensors metadata: kohya's {@code ss_…} and Stability's {@code modelspec.…}. */
    Map<String, String> entries() {
        Map<String, String> meta = new TreeMap<>(training);
        meta.putAll(defaults(title, family));
        meta.put("ss_sd_model_name", baseModel);
        meta.put("ss_resolution", "(%1$d, %1$d)".formatted(resolution));
        meta.put("modelspec.resolution", "%1$dx%1$d".formatted(resolution));
        meta.put("modelspec.prediction_type", prediction);
        if (trigger != null) {
            meta.put("modelspec.trigger_phrase", trigger);
        }
        return meta;
    }

    /** The same of a whole model in which training is, not of an adapter for it. */
    Map<String, String> ofWholeModel() {
        Map<String, String> meta = new TreeMap<>(entries());
        meta.remove("ss_network_module");
        meta.put("modelspec.architecture", family.architecture().replace("/lora", ""));
        return meta;
    }

    /** What every file says. */
    static Map<String, String> defaults(String title, LoraFamily family) {
        return Map.of(
                "format",
                "pt",
                "ss_v2",
                "False",
                "ss_base_model_version",
                family.baseModelVersion(),
                "ss_network_module",
                "networks.lora",
                "ss_output_name",
                title,
                "modelspec.sai_model_spec",
                MODEL_SPEC,
                "modelspec.architecture",
                family.architecture(),
                "modelspec.implementation",
                family.implementation(),
                "modelspec.title",
                title);
    }
}
